//! The tables on fjall, under the conditions of decision record 0011: one writer, synced batches,
//! bounded journals, memtables written out at shutdown, and no trust in what a failed write left
//! behind.
//!
//! After any failed write fjall refuses all others until it is opened anew. Out of room, that is
//! done here as soon as there is room again; the batch that failed is then either wholly there or
//! not at all, and the number of the group, which each batch carries, tells which. After a failed
//! sync nothing is opened again: the page cache may claim what the disk does not have.

use super::key::Table;
use super::tables::{CommitError, Each, Tables, Write};
use crate::StoreError;
use bytes::Bytes;
use core::time::Duration;
use fjall::{AbstractTree, Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// All journals together: what a start has to replay at most. The least fjall allows.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
/// Memory for what was written to one table and is not in a file yet. Seven tables, of which two
/// grow fast, stay below the journals' bound.
const MEMTABLE_BYTES: u64 = 16 * 1024 * 1024;
/// Room that is left alone, so that memtables and compactions find some: see [`has_room`].
const RESERVE_BYTES: u64 = 16 * 1024 * 1024;

struct Open {
    database: Database,
    spaces: Vec<Keyspace>,
}

enum State {
    Open(Open),
    /// A write failed; why, in case it cannot be opened again.
    Broken(String),
    Closed,
}

/// Tables on fjall.
pub struct FjallTables {
    path: PathBuf,
    cache_bytes: u64,
    state: RwLock<State>,
    /// A sync failed: no more writes.
    sync_failed: AtomicBool,
    broken: AtomicBool,
    reopened: AtomicU64,
    /// Commits are given to the system only; [`Tables::sync`] brings them to the disk.
    lazy: bool,
    unsynced: AtomicBool,
}

/// fjall asserts what a damaged file can make untrue: a panic of its recovery is its way to say
/// that it cannot go on.
fn open(path: &Path, cache_bytes: u64) -> fjall::Result<Open> {
    std::panic::catch_unwind(|| open_or_panic(path, cache_bytes)).unwrap_or(Err(fjall::Error::Unrecoverable))
}

fn open_or_panic(path: &Path, cache_bytes: u64) -> fjall::Result<Open> {
    let database = Database::builder(path)
        .cache_size(cache_bytes)
        .max_journaling_size(JOURNAL_BYTES)
        .manual_journal_persist(true)
        .worker_threads(2)
        .open()?;
    let spaces = Table::ALL
        .iter()
        .map(|table| {
            database
                .keyspace(table.name(), || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES))
        })
        .collect::<fjall::Result<Vec<_>>>()?;
    Ok(Open { database, spaces })
}

/// Whether `error` says that there is no room.
#[must_use]
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge
    )
}

fn io_error(error: &fjall::Error) -> Option<&std::io::Error> {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => Some(error),
        _ => None,
    }
}

fn read_error(error: &fjall::Error) -> StoreError {
    match io_error(error) {
        Some(error) => StoreError::Io(error.to_string()),
        None => StoreError::Corrupt(error.to_string()),
    }
}

impl FjallTables {
    /// Opens or makes the database in `path`.
    ///
    /// # Errors
    /// What fjall says.
    pub fn open(path: &Path, cache_bytes: u64) -> fjall::Result<Self> {
        let state = RwLock::new(State::Open(open(path, cache_bytes)?));
        Ok(Self {
            path: path.to_owned(),
            cache_bytes,
            state,
            sync_failed: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            reopened: AtomicU64::new(0),
            lazy: false,
            // A killed process may have left some, where this one will sync each commit.
            unsynced: AtomicBool::new(true),
        })
    }

    /// From now on a commit is given to the system, and on the disk after the next [`Tables::sync`].
    #[must_use]
    pub(crate) fn synced_later(self) -> Self {
        Self { lazy: true, ..self }
    }

    fn with<R>(
        &self,
        table: Table,
        f: impl FnOnce(&Keyspace) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let state = self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &*state {
            State::Open(open) => f(&open.spaces[table as usize]),
            State::Broken(why) => Err(StoreError::Unavailable(why.clone())),
            State::Closed => Err(StoreError::Unavailable(String::from("closed"))),
        }
    }

    fn write(&self, batch: &[Write]) -> Result<(), fjall::Error> {
        let state = self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let State::Open(open) = &*state else {
            return Err(fjall::Error::Poisoned);
        };
        let mode = if self.lazy { PersistMode::Buffer } else { PersistMode::SyncData };
        let mut out = open.database.batch().durability(Some(mode));
        for write in batch {
            let space = &open.spaces[write.table as usize];
            match &write.value {
                Some(value) => out.insert(space, write.key.as_slice(), value.as_slice()),
                None => out.remove(space, write.key.as_slice()),
            }
        }
        out.commit()
    }

    /// Closes what is open and opens it anew. Whoever reads waits for it.
    fn reopen(&self) -> Result<(), CommitError> {
        let mut state = self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if matches!(*state, State::Closed) {
            return Err(CommitError::Closed(String::from("closed")));
        }
        // Dropped first: it holds the lock of the database, and its journal's buffer is given to
        // the file or lost.
        *state = State::Broken(String::from("being reopened"));
        match open(&self.path, self.cache_bytes) {
            Ok(open) => {
                *state = State::Open(open);
                self.reopened.fetch_add(1, Ordering::Relaxed);
                self.broken.store(false, Ordering::SeqCst);
                tracing::info!("the store was reopened after a failed write");
                Ok(())
            }
            Err(error) => {
                let why = error.to_string();
                *state = State::Broken(why.clone());
                self.broken.store(true, Ordering::SeqCst);
                if io_error(&error).is_some_and(is_full) {
                    Err(CommitError::Full)
                } else {
                    Err(CommitError::Closed(why))
                }
            }
        }
    }
}

impl Tables for FjallTables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.with(table, |space| {
            let value = space.get(key).map_err(|error| read_error(&error))?;
            // A copy: the slice would keep a whole block of the cache alive.
            Ok(value.map(|value| Bytes::copy_from_slice(&value)))
        })
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        each: Each<'_>,
    ) -> Result<(), StoreError> {
        if from >= to {
            return Ok(());
        }
        self.with(table, |space| {
            let mut rows = space.range(from..to);
            while let Some(row) = if reverse { rows.next_back() } else { rows.next() } {
                let (key, value) = row.into_inner().map_err(|error| read_error(&error))?;
                if !each(&key, Bytes::copy_from_slice(&value)) {
                    break;
                }
            }
            Ok(())
        })
    }

    fn commit(&self, batch: Vec<Write>) -> Result<(), CommitError> {
        if self.sync_failed.load(Ordering::SeqCst) {
            return Err(CommitError::SyncFailed(String::from("a sync failed before")));
        }
        let mut outcome = self.write(&batch);
        if matches!(outcome, Err(fjall::Error::Poisoned)) {
            // Refused before anything of this batch was written: a background write failed before.
            self.broken.store(true, Ordering::SeqCst);
            self.reopen()?;
            outcome = self.write(&batch);
        }
        let Err(error) = outcome else {
            self.unsynced.store(self.lazy, Ordering::SeqCst);
            return Ok(());
        };
        self.broken.store(true, Ordering::SeqCst);
        match io_error(&error) {
            Some(io) if is_full(io) => {}
            _ => self.sync_failed.store(true, Ordering::SeqCst),
        }
        // Its bytes may be in the journal, and then it is there after the restart.
        Err(CommitError::Unknown(error.to_string()))
    }

    fn sync(&self) -> Result<bool, CommitError> {
        // Taken before the sync: what is committed beside it is for the next one.
        if !self.unsynced.swap(false, Ordering::SeqCst) {
            return Ok(false);
        }
        let state = self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Opened anew after a failed write, the journal is another file object, with the same file behind it.
        let State::Open(open) = &*state else {
            self.unsynced.store(true, Ordering::SeqCst);
            return Ok(false);
        };
        match open.database.persist(PersistMode::SyncData) {
            Ok(()) => Ok(true),
            // Refused before anything was tried: a write failed, and the next commit opens anew.
            Err(fjall::Error::Poisoned) => {
                self.unsynced.store(true, Ordering::SeqCst);
                Ok(false)
            }
            Err(error) => {
                self.sync_failed.store(true, Ordering::SeqCst);
                Err(CommitError::SyncFailed(error.to_string()))
            }
        }
    }

    fn heal(&self) -> Result<(), CommitError> {
        if self.sync_failed.load(Ordering::SeqCst) {
            return Err(CommitError::SyncFailed(String::from("a sync failed before")));
        }
        if self.broken.load(Ordering::SeqCst) { self.reopen() } else { Ok(()) }
    }

    fn health(&self) -> Result<(), StoreError> {
        if self.sync_failed.load(Ordering::SeqCst) {
            return Err(StoreError::ReadOnly(String::from("a sync failed")));
        }
        let state = self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &*state {
            State::Open(_) => Ok(()),
            State::Broken(why) => Err(StoreError::Unavailable(why.clone())),
            State::Closed => Err(StoreError::Unavailable(String::from("closed"))),
        }
    }

    fn has_room(&self, freeing: bool) -> bool {
        has_room(&self.path, if freeing { RESERVE_BYTES / 4 } else { RESERVE_BYTES })
    }

    fn reopened(&self) -> u64 {
        self.reopened.load(Ordering::Relaxed)
    }

    fn disk_bytes(&self) -> u64 {
        let state = self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &*state {
            State::Open(open) => open.database.disk_space().unwrap_or(0),
            State::Broken(_) | State::Closed => 0,
        }
    }

    fn close(&self) -> Result<(), StoreError> {
        let synced = self.sync().map_err(|error| StoreError::ReadOnly(format!("{error:?}")));
        let mut state = self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let closed = core::mem::replace(&mut *state, State::Closed);
        let State::Open(open) = closed else {
            return synced.map(drop);
        };
        if self.sync_failed.load(Ordering::SeqCst) || self.broken.load(Ordering::SeqCst) {
            return synced.map(drop);
        }
        if has_room(&self.path, RESERVE_BYTES) {
            // Every batch is synced: what cannot be written out now is replayed at the next start.
            for space in &open.spaces {
                if let Err(error) = space.rotate_memtable() {
                    tracing::warn!(%error, "the next start replays the journal");
                    return synced.map(drop);
                }
            }
            wait_for_flushes(&open);
        }
        synced.map(drop)
    }
}

/// Waits until what was in memory is in files, so that the next start replays nothing; not longer
/// than some seconds, since the journal has it all.
#[allow(clippy::disallowed_methods)] // fjall has nothing to wait on; the thread is the writer's own
fn wait_for_flushes(open: &Open) {
    let flushed = || open.spaces.iter().all(|space| space.tree.sealed_memtable_count() == 0);
    let give_up = std::time::Instant::now() + Duration::from_secs(10);
    while !flushed() && std::time::Instant::now() < give_up {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the file system of `path` has more than `reserve` left, or than an eighth of a small
/// one. Where that cannot be asked, yes: then the write itself will tell.
fn has_room(path: &Path, reserve: u64) -> bool {
    #[cfg(unix)]
    if let Ok(stat) = rustix::fs::statvfs(path) {
        let total = stat.f_blocks.saturating_mul(stat.f_frsize);
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        return free > reserve.min(total / 8 * reserve / RESERVE_BYTES);
    }
    let _ = (path, reserve);
    true
}
