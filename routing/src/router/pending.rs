//! What devices have been sent and have acked since it was last written: gathered here, so that a
//! device costs a write now and then and not one a delivery.

use crate::store::{Counters as _, DeviceProgress, LogProgress};
use crate::{Log, LogKey, Router, SessionRef, StoreError};
use core::time::Duration;
use pulsegate_proto::id::{AppId, Marks, RegistrationId, Seq};
use pulsegate_proto::time::UnixMs;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Devices written in one commit: some milliseconds of the writer's time, which publishers wait.
const FLUSH_GROUP: usize = 512;
/// With about so many marks (40 bytes each) pending, they are written at the next tick, whatever their
/// age.
const MARKS: usize = 200_000;
/// See [`steps`].
const STEP: usize = 16;

type Device = (AppId, RegistrationId);

/// What one link of a device was sent and has acked and is not written yet. The link keeps it at hand: what happens
/// with every delivery is noted without a search. See [`Router::notes`].
#[derive(Clone, Debug)]
pub struct Notes(Arc<Link>);

#[derive(Debug)]
struct Link {
    device: Device,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    logs: Vec<LogProgress>,
    /// Of its marks, at the time when they were noted.
    weight: usize,
}

/// Links of a device with something to write.
struct Waiting {
    since: UnixMs,
    links: Vec<Notes>,
}

/// A link comes here once each time it is written: with so many locks, two rarely wait for each other.
const SHARDS: usize = 64;

type Shard = HashMap<Device, Waiting>;

pub(super) struct Pending {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
    /// Weight of what is noted, in whole steps of each link.
    marks: AtomicUsize,
}

impl Default for Pending {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { hasher: RandomState::new(), shards, marks: AtomicUsize::new(0) }
    }
}

impl Notes {
    pub(super) fn of(app: &AppId, registration: &RegistrationId) -> Self {
        let device = (app.clone(), registration.clone());
        Self(Arc::new(Link { device, noted: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn lock(&self, registration: &RegistrationId) -> MutexGuard<'_, Shard> {
        let shard = self.hasher.hash_one(registration) % SHARDS as u64;
        self.shards[shard as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(
        &self,
        notes: &Notes,
        log: &Log,
        now: impl FnOnce() -> UnixMs,
        weight: usize,
        note: impl FnOnce(&mut LogProgress),
    ) {
        let mut noted = notes.lock();
        if noted.logs.is_empty() {
            // The link's lock is held: whoever takes the link off the list meanwhile waits for what is noted now.
            let mut shard = self.lock(&notes.0.device.1);
            let waiting = shard
                .entry(notes.0.device.clone())
                .or_insert_with(|| Waiting { since: now(), links: Vec::with_capacity(1) });
            waiting.links.push(notes.clone());
        }
        let before = steps(noted.weight);
        noted.weight += weight;
        if steps(noted.weight) != before {
            self.marks.fetch_add(steps(noted.weight) - before, Ordering::Relaxed);
        }
        note(of_log(&mut noted.logs, log));
    }

    /// Takes what waits since `until` or longer.
    fn take(&self, until: UnixMs) -> Vec<DeviceProgress> {
        let mut taken = Vec::new();
        for shard in &self.shards {
            let due: Vec<_> = {
                let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                let due = shard.extract_if(|_, waiting| waiting.since <= until).collect();
                // A map keeps what it once needed: 146 bytes for each device that was ever written.
                if shard.len() * 4 < shard.capacity() {
                    let room = shard.len() * 2;
                    shard.shrink_to(room);
                }
                due
            };
            taken.extend(due.into_iter().map(|(device, waiting)| self.progress(device, waiting)));
        }
        taken
    }

    pub(super) fn take_device(&self, app: &AppId, registration: &RegistrationId) -> Option<DeviceProgress> {
        let device = (app.clone(), registration.clone());
        let waiting = self.lock(registration).remove(&device)?;
        Some(self.progress(device, waiting))
    }

    fn progress(&self, (app, registration): Device, waiting: Waiting) -> DeviceProgress {
        let mut logs: Vec<LogProgress> = Vec::new();
        for link in waiting.links {
            let noted = std::mem::take(&mut *link.lock());
            self.marks.fetch_sub(steps(noted.weight), Ordering::Relaxed);
            if logs.is_empty() {
                logs = noted.logs;
                continue;
            }
            for log in noted.logs {
                of_log(&mut logs, &log.log).join(log);
            }
        }
        DeviceProgress { app, registration, logs }
    }

    /// Puts back what could not be written, under what has come since.
    fn put_back(&self, devices: Vec<DeviceProgress>, now: UnixMs) {
        for device in devices {
            let notes = Notes::of(&device.app, &device.registration);
            for log in device.logs {
                let name = log.log.clone();
                let weight = weight(&log.sent) + weight(&log.received);
                self.note(&notes, &name, || now, weight, |later| later.join(log));
            }
        }
    }
}

/// What a link counts for: in steps, since a number that every delivery adds to would travel between processors.
fn steps(weight: usize) -> usize {
    weight / STEP * STEP
}

fn weight(marks: &[Marks]) -> usize {
    marks.iter().map(Marks::weight).sum()
}

fn of_log<'a>(logs: &'a mut Vec<LogProgress>, log: &Log) -> &'a mut LogProgress {
    let known = logs.iter().position(|progress| progress.log == *log);
    let i = known.unwrap_or_else(|| {
        logs.push(LogProgress { log: log.clone(), acked: 0, sent: Vec::new(), received: Vec::new() });
        logs.len() - 1
    });
    &mut logs[i]
}

impl LogProgress {
    fn join(&mut self, other: Self) {
        self.acked = self.acked.max(other.acked);
        self.sent.extend(other.sent);
        self.received.extend(other.received);
    }
}

impl Router {
    /// Where a link notes what it was sent and has acked. Written within `cursor_write`, and when the device
    /// disconnects.
    #[must_use]
    pub fn notes(&self, session: &SessionRef) -> Notes {
        Notes::of(&session.app, &session.registration)
    }

    /// The device of `notes` stored everything up to `seq` in `log`, the entries `received` among it, which were
    /// sent on this link.
    pub fn acked(&self, notes: &Notes, log: &LogKey, seq: Seq, received: Vec<Marks>) {
        let weight = weight(&received);
        self.0.pending.note(
            notes,
            &log.log,
            || self.0.clock.now(),
            weight,
            |progress| {
                progress.acked = progress.acked.max(seq);
                progress.received.extend(received);
            },
        );
    }

    /// These entries of `log` were handed to the socket for the first time on this link.
    pub fn sent(&self, notes: &Notes, log: &LogKey, marks: Marks) {
        self.0.pending.note(
            notes,
            &log.log,
            || self.0.clock.now(),
            marks.weight(),
            |progress| {
                progress.sent.push(marks);
            },
        );
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
