//! The front of the routing core.

use crate::store::Store;
use crate::*;
use core::time::Duration;
use pulsegate_proto::id::*;
use pulsegate_proto::limits;
use pulsegate_proto::time::UnixMs;
use std::sync::Arc;

/// What can be set.
#[derive(Clone, Debug)]
pub struct RouterSettings {
    /// Longest time-to-live of a message, and the one where none is asked for.
    pub retention: Duration,
    /// Entries of an app's `all` log a second (`everyone_per_second`); 0: no limit.
    pub everyone_per_second: u32,
    /// Unexpired entries of an app's `all` log; 0: no limit.
    pub everyone_entries: u64,
    /// A registration with a user that was not seen for so long is forgotten.
    pub registration_idle: Duration,
    /// The same for one without a user.
    pub anonymous_idle: Duration,
    /// The status of a message can be asked for so long after its end.
    pub status_kept: Duration,
    /// Cursors and counts are written at most this often.
    pub cursor_write: Duration,
    /// Run expiry, schedules and cursor writes by a task of the router's own, every second. Tests
    /// with their own clock turn it off and call [`Router::tick`].
    pub background: bool,
}

impl Default for RouterSettings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            retention: 7 * DAY,
            everyone_per_second: 5,
            everyone_entries: limits::EVERYONE_ENTRIES,
            registration_idle: 60 * DAY,
            anonymous_idle: 7 * DAY,
            status_kept: 7 * DAY,
            cursor_write: limits::CURSOR_WRITE,
            background: true,
        }
    }
}

/// A receipt as a device reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptIn {
    /// For which message.
    pub message: MessageId,
    /// The stage that was reached.
    pub stage: ReceiptStage,
}

/// Stages a device reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceiptStage {
    /// It came by a road without acks (Web Push).
    Received,
    /// A person saw the notification.
    Displayed,
    /// A person clicked it.
    Clicked,
    /// A person dismissed it.
    Dismissed,
    /// A visible tab's handler returned.
    Handled,
}

/// What has become of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageStatus {
    /// Its id.
    pub id: MessageId,
    /// Where it is in its life.
    pub state: MessageState,
    /// When it was handed in.
    pub published: UnixMs,
    /// When it ends or ended.
    pub expires: UnixMs,
    /// When it is to be published, if later.
    pub deliver_at: Option<UnixMs>,
    /// Counts of devices.
    pub funnel: Funnel,
}

/// Where a message is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageState {
    /// It waits for its `deliver_at`.
    Scheduled,
    /// It is being delivered.
    Accepted,
    /// Its time-to-live has ended.
    Expired,
    /// It was taken back.
    Recalled,
}

/// Counts of devices, each device once a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Funnel {
    /// 1 as soon as the message is durable.
    pub accepted: u64,
    /// Devices it was for when it was published; an estimate for tag expressions.
    pub targeted: u64,
    /// Devices it was sent to.
    pub sent: u64,
    /// Devices that stored it.
    pub received: u64,
    /// Devices where a visible tab's handler returned.
    pub handled: u64,
    /// Devices where it was shown.
    pub displayed: u64,
    /// Devices where it was clicked.
    pub clicked: u64,
    /// Devices where it was dismissed.
    pub dismissed: u64,
    /// Devices that had not received it at its end.
    pub expired: u64,
    /// Devices it was taken back from or kept from: all it was for.
    pub recalled: u64,
}

/// How many devices a target reaches now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audience {
    /// Devices.
    pub count: u64,
    /// It is an estimate (tag expressions, excludes).
    pub estimate: bool,
}

/// Routes messages to devices. Cheap to clone.
#[derive(Clone)]
pub struct Router {
    store: Store,
    settings: Arc<RouterSettings>,
    clock: Arc<dyn Clock>,
    wake: Arc<dyn Wake>,
}

fn not_yet<E: From<StoreError>>() -> E {
    E::from(StoreError::Unavailable(String::from("not started")))
}

#[allow(unused_variables, missing_docs, clippy::missing_errors_doc, clippy::unused_async)]
impl Router {
    pub async fn open(
        store: Store,
        settings: RouterSettings,
        clock: Arc<dyn Clock>,
        wake: Arc<dyn Wake>,
    ) -> Result<Self, OpenError> {
        Ok(Self { store, settings: Arc::new(settings), clock, wake })
    }
    pub fn settings(&self) -> &RouterSettings {
        &self.settings
    }
    /// Replaces the limits (SIGHUP).
    pub fn set_everyone_per_second(&self, per_second: u32) {}
    pub async fn publish(&self, app: &AppId, draft: Draft) -> Result<Accepted, PublishError> {
        Err(not_yet())
    }
    /// Grouped in one sync as far as possible; answers in order.
    pub async fn publish_batch(
        &self,
        app: &AppId,
        drafts: Vec<Draft>,
    ) -> Vec<Result<Accepted, PublishError>> {
        Vec::new()
    }
    pub async fn recall(&self, app: &AppId, id: MessageId) -> Result<(), RecallError> {
        Err(not_yet())
    }
    pub async fn message(&self, app: &AppId, id: MessageId) -> Result<Option<MessageStatus>, StoreError> {
        Err(not_yet())
    }
    pub async fn count_audience(
        &self,
        app: &AppId,
        target: &Target,
        exclude: &Exclude,
    ) -> Result<Audience, StoreError> {
        Err(not_yet())
    }

    pub async fn connect(&self, app: &AppId, ask: Connect) -> Result<Connected, ConnectRefused> {
        Err(not_yet())
    }
    pub async fn disconnect(&self, session: &SessionRef, end: LastSeenRecord) -> Result<(), StoreError> {
        Err(not_yet())
    }
    /// Each new log is read from its head at the commit, which is durable on return. Topics the
    /// device has already are not in the answer. Over 100 topics nothing is taken.
    pub async fn subscribe(
        &self,
        session: &SessionRef,
        topics: Vec<Topic>,
    ) -> Result<Vec<StartInfo>, ChangeError> {
        Err(not_yet())
    }
    /// Answers which logs ended.
    pub async fn unsubscribe(
        &self,
        session: &SessionRef,
        topics: Vec<Topic>,
    ) -> Result<Vec<LogName>, ChangeError> {
        Err(not_yet())
    }
    /// Answers the tags as stored; the caller has checked the grants.
    pub async fn set_tags(
        &self,
        session: &SessionRef,
        add: Vec<Tag>,
        remove: Vec<Tag>,
    ) -> Result<Vec<Tag>, ChangeError> {
        Err(not_yet())
    }
    /// An anonymous registration becomes this user, once. Answers the start of the user's log; an
    /// empty one if it was this user's already.
    pub async fn adopt_user(
        &self,
        session: &SessionRef,
        user: UserId,
    ) -> Result<Option<StartInfo>, ChangeError> {
        Err(not_yet())
    }
    /// Ends the device-made subscriptions that `grants` no longer grant; answers which.
    pub async fn narrow(&self, session: &SessionRef, grants: &Grants) -> Result<Vec<LogName>, ChangeError> {
        Err(not_yet())
    }
    /// The device logs out: drops its registration.
    pub async fn forget(&self, session: &SessionRef) -> Result<(), ChangeError> {
        Err(not_yet())
    }
    /// Sets (`None`: removes) where the browser's push service takes messages.
    pub async fn set_web_push(
        &self,
        session: &SessionRef,
        web_push: Option<WebPush>,
    ) -> Result<(), ChangeError> {
        Err(not_yet())
    }

    pub async fn registration(
        &self,
        app: &AppId,
        id: &RegistrationId,
    ) -> Result<Option<RegistrationInfo>, StoreError> {
        Err(not_yet())
    }
    /// In the order of ids, after `after`.
    pub async fn registrations(
        &self,
        app: &AppId,
        after: Option<&RegistrationId>,
        most: usize,
    ) -> Result<Vec<RegistrationInfo>, StoreError> {
        Err(not_yet())
    }
    pub async fn user(&self, app: &AppId, user: &UserId) -> Result<Vec<RegistrationInfo>, StoreError> {
        Err(not_yet())
    }
    /// Whether `secret` is the registration's; `None`: no such registration. Constant time.
    pub async fn check_secret(
        &self,
        app: &AppId,
        id: &RegistrationId,
        secret: &[u8],
    ) -> Result<Option<bool>, StoreError> {
        Err(not_yet())
    }
    /// The backend's doing: PATCH, topics, DELETE. `Wake::logs_changed` and `deleted` follow.
    pub async fn patch_tags(
        &self,
        app: &AppId,
        id: &RegistrationId,
        add: Vec<Tag>,
        remove: Vec<Tag>,
    ) -> Result<RegistrationInfo, ChangeError> {
        Err(not_yet())
    }
    pub async fn put_topic(&self, app: &AppId, id: &RegistrationId, topic: Topic) -> Result<(), ChangeError> {
        Err(not_yet())
    }
    pub async fn delete_topic(
        &self,
        app: &AppId,
        id: &RegistrationId,
        topic: &Topic,
    ) -> Result<(), ChangeError> {
        Err(not_yet())
    }
    pub async fn delete_registration(&self, app: &AppId, id: &RegistrationId) -> Result<(), ChangeError> {
        Err(not_yet())
    }

    /// Reads on in a log for one reader.
    pub async fn read(
        &self,
        log: &LogKey,
        after: Seq,
        reader: &ReaderView,
        max: usize,
        max_bytes: usize,
    ) -> Result<ReadBatch, StoreError> {
        Err(not_yet())
    }
    /// The last entry of a log; 0 if it has none. From memory for logs that were asked for before.
    pub fn last(&self, log: &LogKey) -> Seq {
        0
    }
    /// The last entry of the store: cursors beyond it are ahead.
    pub fn head(&self) -> Seq {
        0
    }
    pub fn epoch(&self) -> Epoch {
        0
    }
    /// The device stored everything up to `seq`, `received` among it. Written within
    /// `cursor_write`, and at disconnect.
    pub fn acked(&self, session: &SessionRef, log: &LogKey, seq: Seq, received: &[MessageId]) {}
    /// `message` was handed to the socket for the first time on this link.
    pub fn sent(&self, session: &SessionRef, log: &LogKey, message: MessageId, seq: Seq) {}
    /// Answers how many counted: each (device, message, stage) once, and only for a message the
    /// device could have read.
    pub async fn receipts(
        &self,
        app: &AppId,
        registration: &RegistrationId,
        receipts: Vec<ReceiptIn>,
    ) -> Result<u32, ReceiptError> {
        Err(not_yet())
    }
    /// Writes what is pending, publishes what is due, forgets what has expired.
    pub async fn tick(&self) -> Result<(), StoreError> {
        Err(not_yet())
    }
    /// Writes cursors and counts now.
    pub async fn flush(&self) -> Result<(), StoreError> {
        Err(not_yet())
    }
    /// Drops the oldest unexpired entries of `log` up to `through`; readers below get a Gap.
    pub async fn trim(&self, log: &LogKey, through: Seq) -> Result<u64, StoreError> {
        Err(not_yet())
    }
    /// What the store counts.
    pub fn stats(&self) -> StoreStats {
        StoreStats::default()
    }
    /// Whether the store accepts writes now; for readiness. `Err` says why not.
    pub fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// Writes what is pending and closes the store. Later calls fail with `Unavailable`.
    pub async fn shutdown(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
