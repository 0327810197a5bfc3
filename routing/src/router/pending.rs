//! What devices have been sent and have acked since it was last written: gathered here, so that a
//! device costs a write now and then and not one a delivery.

use crate::store::{Counters as _, DeviceProgress, LogMark, LogProgress};
use crate::{LogKey, Router, SessionRef, StoreError};
use core::time::Duration;
use pulsegate_proto::id::{AppId, MessageId, RegistrationId, Seq};
use pulsegate_proto::time::UnixMs;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Devices written in one commit: some milliseconds of the writer's time, which publishers wait.
const FLUSH_GROUP: usize = 256;
/// With so many marks (40 bytes each) pending, they are written at the next tick, whatever their
/// age: 10,000 sockets at full speed make half a million a second.
const MARKS: usize = 200_000;

type Key = (AppId, RegistrationId);

struct Waiting {
    since: UnixMs,
    logs: Vec<LogProgress>,
}

/// Every delivery passes here: with so many locks, two sockets rarely wait for each other.
const SHARDS: usize = 64;

type Shard = HashMap<Key, Waiting>;

pub(super) struct Pending {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
    /// Messages named in the shards, sent or received.
    marks: AtomicUsize,
}

impl Default for Pending {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { hasher: RandomState::new(), shards, marks: AtomicUsize::new(0) }
    }
}

impl Pending {
    fn lock(&self, registration: &RegistrationId) -> MutexGuard<'_, Shard> {
        let shard = self.hasher.hash_one(registration) % SHARDS as u64;
        self.shards[shard as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(
        &self,
        app: &AppId,
        registration: &RegistrationId,
        log: &LogKey,
        now: UnixMs,
        note: impl FnOnce(&mut LogProgress),
    ) {
        let mut pending = self.lock(registration);
        let waiting = pending
            .entry((app.clone(), registration.clone()))
            .or_insert_with(|| Waiting { since: now, logs: Vec::new() });
        let known = waiting.logs.iter().position(|progress| progress.log == log.log);
        let i = known.unwrap_or_else(|| {
            waiting.logs.push(LogProgress {
                log: log.log.clone(),
                acked: 0,
                sent: Vec::new(),
                received: Vec::new(),
            });
            waiting.logs.len() - 1
        });
        let noted = &mut waiting.logs[i];
        let before = marks(noted);
        note(noted);
        self.marks.fetch_add(marks(noted).saturating_sub(before), Ordering::Relaxed);
    }

    /// Takes what waits since `until` or longer.
    fn take(&self, until: UnixMs) -> Vec<DeviceProgress> {
        let mut taken = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let due = shard.extract_if(|_, waiting| waiting.since <= until);
            taken.extend(due.map(|(key, waiting)| self.progress(key, waiting)));
            // A map keeps what it once needed: 146 bytes for each device that was ever written.
            if shard.len() * 4 < shard.capacity() {
                let room = shard.len() * 2;
                shard.shrink_to(room);
            }
        }
        taken
    }

    pub(super) fn take_device(&self, app: &AppId, registration: &RegistrationId) -> Option<DeviceProgress> {
        let key = (app.clone(), registration.clone());
        let waiting = self.lock(registration).remove(&key)?;
        Some(self.progress(key, waiting))
    }

    fn progress(&self, (app, registration): Key, waiting: Waiting) -> DeviceProgress {
        let taken = waiting.logs.iter().map(marks).sum();
        self.marks.fetch_sub(taken, Ordering::Relaxed);
        DeviceProgress { app, registration, logs: waiting.logs }
    }

    /// Puts back what could not be written, under what has come since.
    fn put_back(&self, devices: Vec<DeviceProgress>, now: UnixMs) {
        for device in devices {
            let (app, id) = (&device.app, &device.registration);
            for log in device.logs {
                let key = LogKey::new(app, log.log.clone());
                self.note(app, id, &key, now, |later| {
                    later.acked = later.acked.max(log.acked);
                    later.sent.extend(log.sent);
                    later.received.extend(log.received);
                });
            }
        }
    }
}

fn marks(log: &LogProgress) -> usize {
    log.sent.len() + log.received.len()
}

impl Router {
    /// The device stored everything up to `seq` in `log`, the messages `received` among it.
    /// Written within `cursor_write`, and at disconnect.
    pub fn acked(&self, session: &SessionRef, log: &LogKey, seq: Seq, received: &[MessageId]) {
        let (app, id) = (&session.app, &session.registration);
        self.0.pending.note(app, id, log, self.0.clock.now(), |progress| {
            progress.acked = progress.acked.max(seq);
            progress.received.extend_from_slice(received);
        });
    }

    /// These messages of `log` were handed to the socket in one go: as [`Router::sent`] for each.
    pub fn sent_all(&self, session: &SessionRef, log: &LogKey, messages: &[(MessageId, Seq)]) {
        let (app, id) = (&session.app, &session.registration);
        self.0.pending.note(app, id, log, self.0.clock.now(), |progress| {
            progress.sent.extend(messages.iter().map(|&(message, seq)| LogMark { message, seq }));
        });
    }

    /// `message` was handed to the socket for the first time on this link.
    pub fn sent(&self, session: &SessionRef, log: &LogKey, message: MessageId, seq: Seq) {
        let (app, id) = (&session.app, &session.registration);
        self.0.pending.note(app, id, log, self.0.clock.now(), |progress| {
            progress.sent.push(LogMark { message, seq });
        });
    }

    /// Writes all pending cursors and counts now.
    ///
    /// # Errors
    /// The store did not take them; they stay pending.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.flush_until(UnixMs(i64::MAX)).await
    }

    /// Writes what has waited for `cursor_write`.
    pub(super) async fn flush_due(&self) -> Result<(), StoreError> {
        if self.0.pending.marks.load(Ordering::Relaxed) > MARKS {
            return self.flush().await;
        }
        let wait = i64::try_from(self.0.settings.cursor_write.as_millis()).unwrap_or(0);
        self.flush_until(UnixMs(self.0.clock.now().0 - wait)).await
    }

    async fn flush_until(&self, until: UnixMs) -> Result<(), StoreError> {
        let mut devices = self.0.pending.take(until);
        while !devices.is_empty() {
            let rest = devices.split_off(devices.len().min(FLUSH_GROUP));
            if let Err(error) = self.0.store.advance(devices.clone()).await {
                self.0.pending.put_back(devices, self.0.clock.now());
                self.0.pending.put_back(rest, self.0.clock.now());
                return Err(error);
            }
            devices = rest;
        }
        Ok(())
    }

    /// Writes what is pending of one device.
    pub(super) async fn flush_device(
        &self,
        app: &AppId,
        registration: &RegistrationId,
    ) -> Result<(), StoreError> {
        let Some(device) = self.0.pending.take_device(app, registration) else {
            return Ok(());
        };
        let written = self.0.store.advance(vec![device.clone()]).await;
        if written.is_err() {
            self.0.pending.put_back(vec![device], self.0.clock.now());
        }
        written
    }
}

/// How often the background task looks at what is due.
pub(super) const TICK: Duration = Duration::from_secs(1);
