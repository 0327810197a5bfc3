//! Compares heartbeat policies in simulated worlds:
//!
//! ```text
//! cargo run --release -p pulsegate-proto --features sim --example heartbeat -- --seed 1
//! ```
//!
//! What the columns mean is told in `docs/HEARTBEAT.md`.
#![allow(clippy::print_stdout, reason = "a command says what it found on standard output")]

mod plot;

use pulsegate_proto::heartbeat::Stepped;
use pulsegate_proto::sim::{Policy, Row, Setting, Stratum, rows};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
Compares heartbeat policies in simulated worlds.

  --seed N          seed of the worlds (1)
  --clients N       clients a stratum (300)
  --days N          days they live (14)
  --stratum NAME    only this stratum; may be repeated
  --json            one JSON object a line, a policy and stratum each, instead of the table
  --plots FOLDER    write silences.svg, delays.svg and convergence.svg there (target/heartbeat)
  --no-plots        write no plots
  --stepped-table   the published run of the original design, line by line, and nothing else";

struct Options {
    setting: Setting,
    strata: Vec<Stratum>,
    json: bool,
    plots: Option<PathBuf>,
    stepped_table: bool,
}

fn options() -> Result<Option<Options>, String> {
    let mut options = Options {
        setting: Setting { seed: 1, clients: 300, days: 14 },
        strata: Vec::new(),
        json: false,
        plots: Some(PathBuf::from("target/heartbeat")),
        stepped_table: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--seed" => options.setting.seed = number(&word, &value()?)?,
            "--clients" => options.setting.clients = number(&word, &value()?)?,
            "--days" => options.setting.days = number(&word, &value()?)?,
            "--stratum" => options.strata.push(stratum(&value()?)?),
            "--json" => options.json = true,
            "--plots" => options.plots = Some(value()?.into()),
            "--no-plots" => options.plots = None,
            "--stepped-table" => options.stepped_table = true,
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("unknown option {word}; --help lists them")),
        }
    }
    if options.setting.clients == 0 || options.setting.days == 0 {
        return Err("--clients and --days are at least 1".into());
    }
    if options.strata.is_empty() {
        options.strata = Stratum::ALL.to_vec();
    }
    Ok(Some(options))
}

fn number<N: std::str::FromStr>(option: &str, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{option}: expected a whole number, got {text:?}"))
}

fn stratum(name: &str) -> Result<Stratum, String> {
    let names = || Stratum::ALL.iter().map(|stratum| stratum.name()).collect::<Vec<_>>().join(", ");
    let found = Stratum::ALL.iter().find(|stratum| stratum.name() == name);
    found.copied().ok_or_else(|| format!("--stratum: expected one of {}; got {name:?}", names()))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("heartbeat: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    if options.stepped_table {
        Stepped::published_run().iter().for_each(|line| println!("{line}"));
        return Ok(());
    }
    let Setting { seed, clients, days } = options.setting;
    if !options.json {
        println!("seed {seed}, {clients} clients a stratum, {days} days");
    }
    let mut mix = None;
    for &stratum in &options.strata {
        let table = rows(options.setting, stratum, Policy::ALL);
        if !options.json {
            println!("\n{}", stratum.name());
            println!(
                "{:<10} {:>9} {:>8} {:>8} {:>8} {:>9} {:>8} {:>9} {:>12} {:>9} {:>6} {:>8}",
                "",
                "beats/d",
                "kB/d",
                "deaths/d",
                "links/d",
                "delay s",
                "p99 s",
                "p99.9 s",
                "unreach s/d",
                "h to 90%",
                "never",
                "x oracle"
            );
        }
        for row in &table {
            println!("{}", if options.json { json(row) } else { line(row) });
        }
        if stratum == Stratum::Mix {
            mix = Some(table);
        }
    }
    if let Some(folder) = options.plots {
        std::fs::create_dir_all(&folder).map_err(|fault| format!("{}: {fault}", folder.display()))?;
        let mix = mix.unwrap_or_else(|| rows(options.setting, Stratum::Mix, Policy::ALL));
        plot::silences(&folder.join("silences.svg"))?;
        plot::delays(&folder.join("delays.svg"), &mix)?;
        plot::convergence(&folder.join("convergence.svg"), options.setting)?;
        if !options.json {
            println!("\nplots: {}", folder.display());
        }
    }
    Ok(())
}

fn line(row: &Row) -> String {
    format!(
        "{:<10} {:>9.1} {:>8.1} {:>8.2} {:>8.2} {:>9.2} {:>8.1} {:>9.1} {:>12.1} {:>9.2} {:>6.2} {:>8.2}",
        row.policy,
        row.beats_per_day,
        row.kb_per_day,
        row.idle_deaths_per_day,
        row.reconnects_per_day,
        row.push_delay_mean_s,
        row.push_delay_p99_s,
        row.push_delay_p999_s,
        row.unreachable_s_per_day,
        row.hours_to_90_median,
        row.never_share,
        row.cost_vs_oracle
    )
}

fn json(row: &Row) -> String {
    let numbers = [
        ("beats_per_day", row.beats_per_day),
        ("kb_per_day", row.kb_per_day),
        ("idle_deaths_per_day", row.idle_deaths_per_day),
        ("reconnects_per_day", row.reconnects_per_day),
        ("push_delay_mean_s", row.push_delay_mean_s),
        ("push_delay_p99_s", row.push_delay_p99_s),
        ("push_delay_p999_s", row.push_delay_p999_s),
        ("unreachable_s_per_day", row.unreachable_s_per_day),
        ("hours_to_90_median", row.hours_to_90_median),
        ("never_share", row.never_share),
        ("cost_vs_oracle", row.cost_vs_oracle),
    ];
    // Names of policies and strata are letters, digits and hyphens: nothing to escape.
    let mut text = format!("{{\"policy\":\"{}\",\"stratum\":\"{}\"", row.policy, row.stratum);
    for (name, number) in numbers {
        text.push_str(&format!(",\"{name}\":{number:.4}"));
    }
    text.push('}');
    text
}
