//! [`Log`] on the embedded store: reads go to the tables, changes through the writer.

use super::EmbeddedStore;
use super::codec::{self, Damaged};
use super::key::{self, Table};
use super::plan;
use super::plan_expiry;
use super::plan_message::{self, decode_entry};
use super::value;
use super::writer::{Job, Order};
use crate::store::Log;
use crate::store::model::{
    Alive, Append, AppendError, Appended, Expired, Hider, MessageRow, RawBatch, RecallOutcome, SCAN_GROUP,
    Scheduled,
};
use crate::{GapInfo, GapReason, Idempotency, LogKey, StoreError};
use core::time::Duration;
use pulsegate_proto::id::{AppId, Epoch, MessageId, Seq};
use pulsegate_proto::time::UnixMs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Entries one trim drops at once.
const TRIM_GROUP: usize = 2048;
/// Damaged entries that are remembered as named.
const NAMED: usize = 10_000;

impl EmbeddedStore {
    /// Names a damaged entry in the log and counts it, the first time somebody meets it.
    fn name_damaged(&self, log: &LogKey, seq: Seq) {
        let lock = self.shared.named.lock();
        let mut named = lock.unwrap_or_else(std::sync::PoisonError::into_inner);
        if named.len() < NAMED && named.insert((log.clone(), seq)) {
            self.shared.stats.corrupt_entries.fetch_add(1, Ordering::Relaxed);
            tracing::error!(app = %log.app, log = ?log.log, seq, "damaged entry: skipped with a gap");
        }
    }

    /// The engine cannot read on after `after`: goes on with the first entry that can be read from
    /// the other end.
    fn gap_to_readable(&self, log: &LogKey, after: Seq) -> RawBatch {
        let mut readable = None;
        let from = key::entry(&log.app, &log.log, after + 1);
        let to = key::after_prefix(&key::log_prefix(log));
        let rest = self.shared.tables.scan(Table::Entry, &from, &to, true, &mut |place, _| {
            readable = key::trailing_number(place).ok().or(readable);
            true
        });
        let resume = match (readable, rest) {
            (Some(seq), _) => seq - 1,
            (None, _) => self.shared.head.load(Ordering::SeqCst).max(after),
        };
        self.name_damaged(log, after + 1);
        let gap = GapInfo { after, resume, reason: GapReason::Corrupt };
        RawBatch { entries: Vec::new(), end: readable.is_none(), gap: Some(gap) }
    }

    fn append_job(
        &self,
        append: Append,
    ) -> (Job, tokio::sync::oneshot::Receiver<Result<Appended, AppendError>>) {
        let most = self.everyone_entries();
        Job::new(false, move |plan| plan_message::append(plan, &append, most))
    }
}

impl Log for EmbeddedStore {
    fn epoch(&self) -> Epoch {
        self.shared.epoch
    }

    fn head(&self) -> Seq {
        self.shared.head.load(Ordering::SeqCst)
    }

    fn last(&self, log: &LogKey) -> Result<Seq, StoreError> {
        self.shared.lasts.get(log, || {
            let mut last = 0;
            let from = key::log_prefix(log);
            let to = key::after_prefix(&from);
            let scanned = self.shared.tables.scan(Table::Entry, &from, &to, true, &mut |place, _| {
                last = key::trailing_number(place).unwrap_or(0);
                false
            });
            match scanned {
                Ok(()) => Ok(last),
                // The end cannot be seen; it is nowhere beyond the head. A reader told less would
                // believe to be there, and never read into the damage that it must be told of.
                Err(StoreError::Corrupt(_)) => Ok(self.head()),
                Err(error) => Err(error),
            }
        })
    }

    fn floor(&self, log: &LogKey) -> Seq {
        self.shared.floor(log)
    }

    fn read(&self, log: &LogKey, after: Seq, max: usize, max_bytes: usize) -> Result<RawBatch, StoreError> {
        let mut batch = RawBatch { end: true, ..RawBatch::default() };
        let from = key::entry(&log.app, &log.log, after.saturating_add(1));
        let to = key::after_prefix(&key::log_prefix(log));
        let tables = &*self.shared.tables;
        let mut rows = Vec::new();
        let mut bytes = 0;
        let scanned = tables.scan(Table::Entry, &from, &to, false, &mut |place, sealed| {
            if rows.len() == max || (bytes > max_bytes && !rows.is_empty()) {
                batch.end = false;
                return false;
            }
            bytes += sealed.len();
            rows.push((place.to_vec(), sealed));
            true
        });
        match scanned {
            Ok(()) => {}
            Err(StoreError::Corrupt(_)) if rows.is_empty() => {
                return Ok(self.gap_to_readable(log, after));
            }
            // What was read before the damage is delivered first.
            Err(StoreError::Corrupt(_)) => batch.end = false,
            Err(error) => return Err(error),
        }
        let mut passed = after;
        for (place, sealed) in rows {
            match decode_entry(tables, log, self.shared.epoch, &place, sealed) {
                Ok(entry) => {
                    passed = entry.seq;
                    batch.entries.push(Arc::new(entry));
                }
                Err(Damaged) if batch.entries.is_empty() => {
                    let seq = key::trailing_number(&place).unwrap_or(passed + 1);
                    self.name_damaged(log, seq);
                    let from = batch.gap.map_or(after, |gap| gap.after);
                    batch.gap = Some(GapInfo { after: from, resume: seq, reason: GapReason::Corrupt });
                }
                Err(Damaged) => {
                    batch.end = false;
                    break;
                }
            }
        }
        // The floor is looked at after the entries: a trim raises it before they go.
        let floor = self.shared.floor(log);
        if after < floor {
            batch.entries.retain(|entry| entry.seq > floor);
            let gap = GapInfo { after, resume: floor, reason: GapReason::Retention };
            if batch.gap.is_none_or(|corrupt| corrupt.resume < floor) {
                batch.gap = Some(gap);
            }
        }
        Ok(batch)
    }

    fn hiders(&self, log: &LogKey, key: &str, seq: Seq) -> Result<Vec<Hider>, StoreError> {
        let place = key::collapse(&log.app, &log.log, key);
        let Some(payload) = plan::read(&*self.shared.tables, Table::Key, &place)? else {
            return Ok(Vec::new());
        };
        let row = value::decode_collapse(&payload).map_err(|Damaged| plan::damaged(Table::Key, &place))?;
        Ok(row.hiding(seq))
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (job, answered) = self.append_job(append);
        self.submit(Order::Do(job)).await?;
        Self::answer(answered).await
    }

    async fn append_all(&self, appends: Vec<Append>) -> Vec<Result<Appended, AppendError>> {
        let (jobs, waiting): (Vec<_>, Vec<_>) =
            appends.into_iter().map(|append| self.append_job(append)).unzip();
        if let Err(error) = self.submit(Order::All(jobs)).await {
            return waiting.iter().map(|_| Err(AppendError::Store(error.clone()))).collect();
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for answered in waiting {
            answers.push(Self::answer(answered).await);
        }
        answers
    }

    async fn remember(&self, app: AppId, id: MessageId, key: Idempotency) -> Result<Appended, AppendError> {
        self.run(false, move |plan| plan_message::remember(plan, &app, id, &key)).await
    }

    async fn recall(&self, app: AppId, id: MessageId) -> Result<RecallOutcome, StoreError> {
        self.run(true, move |plan| plan_message::recall(plan, &app, id)).await
    }

    async fn trim(&self, log: LogKey, through: Seq) -> Result<u64, StoreError> {
        let mut dropped = 0;
        loop {
            let log = log.clone();
            let plan = move |plan: &mut plan::Plan<'_>| plan_message::trim(plan, &log, through, TRIM_GROUP);
            let n: u64 = self.run(true, plan).await?;
            dropped += n;
            if n < TRIM_GROUP as u64 {
                return Ok(dropped);
            }
        }
    }

    fn message(&self, app: &AppId, id: MessageId) -> Result<Option<MessageRow>, StoreError> {
        let place = key::message(app, id);
        plan::read(&*self.shared.tables, Table::Message, &place)?
            .map(|payload| value::decode_message(&payload))
            .transpose()
            .map_err(|Damaged| plan::damaged(Table::Message, &place))
    }

    fn due(&self, now: UnixMs) -> Result<Vec<Scheduled>, StoreError> {
        let mut due = Vec::new();
        for app in self.apps()? {
            let first = key::scheduled(&app, UnixMs::ZERO, MessageId([0; 16]));
            let next = key::scheduled(&app, UnixMs(now.0.saturating_add(1)), MessageId([0; 16]));
            let found = &mut due;
            let tables = &*self.shared.tables;
            tables.scan(Table::Time, &first, &next, false, &mut |place, sealed| {
                match read_scheduled(&app, place, sealed) {
                    Ok(scheduled) => found.push(scheduled),
                    Err(Damaged) => drop(plan::damaged(Table::Time, place)),
                }
                found.len() < SCAN_GROUP
            })?;
            if due.len() >= SCAN_GROUP {
                break;
            }
        }
        Ok(due)
    }

    async fn release(&self, due: Scheduled, targeted: u64) -> Result<bool, StoreError> {
        self.run(false, move |plan| plan_message::release(plan, &due, targeted)).await
    }

    async fn expire(&self, now: UnixMs, status_kept: Duration, alive: Alive) -> Result<Expired, StoreError> {
        let plan = move |plan: &mut plan::Plan<'_>| -> Result<Expired, StoreError> {
            plan_expiry::expire(plan, now, status_kept, &alive)
        };
        self.run(true, plan).await
    }
}

fn read_scheduled(app: &AppId, place: &[u8], sealed: bytes::Bytes) -> Result<Scheduled, Damaged> {
    let payload = codec::unseal(Table::Time as u8, place, sealed)?;
    let append = value::decode_scheduled(app.clone(), &payload)?;
    // The moment stands before the 16 bytes of the id at the end of the key.
    let at = place.len().checked_sub(24).ok_or(Damaged)?;
    let at = codec::Decoder(&place[at..]).array().map(u64::from_be_bytes)?;
    Ok(Scheduled { at: UnixMs(i64::try_from(at).map_err(|_| Damaged)?), append })
}
