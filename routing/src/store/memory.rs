//! The naive store: maps behind one lock, everything by looking through all of it. The oracle of
//! the tests, written to be read, not to be fast. It shares with the embedded store what rows mean
//! ([`super::model`]), and nothing of how they are kept.

mod devices;
mod messages;

use super::model::{
    Alive, Append, AppendError, Appended, Counts, DeviceProgress, Expect, Expired, Hider, HowMany,
    MessageRow, Progress, PutError, RawBatch, RecallOutcome, Row, Scheduled, StoreStats, next_seq,
};
use super::{Counters, Log as LogStore, Registry};
use crate::{Clock, Entry, Idempotency, KeyScope, Log, LogKey, Predicate, ReceiptIn, StoreError, Wake};
use core::time::Duration;
use pulsegate_proto::id::{AppId, Epoch, MessageId, RegistrationId, Seq, Topic, UserId};
use pulsegate_proto::time::UnixMs;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An entry with a collapse key, remembered for good: it may hide older ones.
pub(super) struct Collapsing {
    pub(super) seq: Seq,
    pub(super) key: Arc<str>,
    pub(super) predicate: Option<Arc<Predicate>>,
}

/// One log.
#[derive(Default)]
pub(super) struct LogState {
    pub(super) entries: BTreeMap<Seq, Arc<Entry>>,
    pub(super) last: Seq,
    pub(super) floor: Seq,
    pub(super) collapsing: Vec<Collapsing>,
}

/// Everything of one app.
#[derive(Default)]
pub(super) struct App {
    pub(super) logs: BTreeMap<Log, LogState>,
    pub(super) messages: BTreeMap<MessageId, MessageRow>,
    pub(super) counts: BTreeMap<MessageId, Counts>,
    pub(super) rows: BTreeMap<RegistrationId, Row>,
    pub(super) progress: BTreeMap<RegistrationId, Progress>,
    pub(super) receipts: BTreeMap<(MessageId, RegistrationId), u8>,
    pub(super) keys: Vec<Key>,
    pub(super) scheduled: BTreeMap<(UnixMs, MessageId), Append>,
}

/// A remembered idempotency key.
pub(super) struct Key {
    pub(super) scope: KeyScope,
    pub(super) key: Vec<u8>,
    pub(super) hash: [u8; 32],
    pub(super) id: MessageId,
    pub(super) until: UnixMs,
}

/// What is to be told after the lock is let go.
pub(super) enum Tell {
    Appended(LogKey, Arc<Entry>),
    Removed(LogKey, Seq),
    Trimmed(LogKey, crate::GapInfo),
}

pub(super) struct State {
    pub(super) apps: BTreeMap<AppId, App>,
    pub(super) epoch: Epoch,
    pub(super) last: Seq,
    pub(super) now: UnixMs,
    pub(super) everyone_entries: u64,
    pub(super) stats: StoreStats,
    pub(super) tell: Vec<Tell>,
}

impl State {
    pub(super) fn numbers(&mut self, n: u64) -> Seq {
        let first = next_seq(self.last, self.now);
        self.last = first + n.max(1) - 1;
        first
    }

    pub(super) fn app(&mut self, app: &AppId) -> &mut App {
        self.apps.entry(app.clone()).or_default()
    }
}

/// The store in memory.
pub struct MemoryStore {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    wake: Mutex<Option<Arc<dyn Wake>>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        Self {
            state: Mutex::new(State {
                apps: BTreeMap::new(),
                epoch: Epoch::from(getrandom::u32().unwrap_or(1).max(1)),
                last: 0,
                now,
                everyone_entries: 0,
                stats: StoreStats::default(),
                tell: Vec::new(),
            }),
            clock,
            wake: Mutex::new(None),
        }
    }

    pub(crate) fn set_wake(&self, wake: Arc<dyn Wake>) {
        *self.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(wake);
    }

    pub(crate) fn set_everyone_entries(&self, most: u64) {
        self.lock().everyone_entries = most;
    }

    pub(crate) fn stats(&self) -> StoreStats {
        self.lock().stats
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks, or changes nothing that others are told of.
    fn look<R>(&self, app: &AppId, f: impl FnOnce(&mut App) -> R) -> R {
        f(self.lock().app(app))
    }

    /// Changes, then tells.
    fn change<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        state.now = self.clock.now();
        let result = f(&mut state);
        state.stats.commits += 1;
        let tell = core::mem::take(&mut state.tell);
        drop(state);
        let wake = self.wake.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for event in tell {
            let Some(wake) = &wake else { continue };
            match event {
                Tell::Appended(log, entry) => wake.appended(&log, &[entry]),
                Tell::Removed(log, seq) => wake.removed(&log, seq),
                Tell::Trimmed(log, gap) => wake.trimmed(&log, &gap),
            }
        }
        result
    }
}

impl LogStore for MemoryStore {
    fn epoch(&self) -> Epoch {
        self.lock().epoch
    }

    fn head(&self) -> Seq {
        self.lock().last
    }

    fn last(&self, log: &LogKey) -> Result<Seq, StoreError> {
        Ok(self.look(&log.app, |app| app.logs.get(&log.log).map_or(0, |log| log.last)))
    }

    fn floor(&self, log: &LogKey) -> Seq {
        self.look(&log.app, |app| app.logs.get(&log.log).map_or(0, |log| log.floor))
    }

    fn read(&self, log: &LogKey, after: Seq, max: usize, max_bytes: usize) -> Result<RawBatch, StoreError> {
        Ok(self.look(&log.app, |app| messages::read(app, &log.log, after, max, max_bytes)))
    }

    fn hiders(&self, log: &LogKey, key: &str, seq: Seq) -> Result<Vec<Hider>, StoreError> {
        Ok(self.look(&log.app, |app| messages::hiders(app, &log.log, key, seq)))
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.change(|state| messages::append(state, append))
    }

    async fn append_all(&self, appends: Vec<Append>) -> Vec<Result<Appended, AppendError>> {
        let one = |append| self.change(|state| messages::append(state, append));
        appends.into_iter().map(one).collect()
    }

    async fn remember(&self, app: AppId, id: MessageId, key: Idempotency) -> Result<Appended, AppendError> {
        self.change(|state| messages::remember(state, &app, id, &key))
    }

    async fn recall(&self, app: AppId, id: MessageId) -> Result<RecallOutcome, StoreError> {
        Ok(self.change(|state| messages::recall(state, &app, id)))
    }

    async fn trim(&self, log: LogKey, through: Seq) -> Result<u64, StoreError> {
        Ok(self.change(|state| messages::trim(state, &log, through)))
    }

    fn message(&self, app: &AppId, id: MessageId) -> Result<Option<MessageRow>, StoreError> {
        Ok(self.look(app, |app| app.messages.get(&id).cloned()))
    }

    fn due(&self, now: UnixMs) -> Result<Vec<Scheduled>, StoreError> {
        let state = self.lock();
        let scheduled = state.apps.values().flat_map(|app| &app.scheduled);
        let due = scheduled
            .filter(|((at, _), _)| *at <= now)
            .map(|((at, _), append)| Scheduled { at: *at, append: append.clone() });
        Ok(due.collect())
    }

    async fn release(&self, due: Scheduled, targeted: u64) -> Result<bool, StoreError> {
        Ok(self.change(|state| messages::release(state, &due, targeted)))
    }

    async fn expire(&self, now: UnixMs, status_kept: Duration, alive: Alive) -> Result<Expired, StoreError> {
        Ok(self.change(|state| {
            let messages = messages::expire(state, now, status_kept);
            let registrations = devices::expire(state, now, &alive);
            Expired { messages, registrations, more: false }
        }))
    }
}

impl Registry for MemoryStore {
    fn row(&self, app: &AppId, id: &RegistrationId) -> Result<Option<Row>, StoreError> {
        Ok(self.look(app, |app| app.rows.get(id).cloned()))
    }

    async fn put(&self, app: AppId, expect: Expect, row: Row) -> Result<Row, PutError> {
        self.change(|state| devices::put(state, &app, expect, row))
    }

    async fn remove(&self, app: AppId, id: RegistrationId) -> Result<bool, StoreError> {
        Ok(self.change(|state| devices::remove(state.app(&app), &id)))
    }

    fn of_user(&self, app: &AppId, user: &UserId, max: usize) -> Result<Vec<RegistrationId>, StoreError> {
        Ok(self.look(app, |app| {
            let of_user = app.rows.values().filter(|row| row.user.as_ref() == Some(user));
            of_user.map(|row| row.id.clone()).take(max).collect()
        }))
    }

    fn subscribes(&self, app: &AppId, id: &RegistrationId, topic: &Topic) -> Result<bool, StoreError> {
        let has = |row: &Row| row.subscriptions.iter().any(|s| s.topic == *topic);
        Ok(self.look(app, |app| app.rows.get(id).is_some_and(has)))
    }

    fn list(&self, app: &AppId, after: Option<&RegistrationId>, max: usize) -> Result<Vec<Row>, StoreError> {
        Ok(self.look(app, |app| {
            let rows = app.rows.values().filter(|row| after.is_none_or(|id| row.id > *id));
            rows.take(max).cloned().collect()
        }))
    }

    fn how_many(&self, app: &AppId, of: HowMany<'_>) -> Result<u64, StoreError> {
        let counts = |row: &&Row| match of {
            HowMany::All => true,
            HowMany::Topic(topic) => row.subscriptions.iter().any(|s| s.topic == *topic),
        };
        Ok(self.look(app, |app| app.rows.values().filter(counts).count() as u64))
    }
}

impl Counters for MemoryStore {
    fn progress(&self, app: &AppId, id: &RegistrationId) -> Result<Progress, StoreError> {
        Ok(self.look(app, |app| app.progress.get(id).cloned().unwrap_or_default()))
    }

    async fn advance(&self, devices: Vec<DeviceProgress>) -> Result<(), StoreError> {
        self.change(|state| devices::advance(state, &devices));
        Ok(())
    }

    async fn mark(
        &self,
        app: AppId,
        id: RegistrationId,
        receipts: Vec<ReceiptIn>,
    ) -> Result<u32, StoreError> {
        Ok(self.change(|state| devices::mark(state.app(&app), &id, &receipts)))
    }

    fn counts(&self, app: &AppId, id: MessageId) -> Result<Counts, StoreError> {
        Ok(self.look(app, |app| app.counts.get(&id).copied().unwrap_or_default()))
    }
}
