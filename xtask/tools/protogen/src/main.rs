//! Turns the wire contract into Rust: `protogen CONTRACT.proto OUT_DIR`.
//!
//! The contract is parsed by protox, so no `protoc` is needed. The output is deterministic and
//! checked in; `cargo xtask generate --check` compares.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [contract, out_dir] = arguments.as_slice() else {
        eprintln!("usage: protogen CONTRACT.proto OUT_DIR");
        return ExitCode::from(2);
    };
    match generate(Path::new(contract), Path::new(out_dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("protogen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn generate(contract: &Path, out_dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let include = contract.parent().ok_or("the contract has no folder")?;
    let files = protox::compile([contract], [include])?;
    std::fs::create_dir_all(out_dir)?;
    let mut config = prost_build::Config::new();
    config
        .out_dir(out_dir)
        // Payloads are cut out of the receive buffer by reference count instead of being copied.
        .bytes(["."])
        // The comments of the contract are indented lists and ASCII art to rustdoc.
        .disable_comments(["."]);
    config.compile_fds(files)?;
    Ok(())
}
