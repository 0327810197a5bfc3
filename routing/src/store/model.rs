//! What the stores keep, as values: rows, counts and cursors, and the pure decisions on them that
//! every store shares.

use crate::{
    Entry, EntryKind, GapInfo, Idempotency, LastSeenRecord, Log, LogKey, Predicate, ReaderView, ReceiptStage,
    StoreError, Subscription, WebPush,
};
use bytes::Bytes;
use core::time::Duration;
use pulsegate_proto::id::{
    AppId, Epoch, Marks, MessageId, RegistrationId, Seq, SessionId, Tag, Topic, UserId,
};
use pulsegate_proto::time::UnixMs;
use std::sync::Arc;

/// 2025-01-01T00:00:00Z. Sequence numbers are microseconds since then where no later one was
/// handed out: 53 bits last until 2310, and a store brought back from a backup never hands out a
/// number that a device may hold already.
pub const EPOCH_2025_MS: i64 = 1_735_689_600_000;

/// Stands for "the head of the moment of the commit" in a row that is written.
pub const STARTS_AT_COMMIT: Seq = Seq::MAX;

/// How much one expiry commit or one look at the schedule takes: small, so that publishes queue
/// behind it for a moment only.
pub const SCAN_GROUP: usize = 256;

/// The sequence number after `last` at the time `now`.
pub(crate) fn next_seq(last: Seq, now: UnixMs) -> Seq {
    let micros = now.0.saturating_sub(EPOCH_2025_MS).max(0).saturating_mul(1000);
    (last + 1).max(u64::try_from(micros).unwrap_or(0))
}

/// Tells whether a registration is connected here and so not to be forgotten.
pub type Alive = Arc<dyn Fn(&AppId, &RegistrationId) -> bool + Send + Sync>;

/// A message on its way into its logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Whose.
    pub app: AppId,
    /// Its id.
    pub id: MessageId,
    /// The encoded message.
    pub body: Bytes,
    /// When it was handed in.
    pub published: UnixMs,
    /// When it ends.
    pub expires: UnixMs,
    /// File it until then.
    pub deliver_at: Option<UnixMs>,
    /// Hides older entries with the same key.
    pub collapse_key: Option<Arc<str>>,
    /// For recalls.
    pub notification_tag: Arc<str>,
    /// Which readers it is for.
    pub predicate: Option<Arc<Predicate>>,
    /// The logs it goes to: at least one, sorted, none twice.
    pub logs: Vec<Log>,
    /// Devices it is for; 0 while it is filed.
    pub targeted: u64,
    /// Publishing again is publishing once.
    pub idempotency: Option<Idempotency>,
}

/// What came of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The message is in its logs, or filed.
    New,
    /// The key was used before, by this message: nothing was appended.
    Replayed(MessageId),
}

/// Why a message was not appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// The idempotency key was used for something else.
    KeyReused,
    /// The `all` log is full.
    TooManyEveryone,
    /// The message id was used before.
    DuplicateId(MessageId),
    /// The store did not take it.
    Store(StoreError),
}

impl From<StoreError> for AppendError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What came of a recall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecallOutcome {
    /// It is recalled, now or before.
    Recalled,
    /// Its time had ended already: nothing to take back.
    Ended,
    /// There is no such message.
    NotFound,
}

/// A raw read of a log.
#[derive(Clone, Debug, Default)]
pub struct RawBatch {
    /// Entries in order, expired ones included.
    pub entries: Vec<Arc<Entry>>,
    /// Nothing lies beyond the last of them.
    pub end: bool,
    /// Before the first of them something is missing. Delivery goes on after `gap.resume`.
    pub gap: Option<GapInfo>,
}

/// A newer entry that hides an older one of the same collapse key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hider {
    /// Where the newer one stands.
    pub seq: Seq,
    /// From whom it hides.
    pub predicate: Arc<Predicate>,
}

/// Where a message is in its life, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    /// Filed until its `deliver_at`.
    Scheduled,
    /// In its logs.
    Live,
    /// Its entries were removed at its end.
    Expired,
    /// Taken back.
    Recalled,
}

/// What is kept of a message beside its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Where it is in its life.
    pub state: RowState,
    /// When it was handed in.
    pub published: UnixMs,
    /// When it ends.
    pub expires: UnixMs,
    /// When it was or is to be published, if later.
    pub deliver_at: Option<UnixMs>,
    /// Devices it is for.
    pub targeted: u64,
    /// Its logs; entry `i` has the number `first + i`.
    pub logs: Vec<Log>,
    /// See `logs`; 0 while it is filed.
    pub first: Seq,
    /// The recall in log `i` has the number `recall_first + i`; 0: not recalled.
    pub recall_first: Seq,
    /// Which readers it is for.
    pub predicate: Option<Arc<Predicate>>,
    /// Its collapse key.
    pub collapse_key: Option<Arc<str>>,
    /// For recalls.
    pub notification_tag: Arc<str>,
}

impl MessageRow {
    /// The row of `append`, whose entries begin at `first`.
    pub(crate) fn of(append: &Append, first: Seq) -> Self {
        Self {
            state: if first == 0 { RowState::Scheduled } else { RowState::Live },
            published: append.published,
            expires: append.expires,
            deliver_at: append.deliver_at,
            targeted: append.targeted,
            logs: append.logs.clone(),
            first,
            recall_first: 0,
            predicate: append.predicate.clone(),
            collapse_key: append.collapse_key.clone(),
            notification_tag: append.notification_tag.clone(),
        }
    }

    /// Its entry in its `i`-th log.
    pub(crate) fn entry(&self, epoch: u64, i: usize, id: MessageId, body: Bytes) -> Entry {
        Entry {
            seq: self.first + i as Seq,
            epoch,
            expires: self.expires,
            collapse_key: self.collapse_key.clone(),
            predicate: self.predicate.clone(),
            kind: EntryKind::Message { id, body },
        }
    }

    /// Its recall in its `i`-th log.
    pub(crate) fn recall(&self, epoch: u64, i: usize, id: MessageId) -> Entry {
        Entry {
            seq: self.recall_first + i as Seq,
            epoch,
            expires: self.expires,
            collapse_key: None,
            predicate: self.predicate.clone(),
            kind: EntryKind::Recall {
                message: id,
                tag: self.notification_tag.clone(),
                of_seq: self.first + i as Seq,
            },
        }
    }

    /// Whether the device of `row` could have read the message: it reads one of its logs, since
    /// before the message, and the message is for it.
    pub(crate) fn readable_by(&self, row: &Row) -> Option<(&Log, Seq)> {
        let (log, seq) = row.logs().find_map(|(log, began)| {
            let i = self.logs.binary_search(&log).ok()?;
            let seq = self.first + i as Seq;
            (self.first != 0 && seq > began).then_some((&self.logs[i], seq))
        })?;
        let reader = ReaderView {
            registration: row.id.clone(),
            user: row.user.clone(),
            tags: row.tags.as_slice().into(),
            began: 0,
            had: 0,
        };
        self.predicate.as_ref().is_none_or(|p| p.matches(&reader)).then_some((log, seq))
    }
}

/// A message that waits for its `deliver_at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The moment under which it is filed.
    pub at: UnixMs,
    /// The message.
    pub append: Append,
}

/// What one expiry commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Messages that ended.
    pub messages: u64,
    /// Registrations that were forgotten.
    pub registrations: Vec<(AppId, RegistrationId)>,
    /// There is more to do now.
    pub more: bool,
}

/// What must stand where a row is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Absent,
    /// A row of this revision.
    Revision(u64),
}

/// Why a row was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutError {
    /// Something else stands there: read it again.
    Conflict,
    /// The store did not take it.
    Store(StoreError),
}

impl From<StoreError> for PutError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What to count.
#[derive(Clone, Copy, Debug)]
pub enum HowMany<'a> {
    /// All registrations of the app.
    All,
    /// Those that subscribe to the topic.
    Topic(&'a Topic),
}

/// The row of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: RegistrationId,
    /// Grows with each write; set by the store.
    pub revision: u64,
    /// BLAKE3 of its secret.
    pub secret_hash: [u8; 32],
    /// Its user, for life once set.
    pub user: Option<UserId>,
    /// Where it began to read its own log and `all`.
    pub began: Seq,
    /// Where it began to read its user's log.
    pub user_began: Seq,
    /// Sorted, none twice.
    pub tags: Vec<Tag>,
    /// Sorted by topic, none twice.
    pub subscriptions: Vec<Subscription>,
    /// When it was made.
    pub created: UnixMs,
    /// When it was last connected or disconnected.
    pub last_seen: UnixMs,
    /// Not seen for so long, it is forgotten.
    pub idle: Duration,
    /// The ruling generation, and in it the ruling link.
    pub generation: u64,
    /// See `generation`.
    pub link: u64,
    /// The link that holds the row.
    pub session: Option<SessionId>,
    /// The gateway process of that link.
    pub boot: String,
    /// Name and version of the client.
    pub agent: String,
    /// It dies with its link.
    pub ephemeral: bool,
    /// The incarnation its last link was told of: of another one, our own cursors mean nothing.
    pub epoch: Epoch,
    /// Where the browser's push service takes messages.
    pub web_push: Option<WebPush>,
    /// How the last link ended.
    pub last_link: Option<LastSeenRecord>,
}

impl Row {
    /// The logs it reads and where it began to.
    pub(crate) fn logs(&self) -> impl Iterator<Item = (Log, Seq)> + '_ {
        [(Log::Device(self.id.clone()), self.began), (Log::All, self.began)]
            .into_iter()
            .chain(self.user.iter().map(|user| (Log::User(user.clone()), self.user_began)))
            .chain(self.subscriptions.iter().map(|s| (Log::Topic(s.topic.clone()), s.began)))
    }

    /// Fills in the head of the moment of the commit.
    pub(crate) fn settle(&mut self, head: Seq) {
        for began in [&mut self.began, &mut self.user_began]
            .into_iter()
            .chain(self.subscriptions.iter_mut().map(|s| &mut s.began))
        {
            if *began == STARTS_AT_COMMIT {
                *began = head;
            }
        }
    }
}

/// The cursors of a device, by log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// One a log.
    pub logs: Vec<ProgressLog>,
}

/// The cursor of a device in one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressLog {
    /// Which log.
    pub log: Log,
    /// The device stored everything up to here.
    pub acked: Seq,
    /// The device was sent everything up to here at least once.
    pub sent: Seq,
}

impl Progress {
    /// The cursor in `log`.
    #[must_use]
    pub fn of(&self, log: &Log) -> Option<&ProgressLog> {
        self.logs.iter().find(|p| p.log == *log)
    }

    pub(crate) fn entry(&mut self, log: &Log) -> &mut ProgressLog {
        let i = self.logs.iter().position(|p| p.log == *log).unwrap_or_else(|| {
            self.logs.push(ProgressLog { log: log.clone(), acked: 0, sent: 0 });
            self.logs.len() - 1
        });
        &mut self.logs[i]
    }
}

/// What a device's links have done since the last write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceProgress {
    /// Whose.
    pub app: AppId,
    /// Which device.
    pub registration: RegistrationId,
    /// By log.
    pub logs: Vec<LogProgress>,
}

/// What a device's links have done in one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProgress {
    /// Which log.
    pub log: Log,
    /// The device stored everything up to here; 0: nothing new.
    pub acked: Seq,
    /// Entries handed to the socket.
    pub sent: Vec<Marks>,
    /// Entries among those that were acked.
    pub received: Vec<Marks>,
}

/// Counts of devices for one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sent to.
    pub sent: u64,
    /// Stored by.
    pub received: u64,
    /// Of those, by a road without acks.
    pub received_without_ack: u64,
    /// Handled in.
    pub handled: u64,
    /// Shown on.
    pub displayed: u64,
    /// Clicked on.
    pub clicked: u64,
    /// Dismissed on.
    pub dismissed: u64,
    /// Not received at the end.
    pub expired: u64,
}

impl Counts {
    pub(crate) fn stage(&mut self, stage: ReceiptStage) -> &mut u64 {
        match stage {
            ReceiptStage::Received => &mut self.received,
            ReceiptStage::Displayed => &mut self.displayed,
            ReceiptStage::Clicked => &mut self.clicked,
            ReceiptStage::Dismissed => &mut self.dismissed,
            ReceiptStage::Handled => &mut self.handled,
        }
    }
}

/// The bit of a stage in a receipt row.
pub(crate) fn stage_bit(stage: ReceiptStage) -> u8 {
    match stage {
        ReceiptStage::Received => 1,
        ReceiptStage::Displayed => 2,
        ReceiptStage::Clicked => 4,
        ReceiptStage::Dismissed => 8,
        ReceiptStage::Handled => 16,
    }
}

/// What a store counts, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Syncs of the disk (or round trips to a quorum).
    pub syncs: u64,
    /// Commits: those of a group share one sync.
    pub commits: u64,
    /// Messages accepted.
    pub publishes: u64,
    /// Entries appended.
    pub entries: u64,
    /// Entries that could not be read any more.
    pub corrupt_entries: u64,
    /// Unexpired entries dropped.
    pub trimmed_entries: u64,
    /// Messages expired.
    pub expired_messages: u64,
    /// Groups of commits that failed.
    pub failures: u64,
    /// Times the engine was opened anew after a failed write.
    pub reopened: u64,
    /// Bytes on disk; 0 where that means nothing.
    pub disk_bytes: u64,
    /// A sync failed: nothing is accepted until restart.
    pub read_only: bool,
    /// There is no room: nothing is accepted until there is.
    pub full: bool,
}

/// The logs of `append` as keys.
pub(crate) fn keys<'a>(app: &'a AppId, logs: &'a [Log]) -> impl Iterator<Item = LogKey> + 'a {
    logs.iter().map(|log| LogKey::new(app, log.clone()))
}
