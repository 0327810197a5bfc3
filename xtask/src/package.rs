//! The npm package: Rust core -> wasm -> glue -> smaller wasm -> `build.mjs` -> `client-wasm/dist`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::failure::Failure;
use crate::house::House;
use crate::shell::{capture, cargo, command, npm, path_with, run, say, step};
use crate::{node, system, tools};

/// Cargo's name for the browser core.
const CORE: &str = "pulsegate-client-wasm";
/// What decides the content of the package.
const SOURCES: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "proto/Cargo.toml",
    "proto/src",
    "client-wasm/Cargo.toml",
    "client-wasm/src",
    "client-wasm/js",
    "xtask/src/package.rs",
];
/// Written last: its age is the age of the package.
const STAMP: &str = "client-wasm/dist/.built";

/// Builds the package.
///
/// # Errors
/// When a tool is missing or a step fails.
pub fn package(house: &House) -> Result<(), Failure> {
    system::node()?;
    system::wasm_target(house)?;
    let tools = tools::wasm_tools(house)?;
    let js = house.at("client-wasm/js");
    node::install(house, &js)?;
    let pkg = house.at("client-wasm/pkg");
    step("compile the browser core to wasm", || {
        run(cargo(&[
            "build",
            "--locked",
            "--target",
            "wasm32-unknown-unknown",
            "--profile",
            "wasm",
            "-p",
            CORE,
        ])
        .current_dir(&house.root))
    })?;
    step("bind and shrink it", || {
        let raw =
            house.target.join("wasm32-unknown-unknown/wasm").join(format!("{}.wasm", CORE.replace('-', "_")));
        run(command(
            tools.join("wasm-bindgen"),
            &["--target", "web", "--no-typescript", "--remove-producers-section", "--out-name", "pulsegate"],
        )
        .arg("--out-dir")
        .arg(&pkg)
        .arg(&raw))?;
        let bound = pkg.join("pulsegate_bg.wasm");
        run(command("node", &["snip.mjs"]).arg(&bound).current_dir(&js))?;
        // The last one with names: by it `sizes --report` tells whose bytes they are.
        fs::copy(&bound, pkg.join("named.wasm")).map_err(Failure::io(bound.display()))?;
        run(command(
            js.join("node_modules/.bin/wasm-opt"),
            &["-Oz", "--converge", "--strip-debug", "--strip-producers", "--strip-target-features", "-o"],
        )
        .arg(&bound)
        .arg(&bound))
    })?;
    step("build the npm package", || {
        run(command("node", &["build.mjs"])
            .current_dir(&js)
            .env("PATH", path_with(&[tools, js.join("node_modules/.bin")])?))
    })?;
    let stamp = house.at(STAMP);
    fs::write(&stamp, "").map_err(Failure::io(stamp.display()))
}

/// Builds the package unless it is newer than everything it is made of.
///
/// # Errors
/// Those of [`package`].
pub fn package_if_stale(house: &House) -> Result<(), Failure> {
    if is_fresh(house) {
        say("the npm package is up to date");
        return Ok(());
    }
    package(house)
}

/// Packs the package as npm would publish it and returns the tarball.
///
/// # Errors
/// When npm fails.
pub fn tarball(house: &House) -> Result<PathBuf, Failure> {
    let dist = house.dist();
    let folder = house.target.join("npm");
    fs::create_dir_all(&folder).map_err(Failure::io(folder.display()))?;
    let name = capture(npm(&dist, &["pack", "--silent", "--pack-destination"]).arg(&folder))?;
    match name.lines().last() {
        Some(name) if !name.trim().is_empty() => Ok(folder.join(name.trim())),
        _ => Err(Failure::new("npm pack did not name its tarball")),
    }
}

fn is_fresh(house: &House) -> bool {
    let built = fs::metadata(house.at(STAMP)).and_then(|meta| meta.modified());
    let Ok(built) = built else { return false };
    SOURCES.iter().all(|source| newest(&house.at(source)).is_some_and(|changed| changed <= built))
}

/// The latest change in a file or folder, leaving out what is installed or built there.
fn newest(path: &Path) -> Option<SystemTime> {
    let meta = fs::metadata(path).ok()?;
    if !meta.is_dir() {
        return meta.modified().ok();
    }
    // The folder's own time counts too: a deleted file leaves no other trace.
    let mut latest = meta.modified().ok()?;
    for entry in fs::read_dir(path).ok()?.flatten() {
        if matches!(entry.file_name().to_str(), Some("node_modules" | "dist" | "pkg" | "target")) {
            continue;
        }
        latest = latest.max(newest(&entry.path())?);
    }
    Some(latest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use super::*;

    #[test]
    fn installed_packages_do_not_make_the_sources_newer() {
        let folder = std::env::temp_dir().join(format!("pulsegate-newest-{}", std::process::id()));
        let source = folder.join("src");
        let installed = folder.join("node_modules");
        fs::create_dir_all(&source).unwrap();
        fs::create_dir_all(&installed).unwrap();
        fs::write(source.join("a.ts"), "a").unwrap();
        let age = |path: &Path, seconds: u64| {
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            fs::File::open(path).unwrap().set_modified(at).unwrap();
        };
        fs::write(installed.join("b.js"), "b").unwrap();
        age(&source.join("a.ts"), 2_000);
        age(&source, 1_000);
        age(&folder, 1_500);
        assert_eq!(newest(&folder), Some(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(2_000)));
        fs::remove_dir_all(&folder).unwrap();
    }
}
