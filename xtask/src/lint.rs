//! What a reviewer should never have to say: format, clippy, rustdoc, licences, unused dependencies.

use crate::failure::Failure;
use crate::house::House;
use crate::shell::{cargo, command, path_with, run, step};
use crate::{system, tools};

/// Runs every lint to its end, so that one run names all that is off.
///
/// # Errors
/// Names the lints that found something.
pub fn lint(house: &House) -> Result<(), Failure> {
    system::wasm_target(house)?;
    let tools = tools::cargo_tools(house)?;
    let path = path_with(std::slice::from_ref(&tools))?;
    let in_house = |arguments: &[&str]| {
        let mut cargo = cargo(arguments);
        cargo.current_dir(&house.root).env("PATH", &path);
        cargo
    };
    let mut off = Vec::new();
    let mut check = |title: &str, command: &mut std::process::Command| {
        if step(title, || run(command)).is_err() {
            off.push(title.to_string());
        }
    };

    check("format", &mut in_house(&["fmt", "--all", "--check"]));
    for tool in ["xtask/tools/protogen", "xtask/tools/wbg"] {
        check(&format!("format {tool}"), cargo(&["fmt", "--check"]).current_dir(house.at(tool)));
    }
    check(
        "clippy",
        &mut in_house(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    );
    const WASM: [&str; 4] = ["clippy", "--locked", "--target", "wasm32-unknown-unknown"];
    let on_wasm = |rest: &[&str]| in_house(&[&WASM, rest, &["--", "-D", "warnings"]].concat());
    check(
        "clippy of the browser core on wasm",
        &mut on_wasm(&["-p", "pulsegate-client-wasm", "--all-targets"]),
    );
    check(
        "clippy of the protocol on wasm, as the browser sees it",
        &mut on_wasm(&["-p", "pulsegate-proto", "--lib", "--no-default-features", "--features", "client"]),
    );
    // Each side alone: a workspace build unites the features and would hide a missing one.
    for features in ["", "server", "client"] {
        check(
            &format!("the protocol alone with features [{features}]"),
            &mut in_house(&[
                "clippy",
                "--locked",
                "-p",
                "pulsegate-proto",
                "--lib",
                "--no-default-features",
                "--features",
                features,
                "--",
                "-D",
                "warnings",
            ]),
        );
    }
    const DOC: [&str; 3] = ["doc", "--locked", "--no-deps"];
    let mut doc = |title: &str, rest: &[&str]| {
        check(title, in_house(&[&DOC, rest].concat()).env("RUSTDOCFLAGS", "-D warnings"));
    };
    doc("rustdoc", &["--workspace", "--exclude", "pulsegate-client-wasm"]);
    doc(
        "rustdoc of the browser core",
        &["-p", "pulsegate-client-wasm", "--target", "wasm32-unknown-unknown"],
    );
    check(
        "licences, bans and sources of dependencies",
        command(tools.join("cargo-deny"), &["--workspace", "--config", ".ci/deny.toml", "check"])
            .args(["bans", "licenses", "sources"])
            .current_dir(&house.root),
    );
    check("unused dependencies", command(tools.join("cargo-shear"), &[]).current_dir(&house.root));

    if off.is_empty() { Ok(()) } else { Err(Failure::new(format!("off: {}", off.join(", ")))) }
}
