//! What goes into a client's session and what comes out of it.

use crate::frame::{Activity, CloseCode, ErrorCode, GapReason, Publish, Receipt, WebPush, Welcome, say};
use crate::heartbeat::{Learnt, Policy};
use crate::id::{AppId, Cursor, LogName, MessageId, Position, RegistrationId, Seq, Tag, Topic};
use crate::time::{Instant, UnixMs};

/// A socket, numbered by the session. Events of a number the session has let go of are ignored, so
/// a driver may report them late. During a move two are open at once.
pub type Socket = u32;

/// A wish of a tab, numbered by the driver; comes back in [`Effect::Settled`].
pub type WishId = u32;

/// What a session is built with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The tenant.
    pub app: AppId,
    /// `Hello.agent`.
    pub agent: String,
    /// Whether the app has a `getToken`; false: anonymous, no token is ever asked for.
    pub tokens: bool,
    /// `Hello.ephemeral`: nothing is kept, no durable subscriptions.
    pub ephemeral: bool,
    /// How long silence may last; `None`: as the gateway recommends, and by the ladder until that is known.
    pub heartbeat: Option<Policy>,
    /// Message ids remembered for de-duplication beyond what the inbox holds; 0: 1,024.
    pub recent: usize,
    /// Random, for the jitter of reconnects.
    pub seed: u64,
}

/// What storage holds of this device.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Id and secret.
    pub registration: Option<(RegistrationId, Vec<u8>)>,
    /// Last used generation.
    pub generation: u64,
    /// What is safely stored.
    pub cursors: Vec<Cursor>,
    /// Ids of messages in the inbox and lately handled ones, oldest first.
    pub recent: Vec<MessageId>,
    /// A Forget was asked for and not yet confirmed.
    pub forgetting: bool,
    /// The device's clock now.
    pub now: UnixMs,
    /// Local time minus UTC, minutes: whether it is night.
    pub offset_min: i32,
    /// What [`Effect::KeepHeartbeat`] kept last; empty: nothing.
    pub heartbeat: Vec<u8>,
}

/// What a driver tells a session.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// First input: what storage holds. The session takes over the registration (a new generation)
    /// and connects.
    Identity(Box<Identity>),
    /// Answers [`Effect::SaveIdentity`]: it is durable.
    IdentitySaved,
    /// Connect again after [`Reason`] stopped it, or after [`Input::Stop`]: something changed.
    Start,
    /// Disconnect and stay so.
    Stop,
    /// Answers [`Effect::Connect`]: the socket is open.
    Open {
        /// Which.
        socket: Socket,
    },
    /// A binary message.
    Message {
        /// On which socket.
        socket: Socket,
        /// One whole frame.
        bytes: &'a [u8],
    },
    /// The socket is gone, or could not be opened.
    SocketClosed {
        /// Which.
        socket: Socket,
        /// Its close code; 1006 where there was none.
        code: u16,
    },
    /// Answers [`Effect::Store`]: that transaction and all before it are durable, or, without a
    /// storage, handled.
    Stored {
        /// The effect's.
        no: u32,
    },
    /// [`Effect::Store`] failed; the session tells the app once. The driver still owes
    /// [`Input::Stored`], when the entries have been handled.
    StoreFailed {
        /// The effect's.
        no: u32,
    },
    /// One gateway of the list that [`Input::Gateways`] ends.
    Gateway {
        /// As a socket dials it; the configured one's is empty.
        url: String,
        /// Its share of clients against the others'.
        weight: u32,
    },
    /// Answers [`Effect::NeedGateways`]: what `GET /v1/gateways` of the configured gateway said has been told. Without
    /// a list nothing need be said.
    Gateways {
        /// How long the list is good, seconds.
        ttl_s: u32,
    },
    /// Answers [`Effect::NeedToken`].
    Token {
        /// `None`: anonymous.
        token: Option<String>,
        /// Its `exp` on the clock of whoever signed it; zero: unknown.
        expires: UnixMs,
    },
    /// Answers [`Effect::NeedToken`]: nobody could fetch one; asked again after the backoff.
    TokenUnavailable,
    /// Answers [`Effect::NeedToken`]: the app says no. The session stops.
    TokenDenied,
    /// A tab listens to these topics. Answered by [`Effect::Subscribed`] or
    /// [`Effect::SubscribeFailed`] for each, now and after every reconnect.
    Subscribe(Vec<Topic>),
    /// End these subscriptions. Answered by [`Effect::Unsubscribed`] for each.
    Unsubscribe(Vec<Topic>),
    /// Change tags, publish, or set the push subscription: kept and re-sent on a new link until
    /// replied, then [`Effect::Settled`].
    Wish {
        /// Names the answer.
        wish: WishId,
        /// What is wished.
        what: Wish,
    },
    /// Stages reached; kept (1,000 at most, later ones are dropped) until the gateway has them.
    Receipts(Vec<Receipt>),
    /// What tabs there are. One more that is visible counts as [`Input::Visible`].
    Activity(Activity),
    /// Log out: kept until confirmed, across restarts by [`Save::forgetting`]. Then
    /// [`Effect::Forgotten`].
    Forget,
    /// The browser says there is a network again.
    Online,
    /// The browser says there is none.
    Offline,
    /// The network became another one.
    NetworkChanged,
    /// A person looks again (`visibilitychange`, `pageshow`, `resume`).
    Visible,
    /// True: tabs are far behind, hold acks so that the gateway waits. False: go on.
    BackPressure(bool),
    /// The announced deadline came. Early or spurious calls do no harm.
    Elapsed,
}

/// A wish that is kept until replied: an encoded frame, so that a build carries the kinds it uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub(super) frame: Vec<u8>,
    /// It may meet CONFLICT for its own sake, not only because a newer link rules.
    pub(super) conflicts: bool,
}

impl Wish {
    /// Change the device's tags: `add` to carry and `remove` to carry no more.
    #[must_use]
    pub fn set_tags(add: &[Tag], remove: &[Tag]) -> Self {
        Self { frame: say::set_tags(add, remove), conflicts: false }
    }

    /// Publish a message.
    #[must_use]
    pub fn publish(publish: &Publish) -> Self {
        Self { frame: say::publish(publish), conflicts: true }
    }

    /// Tell the gateway of the browser's push subscription.
    #[must_use]
    pub fn web_push(web_push: &WebPush) -> Self {
        Self { frame: say::web_push(web_push), conflicts: false }
    }
}

/// What a session asks of its driver, in this order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Open a WebSocket with the subprotocol `pulsegate.v1`, then [`Input::Open`] or
    /// [`Input::SocketClosed`].
    Connect {
        /// Its number.
        socket: Socket,
        /// Where to; `None`: the configured gateway.
        url: Option<String>,
    },
    /// Send one binary message.
    Send {
        /// On which socket.
        socket: Socket,
        /// One whole frame.
        bytes: Vec<u8>,
    },
    /// Close that socket; nothing of it is awaited any more.
    CloseSocket {
        /// Which.
        socket: Socket,
    },
    /// Ask the app for a token, then one of [`Input::Token`], [`Input::TokenUnavailable`],
    /// [`Input::TokenDenied`]. One is out at a time.
    NeedToken(TokenNeed),
    /// Fetch the list of gateways, then, if there is one, [`Input::Gateway`] for each and [`Input::Gateways`].
    NeedGateways,
    /// In ONE strict transaction: drop the cursors of ended logs, then write entries in order and
    /// cursors. Then [`Input::Stored`] and show the entries to the tabs. One is out at a time.
    Store(Box<Store>),
    /// Durably keep these, then [`Input::IdentitySaved`].
    SaveIdentity(Box<Save>),
    /// Keep these opaque bytes, replacing what was kept; nobody waits for it. They survive a
    /// [`Effect::WipeInbox`]: networks stay what they are.
    KeepHeartbeat(Vec<u8>),
    /// Something was learnt of the path; nothing is to be done.
    Learnt(Learnt),
    /// Wipe messages, cursors and shown notifications, before anything that follows.
    WipeInbox(Wipe),
    /// What the app sees of the connection.
    State {
        /// The state.
        state: State,
        /// Why, where that is not evident.
        reason: Option<Reason>,
    },
    /// The link is welcomed; follows [`State::Connected`]. Starts and secret are taken out.
    Welcomed(Box<Welcome>),
    /// The topic is subscribed and read on this link.
    Subscribed {
        /// Which.
        topic: Topic,
        /// False: something may be missing; the app should reload its own state.
        recovered: bool,
    },
    /// The topic could not be subscribed. Permanent errors end the wish; temporary ones are told
    /// once and tried again.
    SubscribeFailed {
        /// Which.
        topic: Topic,
        /// Why.
        error: ErrorCode,
    },
    /// The subscription is gone.
    Unsubscribed {
        /// Which.
        topic: Topic,
    },
    /// A wish ended.
    Settled {
        /// Which.
        wish: WishId,
        /// `Ok`, or why not.
        error: ErrorCode,
        /// Publish: the id the gateway gave the message.
        message: Option<MessageId>,
    },
    /// A log ended without this device asking: the backend's doing, or a narrower token.
    LogEnded {
        /// Which.
        log: LogName,
        /// `Ok`: the backend; `NotPermitted`: the token.
        why: ErrorCode,
    },
    /// Entries of this log are missing for good.
    Gap {
        /// Which.
        log: LogName,
        /// Missing begins after this.
        after: Seq,
        /// Delivery goes on after this.
        resume: Seq,
        /// Why.
        reason: GapReason,
    },
    /// The gateway has these receipts.
    ReceiptsTaken(u32),
    /// The registration is dropped. The session is closed until [`Input::Start`].
    Forgotten,
    /// Tell the app; nothing is to be done by the driver.
    Error(Fault),
}

/// Why a token is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenNeed {
    /// To connect.
    Connect,
    /// The one in use is about to expire.
    Refresh,
    /// The last one had expired.
    Expired,
    /// The last one was refused.
    Refused,
}

/// One strict transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Store {
    /// Names the answer.
    pub no: u32,
    /// In order; none of the messages was seen before.
    pub entries: Vec<Entry>,
    /// New places, one per log.
    pub cursors: Vec<Cursor>,
    /// Logs read no more.
    pub ended: Vec<LogName>,
}

/// One thing to write and then to show.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// Put it into the inbox, then offer it to the tabs.
    Message {
        /// From which log.
        log: LogName,
        /// Where in it; seq 0: not stored at the gateway.
        at: Position,
        /// Which message.
        id: MessageId,
        /// The encoded `pulsegate.v1.Message` as it came; `frame::read_message` reads it.
        bytes: Vec<u8>,
    },
    /// Take it out of the inbox, close its notification, tell the tabs that show it.
    Recall {
        /// From which log.
        log: LogName,
        /// Where in it.
        at: Position,
        /// Which message.
        message: MessageId,
        /// The tag of its notification.
        tag: String,
    },
}

/// What to keep of this device, replacing what was kept.
#[derive(Clone, PartialEq)]
pub struct Save {
    /// Id and secret; `None`: none any more.
    pub registration: Option<(RegistrationId, Vec<u8>)>,
    /// Last used generation.
    pub generation: u64,
    /// A Forget is under way.
    pub forgetting: bool,
}

impl core::fmt::Debug for Save {
    /// Leaves the secret out: this is what logs print.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Save")
            .field("registration", &self.registration.as_ref().map(|r| &r.0))
            .field("generation", &self.generation)
            .field("forgetting", &self.forgetting)
            .finish()
    }
}

/// Why the inbox is wiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wipe {
    /// The gateway gave another registration: another user, or the old one is gone.
    RegistrationChanged,
    /// The gateway does not take the stored secret.
    RegistrationInvalid,
    /// The app logs out.
    Forgotten,
}

/// What the app sees of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not asked to connect.
    Disconnected,
    /// On its way.
    Connecting,
    /// Welcomed.
    Connected,
    /// No network; it goes on trying slowly, since browsers are wrong at times.
    Offline,
    /// Stopped until something changes.
    Closed,
}

/// Why a state was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The gateway closed with this code.
    Closed(CloseCode),
    /// The socket broke or could not be opened.
    SocketLost,
    /// Nothing was heard and a Probe went unanswered.
    Silent,
    /// No answer to the connection attempt or to Hello.
    TimedOut,
    /// Nobody could fetch a token.
    TokenUnavailable,
    /// The app said no.
    TokenDenied,
    /// The gateway refused the token.
    TokenRefused,
    /// The app logged out.
    Forgotten,
    /// [`Input::Stop`].
    Stopped,
    /// The gateway said what is no frame of the contract.
    BadFrame,
}

/// Something to tell the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The session stopped: a close code that says not to come back.
    Closed(CloseCode, String),
    /// The app's tokens are refused.
    TokenRefused(String),
    /// A refreshed token was refused; the link goes on with the old one until it expires.
    RefreshRefused(ErrorCode),
    /// Storage does not take messages; they are acked once handled.
    Storage,
}

/// When a session wants [`Input::Elapsed`], and why. The time may move later without being
/// announced: what comes early is judged inside and answered with the next deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// Not before this.
    pub at: Instant,
    /// The first reason.
    pub why: Why,
}

/// Every timer of a session, one line each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The backoff is over.
    Reconnect,
    /// The socket did not open, or Hello was not answered.
    Connect,
    /// Deliveries must be acked.
    Ack,
    /// Nothing was heard for the agreed silence and some grace.
    Watch,
    /// The Probe went unanswered.
    Probe,
    /// The token must be refreshed.
    Token,
    /// A wish that was put off is tried again.
    Wish,
    /// A Redirect said to go now.
    Move,
}
