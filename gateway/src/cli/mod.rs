//! The command line. Standard output carries what was asked for and nothing else; everything that
//! is for people or goes wrong is on standard error.

mod backend;
mod dev;
mod doctor;
mod exit;
mod key;
mod log;
mod publish;
mod serve;
mod store;
mod token;
mod trace;

pub use dev::DEMO_APP;

use clap::{Args, Parser, Subcommand};
use exit::{Exit, Outcome};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Self-hosted push for the web.
#[derive(Debug, Parser)]
#[command(name = "pulsegate", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How the log on standard error is written.
    #[arg(long, global = true, value_enum, default_value_t = log::Form::Text, env = "PULSEGATE_LOG")]
    log: log::Form,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs everything on loopback, with throw-away keys and the demo page.
    Dev(dev::DevArgs),
    /// Runs a gateway.
    Serve(ServeArgs),
    /// Makes server keys.
    Key {
        #[command(subcommand)]
        command: key::KeyCommand,
    },
    /// Signs a device token, for trying things out.
    Token(token::TokenArgs),
    /// Publishes one message.
    Publish(publish::PublishArgs),
    /// Shows where a message went, and why not further.
    Trace(trace::TraceArgs),
    /// Copies and renews the embedded store, while no gateway runs on it.
    Store {
        #[command(subcommand)]
        command: store::StoreCommand,
    },
    /// Looks for what would keep a gateway from working.
    Doctor(doctor::DoctorArgs),
}

/// Where the configuration is, and what is put over it.
#[derive(Debug, Args)]
struct ServeArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    over: Over,
}

/// Options that go before the file and the environment.
#[derive(Clone, Debug, Args)]
struct Over {
    /// Where devices and publishers come in; port 0: a free one.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,
    /// Where health, metrics and console are.
    #[arg(long, value_name = "IP:PORT")]
    admin_listen: Option<String>,
    /// Folder of the embedded store.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
}

impl Over {
    /// As variables of the environment, which they go before.
    fn variables(&self) -> Vec<(String, String)> {
        [
            ("PULSEGATE_LISTEN", &self.listen),
            ("PULSEGATE_ADMIN_LISTEN", &self.admin_listen),
            ("PULSEGATE_DATA_DIR", &self.data_dir),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
        .collect()
    }
}

/// Runs what the command line asks for.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    log::start(cli.log);
    let outcome = match cli.command {
        Command::Dev(args) => dev::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Key { command } => key::run(&command),
        Command::Token(args) => token::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Store { command } => store::run(&command),
        Command::Doctor(args) => doctor::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            if !exit.line.is_empty() {
                // Standard error may be closed; there is nobody left to tell then.
                let _ = writeln!(std::io::stderr(), "pulsegate: {}", exit.line);
            }
            ExitCode::from(exit.code)
        }
    }
}

/// Writes lines to standard output and sees to it that they leave: a pipe is block-buffered.
fn say(lines: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(lines.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Exit::new(exit::FAILED, format!("standard output: {error}")))
}

/// Runs `work` on a runtime of its own.
fn block_on<T>(work: impl Future<Output = Result<T, Exit>>) -> Result<T, Exit> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Exit::new(exit::FAILED, format!("no runtime: {error}")))?
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
