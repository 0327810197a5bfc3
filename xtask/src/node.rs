//! Folders with a `package.json`: their dependencies, installed only when the lock file changed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::house::House;
use crate::shell::{npm, run, step};
use crate::tools::fnv1a;

/// Says which lock file `node_modules` was made from.
const STAMP: &str = "node_modules/.pulsegate-lock";

/// The folder, if it is a package with a lock file.
pub fn package(house: &House, folder: &str) -> Option<PathBuf> {
    let path = house.at(folder);
    path.join("package-lock.json").is_file().then_some(path)
}

/// `npm ci`, unless what is installed came from this very lock file.
///
/// # Errors
/// When npm fails or the folder cannot be read.
pub fn install(house: &House, folder: &Path) -> Result<(), Failure> {
    let lock = folder.join("package-lock.json");
    let recipe = format!("{:016x}", fnv1a(&fs::read(&lock).map_err(Failure::io(lock.display()))?));
    let stamp = folder.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == recipe) {
        return Ok(());
    }
    step(&format!("npm ci in {}", house.short(folder).display()), || {
        run(&mut npm(folder, &["ci", "--no-audit", "--no-fund", "--prefer-offline"]))
    })?;
    if let Some(modules) = stamp.parent() {
        // A package without dependencies leaves no node_modules behind.
        fs::create_dir_all(modules).map_err(Failure::io(modules.display()))?;
    }
    fs::write(&stamp, recipe).map_err(Failure::io(stamp.display()))
}
