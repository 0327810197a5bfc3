//! Reading on in a log for one device: predicates, excludes, collapse keys, recalls and expiry are
//! decided here, once, when the reader passes the entry.

use super::Router;
use crate::store::Log as _;
use crate::{Entry, EntryKind, LogKey, ReadBatch, ReaderView, StoreError};
use pulsegate_proto::id::Seq;
use pulsegate_proto::limits;
use pulsegate_proto::time::UnixMs;

/// Entries read from the store at once: one look covers a window.
const CHUNK: usize = limits::WINDOW as usize;
/// Entries passed in one call, mostly skipped ones: then others get their turn, and the device is
/// told how far it is (`Advance`).
const PASSED_AT_MOST: u32 = limits::ADVANCE_EVERY;

impl Router {
    /// Reads on in `log` after `after` for `reader`: at most `max` entries and about `max_bytes` of
    /// them, but at least one if there is one. Cheap where nothing is new.
    ///
    /// # Errors
    /// The store cannot be read. An entry that is damaged is a gap, not an error.
    pub async fn read(
        &self,
        log: &LogKey,
        after: Seq,
        reader: &ReaderView,
        max: usize,
        max_bytes: usize,
    ) -> Result<ReadBatch, StoreError> {
        self.read_now(log, after, reader, max, max_bytes)
    }

    fn read_now(
        &self,
        log: &LogKey,
        after: Seq,
        reader: &ReaderView,
        max: usize,
        max_bytes: usize,
    ) -> Result<ReadBatch, StoreError> {
        let mut batch = ReadBatch { passed: after, ..ReadBatch::default() };
        // Taken before the look: everything up to here is committed, so that at the end of the log
        // the reader has passed it, also where its last entry is gone.
        let last = self.0.store.last(log)?;
        if last <= after && self.0.store.floor(log) <= after {
            batch.end = true;
            return Ok(batch);
        }
        let now = self.0.clock.now();
        let mut bytes = 0;
        loop {
            let chunk = CHUNK.min(max.saturating_sub(batch.entries.len())).max(1);
            let before = batch.passed;
            let raw = self.0.store.read(log, batch.passed, chunk, max_bytes)?;
            if let Some(gap) = raw.gap {
                if !batch.entries.is_empty() {
                    return Ok(batch); // told with the next batch, before what follows it
                }
                batch.gap = Some(match batch.gap {
                    Some(earlier) => crate::GapInfo { after: earlier.after, ..gap },
                    None => gap,
                });
                batch.passed = batch.passed.max(gap.resume);
            }
            for entry in raw.entries {
                batch.passed = entry.seq;
                if self.is_for(log, &entry, reader, after, now)? {
                    bytes += size(&entry);
                    batch.entries.push(entry);
                } else {
                    batch.skipped += 1;
                }
            }
            if raw.end {
                batch.passed = batch.passed.max(last);
                batch.end = true;
                return Ok(batch);
            }
            if batch.passed == before {
                // Unreadable from one end and readable from the other: no gap can be named.
                return Err(StoreError::Corrupt(format!("{log:?} after {before}")));
            }
            if batch.entries.len() >= max
                || (bytes >= max_bytes && !batch.entries.is_empty())
                || batch.skipped >= PASSED_AT_MOST
            {
                return Ok(batch);
            }
        }
    }

    fn is_for(
        &self,
        log: &LogKey,
        entry: &Entry,
        reader: &ReaderView,
        after: Seq,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        if !entry.addressed_to(reader, after, now) {
            return Ok(false);
        }
        if let EntryKind::Recall { of_seq, .. } = &entry.kind {
            // Passed on this link: but was it still there? Not if it was recalled before the link.
            if *of_seq > reader.had {
                let links = self.0.links();
                let link = links.get(&(log.app.clone(), reader.registration.clone()));
                return Ok(link.is_none_or(|link| entry.seq > link.joined));
            }
        }
        match (&entry.kind, &entry.collapse_key) {
            (EntryKind::Message { .. }, Some(key)) => {
                let hiders = self.0.store.hiders(log, key, entry.seq)?;
                Ok(!hiders.iter().any(|hider| hider.predicate.matches(reader)))
            }
            _ => Ok(true),
        }
    }
}

fn size(entry: &Entry) -> usize {
    match &entry.kind {
        EntryKind::Message { body, .. } => body.len(),
        EntryKind::Recall { tag, .. } => tag.len(),
    }
}
