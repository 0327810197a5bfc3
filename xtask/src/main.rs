//! The workshop: `cargo xtask dev` shows the house, `cargo xtask test` proves it, `.ci/run` calls the rest.

mod arch;
mod bench;
mod dev;
mod failure;
mod generate;
mod house;
mod lint;
mod node;
mod package;
mod reference;
mod shell;
mod sizes;
mod support;
mod sweep;
mod system;
mod tally;
mod test;
mod tools;

use std::process::ExitCode;

use failure::Failure;
use house::House;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  dev [--listen ADDR]   build everything and run the gateway with the demo page
  test [PART]...        install what is needed and run every test (parts: host doc wasm js browser firefox bundler)
  package               build the npm package into client-wasm/dist
  sizes [--report]      compressed sizes of the package against their bars (or: what each module costs)
  support [--check]     write (or compare) docs/BROWSER_SUPPORT.md from what the tests left
  bench [--build]       memory a connection, deliveries a processor-second, publishes a sync (or only build)
  generate [--check]    write (or compare) the protobuf code and the API reference in docs/api
  arch                  check the invariants of docs/ARCHITECTURE.md
  lint                  formatting, clippy, rustdoc, licences, unused dependencies
  tools                 build and fetch the tools into the cache folder, nothing else
  sweep                 drop what earlier checkouts left in the cache folder";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match act(&words) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn act(words: &[&str]) -> Result<ExitCode, Failure> {
    let house = House::open()?;
    let done = |result: Result<(), Failure>| result.map(|()| ExitCode::SUCCESS);
    match words {
        ["dev", rest @ ..] => dev::dev(&house, rest),
        ["test", parts @ ..] => test::test(&house, parts),
        ["package"] => done(package::package(&house)),
        ["support"] => done(support::write(&house)),
        ["support", "--check"] => done(support::check(&house)),
        ["sizes"] => done(sizes::sizes(&house)),
        ["sizes", "--report"] => done(sizes::report(&house)),
        ["bench"] => done(bench::bench(&house)),
        ["bench", "--build"] => done(bench::build(&house)),
        ["generate"] => done(generate::write(&house).and_then(|()| reference::write(&house))),
        ["generate", "--check"] => done(generate::check(&house).and_then(|()| reference::check(&house))),
        ["arch"] => done(arch::arch(&house)),
        ["lint"] => done(lint::lint(&house)),
        ["tools"] => done(tools::wasm_tools(&house).and(tools::cargo_tools(&house)).map(drop)),
        ["sweep"] => done(sweep::sweep(&house)),
        ["help" | "--help" | "-h"] => {
            shell::print(USAGE);
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}
