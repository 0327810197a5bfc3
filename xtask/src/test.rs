//! `cargo xtask test`: sees to everything a fresh machine lacks, then runs every test there is.

mod gateway;
mod scratch;
mod ticker;
mod wasm;

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::house::House;
use crate::shell::{Show, cargo, npm, overhear, path_with, print, run, say, step};
use crate::system::Chromium;
use crate::tally::Tally;
use crate::{node, package, system, tools};
use scratch::Scratch;
use wasm::Engine;

/// A group of tests with one runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Doc,
    Nat,
    Wasm,
    Js,
    Browser,
    Firefox,
    Bundler,
}

const ALL: [(Part, &str); 8] = [
    (Part::Host, "host"),
    (Part::Doc, "doc"),
    (Part::Nat, "nat"),
    (Part::Wasm, "wasm"),
    (Part::Js, "js"),
    (Part::Browser, "browser"),
    (Part::Firefox, "firefox"),
    (Part::Bundler, "bundler"),
];

/// What the set-up made and the parts use.
#[derive(Clone)]
struct Bench<'h> {
    house: &'h House,
    scratch: &'h Scratch,
    show: Show,
    path: OsString,
    chromium: Option<Chromium>,
    firefox: Option<Firefox>,
    tarball: Option<PathBuf>,
}

/// Firefox and its `WebDriver`.
#[derive(Clone)]
struct Firefox {
    browser: PathBuf,
    geckodriver: PathBuf,
}

/// How a part ended.
struct Outcome {
    name: &'static str,
    tally: Tally,
    took: Duration,
    trouble: Option<String>,
}

/// Runs the named parts, or all of them; the last line is `N passed, N failed`.
///
/// # Errors
/// When the set-up fails. Failing tests are no error of the workshop: they are its exit code.
pub fn test(house: &House, names: &[&str]) -> Result<ExitCode, Failure> {
    let mut parts = chosen(names)?;
    if parts.iter().any(|(part, _)| *part == Part::Nat)
        && let Some(why) = system::nat_lab(house)?
    {
        say(format_args!("SKIPPED: the NAT lab (part nat): {why}"));
        parts.retain(|(part, _)| *part != Part::Nat);
    }
    let scratch = Scratch::make()?;
    let bench = set_up(house, &parts, &scratch)?;
    // The parts that mostly wait run in two lanes at the end; the others want the processors for themselves.
    let (beside, rest): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(part, _)| part.waits_beside());
    let (last, first): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(part, _)| *part == Part::Browser);
    let mut outcomes = bench.run_all(&first);
    let quiet = Bench { show: if last.is_empty() { Show::Live } else { Show::AtEnd }, ..bench.clone() };
    let (mut main, side) = std::thread::scope(|scope| {
        let side = scope.spawn(|| quiet.run_all(&beside));
        (bench.run_all(&last), side.join())
    });
    outcomes.append(&mut main);
    outcomes.extend(side.map_err(|_| Failure::new("the lane beside the browser tests broke down"))?);
    Ok(conclude(&outcomes))
}

impl Part {
    /// Whether it runs beside the browser tests: it starts programs and waits for them, as they do.
    fn waits_beside(self) -> bool {
        matches!(self, Self::Nat | Self::Js | Self::Bundler)
    }

    /// The folder of its npm package, for a part that is one.
    fn package(self) -> Option<&'static str> {
        match self {
            Self::Js => Some("client-wasm/js"),
            Self::Nat | Self::Browser | Self::Firefox => Some("tests/browser"),
            Self::Bundler => Some("tests/bundler"),
            Self::Host | Self::Doc | Self::Wasm => None,
        }
    }
}

fn chosen(names: &[&str]) -> Result<Vec<(Part, &'static str)>, Failure> {
    if names.is_empty() {
        return Ok(ALL.to_vec());
    }
    names
        .iter()
        .map(|wanted| {
            ALL.iter().find(|(_, name)| name == wanted).copied().ok_or_else(|| {
                let known: Vec<&str> = ALL.iter().map(|(_, name)| *name).collect();
                Failure::new(format!("there is no part \"{wanted}\": {}", known.join(" ")))
            })
        })
        .collect()
}

fn set_up<'h>(
    house: &'h House,
    parts: &[(Part, &'static str)],
    scratch: &'h Scratch,
) -> Result<Bench<'h>, Failure> {
    let any = |wanted: &[Part]| parts.iter().any(|(part, _)| wanted.contains(part));
    let mut folders = Vec::new();
    let chromium = if any(&[Part::Nat, Part::Wasm, Part::Browser, Part::Bundler]) {
        Some(system::chromium(house)?)
    } else {
        None
    };
    let firefox = if any(&[Part::Firefox]) {
        Some(Firefox { browser: system::firefox(house)?, geckodriver: tools::geckodriver(house)? })
    } else {
        None
    };
    if any(&[Part::Host, Part::Nat]) {
        folders.push(tools::cargo_tools(house)?);
    }
    if any(&[Part::Nat, Part::Wasm, Part::Js, Part::Browser, Part::Firefox, Part::Bundler]) {
        system::node()?;
        system::wasm_target(house)?;
        folders.push(tools::wasm_tools(house)?);
    }
    if parts.iter().any(|(part, _)| *part != Part::Doc) {
        // Before the gateway: it carries the files of the package.
        package::package_if_stale(house)?;
    }
    if any(&[Part::Host, Part::Nat, Part::Wasm, Part::Browser, Part::Firefox, Part::Bundler]) {
        step("build the gateway", || {
            run(cargo(&["build", "--locked", "-p", "pulsegate-gateway", "--bin", "pulsegate"])
                .current_dir(&house.root))
        })?;
    }
    let tarball = if any(&[Part::Bundler]) { Some(package::tarball(house)?) } else { None };
    // Here, not where they are used: two parts share a folder, and may run at the same time.
    for folder in parts.iter().filter_map(|(part, _)| part.package()) {
        let path = node::package(house, folder)
            .ok_or_else(|| Failure::new(format!("{folder} has no package-lock.json")))?;
        node::install(house, &path)?;
    }
    Ok(Bench { house, scratch, show: Show::Live, path: path_with(&folders)?, chromium, firefox, tarball })
}

impl Bench<'_> {
    /// One part after the other.
    fn run_all(&self, parts: &[(Part, &'static str)]) -> Vec<Outcome> {
        let outcome = |(part, name): &(Part, &'static str)| {
            say(format_args!("test: {name}"));
            let began = Instant::now();
            let (tally, trouble) = match self.run(*part) {
                Ok((tally, success)) => (tally, judge(*part, tally, success)),
                Err(failure) => (Tally::default(), Some(failure.to_string())),
            };
            Outcome { name, tally, took: began.elapsed(), trouble }
        };
        parts.iter().map(outcome).collect()
    }

    /// Runs a part: what was counted, and whether every runner ended well.
    fn run(&self, part: Part) -> Result<(Tally, bool), Failure> {
        match part {
            // All of the lab at once: it waits for time-outs.
            Part::Host => self.nextest(2 * processors(), "not binary(nat)", &[]),
            Part::Nat => self.nextest(16, "binary(nat)", &[("PULSEGATE_NAT_LAB", "1")]),
            Part::Doc => self.hear(
                cargo(&["test", "--locked", "--workspace", "--doc", "--no-fail-fast"])
                    .current_dir(&self.house.root),
            ),
            Part::Wasm => self.wasm_pack(&Engine::Chromium),
            Part::Js | Part::Bundler => self.npm_test(part, &[]),
            Part::Browser => self.npm_test(part, &[("PULSEGATE_BROWSER", "chromium")]),
            Part::Firefox => self.in_firefox(),
        }
    }

    fn nextest(
        &self,
        threads: usize,
        filter: &str,
        environment: &[(&str, &str)],
    ) -> Result<(Tally, bool), Failure> {
        self.hear(
            cargo(&["nextest", "run", "--locked", "--workspace", "--no-fail-fast", "--config-file"])
                .arg(self.house.at(".ci/nextest.toml"))
                .arg(format!("--test-threads={threads}"))
                .args(["--filterset", filter])
                .envs(environment.iter().copied())
                .current_dir(&self.house.root),
        )
    }

    /// The browser core in all its places, then the same end-to-end tests as in Chromium.
    fn in_firefox(&self) -> Result<(Tally, bool), Failure> {
        let Some(firefox) = &self.firefox else { return Err(Failure::new("Firefox was not set up")) };
        let (core, core_well) = self.wasm_pack(&Engine::Firefox { geckodriver: &firefox.geckodriver })?;
        let (ends, ends_well) = self.npm_test(Part::Firefox, &[("PULSEGATE_BROWSER", "firefox")])?;
        Ok((core + ends, core_well && ends_well))
    }

    fn npm_test(&self, part: Part, environment: &[(&str, &str)]) -> Result<(Tally, bool), Failure> {
        let folder = part.package().ok_or_else(|| Failure::new("this part is no npm package"))?;
        self.hear(npm(&self.house.at(folder), &["test"]).envs(environment.iter().copied()))
    }

    fn hear(&self, command: &mut Command) -> Result<(Tally, bool), Failure> {
        command
            .env("PATH", &self.path)
            .env("TMPDIR", self.scratch.path())
            .env("PULSEGATE_BIN", self.house.gateway("debug"))
            .env("PULSEGATE_DIST", self.house.dist());
        if let Some(found) = &self.chromium {
            command.env("CHROMIUM", &found.chromium).env("CHROMEDRIVER", &found.chromedriver);
        }
        if let Some(found) = &self.firefox {
            command.env("FIREFOX", &found.browser);
        }
        if let Some(tarball) = &self.tarball {
            command.env("PULSEGATE_TARBALL", tarball);
        }
        let heard = overhear(command, self.show)?;
        Ok((Tally::of(&heard.text), heard.success))
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// What is wrong with a part beyond the tests it counted as failed.
fn judge(part: Part, tally: Tally, success: bool) -> Option<String> {
    if !success && tally.failed == 0 {
        return Some("the runner failed without naming a test".to_string());
    }
    if success && tally.failed > 0 {
        return Some("the runner counted failures and ended well all the same".to_string());
    }
    // Examples in documentation are welcome, not owed.
    if tally.ran() == 0 && part != Part::Doc {
        return Some("no test ran".to_string());
    }
    None
}

fn conclude(outcomes: &[Outcome]) -> ExitCode {
    print("");
    for outcome in outcomes {
        let Outcome { name, tally, took, trouble } = outcome;
        let note = trouble.as_ref().map(|trouble| format!("  ({trouble})")).unwrap_or_default();
        print(format_args!(
            "{name:<8} {:>5} passed {:>4} failed {:>7.1} s{note}",
            tally.passed,
            tally.failed,
            took.as_secs_f64()
        ));
    }
    let mut sum: Tally = outcomes.iter().map(|outcome| outcome.tally).sum();
    // A part that broke down is one failure, or the sum would look green.
    sum.failed += outcomes.iter().map(|outcome| u64::from(outcome.trouble.is_some())).sum::<u64>();
    print(format_args!("{} passed, {} failed", sum.passed, sum.failed));
    if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_without_tests_is_in_trouble() {
        assert!(judge(Part::Js, Tally::default(), true).is_some());
        assert!(judge(Part::Doc, Tally::default(), true).is_none());
    }

    #[test]
    fn a_runner_and_its_count_must_agree() {
        let good = Tally { passed: 3, failed: 0 };
        let bad = Tally { passed: 2, failed: 1 };
        assert!(judge(Part::Host, good, true).is_none());
        assert!(judge(Part::Host, bad, false).is_none(), "counted as failed already");
        assert!(judge(Part::Host, good, false).is_some());
        assert!(judge(Part::Host, bad, true).is_some());
    }

    #[test]
    fn an_unknown_part_is_named() {
        assert!(chosen(&["host", "nothing"]).is_err_and(|failure| failure.to_string().contains("nothing")));
    }
}
