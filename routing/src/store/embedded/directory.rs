//! The data directory: taken by one process, checked, and what the store remembers read from it.

use super::EmbeddedSettings;
use super::codec::{self, Encoder};
use super::fjall_tables::{FjallTables, is_full};
use super::journal_check::Journals;
use super::key::{self, Table};
use super::plan::{self, Memory};
use super::sync::{self, Fsync};
use super::tables::{CommitError, Tables, Write};
use crate::{LogKey, OpenError, StoreError};
use pulsegate_proto::id::{Epoch, Seq};
use std::collections::{HashMap, HashSet};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write as _};
use std::path::{Path, PathBuf};

/// The format of keys and values. Another one needs an export by the version that wrote it.
pub(crate) const FORMAT: u32 = 1;
const LOCK: &str = "pulsegate.lock";
pub(crate) const TABLES: &str = "tables";

/// A data directory that is ours until this is dropped.
pub(crate) struct DataDirectory {
    path: PathBuf,
    /// Locked; the system unlocks it when the process ends, however it ends.
    _lock: File,
}

impl DataDirectory {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn take(settings: &EmbeddedSettings) -> Result<Self, OpenError> {
        let path = settings.path.clone();
        match std::fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(OpenError::NotADirectory { path }),
            Err(error) if error.kind() == ErrorKind::NotFound && settings.create => {
                std::fs::create_dir(&path).map_err(|error| missing(&path, &error))?;
            }
            Err(error) => return Err(missing(&path, &error)),
        }
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(|error| open_error(&path, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _unreadable = lock.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => String::new(),
                    pid => format!(" (process {pid})"),
                };
                return Err(OpenError::Locked { path, holder });
            }
            Err(TryLockError::Error(error)) => return Err(open_error(&path, &error)),
        }
        // Only for the message above: without it the lock holds as well.
        let _unwritten = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| lock.write_all(std::process::id().to_string().as_bytes()));
        let probe = path.join(".writable");
        File::create(&probe)
            .and_then(|_| std::fs::remove_file(&probe))
            .map_err(|error| open_error(&path, &error))?;
        Ok(Self { path, _lock: lock })
    }

    /// Opens the tables. Should fjall have dropped commits that were synced, because it could not
    /// read on in a journal, that is written down, and the epoch changes: every device is told.
    ///
    /// The same where the machine went down while commits waited for their sync.
    pub(crate) fn open_tables(&self, cache_bytes: u64, fsync: Fsync) -> Result<FjallTables, OpenError> {
        let path = self.path.join(TABLES);
        let before = Journals::read(&path);
        let tables =
            FjallTables::open(&path, cache_bytes).map_err(|error| fjall_error(&self.path, &error))?;
        if let Some(lost) = before.dropped_commits(&path) {
            let kept = self.path.join(format!("dropped-journal-{}.bin", std::process::id()));
            let written = std::fs::write(&kept, &lost.bytes);
            tracing::error!(
                journal = %lost.journal.display(), bytes = lost.bytes.len(), commits = lost.commits,
                kept = %kept.display(), ?written,
                "a damaged journal: commits after the damage are lost; the epoch changes",
            );
            set_epoch(&tables, &self.path, fresh_epoch(&self.path)?)?;
        }
        if sync::machine_went_down(&self.path) {
            tracing::error!(
                data_dir = %self.path.display(),
                "the machine went down while fsync = \"interval\" was in force: what was accepted in the last \
                 interval may be lost; the epoch changes, so that every device is told",
            );
            set_epoch(&tables, &self.path, fresh_epoch(&self.path)?)?;
        }
        let marked = match fsync {
            Fsync::Every(_) => sync::mark(&self.path),
            Fsync::Always => match tables.sync() {
                Ok(_) => sync::unmark(&self.path),
                Err(error) => return Err(not_committed(&self.path, error)),
            },
        };
        marked.map_err(|error| open_error(&self.path, &error))?;
        Ok(if fsync == Fsync::Always { tables } else { tables.synced_later() })
    }

    /// All that was committed is on the disk.
    pub(crate) fn mark_synced(&self) {
        if let Err(error) = sync::unmark(&self.path) {
            tracing::warn!(%error, "a restart of the machine will be taken for a loss");
        }
    }
}

fn missing(path: &Path, error: &std::io::Error) -> OpenError {
    match error.kind() {
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => open_error(path, error),
        _ => OpenError::Missing { path: path.to_owned(), reason: error.to_string() },
    }
}

fn open_error(path: &Path, error: &std::io::Error) -> OpenError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            OpenError::ReadOnly { path, reason: error.to_string() }
        }
        _ if is_full(error) => OpenError::Full { path },
        _ => OpenError::Io { path, reason: error.to_string() },
    }
}

fn fjall_error(path: &Path, error: &fjall::Error) -> OpenError {
    match error {
        fjall::Error::Io(io) | fjall::Error::Storage(fjall::LsmError::Io(io)) => open_error(path, io),
        fjall::Error::Locked => OpenError::Locked { path: path.to_owned(), holder: String::new() },
        other => OpenError::Corrupt { path: path.to_owned(), reason: other.to_string() },
    }
}

/// What a store remembers between runs.
pub(crate) struct Loaded {
    pub(crate) memory: Memory,
    pub(crate) floors: HashMap<LogKey, Seq>,
}

/// Reads what the store remembers; makes a new store of empty tables.
pub(crate) fn load(tables: &dyn Tables, path: &Path) -> Result<Loaded, OpenError> {
    let number = |key: &[u8]| -> Result<Option<u64>, StoreError> {
        plan::read(tables, Table::Meta, key)?
            .map(|payload| codec::Decoder(&payload).num())
            .transpose()
            .map_err(|codec::Damaged| plan::damaged(Table::Meta, key))
    };
    let epoch = match (number(key::FORMAT)?, number(key::EPOCH)?) {
        (None, None) => {
            let epoch = fresh_epoch(path)?;
            set_epoch(tables, path, epoch)?;
            epoch
        }
        (Some(format), Some(epoch)) if format == u64::from(FORMAT) => epoch,
        (format, _) => {
            let found = format.and_then(|f| u32::try_from(f).ok()).unwrap_or(0);
            return Err(OpenError::Format { path: path.to_owned(), found, known: FORMAT });
        }
    };
    let tail = plan::read(tables, Table::Meta, key::TAIL)?.unwrap_or_default();
    let mut tail = codec::Decoder(&tail);
    let (last, group) = (tail.num().unwrap_or(0), tail.num().unwrap_or(0));
    let mut memory = Memory { epoch, last, group, apps: HashSet::new(), low_water: HashMap::new() };
    let mut floors = HashMap::new();
    let mut wrong = None;
    tables.scan(Table::Meta, b"\x01", b"\xff", false, &mut |place, sealed| {
        let read = codec::unseal(Table::Meta as u8, place, sealed)
            .and_then(|payload| load_row(&mut memory, &mut floors, place, &payload));
        if read.is_err() {
            wrong = Some(plan::damaged(Table::Meta, place));
        }
        wrong.is_none()
    })?;
    match wrong {
        Some(error) => Err(OpenError::Corrupt { path: path.to_owned(), reason: error.to_string() }),
        None => Ok(Loaded { memory, floors }),
    }
}

fn load_row(
    memory: &mut Memory,
    floors: &mut HashMap<LogKey, Seq>,
    place: &[u8],
    payload: &[u8],
) -> Result<(), codec::Damaged> {
    let (app, rest) = key::split_app(place)?;
    match rest.split_first() {
        Some((b'p', [])) => {
            memory.apps.insert(app);
        }
        Some((b'w', [])) => {
            memory.low_water.insert(app, codec::Decoder(payload).num()?);
        }
        Some((b'f', log)) => {
            let (log, []) = key::parse_log(log)? else {
                return Err(codec::Damaged);
            };
            floors.insert(LogKey { app, log }, codec::Decoder(payload).num()?);
        }
        _ => return Err(codec::Damaged),
    }
    Ok(())
}

/// 32 random bits, never 0: a cursor that says nothing must not fit.
pub(crate) fn fresh_epoch(path: &Path) -> Result<Epoch, OpenError> {
    let bits = getrandom::u32().map_err(|error| OpenError::Io {
        path: path.to_owned(),
        reason: format!("no randomness: {error}"),
    })?;
    Ok(Epoch::from(bits.max(1)))
}

pub(crate) fn set_epoch(tables: &dyn Tables, path: &Path, epoch: Epoch) -> Result<(), OpenError> {
    let row = |key: &[u8], number: u64| {
        let mut payload = Encoder::default();
        payload.num(number);
        let value = codec::seal(Table::Meta as u8, key, &payload.0);
        Write { table: Table::Meta, key: key.to_vec(), value: Some(value) }
    };
    let batch = vec![row(key::FORMAT, u64::from(FORMAT)), row(key::EPOCH, epoch)];
    tables.commit(batch).map_err(|error| not_committed(path, error))
}

fn not_committed(path: &Path, error: CommitError) -> OpenError {
    match error {
        CommitError::Full | CommitError::Unknown(_) => OpenError::Full { path: path.to_owned() },
        CommitError::SyncFailed(reason) | CommitError::Closed(reason) => {
            OpenError::Io { path: path.to_owned(), reason }
        }
    }
}
