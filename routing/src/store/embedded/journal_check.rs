//! A second look at fjall's recovery. fjall reads a journal up to the first bytes it does not
//! understand and cuts it there: right for the torn end of a crash, where one unsynced batch is
//! lost at most, and silent about a flipped bit in the middle, where synced batches follow. So the
//! journals are read before, and what was cut off is looked at after.

use std::path::{Path, PathBuf};

/// Ends every batch in a journal of fjall 3 (`MAGIC_BYTES` of its `file.rs`).
const BATCH_END: &[u8] = b"FJL\x03";
/// Larger journals are not read: fjall starts a new one at 64 MB.
const LARGEST: u64 = 256 * 1024 * 1024;

/// The journals as they were before recovery.
pub(crate) struct Journals(Vec<(PathBuf, Vec<u8>)>);

/// Commits that were synced and are gone.
pub(crate) struct Lost {
    pub(crate) journal: PathBuf,
    pub(crate) commits: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Journals {
    /// Reads the journals in `path`; none if there are none yet.
    pub(crate) fn read(path: &Path) -> Self {
        let journals = std::fs::read_dir(path).into_iter().flatten().filter_map(|file| {
            let file = file.ok()?.path();
            let is_journal = file.extension().is_some_and(|end| end == "jnl");
            let small = std::fs::metadata(&file).is_ok_and(|meta| meta.len() <= LARGEST);
            if !(is_journal && small) {
                return None;
            }
            let mut bytes = std::fs::read(&file).ok()?;
            // A journal is made with its full length, zeros to its end.
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes.truncate(end);
            Some((file, bytes))
        });
        Self(journals.collect())
    }

    /// What recovery cut off, if more than the one batch that a crash can tear was in it.
    pub(crate) fn dropped_commits(self, path: &Path) -> Option<Lost> {
        self.0.into_iter().find_map(|(journal, bytes)| {
            debug_assert!(journal.starts_with(path));
            // Gone: it was replayed and is not needed any more.
            let kept = usize::try_from(std::fs::metadata(&journal).ok()?.len()).ok()?;
            let cut = bytes.get(kept..)?;
            let commits = cut.windows(BATCH_END.len()).filter(|at| *at == BATCH_END).count();
            (commits > 1).then(|| Lost { journal, commits, bytes: cut.to_vec() })
        })
    }
}
