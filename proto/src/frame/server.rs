//! What a gateway says.

use super::{CloseCode, ErrorCode, Message};
use crate::id::{Cursor, LogName, MessageId, Position, Seq};
use crate::time::UnixMs;

/// A frame from a gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerFrame {
    /// The answer to a Hello that was taken.
    Welcome(Box<Welcome>),
    /// Breaks a silence.
    Beat {
        /// How long neither side had spoken before, milliseconds.
        silence_ms: u32,
        /// The wish it keeps.
        silence_no: u32,
    },
    /// An entry of a log.
    Deliver(Box<Deliver>),
    /// Answers Probe.
    ProbeReply {
        /// The Probe's.
        nonce: u32,
        /// Silence from the client before that Probe, milliseconds.
        heard_ms_ago: u32,
        /// How long ago a Beat went out since then; 0: none did.
        beat_sent_ms_ago: u32,
    },
    /// Entries that can no longer be delivered.
    Gap(Gap),
    /// Answers a frame that carried a request id.
    Reply(Box<Reply>),
    /// Move elsewhere.
    Redirect(Redirect),
    /// Last frame before a close by the gateway.
    Closing(Closing),
    /// The token is about to expire.
    TokenExpiring {
        /// When.
        expires: UnixMs,
    },
    /// Logs began or ended without this link asking.
    Logs {
        /// Read from now on.
        started: Vec<Start>,
        /// Read no more, and why.
        ended: Vec<(LogName, ErrorCode)>,
    },
    /// Nothing for you up to here.
    Advance(Vec<Cursor>),
}

/// The answer to a Hello that was taken.
#[derive(Clone, PartialEq, Default)]
pub struct Welcome {
    /// The registration of this device: keep it.
    pub registration: String,
    /// Only when newly made, shown once; empty otherwise.
    pub secret: Vec<u8>,
    /// Names this link.
    pub session: String,
    /// Changes when the gateway process restarts.
    pub boot: String,
    /// Equal for links that seem to share a network path.
    pub network_key: String,
    /// The gateway's clock.
    pub server_time: UnixMs,
    /// When the token expires; zero: never.
    pub token_expires: UnixMs,
    /// One per log this device reads.
    pub starts: Vec<Start>,
    /// How the client should choose its silences.
    pub heartbeat: HeartbeatPolicy,
    /// What the gateway knows of the previous link.
    pub last_seen: Option<LastSeen>,
    /// Largest frame this gateway takes, bytes.
    pub max_frame_bytes: u32,
    /// Deliveries the gateway sends before it waits for an Ack.
    pub window: u32,
    /// Durable subscriptions as stored.
    pub topics: Vec<String>,
    /// Tags as stored.
    pub tags: Vec<String>,
    /// Subject of the token; empty: anonymous.
    pub user: String,
    /// Ack after so many deliveries …
    pub ack_every: u32,
    /// … or so long after the first unacked one, milliseconds.
    pub ack_within_ms: u32,
    /// The contract level of this link.
    pub level: u32,
}

impl core::fmt::Debug for Welcome {
    /// Leaves the secret out: this is what logs print.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Welcome")
            .field("registration", &self.registration)
            .field("session", &self.session)
            .field("starts", &self.starts)
            .field("topics", &self.topics)
            .field("tags", &self.tags)
            .field("user", &self.user)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

/// Where the delivery of a log goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which log.
    pub log: LogName,
    /// Delivery goes on after this.
    pub at: Position,
    /// False: something may be missing; exactly one Gap follows before the log's first Deliver.
    pub recovered: bool,
}

/// How a client should choose its silences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatPolicy {
    /// Which policy.
    pub kind: HeartbeatKind,
    /// Shortest silence, seconds.
    pub min_s: u32,
    /// Longest silence, seconds.
    pub max_s: u32,
    /// Longest silence while a person looks, seconds.
    pub visible_max_s: u32,
    /// Longest silence at night, seconds.
    pub night_max_s: u32,
    /// When the night begins, minutes after local midnight.
    pub night_from_min: u32,
    /// When the night ends, minutes after local midnight.
    pub night_to_min: u32,
}

/// Which heartbeat policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HeartbeatKind {
    /// A belief over rungs; also what an unknown number reads as.
    #[default]
    Ladder,
    /// The original design.
    Stepped,
    /// One silence.
    Fixed,
}

/// What a gateway knows of the previous link of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastSeen {
    /// How long ago it last heard of it, milliseconds.
    pub heard_ms_ago: u64,
    /// A Beat or a Deliver was out and nothing came back.
    pub beat_unanswered: bool,
    /// How that link ended.
    pub cause: Cause,
    /// The gateway of that link still runs with the boot it had.
    pub gateway_lived: bool,
}

/// How a link ended, as the gateway saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Not recorded.
    #[default]
    Unknown,
    /// A close frame came.
    ClientClosed,
    /// The connection was reset.
    Reset,
    /// Nothing was heard for too long.
    TimedOut,
    /// The gateway closed it.
    GatewayClosed,
    /// A newer link ruled.
    Replaced,
    /// The stream ended without a close frame.
    Eof,
}

/// An entry of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Deliver {
    /// Which log.
    pub log: LogName,
    /// Where in it; seq 0: not stored (ttl 0), no ack, outside the order.
    pub at: Position,
    /// What the entry holds.
    pub what: What,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A message.
    Message(Box<Message>),
    /// A message, not looked into but for its id.
    Encoded {
        /// Its id.
        id: MessageId,
        /// The encoded `pulsegate.v1.Message`.
        bytes: Vec<u8>,
    },
    /// Takes a message back.
    Recall {
        /// Which message.
        message: MessageId,
        /// The tag of its notification.
        tag: String,
    },
    /// Content this build does not know; it still moves the cursor and is acked.
    Unknown,
}

/// Entries that can no longer be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Which log.
    pub log: LogName,
    /// The incarnation delivery goes on in.
    pub epoch: u64,
    /// What is missing begins after this.
    pub after: Seq,
    /// Delivery goes on after this.
    pub resume: Seq,
    /// Why.
    pub reason: GapReason,
}

/// Why entries are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// Not told.
    #[default]
    Unspecified,
    /// Retention dropped them.
    Retention,
    /// The store is new, restored or truncated.
    EpochChanged,
    /// The cursor lay beyond the log's end.
    CursorAhead,
    /// The entry was damaged.
    Corrupt,
}

/// Answers a frame that carried a request id.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// That request id.
    pub request_id: u32,
    /// How it ended.
    pub error: ErrorCode,
    /// For a person reading a log.
    pub detail: String,
    /// Publish: the id the gateway gave the message.
    pub message: Option<MessageId>,
    /// Not before, milliseconds.
    pub retry_after_ms: u32,
    /// Subscribe: each new log.
    pub starts: Vec<Start>,
    /// Subscribe: topics the token does not grant.
    pub denied: Vec<String>,
}

/// Move elsewhere; the old link stays open until the new one is welcomed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Where to; empty: the same address.
    pub endpoints: Vec<Endpoint>,
    /// Go then, not before, milliseconds.
    pub after_ms: u32,
    /// For a person reading a log.
    pub reason: String,
}

/// Another gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `wss://…/v1/connect`.
    pub url: String,
    /// Share of clients it should get.
    pub weight: u32,
    /// Where it stands.
    pub region: String,
}

/// Last frame before a close by the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// Why, and what to do about it.
    pub code: CloseCode,
    /// For a person reading a log.
    pub reason: String,
    /// Come back no earlier, milliseconds; 0: the client's own backoff alone.
    pub reconnect_after_ms: u32,
    /// With [`CloseCode::Replaced`]: the generation that rules.
    pub generation: u64,
}
