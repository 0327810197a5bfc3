//! Where logs, registrations and counts live: three traits, each store implements them all.
//!
//! The router plans with what it reads here and commits through here. Every method that writes is
//! one atomic commit that is durable when it returns, and calls the [`Wake`] after that. The traits
//! ask for nothing that a replicated log with compare-and-set rows could not do as well: appends
//! are idempotent by message id, rows carry a revision, and no method spans two apps.

mod collapse;
pub mod embedded;
mod memory;
mod model;

pub use embedded::{
    ArchiveError, Archived, EmbeddedSettings, EmbeddedStore, Fsync, export, import, new_epoch,
};
pub use memory::MemoryStore;
pub use model::{
    Alive, Append, AppendError, Appended, Counts, DeviceProgress, EPOCH_2025_MS, Expect, Expired, Hider,
    HowMany, LogProgress, MessageRow, Progress, ProgressLog, PutError, RawBatch, RecallOutcome, Row,
    RowState, SCAN_GROUP, STARTS_AT_COMMIT, Scheduled, StoreStats,
};

use crate::{Clock, Idempotency, LogKey, OpenError, PublishError, ReceiptIn, StoreError, Wake};
use core::future::Future;
use core::time::Duration;
use pulsegate_proto::id::{AppId, Epoch, MessageId, RegistrationId, Seq, Topic, UserId};
use pulsegate_proto::time::UnixMs;
use std::sync::Arc;

/// Append-only logs, and the messages whose entries they hold.
pub trait Log: Send + Sync {
    /// Incarnation of the store.
    fn epoch(&self) -> Epoch;

    /// The last sequence number handed out by the store.
    fn head(&self) -> Seq;

    /// The last entry of `log`; 0 if it has none.
    ///
    /// # Errors
    /// The store cannot be read.
    fn last(&self, log: &LogKey) -> Result<Seq, StoreError>;

    /// Entries of `log` up to here were dropped before they expired; 0: none were.
    fn floor(&self, log: &LogKey) -> Seq;

    /// Entries of `log` after `after`, in order, at most `max` and about `max_bytes` of bodies but
    /// at least one. Whether they are for somebody is not decided here.
    ///
    /// # Errors
    /// The store cannot be read. An entry that is damaged is a gap, not an error.
    fn read(&self, log: &LogKey, after: Seq, max: usize, max_bytes: usize) -> Result<RawBatch, StoreError>;

    /// The newer entries with `key` that hide the entry `seq` of `log` from those they are for.
    ///
    /// # Errors
    /// The store cannot be read.
    fn hiders(&self, log: &LogKey, key: &str, seq: Seq) -> Result<Vec<Hider>, StoreError>;

    /// Appends a message to its logs (or files it until `deliver_at`) in one commit.
    fn append(&self, append: Append) -> impl Future<Output = Result<Appended, AppendError>> + Send;

    /// Several [`Log::append`]s, in order, in as few syncs as possible.
    fn append_all(
        &self,
        appends: Vec<Append>,
    ) -> impl Future<Output = Vec<Result<Appended, AppendError>>> + Send;

    /// Remembers an idempotency key for a message that is not stored itself.
    fn remember(
        &self,
        app: AppId,
        id: MessageId,
        key: Idempotency,
    ) -> impl Future<Output = Result<Appended, AppendError>> + Send;

    /// Takes a message back: its entries go, and recalls are appended to the same logs.
    fn recall(
        &self,
        app: AppId,
        id: MessageId,
    ) -> impl Future<Output = Result<RecallOutcome, StoreError>> + Send;

    /// Raises the floor of `log` to `through` and drops its entries up to there. Answers how many.
    fn trim(&self, log: LogKey, through: Seq) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// What is kept of a message.
    ///
    /// # Errors
    /// The store cannot be read.
    fn message(&self, app: &AppId, id: MessageId) -> Result<Option<MessageRow>, StoreError>;

    /// Messages whose `deliver_at` has come, at most [`SCAN_GROUP`].
    ///
    /// # Errors
    /// The store cannot be read.
    fn due(&self, now: UnixMs) -> Result<Vec<Scheduled>, StoreError>;

    /// Appends a message that was filed, unless that was done before or it was recalled.
    fn release(&self, due: Scheduled, targeted: u64)
    -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Forgets what has ended by now, in one small group: entries of expired messages, status
    /// rows, idempotency keys, registrations that were not seen for their idle time unless `alive`.
    fn expire(
        &self,
        now: UnixMs,
        status_kept: Duration,
        alive: Alive,
    ) -> impl Future<Output = Result<Expired, StoreError>> + Send;
}

/// Registrations: rows with compare-and-set, found by id, user or topic.
pub trait Registry: Send + Sync {
    /// The row of a registration.
    ///
    /// # Errors
    /// The store cannot be read.
    fn row(&self, app: &AppId, id: &RegistrationId) -> Result<Option<Row>, StoreError>;

    /// Writes `row` if the stored one is as expected. Where it says [`STARTS_AT_COMMIT`] the head
    /// of the moment is filled in. Answers the row as stored.
    fn put(&self, app: AppId, expect: Expect, row: Row)
    -> impl Future<Output = Result<Row, PutError>> + Send;

    /// Deletes a registration and everything that hangs on it. Answers whether it was there.
    fn remove(&self, app: AppId, id: RegistrationId)
    -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The registrations of a user, in the order of ids, at most `max`.
    ///
    /// # Errors
    /// The store cannot be read.
    fn of_user(&self, app: &AppId, user: &UserId, max: usize) -> Result<Vec<RegistrationId>, StoreError>;

    /// Whether the registration subscribes to the topic.
    ///
    /// # Errors
    /// The store cannot be read.
    fn subscribes(&self, app: &AppId, id: &RegistrationId, topic: &Topic) -> Result<bool, StoreError>;

    /// Rows in the order of ids, after `after`, at most `max`.
    ///
    /// # Errors
    /// The store cannot be read.
    fn list(&self, app: &AppId, after: Option<&RegistrationId>, max: usize) -> Result<Vec<Row>, StoreError>;

    /// How many registrations there are.
    ///
    /// # Errors
    /// The store cannot be read.
    fn how_many(&self, app: &AppId, of: HowMany<'_>) -> Result<u64, StoreError>;
}

/// Cursors of devices, and counts of what became of messages.
pub trait Counters: Send + Sync {
    /// The cursors of a device.
    ///
    /// # Errors
    /// The store cannot be read.
    fn progress(&self, app: &AppId, id: &RegistrationId) -> Result<Progress, StoreError>;

    /// Moves cursors (they only grow) and counts what they passed, in one commit: a crash loses
    /// both or neither, so that nothing is counted twice.
    fn advance(&self, devices: Vec<DeviceProgress>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Counts receipts of one device: each (device, message, stage) once, and only for messages
    /// the device could have read. Answers how many counted.
    fn mark(
        &self,
        app: AppId,
        id: RegistrationId,
        receipts: Vec<ReceiptIn>,
    ) -> impl Future<Output = Result<u32, StoreError>> + Send;

    /// The counts of a message.
    ///
    /// # Errors
    /// The store cannot be read.
    fn counts(&self, app: &AppId, id: MessageId) -> Result<Counts, StoreError>;
}

/// A store.
#[derive(Clone)]
pub enum Store {
    /// In memory, naive: the oracle of the tests.
    Memory(Arc<MemoryStore>),
    /// On this machine's disk.
    Embedded(Arc<EmbeddedStore>),
}

impl Store {
    /// The naive store in memory: for tests and trying things out; it forgets at exit.
    #[must_use]
    pub fn memory(clock: Arc<dyn Clock>) -> Self {
        Self::Memory(Arc::new(MemoryStore::new(clock)))
    }

    /// Opens or makes the embedded store. Blocks while it is opened.
    ///
    /// # Errors
    /// Each way in which a data directory can be unusable has its own [`OpenError`].
    pub fn embedded(settings: EmbeddedSettings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Ok(Self::Embedded(Arc::new(EmbeddedStore::open(settings, clock)?)))
    }

    /// Names who is told of commits; before that, nobody is.
    pub fn wake(&self, wake: Arc<dyn Wake>) {
        match self {
            Self::Memory(store) => store.set_wake(wake),
            Self::Embedded(store) => store.set_wake(wake),
        }
    }

    /// Sets the bound on unexpired entries of each app's `all` log; 0: none.
    pub fn set_everyone_entries(&self, most: u64) {
        match self {
            Self::Memory(store) => store.set_everyone_entries(most),
            Self::Embedded(store) => store.set_everyone_entries(most),
        }
    }

    /// What the store counts.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        match self {
            Self::Memory(store) => store.stats(),
            Self::Embedded(store) => store.stats(),
        }
    }

    /// Whether writes are accepted now.
    ///
    /// # Errors
    /// Says why not.
    pub fn ready(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Embedded(store) => store.ready(),
        }
    }

    /// Closes the store; later writes fail with `Unavailable`.
    ///
    /// # Errors
    /// What could not be written. Everything acknowledged is durable in any case.
    pub async fn close(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Embedded(store) => store.close().await,
        }
    }
}

macro_rules! both {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Store::Memory($store) => $call,
            Store::Embedded($store) => $call,
        }
    };
}

impl Log for Store {
    fn epoch(&self) -> Epoch {
        both!(self, s => s.epoch())
    }
    fn head(&self) -> Seq {
        both!(self, s => s.head())
    }
    fn last(&self, log: &LogKey) -> Result<Seq, StoreError> {
        both!(self, s => s.last(log))
    }
    fn floor(&self, log: &LogKey) -> Seq {
        both!(self, s => s.floor(log))
    }
    fn read(&self, log: &LogKey, after: Seq, max: usize, max_bytes: usize) -> Result<RawBatch, StoreError> {
        both!(self, s => s.read(log, after, max, max_bytes))
    }
    fn hiders(&self, log: &LogKey, key: &str, seq: Seq) -> Result<Vec<Hider>, StoreError> {
        both!(self, s => s.hiders(log, key, seq))
    }
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        both!(self, s => s.append(append).await)
    }
    async fn append_all(&self, appends: Vec<Append>) -> Vec<Result<Appended, AppendError>> {
        both!(self, s => s.append_all(appends).await)
    }
    async fn remember(&self, app: AppId, id: MessageId, key: Idempotency) -> Result<Appended, AppendError> {
        both!(self, s => s.remember(app, id, key).await)
    }
    async fn recall(&self, app: AppId, id: MessageId) -> Result<RecallOutcome, StoreError> {
        both!(self, s => s.recall(app, id).await)
    }
    async fn trim(&self, log: LogKey, through: Seq) -> Result<u64, StoreError> {
        both!(self, s => s.trim(log, through).await)
    }
    fn message(&self, app: &AppId, id: MessageId) -> Result<Option<MessageRow>, StoreError> {
        both!(self, s => s.message(app, id))
    }
    fn due(&self, now: UnixMs) -> Result<Vec<Scheduled>, StoreError> {
        both!(self, s => s.due(now))
    }
    async fn release(&self, due: Scheduled, targeted: u64) -> Result<bool, StoreError> {
        both!(self, s => s.release(due, targeted).await)
    }
    async fn expire(&self, now: UnixMs, status_kept: Duration, alive: Alive) -> Result<Expired, StoreError> {
        both!(self, s => s.expire(now, status_kept, alive).await)
    }
}

impl Registry for Store {
    fn row(&self, app: &AppId, id: &RegistrationId) -> Result<Option<Row>, StoreError> {
        both!(self, s => s.row(app, id))
    }
    async fn put(&self, app: AppId, expect: Expect, row: Row) -> Result<Row, PutError> {
        both!(self, s => s.put(app, expect, row).await)
    }
    async fn remove(&self, app: AppId, id: RegistrationId) -> Result<bool, StoreError> {
        both!(self, s => s.remove(app, id).await)
    }
    fn of_user(&self, app: &AppId, user: &UserId, max: usize) -> Result<Vec<RegistrationId>, StoreError> {
        both!(self, s => s.of_user(app, user, max))
    }
    fn subscribes(&self, app: &AppId, id: &RegistrationId, topic: &Topic) -> Result<bool, StoreError> {
        both!(self, s => s.subscribes(app, id, topic))
    }
    fn list(&self, app: &AppId, after: Option<&RegistrationId>, max: usize) -> Result<Vec<Row>, StoreError> {
        both!(self, s => s.list(app, after, max))
    }
    fn how_many(&self, app: &AppId, of: HowMany<'_>) -> Result<u64, StoreError> {
        both!(self, s => s.how_many(app, of))
    }
}

impl Counters for Store {
    fn progress(&self, app: &AppId, id: &RegistrationId) -> Result<Progress, StoreError> {
        both!(self, s => s.progress(app, id))
    }
    async fn advance(&self, devices: Vec<DeviceProgress>) -> Result<(), StoreError> {
        both!(self, s => s.advance(devices).await)
    }
    async fn mark(
        &self,
        app: AppId,
        id: RegistrationId,
        receipts: Vec<ReceiptIn>,
    ) -> Result<u32, StoreError> {
        both!(self, s => s.mark(app, id, receipts).await)
    }
    fn counts(&self, app: &AppId, id: MessageId) -> Result<Counts, StoreError> {
        both!(self, s => s.counts(app, id))
    }
}

impl From<AppendError> for PublishError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::KeyReused => Self::KeyReused,
            AppendError::TooManyEveryone => Self::TooManyEveryone,
            AppendError::DuplicateId(id) => Self::DuplicateId(id),
            AppendError::Store(error) => Self::Store(error),
        }
    }
}
