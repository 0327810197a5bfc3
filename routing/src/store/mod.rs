//! Where logs, registrations and counts live.

use crate::{Clock, OpenError};
use std::path::PathBuf;
use std::sync::Arc;

/// Settings of the embedded store.
#[derive(Clone, Debug)]
pub struct EmbeddedSettings {
    /// The data directory; made if missing and `create`.
    pub path: PathBuf,
    /// Make the directory if it is missing.
    pub create: bool,
    /// Memory for blocks read from disk, bytes.
    pub cache_bytes: u64,
}

impl EmbeddedSettings {
    /// The defaults for a data directory at `path`: made if missing, a cache of 32 MiB.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), create: true, cache_bytes: 32 * 1024 * 1024 }
    }
}

/// A store.
#[derive(Clone)]
pub struct Store;

impl Store {
    /// The naive store in memory: for tests and trying things out; it forgets at exit.
    #[must_use]
    pub fn memory(clock: Arc<dyn Clock>) -> Self {
        let _ = clock;
        Self
    }

    /// Opens or makes the embedded store. Blocks while it is opened.
    ///
    /// # Errors
    /// Each way in which a data directory can be unusable has its own [`OpenError`].
    pub fn embedded(settings: EmbeddedSettings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let _ = (settings, clock);
        Ok(Self)
    }
}

/// What a store counts, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Syncs of the disk (or round trips to a quorum).
    pub syncs: u64,
    /// Commits: a group of them shares one sync.
    pub commits: u64,
    /// Messages accepted.
    pub publishes: u64,
    /// Entries appended.
    pub entries: u64,
    /// Entries that could not be read any more.
    pub corrupt_entries: u64,
    /// Unexpired entries dropped.
    pub trimmed_entries: u64,
    /// Messages expired.
    pub expired_messages: u64,
    /// Commits that failed.
    pub failures: u64,
    /// Bytes on disk; 0 where that means nothing.
    pub disk_bytes: u64,
    /// A sync failed: nothing is accepted until restart.
    pub read_only: bool,
    /// There is no room: nothing is accepted until there is.
    pub full: bool,
}
