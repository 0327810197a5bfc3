//! The tail of a log that has readers: the same bytes for all of them, encoded once.

use crate::connection::frame;
use bytes::Bytes;
use pulsegate_proto::id::Seq;
use pulsegate_proto::session::server::{self, Batch, Run};
use pulsegate_proto::time::UnixMs;
use pulsegate_routing::{Entry, LogKey, ReaderView};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Entries kept: two windows, so that a reader that acks in time never leaves the ring.
const ENTRIES: usize = 128;
/// Bytes kept: five of the largest messages. A reader behind that reads the store.
const BYTES: usize = 256 * 1024;
/// Pieces kept ready: a burst that is committed in a few groups finds its readers at as many places.
const JOINED: usize = 4;
/// How long an entry is kept. Whoever is awake has taken it by then; whoever is not reads the store.
const KEEP: Duration = Duration::from_secs(10);

/// What the last appends to one log were.
#[derive(Debug)]
pub(super) struct Ring {
    items: VecDeque<Item>,
    bytes: usize,
    /// Everything of the log that was appended above this and is not in `items` was taken back.
    base: Seq,
    /// The last entry appended.
    last: Seq,
    /// What readers were given last: nearly all of them read on from the same few places.
    joined: Vec<Joined>,
}

#[derive(Debug)]
struct Item {
    entry: Arc<Entry>,
    at: Instant,
    /// Made for the first reader.
    frame: Option<Bytes>,
}

/// Entries one behind the other, from `first` on, that are for everybody until the first of them expires.
#[derive(Debug)]
struct Joined {
    first: Seq,
    len: usize,
    expires: UnixMs,
    run: Run,
}

impl Item {
    fn framed(&mut self, log: &LogKey) -> server::Item {
        let frame = self.frame.get_or_insert_with(|| frame::entry(&log.name(), &self.entry)).clone();
        server::Item { seq: self.entry.seq, message: self.entry.message(), frame }
    }

    /// Whether all who read the log are given it: no predicate chooses, and it takes nothing back.
    fn is_for_all(&self) -> bool {
        self.entry.predicate.is_none() && self.entry.message().is_some()
    }
}

impl Ring {
    /// A ring that begins behind `last`.
    pub(super) fn new(last: Seq) -> Self {
        Self { items: VecDeque::new(), bytes: 0, base: last, last, joined: Vec::new() }
    }

    pub(super) fn push(&mut self, entries: &[Arc<Entry>], now: Instant) {
        self.joined.clear();
        for entry in entries {
            if entry.seq <= self.last {
                // Out of order: what we hold may have holes. The store has none.
                self.forget();
                self.base = self.base.max(entry.seq);
                continue;
            }
            self.last = entry.seq;
            self.bytes += size(entry);
            self.items.push_back(Item { entry: Arc::clone(entry), at: now, frame: None });
        }
        while self.items.len() > ENTRIES || self.bytes > BYTES {
            self.drop_first();
        }
    }

    /// The entry is not sent any more.
    pub(super) fn remove(&mut self, seq: Seq) {
        if let Ok(at) = self.items.binary_search_by_key(&seq, |item| item.entry.seq)
            && let Some(item) = self.items.remove(at)
        {
            self.bytes -= size(&item.entry);
            self.joined.clear();
        }
    }

    /// What lies above `after` for a reader that has seen everything appended before the ring began, each with its
    /// whole WebSocket frame. `None`: the ring does not go back that far, or cannot decide.
    pub(super) fn read(
        &mut self,
        log: &LogKey,
        after: Seq,
        reader: &ReaderView,
        max: usize,
        now: UnixMs,
    ) -> Option<Batch> {
        if after < self.base {
            return None;
        }
        let from = self.items.partition_point(|item| item.entry.seq <= after);
        let to = self.items.len().min(from + max);
        // Such an entry hides an older one from those it is for, and from nobody else: the store decides that.
        let hides_for_some =
            |item: &Item| item.entry.collapse_key.is_some() && item.entry.predicate.is_some();
        if self.items.range(from..).any(hides_for_some) {
            return None;
        }
        if let Some(run) = self.joined(log, from..to, reader, now) {
            let end = to == self.items.len();
            let passed = if end { self.last.max(after) } else { run.last() };
            return Some(Batch { entries: Some(run), passed, end, ..Batch::default() });
        }
        let mut batch = Batch { passed: after, end: true, ..Batch::default() };
        let mut items = Vec::new();
        for item in self.items.range_mut(from..) {
            // Where the reader stood before this read: what was taken back since then it never had.
            if !item.entry.addressed_to(reader, after, now) {
                batch.skipped += 1;
            } else if items.len() == max {
                batch.end = false;
                break;
            } else {
                items.push(item.framed(log));
            }
            batch.passed = item.entry.seq;
        }
        batch.entries = Run::of(items);
        if batch.end {
            batch.passed = batch.passed.max(self.last);
        }
        Some(batch)
    }

    /// The entries in `range`, made one piece once for all readers, if they are for everybody who reads this log.
    fn joined(&mut self, log: &LogKey, range: Range<usize>, reader: &ReaderView, now: UnixMs) -> Option<Run> {
        let first = self.items.get(range.start)?.entry.seq;
        if first <= reader.began {
            return None;
        }
        let len = range.len();
        let known = self.joined.iter().find(|joined| joined.first == first && joined.len == len);
        if let Some(joined) = known.filter(|joined| joined.expires > now) {
            return Some(joined.run.clone());
        }
        let for_all = |item: &Item| item.is_for_all() && item.entry.expires > now;
        if !self.items.range(range.clone()).all(for_all) {
            return None;
        }
        let expires = self.items.range(range.clone()).map(|item| item.entry.expires).min()?;
        let mut items = self.items.range_mut(range);
        if len == 1 {
            return items.next().map(|item| Run::one(item.framed(log)));
        }
        let run = Run::of(items.map(|item| item.framed(log)).collect())?;
        if self.joined.len() == JOINED {
            self.joined.remove(0);
        }
        self.joined.push(Joined { first, len, expires, run: run.clone() });
        Some(run)
    }

    /// Drops what was kept long enough. True: something is left.
    pub(super) fn age(&mut self, now: Instant) -> bool {
        while self.items.front().is_some_and(|item| now.saturating_duration_since(item.at) >= KEEP) {
            self.drop_first();
        }
        !self.items.is_empty()
    }

    /// Drops everything: readers go to the store.
    pub(super) fn forget(&mut self) {
        self.base = self.last;
        self.items = VecDeque::new();
        self.joined = Vec::new();
        self.bytes = 0;
    }

    pub(super) fn last(&self) -> Seq {
        self.last
    }

    fn drop_first(&mut self) {
        if let Some(item) = self.items.pop_front() {
            self.base = item.entry.seq;
            self.bytes -= size(&item.entry);
            self.joined.clear();
        }
    }
}

/// What an entry weighs: its body, and again as a frame.
fn size(entry: &Entry) -> usize {
    let body = match &entry.kind {
        pulsegate_routing::EntryKind::Message { body, .. } => body.len(),
        pulsegate_routing::EntryKind::Recall { tag, .. } => tag.len(),
    };
    2 * body + 256
}
