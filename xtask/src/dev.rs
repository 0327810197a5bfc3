//! `cargo xtask dev`: from a clean checkout to the demo page in one command.

use std::process::{Command, ExitCode};

use crate::failure::Failure;
use crate::house::House;
use crate::package;
use crate::shell::{cargo, run, say, step};

/// Builds what is stale, then becomes the gateway.
///
/// Everything said before goes to standard error: the first line of standard output is the gateway's.
///
/// # Errors
/// When something does not build or the gateway cannot be started.
pub fn dev(house: &House, arguments: &[&str]) -> Result<ExitCode, Failure> {
    package::package_if_stale(house)?;
    // The dev profile: it is ready in a third of the time, and one person's page never notices.
    step("build the gateway", || {
        run(cargo(&["build", "--locked", "-p", "pulsegate-gateway", "--bin", "pulsegate"])
            .current_dir(&house.root))
    })?;
    say("pulsegate dev");
    let mut gateway = Command::new(house.gateway("debug"));
    gateway.arg("dev").args(arguments);
    become_process(gateway)
}

/// Replaces this process, so that signals, exit code and terminal are the gateway's own.
#[cfg(unix)]
fn become_process(mut gateway: Command) -> Result<ExitCode, Failure> {
    use std::os::unix::process::CommandExt;
    Err(Failure::new(format!("cannot start the gateway: {}", gateway.exec())))
}

/// Waits for the gateway; the console sends Ctrl-C to both.
#[cfg(not(unix))]
fn become_process(mut gateway: Command) -> Result<ExitCode, Failure> {
    let status = gateway.status().map_err(Failure::io("cannot start the gateway"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
