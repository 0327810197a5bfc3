//! What a client says.

use super::{Notification, NotifyBody};
use crate::id::{AppId, Cursor, MessageId, RegistrationId, Tag, Topic, UserId};
use crate::time::UnixMs;

/// One message from a client: a frame, and whether it wants an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientEnvelope {
    /// Non-zero: answered by exactly one Reply with the same id.
    pub request_id: u32,
    /// `None`: unset, or of a kind this build does not know.
    pub frame: Option<ClientFrame>,
}

/// A frame from a client.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientFrame {
    /// First frame, within [`limits::HELLO`](crate::limits::HELLO) of the upgrade.
    Hello(Box<Hello>),
    /// Answers Beat.
    BeatReply {
        /// Longest silence wanted from now on, seconds; 0: unchanged.
        silence_s: u32,
        /// Numbers this wish.
        silence_no: u32,
    },
    /// Cumulative, per log.
    Ack(Vec<Cursor>),
    /// "Is the path alive?", answered at once.
    Probe {
        /// Comes back in the reply.
        nonce: u32,
    },
    /// Stages messages reached on this device.
    Receipts(Vec<Receipt>),
    /// Are people looking?
    Activity(Activity),
    /// Durable: outlives the connection.
    Subscribe(Vec<Topic>),
    /// Ends durable subscriptions.
    Unsubscribe(Vec<Topic>),
    /// Changes the registration's tags.
    SetTags {
        /// To carry from now on.
        add: Vec<Tag>,
        /// To carry no more.
        remove: Vec<Tag>,
    },
    /// A newer token for this link.
    RefreshToken(String),
    /// Only where the token grants it.
    Publish(Box<Publish>),
    /// The browser's push subscription.
    SetWebPush(WebPush),
    /// Log out: drop the registration.
    Forget,
}

/// Who a client is and what it holds.
#[derive(Clone, PartialEq)]
pub struct Hello {
    /// The tenant.
    pub app: AppId,
    /// JWT of the app's backend; empty only where the app allows anonymous devices.
    pub token: String,
    /// Id and secret from an earlier Welcome; `None` on the first connect.
    pub registration: Option<(RegistrationId, Vec<u8>)>,
    /// Orders the holders of this registration.
    pub generation: u64,
    /// What this device has safely stored; cursors with names that are no log are left out.
    pub cursors: Vec<Cursor>,
    /// Longest silence it wants on this path, seconds; 0: the gateway's choice.
    pub silence_s: u32,
    /// Software, at most [`limits::AGENT_BYTES`](crate::limits::AGENT_BYTES), cut there.
    pub agent: String,
    /// How the previous link ended, for the heartbeat's verdict.
    pub last_link: Option<LastLink>,
    /// Orders the links of one holder; 0 counts as the newest.
    pub link: u64,
    /// Highest contract level spoken; 0 reads as 1.
    pub level: u32,
    /// The registration is dropped when the link ends.
    pub ephemeral: bool,
}

impl core::fmt::Debug for Hello {
    /// Leaves token and secret out: this is what logs print.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Hello")
            .field("app", &self.app)
            .field("registration", &self.registration.as_ref().map(|r| &r.0))
            .field("generation", &self.generation)
            .field("link", &self.link)
            .field("cursors", &self.cursors)
            .field("silence_s", &self.silence_s)
            .field("agent", &self.agent)
            .field("ephemeral", &self.ephemeral)
            .finish_non_exhaustive()
    }
}

/// How the previous link of this device ended, as the device saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastLink {
    /// The session of that link.
    pub session_id: String,
    /// When the device last heard of the gateway, on the device's clock.
    pub last_heard_ms: u64,
    /// A Probe of the device went unanswered.
    pub timed_out: bool,
}

/// A message reached a stage on this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Which message.
    pub message: MessageId,
    /// Which stage.
    pub stage: Stage,
    /// When, on the device's clock.
    pub at: UnixMs,
    /// Which button, for [`Stage::Clicked`]; empty: the notification itself.
    pub action: String,
}

/// How far a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Implied by Ack; reported only over HTTP.
    Received,
    /// Its notification was shown.
    Displayed,
    /// Its notification, or a button of it, was clicked.
    Clicked,
    /// Its notification was closed.
    Dismissed,
    /// A visible tab's handler returned.
    Handled,
}

/// Are people looking?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Tabs a person can see.
    pub visible_tabs: u32,
    /// Tabs in the background.
    pub hidden_tabs: u32,
    /// The browser is about to freeze us.
    pub frozen: bool,
}

/// A message published by a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// To whom.
    pub target: DeviceTarget,
    /// What the app gets; `app` is overwritten by the gateway.
    pub body: NotifyBody,
    /// What a person sees.
    pub notification: Option<Notification>,
    /// Time-to-live, seconds; `None`: the store's retention; 0: deliver now or never.
    pub ttl_s: Option<u32>,
    /// The idempotency key, scoped to the registration.
    pub message_id: MessageId,
}

/// To whom a device may publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceTarget {
    /// All subscribers of a topic.
    Topic(Topic),
    /// All devices of a user.
    User(UserId),
}

/// A `PushSubscription` of the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebPush {
    /// Where its push service takes messages; empty: removed.
    pub endpoint: String,
    /// P-256 public key, 65 bytes.
    pub p256dh: Vec<u8>,
    /// Authentication secret, 16 bytes.
    pub auth: Vec<u8>,
}
