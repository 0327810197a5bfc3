//! `docs/BROWSER_SUPPORT.md`: written from the result files that browser and bundler tests leave in
//! `target/support`, and compared with them by CI.

use crate::failure::Failure;
use crate::house::House;
use crate::shell::{command, run, step};
use crate::system;

const SCRIPT: &str = "tests/support/support.mjs";

/// Writes the document.
///
/// # Errors
/// When there are no results to write of.
pub fn write(house: &House) -> Result<(), Failure> {
    system::node()?;
    step("write the support document", || {
        run(command("node", &[]).arg(house.at(SCRIPT)).current_dir(&house.root))
    })
}

/// Fails if a row of the document and a result differ.
///
/// # Errors
/// Names the rows.
pub fn check(house: &House) -> Result<(), Failure> {
    system::node()?;
    step("compare the support document with the tests", || {
        run(command("node", &[]).arg(house.at(SCRIPT)).arg("--check").current_dir(&house.root))
    })
}
