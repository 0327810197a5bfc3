//! The protobuf code of the contract: written by the tool in `tools/protogen`, checked in, compared by CI.

use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::house::House;
use crate::shell::{cargo, command, run, step};

const CONTRACT: &str = "proto/contract/pulsegate.proto";
const GENERATED: &str = "proto/src/generated";
const FILE: &str = "pulsegate.v1.rs";

/// Writes the generated file into the checkout.
///
/// # Errors
/// When the contract does not parse or the file cannot be written.
pub fn write(house: &House) -> Result<(), Failure> {
    step("generate the protobuf code", || into(house, &house.at(GENERATED)))
}

/// Fails if the checked-in file is not what the contract gives.
///
/// # Errors
/// Says what to run when they differ.
pub fn check(house: &House) -> Result<(), Failure> {
    step("compare the protobuf code with the contract", || {
        let fresh = house.target.join("generated");
        into(house, &fresh)?;
        let read = |folder: &Path| {
            let path = folder.join(FILE);
            fs::read_to_string(&path).map_err(Failure::io(path.display()))
        };
        if read(&fresh)? == read(&house.at(GENERATED))? {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{GENERATED}/{FILE} is not what {CONTRACT} gives: run `cargo xtask generate`"
        )))
    })
}

fn into(house: &House, folder: &Path) -> Result<(), Failure> {
    let tool = house.at("xtask/tools/protogen");
    run(cargo(&["run", "--quiet", "--locked", "--"])
        .arg(house.at(CONTRACT))
        .arg(folder)
        .current_dir(&tool)
        .env("CARGO_TARGET_DIR", house.target.join("protogen")))?;
    // The generator has a style of its own; one formatter for all files keeps `cargo fmt` quiet.
    run(command("rustfmt", &["--edition", "2024", "--config-path"]).arg(&house.root).arg(folder.join(FILE)))
}
