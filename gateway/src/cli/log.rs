//! The log: JSON or text on standard error, filtered by `RUST_LOG`.

use clap::ValueEnum;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Everything from ourselves; of the store's engine and of HTTP clients only what is wrong.
const USUAL: &str = "info,fjall=warn,lsm_tree=warn,hyper=warn,reqwest=warn,rustls=warn";

/// Starts logging. Values are escaped by the formatter, so that a peer's text cannot forge a line.
pub(super) fn start(form: Form) {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = EnvFilter::builder().parse_lossy(format!("{USUAL},{asked}"));
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // Fails only where a log was started before, in a test.
    let _ = match form {
        Form::Text => log.with_ansi(std::io::stderr().is_terminal()).try_init(),
        Form::Json => log.json().flatten_event(true).try_init(),
    };
}
