//! What goes into a gateway's session and what comes out of it.

use super::run::Run;
use crate::frame::{
    Activity, Cause, CloseCode, Endpoint, ErrorCode, Gap, HeartbeatPolicy, Hello, LastSeen, Publish, Receipt,
    WebPush,
};
use crate::id::{LogName, Marks, MessageId, Position, RegistrationId, Seq, SessionId, Tag, Topic, UserId};
use crate::limits;
use crate::time::{Instant, UnixMs};
use bytes::Bytes;
use core::time::Duration;

/// A log in one session: an index the driver maps to its log. Given by [`Effect::Attach`], free
/// again after [`Effect::Detach`]; below 128.
pub type Slot = u16;

/// Settings all sessions of a gateway share: pass them as an `Arc`.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Stored deliveries a connection may have unacked. At least 1.
    pub window: u32,
    /// `Welcome.ack_every`. At least 1, at most `window`.
    pub ack_every: u32,
    /// `Welcome.ack_within_ms`.
    pub ack_within: Duration,
    /// The silence where a client wants none; wishes are clamped to 15 s … 1800 s.
    pub silence: Duration,
    /// The policy told in Welcome.
    pub heartbeat: HeartbeatPolicy,
    /// Frames a second a connection; 0: no limit.
    pub frames_per_second: u32,
    /// Control frames a second a connection; counted even where frames are not.
    pub control_frames_per_second: u32,
    /// The Hello must have come this long after the upgrade.
    pub hello_within: Duration,
    /// An older link of the same generation is closed after this long.
    pub older_link: Duration,
    /// Entries skipped in a log before an Advance is sent.
    pub advance_every: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window: limits::WINDOW,
            ack_every: limits::ACK_EVERY,
            ack_within: limits::ACK_WITHIN,
            silence: limits::SILENCE_DEFAULT,
            heartbeat: HeartbeatPolicy::default(),
            frames_per_second: limits::FRAMES_PER_SECOND,
            control_frames_per_second: limits::CONTROL_FRAMES_PER_SECOND,
            hello_within: limits::HELLO,
            older_link: limits::OLDER_LINK,
            advance_every: limits::ADVANCE_EVERY,
        }
    }
}

/// What a driver tells a session.
#[derive(Clone, Debug)]
pub enum Input {
    /// One whole binary message, all fragments together. Size and content are judged inside.
    Frame(Bytes),
    /// A text message: closed with 1003.
    TextFrame,
    /// A ping or pong: counted.
    ControlFrame,
    /// A message over the driver's own bound, which is at least
    /// [`limits::FRAME_BYTES`](crate::limits::FRAME_BYTES): closed with 4413.
    Oversized,
    /// The WebSocket layer found a broken frame and names RFC 6455's code: 1002, 1003, 1007 or 1009.
    BadSocketFrame {
        /// The code to close with, after a Closing that says the same in our codes.
        code: u16,
    },
    /// The upgrade offered a `pulsegate.vN` this gateway does not speak: closed with 4426.
    UnsupportedVersion,
    /// Answers [`Effect::Admit`]: this device may come in.
    Admitted(Box<Admission>),
    /// Answers [`Effect::Admit`], or at any time: this link must go. Overload is told so too.
    Refused(Refusal),
    /// Answers [`Effect::Commit`].
    Done {
        /// The effect's.
        request: u32,
        /// How it went.
        outcome: Outcome,
    },
    /// That log may hold entries beyond what [`Effect::Park`] named. May be spurious.
    Available {
        /// Which log.
        slot: Slot,
    },
    /// Answers [`Effect::Read`].
    Entries {
        /// The effect's.
        slot: Slot,
        /// What was read.
        batch: Batch,
    },
    /// Answers [`Effect::Read`]: it failed; the session asks again after a second.
    ReadFailed {
        /// The effect's.
        slot: Slot,
    },
    /// An entry that is not stored (ttl 0), encoded with seq 0: passes if the link is welcomed.
    Live {
        /// Which log.
        slot: Slot,
        /// The encoded frame.
        frame: Bytes,
    },
    /// The backend changed what this device reads.
    LogsChanged {
        /// New logs.
        started: Vec<Started>,
        /// Gone logs, and why.
        ended: Vec<(LogName, ErrorCode)>,
    },
    /// A larger (generation, link) was welcomed, here or elsewhere.
    Superseded {
        /// The one that rules.
        generation: u64,
        /// True: a newer link of the same generation. This one delivers nothing more, still takes
        /// acks, and is closed after 10 s. False: closed at once.
        link_only: bool,
    },
    /// The registration was deleted: closed with 4401.
    Deleted,
    /// Tell the client to move; the link stays until the new one is welcomed.
    Redirect {
        /// Where to; empty: the same address.
        endpoints: Vec<Endpoint>,
        /// Go then, not before, milliseconds.
        after_ms: u32,
        /// For a person reading a log.
        reason: String,
    },
    /// The gateway goes away: closed with 4503.
    Drain {
        /// Come back no earlier, milliseconds.
        reconnect_after_ms: u32,
    },
    /// More than [`limits::OUTBOX_BYTES`](crate::limits::OUTBOX_BYTES) wait for the socket: no more
    /// reads until [`Input::OutboxDrained`].
    OutboxFull,
    /// Below the bound again.
    OutboxDrained,
    /// The announced deadline came. Early or spurious calls do no harm.
    Elapsed,
    /// The connection ended.
    SocketClosed(Cause),
}

/// What a session asks of its driver, in this order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Write one binary message.
    Send(Bytes),
    /// Write these entries of a log, one binary message each; they count for the funnel's "sent".
    Deliver {
        /// Which log.
        slot: Slot,
        /// The entries and their frames.
        run: Run,
    },
    /// Authenticate and take the registry row, then [`Input::Admitted`] or [`Input::Refused`].
    Admit(Box<Hello>),
    /// The session reads this log from now on under this slot; a [`Effect::Park`] follows.
    Attach {
        /// Its index.
        slot: Slot,
        /// Which log.
        log: LogName,
    },
    /// The session reads this log no more: forget waiters, drop answers under way.
    Detach {
        /// Its index.
        slot: Slot,
    },
    /// Change the registry, then [`Input::Done`] with the same request. Commits of one session are
    /// performed one after another, in order.
    Commit {
        /// Names the answer; 0: nobody waits, answer all the same.
        request: u32,
        /// What to do.
        op: Op,
    },
    /// Read entries after `after`, at most `max` that go to this reader (fewer is fine, by bytes
    /// for instance), then [`Input::Entries`] or [`Input::ReadFailed`]. One read is out at a time.
    Read {
        /// Which log.
        slot: Slot,
        /// Where to begin.
        after: Seq,
        /// How many at most; at least 1.
        max: u32,
    },
    /// The session is at the log's end as far as it knows: [`Input::Available`] as soon as the
    /// log's last entry lies beyond `after`, at once if it does already.
    Park {
        /// Which log.
        slot: Slot,
        /// The session's place.
        after: Seq,
    },
    /// The client safely stored everything up to here.
    Acked {
        /// Which log.
        slot: Slot,
        /// Up to and including this.
        seq: Seq,
        /// Entries of this link that this ack covers, in the order of sending, for the funnel's "received".
        received: Vec<Marks>,
    },
    /// Close the socket, after what was sent before; a Closing was among it. Nothing follows.
    Close {
        /// WebSocket close code.
        code: u16,
        /// At most 123 bytes.
        reason: String,
        /// For the record of this link.
        cause: Cause,
    },
    /// One more for the metrics.
    Count(Counted),
}

/// What a client asks of the registry.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Durable subscriptions. Answer: [`Outcome::Subscribed`].
    Subscribe(Vec<Topic>),
    /// Answer: [`Outcome::Unsubscribed`].
    Unsubscribe(Vec<Topic>),
    /// One tag that is not granted refuses all. Answer: [`Outcome::Done`].
    SetTags {
        /// To carry from now on.
        add: Vec<Tag>,
        /// To carry no more.
        remove: Vec<Tag>,
    },
    /// A newer token. Answer: [`Outcome::Refreshed`].
    Refresh(String),
    /// Answer: [`Outcome::Published`].
    Publish(Box<Publish>),
    /// Answer: [`Outcome::Done`].
    Receipts(Vec<Receipt>),
    /// Answer: [`Outcome::Done`].
    WebPush(WebPush),
    /// Answer: [`Outcome::Done`].
    Activity(Activity),
    /// Drop the registration. Answer: [`Outcome::Forgotten`].
    Forget,
}

/// How a commit went.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Done, nothing to tell.
    Done,
    /// Subscriptions are durable.
    Subscribed {
        /// Each new log.
        started: Vec<Started>,
        /// Topics asked for that were subscribed before.
        already: u32,
        /// Topics the token does not grant.
        denied: Vec<Topic>,
    },
    /// These subscriptions are gone.
    Unsubscribed(Vec<Topic>),
    /// The token is taken.
    Refreshed {
        /// Its times.
        token: TokenTimes,
        /// Logs it brings (an anonymous device became a user).
        started: Vec<Started>,
        /// Logs it takes away (narrower grants).
        ended: Vec<(LogName, ErrorCode)>,
    },
    /// The message is accepted.
    Published(MessageId),
    /// The registration is dropped: replied, then closed with 4401.
    Forgotten,
    /// Refused.
    Refused {
        /// How.
        error: ErrorCode,
        /// For a person reading a log.
        detail: String,
        /// Not before, milliseconds.
        retry_after_ms: u32,
    },
}

/// A device that may come in.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Its registration.
    pub registration: RegistrationId,
    /// The secret, if newly made.
    pub secret: Option<[u8; limits::REGISTRATION_SECRET_BYTES]>,
    /// Names this link.
    pub session: SessionId,
    /// Names this run of the gateway.
    pub boot_id: String,
    /// Names the network path.
    pub network_key: String,
    /// The gateway's clock now.
    pub server_time: UnixMs,
    /// When the token was made and expires.
    pub token: TokenTimes,
    /// The logs it reads.
    pub started: Vec<Started>,
    /// Its durable subscriptions.
    pub topics: Vec<Topic>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Subject of the token.
    pub user: Option<UserId>,
    /// What is known of its previous link.
    pub last_seen: Option<LastSeen>,
}

/// The life of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenTimes {
    /// When it was issued; zero: unknown, then now stands for it.
    pub issued: UnixMs,
    /// When it expires; zero: never.
    pub expires: UnixMs,
    /// The gateway's clock when these were judged; zero: `Admission.server_time` of this link plus
    /// what has passed.
    pub now: UnixMs,
}

/// A log a device reads from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// Which log.
    pub log: LogName,
    /// Delivery goes on after this.
    pub at: Position,
    /// False: something may be missing. The session sends exactly one Gap for it: `gap`, or one
    /// without a reason.
    pub recovered: bool,
    /// What is missing.
    pub gap: Option<Gap>,
}

/// Who must go, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the client reads.
    pub code: CloseCode,
    /// For a person reading a log.
    pub reason: String,
    /// With `Replaced`: the one that rules.
    pub generation: u64,
    /// Come back no earlier, milliseconds.
    pub reconnect_after_ms: u32,
}

/// What a read found.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Entries for this reader, if there are any.
    pub entries: Option<Run>,
    /// Read up to here, what was skipped included.
    pub passed: Seq,
    /// Entries passed over because they are not for this reader.
    pub skipped: u32,
    /// Nothing lies beyond `passed` now.
    pub end: bool,
    /// Entries before these are missing.
    pub gap: Option<Gap>,
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
    /// No Hello came.
    Hello,
    /// Silence must be broken.
    Beat,
    /// Nothing was heard for too long.
    Silent,
    /// The client should fetch a token.
    TokenExpiring,
    /// The token is no longer good.
    TokenExpired,
    /// A newer link of the same generation has ruled for long enough.
    OlderLink,
    /// A read failed a while ago.
    ReadAgain,
}

/// What is counted for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// An ack for what was not sent on its link.
    AckAhead,
    /// A frame over the rate.
    RateLimited,
    /// A frame of a kind this build does not know.
    UnknownFrame,
    /// A Gap was told.
    Gap,
    /// A live message was dropped because the outbox was full.
    LiveDropped,
    /// The silence of the link is this from now on, seconds: at the Welcome and at each change.
    Silence(u64),
}

/// What to write down about a link that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// How long ago the client was heard.
    pub heard_ago: Duration,
    /// A Beat or a Deliver was out and nothing came back.
    pub unanswered: bool,
    /// How it ended.
    pub cause: Cause,
}
