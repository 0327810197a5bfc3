//! Export and import: every row in a framed stream that checks itself, for backups, for moving to
//! another machine and for changes of the format on disk.

use super::directory::{DataDirectory, fresh_epoch, load, set_epoch};
use super::fjall_tables::FjallTables;
use super::key::{self, Table};
use super::tables::{CommitError, Tables, Write as Row};
use super::{EmbeddedSettings, codec};
use crate::OpenError;
use bytes::Bytes;
use pulsegate_proto::id::Epoch;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use thiserror::Error;

/// The first bytes of an export; the number is that of the format.
const MAGIC: &[u8] = b"pulsegate export 1\n";
/// Stands where a table would: the number of rows follows, and nothing after it.
const END: u8 = 0xff;
/// Longest key or value that is read back: an export that asks for more is damaged.
const LARGEST: usize = 64 * 1024 * 1024;
/// Bytes of one commit of an import.
const IMPORT_GROUP: usize = 4 * 1024 * 1024;

/// An export or import failed.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The stream could not be written or read.
    #[error("the export cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// The stream is not what an export wrote.
    #[error("not an intact export: {0}")]
    Damaged(&'static str),
    /// An import goes into an empty data directory only.
    #[error("there is a store already; import into an empty directory")]
    NotEmpty,
    /// The store could not be read or written.
    #[error("the store failed: {0}")]
    Store(String),
}

/// What an export or import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Rows written.
    pub rows: u64,
    /// Damaged rows that were left out and named in the log.
    pub damaged: u64,
}

/// Writes all of the store in `dir` to `out`. The store must not be open.
///
/// # Errors
/// The directory cannot be opened (locked, missing …), or `out` cannot be written.
pub fn export(dir: &Path, out: &mut dyn Write) -> Result<Archived, ArchiveError> {
    let settings = EmbeddedSettings { create: false, ..EmbeddedSettings::new(dir) };
    let directory = DataDirectory::take(&settings)?;
    let tables = directory.open_tables(settings.cache_bytes, settings.fsync)?;
    load(&tables, dir)?; // a format this version does not know is not exported as if it were
    let mut out = BufWriter::new(out);
    out.write_all(MAGIC)?;
    let mut done = Archived { rows: 0, damaged: 0 };
    for table in Table::ALL {
        let mut failed = None;
        let scanned = tables.scan(table, b"", &[0xff; 64], false, &mut |key, value| {
            if codec::unseal(table as u8, key, value.clone()).is_err() {
                tracing::error!(table = table.name(), key = %key.escape_ascii(), "damaged row");
                done.damaged += 1;
                return true;
            }
            done.rows += 1;
            failed = write_row(&mut out, table, key, &value).err();
            failed.is_none()
        });
        scanned.map_err(|error| ArchiveError::Store(error.to_string()))?;
        if let Some(error) = failed {
            return Err(ArchiveError::Io(error));
        }
    }
    out.write_all(&[END])?;
    out.write_all(&done.rows.to_be_bytes())?;
    out.flush()?;
    Ok(done)
}

fn write_row(out: &mut dyn Write, table: Table, key: &[u8], value: &[u8]) -> std::io::Result<()> {
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.write_all(&[table as u8])?;
    out.write_all(&len(key))?;
    out.write_all(key)?;
    out.write_all(&len(value))?;
    out.write_all(value)
}

/// Makes a store in `dir`, which must not hold one, from what [`export`] wrote. It has a new epoch:
/// devices with cursors of the old one are told of a gap.
///
/// # Errors
/// The directory cannot be used, or the export is damaged; then `dir` holds no store.
pub fn import(dir: &Path, input: &mut dyn Read) -> Result<Archived, ArchiveError> {
    let directory = DataDirectory::take(&EmbeddedSettings::new(dir))?;
    let place = dir.join(super::directory::TABLES);
    if place.exists() {
        return Err(ArchiveError::NotEmpty);
    }
    // Made aside and renamed at the end: half an import is never opened as a store.
    let aside = dir.join("importing");
    if aside.exists() {
        std::fs::remove_dir_all(&aside)?;
    }
    let tables =
        FjallTables::open(&aside, 8 * 1024 * 1024).map_err(|error| ArchiveError::Store(error.to_string()))?;
    let done = read_rows(&tables, input)?;
    set_epoch(&tables, dir, fresh_epoch(dir)?)?;
    tables.close().map_err(|error| ArchiveError::Store(error.to_string()))?;
    drop(tables);
    std::fs::rename(&aside, &place)?;
    std::fs::File::open(dir)?.sync_all()?;
    drop(directory);
    Ok(done)
}

fn read_rows(tables: &dyn Tables, input: &mut dyn Read) -> Result<Archived, ArchiveError> {
    let mut input = BufReader::new(input);
    let mut magic = [0u8; MAGIC.len()];
    input.read_exact(&mut magic)?;
    if magic != MAGIC {
        return Err(ArchiveError::Damaged("the first line is not that of an export"));
    }
    let mut rows = 0u64;
    let (mut batch, mut bytes) = (Vec::new(), 0);
    loop {
        let mut table = [0u8];
        input.read_exact(&mut table)?;
        if table[0] == END {
            break;
        }
        let table = *Table::ALL
            .get(usize::from(table[0]))
            .ok_or(ArchiveError::Damaged("a row of an unknown table"))?;
        let (key, value) = (read_field(&mut input)?, read_field(&mut input)?);
        if codec::unseal(table as u8, &key, Bytes::from(value.clone())).is_err() {
            return Err(ArchiveError::Damaged("a row does not match its checksum"));
        }
        bytes += key.len() + value.len();
        rows += 1;
        batch.push(Row { table, key, value: Some(value) });
        if bytes > IMPORT_GROUP {
            commit(tables, core::mem::take(&mut batch))?;
            bytes = 0;
        }
    }
    commit(tables, batch)?;
    let mut count = [0u8; 8];
    input.read_exact(&mut count)?;
    if u64::from_be_bytes(count) != rows {
        return Err(ArchiveError::Damaged("rows are missing"));
    }
    Ok(Archived { rows, damaged: 0 })
}

fn read_field(input: &mut dyn Read) -> Result<Vec<u8>, ArchiveError> {
    let mut len = [0u8; 4];
    input.read_exact(&mut len)?;
    let len = u32::from_be_bytes(len) as usize;
    if len > LARGEST {
        return Err(ArchiveError::Damaged("a row is longer than any"));
    }
    let mut field = vec![0; len];
    input.read_exact(&mut field)?;
    Ok(field)
}

fn commit(tables: &dyn Tables, batch: Vec<Row>) -> Result<(), ArchiveError> {
    if batch.is_empty() {
        return Ok(());
    }
    tables.commit(batch).map_err(|error| {
        ArchiveError::Store(match error {
            CommitError::Full => String::from("the disk is full"),
            CommitError::SyncFailed(why) | CommitError::Closed(why) | CommitError::Unknown(why) => why,
        })
    })
}

/// Gives the store in `dir` a new epoch, after a backup was brought back: every device is told of
/// a gap. The store must not be open. Answers the new epoch.
///
/// # Errors
/// The directory cannot be opened (locked, missing …).
pub fn new_epoch(dir: &Path) -> Result<Epoch, ArchiveError> {
    let settings = EmbeddedSettings { create: false, ..EmbeddedSettings::new(dir) };
    let directory = DataDirectory::take(&settings)?;
    let tables = directory.open_tables(settings.cache_bytes, settings.fsync)?;
    let old = load(&tables, dir)?.memory.epoch;
    let mut epoch = fresh_epoch(dir)?;
    while epoch == old {
        epoch = fresh_epoch(dir)?;
    }
    set_epoch(&tables, dir, epoch)?;
    tables.close().map_err(|error| ArchiveError::Store(error.to_string()))?;
    debug_assert!(key::EPOCH.starts_with(b"\0"));
    drop(directory);
    Ok(epoch)
}
