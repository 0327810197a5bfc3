//! The embedded store: ordered tables on this machine's disk, one writer, one sync a group.

mod archive;
mod codec;
mod device_value;
mod directory;
mod fjall_tables;
mod journal_check;
mod key;
mod last;
mod log;
mod plan;
mod plan_device;
mod plan_expiry;
mod plan_message;
mod plan_progress;
mod registry;
mod sync;
mod tables;
mod value;
mod writer;

pub use archive::{ArchiveError, Archived, export, import, new_epoch};
pub use key::Table;
pub use sync::Fsync;
pub use tables::{CommitError, Each, Tables, Write};

use crate::store::StoreStats;
use crate::{Clock, LogKey, OpenError, StoreError, Wake};
use directory::DataDirectory;
use last::Lasts;
use pulsegate_proto::id::{Epoch, Seq};
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use sync::Syncer;
use tokio::sync::{mpsc, oneshot};
use writer::{Job, Order, QUEUE, Writer};

/// Settings of the embedded store.
#[derive(Clone, Debug)]
pub struct EmbeddedSettings {
    /// The data directory.
    pub path: PathBuf,
    /// Make the directory if it is missing; its parent must be there, so that a disk that was not
    /// mounted is noticed.
    pub create: bool,
    /// Memory for blocks read from disk, bytes.
    pub cache_bytes: u64,
    /// When what was committed is synced.
    pub fsync: Fsync,
}

impl EmbeddedSettings {
    /// The defaults for a data directory at `path`: made if missing, a cache of 32 MiB, synced before
    /// anybody is answered.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), create: true, cache_bytes: 32 * 1024 * 1024, fsync: Fsync::Always }
    }
}

#[derive(Default)]
pub(crate) struct Counting {
    pub(crate) syncs: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) publishes: AtomicU64,
    pub(crate) entries: AtomicU64,
    pub(crate) corrupt_entries: AtomicU64,
    pub(crate) trimmed_entries: AtomicU64,
    pub(crate) expired_messages: AtomicU64,
    pub(crate) failures: AtomicU64,
}

/// What readers and the writer share.
pub(crate) struct Shared {
    pub(crate) tables: Arc<dyn Tables>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) epoch: Epoch,
    pub(crate) head: AtomicU64,
    pub(crate) lasts: Lasts,
    floors: RwLock<HashMap<LogKey, Seq>>,
    pub(crate) stats: Counting,
    pub(crate) fsync: Fsync,
    pub(crate) full: AtomicBool,
    everyone_entries: AtomicU64,
    wake: RwLock<Option<Arc<dyn Wake>>>,
    directory: Mutex<Option<DataDirectory>>,
    /// Damaged entries that were named in the log already.
    named: Mutex<std::collections::HashSet<(LogKey, Seq)>>,
}

impl Shared {
    pub(crate) fn wake(&self) -> Option<Arc<dyn Wake>> {
        self.wake.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_wake(&self, wake: Option<Arc<dyn Wake>>) {
        *self.wake.write().unwrap_or_else(PoisonError::into_inner) = wake;
    }

    pub(crate) fn floor(&self, log: &LogKey) -> Seq {
        let floors = self.floors.read().unwrap_or_else(PoisonError::into_inner);
        floors.get(log).copied().unwrap_or(0)
    }

    pub(crate) fn raise_floor(&self, log: &LogKey, floor: Seq) {
        let mut floors = self.floors.write().unwrap_or_else(PoisonError::into_inner);
        let stored = floors.entry(log.clone()).or_default();
        *stored = floor.max(*stored);
    }

    pub(crate) fn refresh_lasts(&self) {
        self.lasts.clear();
    }

    /// Lets the next process have the data directory. `clean`: all that was committed is on the disk.
    pub(crate) fn unlock(&self, clean: bool) {
        let directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(directory) = directory.filter(|_| clean) {
            directory.mark_synced();
        }
    }
}

/// The embedded store.
pub struct EmbeddedStore {
    pub(crate) shared: Arc<Shared>,
    queue: Option<mpsc::Sender<Order>>,
    writer: Option<JoinHandle<()>>,
    _syncer: Option<Syncer>,
}

impl EmbeddedStore {
    /// Opens or makes the store.
    ///
    /// # Errors
    /// Each way in which a data directory can be unusable has its own [`OpenError`].
    pub fn open(settings: EmbeddedSettings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let directory = DataDirectory::take(&settings)?;
        let tables = directory.open_tables(settings.cache_bytes, settings.fsync)?;
        Self::on(Arc::new(tables), clock, Some(directory), settings.fsync)
    }

    /// A store on other tables: another engine, or one that fails on purpose.
    ///
    /// # Errors
    /// The tables cannot be read, or hold another format.
    pub fn on_tables(tables: Arc<dyn Tables>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::on(tables, clock, None, Fsync::Always)
    }

    fn on(
        tables: Arc<dyn Tables>,
        clock: Arc<dyn Clock>,
        directory: Option<DataDirectory>,
        fsync: Fsync,
    ) -> Result<Self, OpenError> {
        let path = directory.as_ref().map(|d| d.path().to_owned()).unwrap_or_default();
        let state = directory::load(&*tables, &path)?;
        let shared = Arc::new(Shared {
            tables,
            clock,
            epoch: state.memory.epoch,
            head: AtomicU64::new(state.memory.last),
            lasts: Lasts::new(),
            floors: RwLock::new(state.floors),
            stats: Counting::default(),
            fsync,
            full: AtomicBool::new(false),
            everyone_entries: AtomicU64::new(0),
            wake: RwLock::new(None),
            directory: Mutex::new(directory),
            named: Mutex::default(),
        });
        let (queue, orders) = mpsc::channel(QUEUE);
        let (memory, waiting) = (state.memory, VecDeque::new());
        let writer = Writer { shared: shared.clone(), memory, suspect: None, waiting };
        let no_thread =
            |error: std::io::Error| OpenError::Io { path: path.clone(), reason: error.to_string() };
        let writer = std::thread::Builder::new()
            .name(String::from("store-writer"))
            .spawn(move || writer.run(orders))
            .map_err(no_thread)?;
        let syncer = match fsync {
            Fsync::Always => None,
            Fsync::Every(every) => Some(Syncer::start(shared.clone(), every).map_err(no_thread)?),
        };
        Ok(Self { shared, queue: Some(queue), writer: Some(writer), _syncer: syncer })
    }

    pub(crate) fn set_wake(&self, wake: Arc<dyn Wake>) {
        self.shared.set_wake(Some(wake));
    }

    pub(crate) fn set_everyone_entries(&self, most: u64) {
        self.shared.everyone_entries.store(most, Ordering::Relaxed);
    }

    pub(crate) fn everyone_entries(&self) -> u64 {
        self.shared.everyone_entries.load(Ordering::Relaxed)
    }

    /// Lets the writer run `plan` in its next group; answers when the group is on disk.
    pub(crate) async fn run<R, E>(
        &self,
        freeing: bool,
        plan: impl FnOnce(&mut plan::Plan<'_>) -> Result<R, E> + Send + 'static,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (job, answered) = Job::new(freeing, plan);
        self.submit(Order::Do(job)).await?;
        Self::answer(answered).await
    }

    pub(crate) async fn submit(&self, order: Order) -> Result<(), StoreError> {
        let closed = || StoreError::Unavailable(String::from("shutting down"));
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.send(order).await.map_err(|_| closed())
    }

    pub(crate) async fn answer<R, E: From<StoreError>>(
        answered: oneshot::Receiver<Result<R, E>>,
    ) -> Result<R, E> {
        // The writer answers every job; if it is gone without, it died in the middle of it.
        answered
            .await
            .unwrap_or_else(|_| Err(E::from(StoreError::OutcomeUnknown(String::from("the writer stopped")))))
    }

    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let (closing, closed) = oneshot::channel();
        if let Some(queue) = &self.queue
            && queue.send(Order::Close(closing)).await.is_ok()
        {
            return closed.await.unwrap_or(Ok(()));
        }
        Ok(())
    }

    pub(crate) fn ready(&self) -> Result<(), StoreError> {
        if self.writer.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(StoreError::Unavailable(String::from("shut down")));
        }
        match self.shared.tables.health() {
            Ok(()) if !self.shared.tables.has_room(false) => Err(StoreError::Full),
            health => health,
        }
    }

    pub(crate) fn stats(&self) -> StoreStats {
        let stats = &self.shared.stats;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreStats {
            syncs: read(&stats.syncs),
            commits: read(&stats.commits),
            publishes: read(&stats.publishes),
            entries: read(&stats.entries),
            corrupt_entries: read(&stats.corrupt_entries),
            trimmed_entries: read(&stats.trimmed_entries),
            expired_messages: read(&stats.expired_messages),
            failures: read(&stats.failures),
            reopened: self.shared.tables.reopened(),
            disk_bytes: self.shared.tables.disk_bytes(),
            read_only: matches!(self.shared.tables.health(), Err(StoreError::ReadOnly(_))),
            full: self.shared.full.load(Ordering::Relaxed),
        }
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        // Without senders the writer finishes what waits and ends; joined, so that whoever opens
        // the data directory next finds it free.
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // The last owner may be a waker, called by the writer itself.
            if writer.thread().id() != std::thread::current().id() {
                let _panicked = writer.join();
            }
        }
    }
}
