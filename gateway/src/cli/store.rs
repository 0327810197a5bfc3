//! `pulsegate store`: copies and renews the embedded store, while no gateway runs on it.

use super::exit::{CONFIG, Exit, FAILED, IO, Outcome};
use super::say;
use crate::config;
use clap::{Args, Subcommand};
use pulsegate_routing::store::{ArchiveError, Archived, export, import, new_epoch};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// What can be done with a store.
#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Writes everything in it to a file.
    Export {
        #[command(flatten)]
        place: Place,
        /// The file to make; `-`: standard output.
        file: PathBuf,
    },
    /// Fills an empty store from a file. Its epoch is new, so devices are told of a gap, once.
    Import {
        #[command(flatten)]
        place: Place,
        /// The file; `-`: standard input.
        file: PathBuf,
    },
    /// Makes every cursor that devices hold meaningless: after a backup was copied back by hand.
    NewEpoch {
        #[command(flatten)]
        place: Place,
    },
}

/// Where the store is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Place {
    /// The configuration whose data_dir it is.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory itself.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Place {
    fn path(&self) -> Result<PathBuf, Exit> {
        match (&self.data_dir, &self.config) {
            (Some(path), _) => Ok(path.clone()),
            (None, Some(config)) => Ok(config::load(config, &[])?.data_dir),
            // The group asks for one of them.
            (None, None) => Err(Exit::new(CONFIG, "--config or --data-dir is needed")),
        }
    }
}

pub(super) fn run(command: &StoreCommand) -> Outcome {
    match command {
        StoreCommand::Export { place, file } => {
            let done = to_file(&place.path()?, file)?;
            report("exported", &done, file)
        }
        StoreCommand::Import { place, file } => {
            let path = place.path()?;
            let mut input: Box<dyn Read> = match file.as_os_str() == "-" {
                true => Box::new(std::io::stdin().lock()),
                false => Box::new(BufReader::new(File::open(file).map_err(|error| about(file, &error))?)),
            };
            let done = import(&path, &mut input)?;
            report("imported", &done, file)
        }
        StoreCommand::NewEpoch { place } => {
            let epoch = new_epoch(&place.path()?)?;
            say(&format!("epoch {epoch}\n"))
        }
    }
}

/// Under a name of its own first: a half-written file must not look like a backup.
fn to_file(path: &Path, file: &Path) -> Result<Archived, Exit> {
    if file.as_os_str() == "-" {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let done = export(path, &mut out)?;
        out.flush().map_err(|error| about(file, &error))?;
        return Ok(done);
    }
    if file.exists() {
        return Err(Exit::new(FAILED, format!("{} is there already", file.display())));
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let written = write_synced(path, &part);
    match written {
        Ok(done) => {
            std::fs::rename(&part, file).map_err(|error| about(file, &error))?;
            Ok(done)
        }
        Err(exit) => {
            // It may not have been made at all.
            let _ = std::fs::remove_file(&part);
            Err(exit)
        }
    }
}

fn write_synced(path: &Path, part: &Path) -> Result<Archived, Exit> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = File::options()
        .write(true)
        .create_new(true)
        // It holds everything that was published.
        .mode(0o600)
        .open(part)
        .map_err(|error| about(part, &error))?;
    let mut out = BufWriter::new(made);
    let done = export(path, &mut out)?;
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(|error| about(part, &error))?;
    Ok(done)
}

fn about(file: &Path, error: &std::io::Error) -> Exit {
    Exit::new(IO, format!("{}: {error}", file.display()))
}

/// On standard error, because standard output may be the file.
fn report(what: &str, done: &Archived, file: &Path) -> Outcome {
    tracing::info!(
        rows = done.rows,
        damaged = done.damaged,
        file = %file.display(),
        "{what}"
    );
    if done.damaged > 0 {
        return Err(Exit::new(
            FAILED,
            format!("{} damaged rows were left out; the log names them", done.damaged),
        ));
    }
    Ok(())
}

impl From<ArchiveError> for Exit {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Open(error) => error.into(),
            other => Self::new(IO, other.to_string()),
        }
    }
}
