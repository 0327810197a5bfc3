//! Runs the load tools of `tests/src/bin/bench_*.rs` and prints what they measure. Nothing is asserted
//! on wall time: a busy machine must not turn a build red.

use std::fs;

use crate::failure::Failure;
use crate::house::House;
use crate::package;
use crate::shell::{capture, cargo, command, print, run, say, shown, step};

/// Builds the gateway and the load tools for release and runs each of them.
///
/// # Errors
/// When one does not build or does not end well.
pub fn bench(house: &House) -> Result<(), Failure> {
    build(house)?;
    let folder = house.target.join("release");
    for tool in &bench_tools(house)? {
        let mut load = command(folder.join(tool), &[]);
        load.current_dir(&house.root).env("PULSEGATE_BIN", house.gateway("release"));
        say(shown(&load));
        let figures = step(tool, || capture(&mut load))?;
        print(format_args!("$ {}", shown(&load)));
        print(figures.trim_end());
    }
    Ok(())
}

/// Only builds what [`bench()`] runs: CI does so beside its tests, which mostly wait.
///
/// # Errors
/// When something does not build.
pub fn build(house: &House) -> Result<(), Failure> {
    let tools = bench_tools(house)?;
    // The gateway carries the files of the package.
    package::package_if_stale(house)?;
    step("build the gateway and the load tools for release", || {
        let mut build =
            cargo(&["build", "--locked", "--release", "-p", "pulsegate-gateway", "-p", "pulsegate-tests"]);
        build.args(["--bin", "pulsegate"]);
        for tool in &tools {
            build.args(["--bin", tool]);
        }
        run(build.current_dir(&house.root))
    })
}

fn bench_tools(house: &House) -> Result<Vec<String>, Failure> {
    let folder = house.at("tests/src/bin");
    let mut tools: Vec<String> = fs::read_dir(&folder)
        .map_err(Failure::io(folder.display()))?
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_string()))
        .filter(|name| name.starts_with("bench_"))
        .collect();
    if tools.is_empty() {
        return Err(Failure::new(format!("no bench_*.rs in {}", house.short(&folder).display())));
    }
    tools.sort();
    Ok(tools)
}
