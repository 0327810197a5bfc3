//! The API reference of the npm package: written by TypeDoc from the sources' types and comments into
//! `docs/api`, checked in, compared by CI.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::house::House;
use crate::shell::{command, run, step};
use crate::{node, system};

const REFERENCE: &str = "docs/api";
const TOOL: &str = "xtask/tools/reference";
const SOURCES: &str = "client-wasm/js";

/// Writes the reference into the checkout.
///
/// # Errors
/// When the sources do not compile, a link in a comment leads nowhere, or a file cannot be written.
pub fn write(house: &House) -> Result<(), Failure> {
    step("write the API reference", || into(house, &house.at(REFERENCE)))
}

/// Fails if the checked-in reference is not what the sources give.
///
/// # Errors
/// Says what to run when they differ.
pub fn check(house: &House) -> Result<(), Failure> {
    step("compare the API reference with the sources", || {
        let fresh = house.target.join("reference");
        into(house, &fresh)?;
        let (fresh, kept) = (pages(&fresh)?, pages(&house.at(REFERENCE))?);
        let differs = fresh.keys().chain(kept.keys()).find(|page| fresh.get(*page) != kept.get(*page));
        match differs {
            None => Ok(()),
            Some(page) => Err(Failure::new(format!(
                "{REFERENCE}/{} is not what {SOURCES} gives: run `cargo xtask generate`",
                page.display()
            ))),
        }
    })
}

fn into(house: &House, folder: &Path) -> Result<(), Failure> {
    system::node()?;
    let tool = house.at(TOOL);
    // The sources' own packages too: the hooks are written in React's types.
    node::install(house, &house.at(SOURCES))?;
    node::install(house, &tool)?;
    run(command("node", &["node_modules/typedoc/bin/typedoc", "--logLevel", "Warn", "--out"])
        .arg(folder)
        .current_dir(&tool))
}

/// Every file below a folder, by its path in it.
fn pages(folder: &Path) -> Result<BTreeMap<PathBuf, String>, Failure> {
    let mut pages = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).map_err(Failure::io(next.display()))?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(name) = path.strip_prefix(folder) {
                let text = fs::read_to_string(&path).map_err(Failure::io(path.display()))?;
                pages.insert(name.to_path_buf(), text);
            }
        }
    }
    Ok(pages)
}
