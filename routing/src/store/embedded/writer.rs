//! The one writer. It drains its queue, lets each job plan its writes, commits the group as one
//! batch with one sync, answers, and only then wakes the readers.

use super::key::{self, Table};
use super::plan::{self, After, Memory, Plan};
use super::tables::CommitError;
use super::{Fsync, Shared, codec};
use crate::{Entry, LogKey, StoreError, Wake};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{mpsc, oneshot};

/// Jobs that may wait for the writer; beyond them, publishers wait to get in line.
pub(crate) const QUEUE: usize = 4096;
/// Jobs of one group: far more than are ever waiting during one sync, but a bound.
const GROUP_JOBS: usize = 1024;
/// Bytes of one group: keeps a sync short and the batch's memory small.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// Learns the outcome of the group.
type Finish = Box<dyn FnOnce(&Result<(), StoreError>) + Send>;

/// Plans within a group; answered when the group is done.
pub(crate) struct Job {
    plan: Box<dyn FnOnce(&mut Plan<'_>) -> Finish + Send>,
    refuse: Box<dyn FnOnce(StoreError) + Send>,
    /// It will make room in the end.
    freeing: bool,
}

impl Job {
    /// A job and where its answer comes.
    pub(crate) fn new<R, E>(
        freeing: bool,
        plan: impl FnOnce(&mut Plan<'_>) -> Result<R, E> + Send + 'static,
    ) -> (Self, oneshot::Receiver<Result<R, E>>)
    where
        R: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel::<Result<R, E>>();
        // Whoever asked may have gone away; the work is done all the same.
        let answer = Arc::new(std::sync::Mutex::new(Some(answer)));
        let take = |answer: &std::sync::Mutex<Option<oneshot::Sender<Result<R, E>>>>| {
            answer.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
        };
        let refused = answer.clone();
        let refuse = Box::new(move |error: StoreError| {
            if let Some(answer) = take(&refused) {
                let _gone = answer.send(Err(E::from(error)));
            }
        });
        let plan = Box::new(move |group: &mut Plan<'_>| -> Finish {
            let planned = group.step(plan);
            Box::new(move |outcome: &Result<(), StoreError>| {
                let result = match (planned, outcome) {
                    (Ok(done), Ok(())) => Ok(done),
                    (Ok(_), Err(error)) => Err(E::from(error.clone())),
                    (Err(error), _) => Err(error),
                };
                if let Some(answer) = take(&answer) {
                    let _gone = answer.send(result);
                }
            })
        });
        (Self { plan, refuse, freeing }, answered)
    }
}

/// What the queue carries.
pub(crate) enum Order {
    Do(Job),
    /// What was asked for together: one group as far as it fits, and so one sync and one wake of its readers.
    All(Vec<Job>),
    /// Finish what waits, write out, close.
    Close(oneshot::Sender<Result<(), StoreError>>),
}

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) memory: Memory,
    /// A group of which it is not known whether it is on disk, and what to tell if it is.
    pub(crate) suspect: Option<(u64, Vec<After>)>,
    /// Taken from the queue, for the next group.
    pub(crate) waiting: VecDeque<Job>,
}

impl Writer {
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Order>) {
        loop {
            if self.waiting.is_empty() {
                let Some(order) = queue.blocking_recv() else { return };
                if let Some(closing) = self.take(order) {
                    return self.close(closing, queue);
                }
            }
            if let Some(closing) = self.group(&mut queue) {
                return self.close(closing, queue);
            }
        }
    }

    /// Answers a `Close`.
    fn take(&mut self, order: Order) -> Option<oneshot::Sender<Result<(), StoreError>>> {
        match order {
            Order::Do(job) => self.waiting.push_back(job),
            Order::All(jobs) => self.waiting.extend(jobs),
            Order::Close(closing) => return Some(closing),
        }
        None
    }

    fn close(self, closing: oneshot::Sender<Result<(), StoreError>>, mut queue: mpsc::Receiver<Order>) {
        queue.close();
        while let Ok(order) = queue.try_recv() {
            let error = StoreError::Unavailable(String::from("shutting down"));
            match order {
                Order::Do(job) => (job.refuse)(error),
                Order::All(jobs) => jobs.into_iter().for_each(|job| (job.refuse)(error.clone())),
                Order::Close(also) => drop(also.send(Ok(()))),
            }
        }
        let closed = self.shared.tables.close();
        self.shared.unlock(closed.is_ok());
        // The wake may hold the router, and so this store.
        self.shared.set_wake(None);
        let _gone = closing.send(closed);
    }

    /// One group: what was taken and what waits behind it. Answers a `Close` that was met on the way, and then
    /// nothing is left.
    fn group(
        &mut self,
        queue: &mut mpsc::Receiver<Order>,
    ) -> Option<oneshot::Sender<Result<(), StoreError>>> {
        let shared = self.shared.clone();
        let usable = self.usable();
        let (room, room_to_free) = (shared.tables.has_room(false), shared.tables.has_room(true));
        shared.full.store(!room, Ordering::Relaxed);
        let now = shared.clock.now();
        let mut plan = Plan::new(&*shared.tables, &mut self.memory, now);
        let mut finishes: Vec<Finish> = Vec::new();
        let mut closing = None;
        while let Some(job) = self.waiting.pop_front() {
            let refused = match &usable {
                Err(error) => Some(error.clone()),
                Ok(()) if room || (job.freeing && room_to_free) => None,
                Ok(()) => Some(StoreError::Full),
            };
            if let Some(error) = refused {
                // The next job looks anew: there may be room by then.
                (job.refuse)(error);
                break;
            }
            finishes.push((job.plan)(&mut plan));
            if finishes.len() >= GROUP_JOBS || plan.bytes() >= GROUP_BYTES {
                break;
            }
            if self.waiting.is_empty() {
                match queue.try_recv() {
                    Ok(Order::Do(job)) => self.waiting.push_back(job),
                    Ok(Order::All(jobs)) => self.waiting.extend(jobs),
                    Ok(Order::Close(sender)) => closing = Some(sender),
                    Err(_) => {}
                }
            }
        }
        let batch = plan.finish();
        let after = core::mem::take(&mut plan.after);
        drop(plan);
        shared.head.store(self.memory.last, Ordering::SeqCst);
        shared.stats.commits.fetch_add(finishes.len() as u64, Ordering::Relaxed);
        let outcome = match batch {
            None => Ok(after),
            Some(batch) => {
                if shared.fsync == Fsync::Always {
                    shared.stats.syncs.fetch_add(1, Ordering::Relaxed);
                }
                let outcome = shared.tables.commit(batch);
                self.judge(outcome, after)
            }
        };
        match outcome {
            Ok(after) => self.done(after, finishes),
            Err(error) => {
                shared.stats.failures.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, jobs = finishes.len(), "a group of commits failed");
                shared.refresh_lasts();
                let outcome = Err(error);
                finishes.into_iter().for_each(|finish| finish(&outcome));
            }
        }
        closing
    }

    /// Whether anything can be written now; repairs what can be repaired.
    fn usable(&mut self) -> Result<(), StoreError> {
        self.shared.tables.heal().map_err(store_error)?;
        if let Some((group, after)) = self.suspect.take() {
            match self.shared.group_on_disk() {
                Ok(found) if found >= group => self.announce(after),
                Ok(_) => {}
                Err(error) => {
                    self.suspect = Some((group, after));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn judge(
        &mut self,
        outcome: Result<(), CommitError>,
        after: Vec<After>,
    ) -> Result<Vec<After>, StoreError> {
        let why = match outcome {
            Ok(()) => return Ok(after),
            Err(CommitError::Unknown(why)) => why,
            Err(error) => return Err(store_error(error)),
        };
        // The write failed half-way for want of room. Opened anew, the tables have the whole batch
        // or nothing of it.
        let found = self.shared.tables.heal().map_err(store_error);
        match found.and_then(|()| self.shared.group_on_disk()) {
            Ok(group) if group >= self.memory.group => Ok(after),
            Ok(_) => Err(StoreError::Full),
            Err(_) => {
                self.suspect = Some((self.memory.group, after));
                Err(StoreError::OutcomeUnknown(why))
            }
        }
    }

    fn done(&mut self, after: Vec<After>, finishes: Vec<Finish>) {
        self.remember(&after);
        finishes.into_iter().for_each(|finish| finish(&Ok(())));
        self.tell(after);
    }

    /// Calls the wake. A panic of it must not take the writer, and so all publishing, with it.
    fn tell(&self, after: Vec<After>) {
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.wake(after)));
        if told.is_err() {
            tracing::error!("the wake panicked: readers look again at their next beat");
        }
    }

    fn announce(&mut self, after: Vec<After>) {
        self.remember(&after);
        self.tell(after);
    }

    /// What must be known before anybody is answered.
    fn remember(&mut self, after: &[After]) {
        let shared = &self.shared;
        let stats = &shared.stats;
        for event in after {
            match event {
                After::Appended(log, entry) => {
                    shared.lasts.grow(log, entry.seq);
                    stats.entries.fetch_add(1, Ordering::Relaxed);
                }
                After::Floor(log, floor) => shared.raise_floor(log, *floor),
                After::Knows(app) => drop(self.memory.apps.insert(app.clone())),
                After::LowWater(app, second) => {
                    self.memory.low_water.insert(app.clone(), *second);
                }
                After::Published => drop(stats.publishes.fetch_add(1, Ordering::Relaxed)),
                After::Expired => drop(stats.expired_messages.fetch_add(1, Ordering::Relaxed)),
                After::Dropped(n) => drop(stats.trimmed_entries.fetch_add(*n, Ordering::Relaxed)),
                After::Removed(..) | After::Trimmed(..) => {}
            }
        }
    }

    fn wake(&self, after: Vec<After>) {
        let Some(wake) = self.shared.wake() else {
            return;
        };
        let mut run: Option<(LogKey, Vec<Arc<Entry>>)> = None;
        for event in after {
            match event {
                After::Appended(log, entry) => match &mut run {
                    Some((last, entries)) if *last == log => entries.push(entry),
                    _ => {
                        flush(&*wake, run.take());
                        run = Some((log, vec![entry]));
                    }
                },
                After::Removed(log, seq) => {
                    flush(&*wake, run.take());
                    wake.removed(&log, seq);
                }
                After::Trimmed(log, gap) => wake.trimmed(&log, &gap),
                _ => {}
            }
        }
        flush(&*wake, run);
    }
}

fn flush(wake: &dyn Wake, run: Option<(LogKey, Vec<Arc<Entry>>)>) {
    if let Some((log, entries)) = run {
        wake.appended(&log, &entries);
    }
}

fn store_error(error: CommitError) -> StoreError {
    match error {
        CommitError::Full => StoreError::Full,
        CommitError::SyncFailed(why) => StoreError::ReadOnly(why),
        CommitError::Closed(why) => StoreError::Unavailable(why),
        CommitError::Unknown(why) => StoreError::OutcomeUnknown(why),
    }
}

impl Shared {
    /// Number of the last group that is on disk.
    fn group_on_disk(&self) -> Result<u64, StoreError> {
        let payload = plan::read(&*self.tables, Table::Meta, key::TAIL)?.unwrap_or_default();
        let mut decoder = codec::Decoder(&payload);
        let tail = decoder.num().and_then(|_last| decoder.num());
        tail.map_err(|codec::Damaged| plan::damaged(Table::Meta, key::TAIL))
    }
}
