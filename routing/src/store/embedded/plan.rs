//! One group of commits in the making. Plans read through it, see what earlier plans of the group
//! will have written, and name their own writes; nothing touches the disk until the group is
//! committed as one batch.

use super::codec::{self, Damaged};
use super::key::{self, Table};
use super::tables::{Tables, Write};
use super::value::{self, Ending};
use crate::store::model::next_seq;
use crate::{Entry, GapInfo, LogKey, StoreError};
use bytes::Bytes;
use pulsegate_proto::id::{AppId, Epoch, MessageId, Seq};
use pulsegate_proto::time::UnixMs;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What is told to the [`crate::Wake`] once the group is durable.
#[derive(Debug)]
pub(crate) enum After {
    Appended(LogKey, Arc<Entry>),
    Removed(LogKey, Seq),
    Trimmed(LogKey, GapInfo),
    Floor(LogKey, Seq),
    Knows(AppId),
    LowWater(AppId, u64),
    Published,
    Expired,
    Dropped(u64),
}

/// What the writer remembers between groups. A failed group may leave `last` and `group` ahead of
/// the disk, which is harmless: numbers are skipped.
pub(crate) struct Memory {
    pub(crate) epoch: Epoch,
    pub(crate) last: Seq,
    /// Number of the last group that was tried.
    pub(crate) group: u64,
    pub(crate) apps: HashSet<AppId>,
    /// The expiry scan has dealt with everything before this second.
    pub(crate) low_water: HashMap<AppId, u64>,
}

pub(crate) type Places = HashMap<(Table, Vec<u8>), Option<Vec<u8>>>;

pub(crate) struct Plan<'a> {
    tables: &'a dyn Tables,
    pub(crate) memory: &'a mut Memory,
    pub(crate) now: UnixMs,
    group: Places,
    step: Places,
    group_endings: BTreeMap<(AppId, u64), Vec<Ending>>,
    step_endings: Vec<(AppId, u64, Ending)>,
    pub(crate) after: Vec<After>,
    step_after: Vec<After>,
    bytes: usize,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(tables: &'a dyn Tables, memory: &'a mut Memory, now: UnixMs) -> Self {
        Self {
            tables,
            memory,
            now,
            group: Places::new(),
            step: Places::new(),
            group_endings: BTreeMap::new(),
            step_endings: Vec::new(),
            after: Vec::new(),
            step_after: Vec::new(),
            bytes: 0,
        }
    }

    /// Runs one plan: its writes join the group if it succeeds and vanish if it fails.
    pub(crate) fn step<R, E>(&mut self, plan: impl FnOnce(&mut Self) -> Result<R, E>) -> Result<R, E> {
        let result = plan(self);
        if result.is_ok() {
            self.bytes +=
                self.step.iter().map(|((_, k), v)| k.len() + v.as_ref().map_or(0, Vec::len)).sum::<usize>();
            self.group.extend(self.step.drain());
            for (app, second, ending) in self.step_endings.drain(..) {
                self.group_endings.entry((app, second)).or_default().push(ending);
            }
            self.after.append(&mut self.step_after);
        } else {
            self.step.clear();
            self.step_endings.clear();
            self.step_after.clear();
        }
        result
    }

    /// Bytes the group will write, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.memory.epoch
    }

    /// Hands out `n` numbers; answers the first.
    pub(crate) fn numbers(&mut self, n: u64) -> Seq {
        let first = next_seq(self.memory.last, self.now);
        self.memory.last = first + n.max(1) - 1;
        first
    }

    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        // The two maps are keyed by owned pairs; the lookup borrows a copy of a short key.
        let place = (table, key.to_vec());
        if let Some(value) = self.step.get(&place).or_else(|| self.group.get(&place)) {
            return Ok(value.as_ref().map(|payload| Bytes::copy_from_slice(payload)));
        }
        read(self.tables, table, key)
    }

    /// Reads and decodes; a damaged value is an error that names it.
    pub(crate) fn value<T>(
        &self,
        table: Table,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, Damaged>,
    ) -> Result<Option<T>, StoreError> {
        self.get(table, key)?
            .map(|payload| decode(&payload).map_err(|Damaged| damaged(table, key)))
            .transpose()
    }

    pub(crate) fn number(&self, table: Table, key: &[u8]) -> Result<u64, StoreError> {
        let number = self.value(table, key, |payload| codec::Decoder(payload).num())?;
        Ok(number.unwrap_or(0))
    }

    pub(crate) fn put(&mut self, table: Table, key: Vec<u8>, payload: Vec<u8>) {
        self.step.insert((table, key), Some(payload));
    }

    pub(crate) fn put_number(&mut self, table: Table, key: Vec<u8>, number: u64) {
        let mut encoder = codec::Encoder::default();
        encoder.num(number);
        self.put(table, key, encoder.0);
    }

    pub(crate) fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.step.insert((table, key), None);
    }

    /// Keys and payloads with `prefix`, from `from` on, as they were before the group.
    pub(crate) fn scan_before_group(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        each: super::tables::Each<'_>,
    ) -> Result<(), StoreError> {
        self.tables.scan(table, from, to, false, each)
    }

    /// Something of `app` ends at `at`, or in the second after it.
    pub(crate) fn ends(&mut self, app: &AppId, at: UnixMs, ending: Ending) {
        self.know(app);
        let second = u64::try_from(at.0).unwrap_or(0).div_ceil(1000);
        // Before the low water nobody looks any more.
        let second = second.max(self.memory.low_water.get(app).copied().unwrap_or(0));
        self.step_endings.push((app.clone(), second, ending));
    }

    /// Remembers that `app` has rows in the time table.
    pub(crate) fn know(&mut self, app: &AppId) {
        if !self.memory.apps.contains(app) {
            self.put(Table::Meta, key::app(app), Vec::new());
            self.tell(After::Knows(app.clone()));
        }
    }

    pub(crate) fn tell(&mut self, after: After) {
        self.step_after.push(after);
    }

    pub(crate) fn append_entry(&mut self, log: LogKey, entry: Entry, body_elsewhere: bool) {
        let key = key::entry(&log.app, &log.log, entry.seq);
        self.put(Table::Entry, key, value::encode_entry(&entry, body_elsewhere));
        self.tell(After::Appended(log, Arc::new(entry)));
    }

    pub(crate) fn message(
        &self,
        app: &AppId,
        id: MessageId,
    ) -> Result<Option<crate::store::MessageRow>, StoreError> {
        self.value(Table::Message, &key::message(app, id), value::decode_message)
    }

    /// The whole group as one batch; `None` if it writes nothing.
    pub(crate) fn finish(&mut self) -> Option<Vec<Write>> {
        for ((app, second), endings) in core::mem::take(&mut self.group_endings) {
            let unique = self.numbers(1);
            let key = key::ends(&app, second, unique);
            self.group.insert((Table::Time, key), Some(value::encode_endings(&endings)));
        }
        if self.group.is_empty() {
            return None;
        }
        self.memory.group += 1;
        let mut tail = codec::Encoder::default();
        tail.num(self.memory.last).num(self.memory.group);
        self.group.insert((Table::Meta, key::TAIL.to_vec()), Some(tail.0));
        Some(
            self.group
                .drain()
                .map(|((table, key), payload)| {
                    let value = payload.map(|payload| codec::seal(table as u8, &key, &payload));
                    Write { table, key, value }
                })
                .collect(),
        )
    }
}

/// Reads and unseals one value.
pub(crate) fn read(tables: &dyn Tables, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
    tables
        .get(table, key)?
        .map(|value| codec::unseal(table as u8, key, value).map_err(|Damaged| damaged(table, key)))
        .transpose()
}

/// Names a damaged value, for a person.
pub(crate) fn damaged(table: Table, key: &[u8]) -> StoreError {
    let text = format!("{} {}", table.name(), key.escape_ascii());
    tracing::error!(table = table.name(), key = %key.escape_ascii(), "damaged value in the store");
    StoreError::Corrupt(text)
}
