//! The seam to the engine: ordered tables with byte keys, and atomic, synced batches over them.
//! Small on purpose, so that another engine can take its place.

use super::key::Table;
use crate::StoreError;
use bytes::Bytes;

/// One change of a batch: a value, or `None` to delete.
#[derive(Clone, Debug)]
pub struct Write {
    /// In which table.
    pub table: Table,
    /// Under which key.
    pub key: Vec<u8>,
    /// What.
    pub value: Option<Vec<u8>>,
}

/// Why a batch was not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// No room. Nothing was written, or it was undone.
    Full,
    /// A sync failed before: nothing may be written until restart. Nothing of this was written.
    SyncFailed(String),
    /// The tables are closed or could not be reopened. Nothing was written.
    Closed(String),
    /// The batch may or may not be found after the tables are reopened, or after a restart.
    Unknown(String),
}

/// What a scan calls for each row: key and value; answers whether to go on.
pub type Each<'a> = &'a mut dyn FnMut(&[u8], Bytes) -> bool;

/// Ordered tables.
pub trait Tables: Send + Sync + 'static {
    /// The value under `key`.
    ///
    /// # Errors
    /// It cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Rows from `from` up to but not including `to`, in order or in reverse, as of one moment.
    ///
    /// # Errors
    /// One of them cannot be read; those before it were handed to `each`.
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        each: Each<'_>,
    ) -> Result<(), StoreError>;

    /// Writes the batch, all or nothing; it is synced when this returns, unless the tables were
    /// opened to be synced now and then, and visible to readers not before that.
    ///
    /// # Errors
    /// It is not.
    fn commit(&self, batch: Vec<Write>) -> Result<(), CommitError>;

    /// Brings to the disk what was committed and is not there yet. Answers whether there was
    /// something: where each commit is synced there never is.
    ///
    /// # Errors
    /// It is not there, and nothing may be written until restart.
    fn sync(&self) -> Result<bool, CommitError> {
        Ok(false)
    }

    /// Brings the tables back after a failed commit, if they need it.
    ///
    /// # Errors
    /// They are still not to be used.
    fn heal(&self) -> Result<(), CommitError>;

    /// Whether writes are accepted, as far as is known without trying.
    ///
    /// # Errors
    /// Says why not.
    fn health(&self) -> Result<(), StoreError>;

    /// Whether there is room for more; with `freeing`, for what will make room in the end.
    fn has_room(&self, freeing: bool) -> bool;

    /// How often [`Tables::heal`] had something to do.
    fn reopened(&self) -> u64;

    /// Bytes on disk.
    fn disk_bytes(&self) -> u64;

    /// Writes out what is in memory, so that the next start has nothing to replay, and closes.
    ///
    /// # Errors
    /// Something could not be written; it is in the journal.
    fn close(&self) -> Result<(), StoreError>;
}
