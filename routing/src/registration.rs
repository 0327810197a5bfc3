//! Devices: what a Hello asks for, what it gets, and what the backend sees of them.

use crate::{GapInfo, Grants, LogKey};
use pulsegate_proto::id::{AppId, Cursor, Position, RegistrationId, Seq, SessionId, Tag, Topic, UserId};
use pulsegate_proto::time::UnixMs;

/// A welcomed link of a device. A change through it commits only while it holds the device's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionRef {
    /// Of which app.
    pub app: AppId,
    /// Which device.
    pub registration: RegistrationId,
    /// Which link.
    pub session: SessionId,
}

/// Who made a subscription: grants bind those made by the device only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeBy {
    /// The device, by a Subscribe frame.
    Device,
    /// The app's backend, over HTTP.
    Backend,
}

/// What a Hello asks for, after its token was checked.
#[derive(Clone, Debug)]
pub struct Connect {
    /// Subject of the token; `None`: anonymous.
    pub user: Option<UserId>,
    /// What the token (or the app's settings for anonymous devices) grants.
    pub grants: Grants,
    /// The registration the device says it has, and its secret.
    pub registration: Option<(RegistrationId, Vec<u8>)>,
    /// The holder's generation.
    pub generation: u64,
    /// The link's number in its generation; 0 counts as the newest.
    pub link: u64,
    /// What the device has safely stored.
    pub cursors: Vec<Cursor>,
    /// The registration dies with its link.
    pub ephemeral: bool,
    /// Name and version of the client, as it says.
    pub agent: String,
    /// The new link.
    pub session: SessionId,
    /// The gateway process, for [`LastSeenRecord::boot`].
    pub boot: String,
}

/// A Hello was taken: the row holds its session now.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The device's registration, the one it named or a new one.
    pub registration: RegistrationId,
    /// The secret of a new registration; shown this once.
    pub secret: Option<[u8; 32]>,
    /// The logs the device reads: its own, `all`, its user's, its topics.
    pub starts: Vec<StartInfo>,
    /// Durable subscriptions as stored.
    pub topics: Vec<Topic>,
    /// Tags as stored.
    pub tags: Vec<Tag>,
    /// The user, if the device has one.
    pub user: Option<UserId>,
    /// How the previous link of the device ended; `None` for a new registration.
    pub last_seen: Option<LastSeenRecord>,
    /// The link that held the row until now, if it had not ended. [`crate::Wake::superseded`] was
    /// called for it; this is for the log line.
    pub superseded: Option<SessionRef>,
    /// The pair under which the row is held now (`link` 0 was given a number).
    pub generation: u64,
    /// See `generation`.
    pub link: u64,
}

/// Where delivery of a log begins on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartInfo {
    /// Which log.
    pub log: LogKey,
    /// Delivery goes on after this.
    pub at: Position,
    /// Nothing can be missing. `false`: exactly one Gap, this `gap`, goes before the first Deliver.
    pub recovered: bool,
    /// Set if and only if not `recovered`.
    pub gap: Option<GapInfo>,
    /// Where the device began to read the log; for [`crate::ReaderView::began`].
    pub began: Seq,
    /// The device may have had messages up to here; for [`crate::ReaderView::had`].
    pub had: Seq,
}

/// How a link ended, as the gateway saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSeenRecord {
    /// Which link.
    pub session: SessionId,
    /// The gateway process that held it.
    pub boot: String,
    /// When something was last heard on it.
    pub heard: UnixMs,
    /// A Beat or a Deliver was out and nothing had come back.
    pub unanswered: bool,
    /// How it ended; [`LinkEnd::Unknown`] while it lasts or if its gateway died.
    pub end: LinkEnd,
}

/// How a link ended; numbers as in `LastSeen.Cause` of the contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum LinkEnd {
    /// Not known.
    #[default]
    Unknown = 0,
    /// The client said goodbye.
    ClientClosed = 1,
    /// The connection was reset.
    Reset = 2,
    /// Nothing was heard for too long.
    TimedOut = 3,
    /// The gateway closed it.
    GatewayClosed = 4,
    /// A newer link took its place.
    Replaced = 5,
    /// The connection ended without a goodbye.
    Eof = 6,
}

impl LinkEnd {
    pub(crate) fn from_u8(code: u8) -> Self {
        match code {
            1 => Self::ClientClosed,
            2 => Self::Reset,
            3 => Self::TimedOut,
            4 => Self::GatewayClosed,
            5 => Self::Replaced,
            6 => Self::Eof,
            _ => Self::Unknown,
        }
    }
}

/// A durable subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// To what.
    pub topic: Topic,
    /// By whom.
    pub made_by: MadeBy,
    /// The log is read from here.
    pub began: Seq,
}

/// Where a browser's push service takes messages for the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebPush {
    /// Address at the push service.
    pub endpoint: String,
    /// The browser's public key.
    pub p256dh: Vec<u8>,
    /// The shared authentication secret.
    pub auth: Vec<u8>,
}

/// A registration as the backend sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationInfo {
    /// Its id.
    pub id: RegistrationId,
    /// Its user, if it has one.
    pub user: Option<UserId>,
    /// Its tags, sorted.
    pub tags: Vec<Tag>,
    /// Its durable subscriptions, sorted by topic.
    pub subscriptions: Vec<Subscription>,
    /// When it was made.
    pub created: UnixMs,
    /// When it was last connected, disconnected or heard of.
    pub last_seen: UnixMs,
    /// The link that holds its row; it may have died with its gateway.
    pub session: Option<SessionId>,
    /// The ruling generation.
    pub generation: u64,
    /// Name and version of the client, as it says.
    pub agent: String,
    /// It dies with its link.
    pub ephemeral: bool,
    /// Where the browser's push service takes messages for it.
    pub web_push: Option<WebPush>,
    /// How the last link ended.
    pub last_link: Option<LastSeenRecord>,
}
