//! Every limit of the wire and of a registration, each with its arithmetic. The only home of such
//! numbers: gateway settings default to these, clients rely on them.

use core::time::Duration;

/// A Hello frame: a token of [`TOKEN_BYTES`], 102 cursors of about 160 bytes, the rest to spare.
pub const HELLO_BYTES: usize = 32 * 1024;
/// A device token: a JWT with some dozens of grants; larger headers are refused by common proxies too.
pub const TOKEN_BYTES: usize = 8 * 1024;
/// A Probe before Hello: a tag, a length and a varint are under 10 bytes.
pub const EARLY_PROBE_BYTES: usize = 64;
/// Any other frame, either way: the largest message plus its envelope, rounded up.
pub const FRAME_BYTES: usize = 64 * 1024;
/// An encoded Message: leaves 16 KiB of a frame for log name, envelope and later fields.
pub const MESSAGE_BYTES: usize = 48 * 1024;
/// `Hello.agent`.
pub const AGENT_BYTES: usize = 128;
/// App and key ids: `[a-z0-9-]{1,32}`.
pub const APP_ID_BYTES: usize = 32;
/// `sub` of a token: an e-mail address or a UUID with a prefix fits.
pub const USER_BYTES: usize = 128;
/// A topic name.
pub const TOPIC_BYTES: usize = 128;
/// A tag.
pub const TAG_BYTES: usize = 64;
/// Collapse key: RFC 8030's Topic has 32; ids with a prefix want more.
pub const COLLAPSE_KEY_BYTES: usize = 128;
/// `Idempotency-Key` of a publish.
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;
/// Topics a registration may subscribe to.
pub const TOPICS: usize = 100;
/// Tags a registration may carry.
pub const TAGS: usize = 64;
/// Logs a device reads at most: its own, its user's, `all`, and its topics.
pub const LOGS: usize = TOPICS + 3;
/// Registrations or users in one target list.
pub const TARGETS: usize = 1000;
/// A registration secret, bytes.
pub const REGISTRATION_SECRET_BYTES: usize = 32;
/// Deliveries a connection may have unacked before the gateway waits: 64 messages of a few hundred
/// bytes stay far below [`OUTBOX_BYTES`], and one round trip of 200 ms still carries 320 a second.
pub const WINDOW: u32 = 64;
/// `Welcome.ack_every` = window / 2: the ack travels while the other half is on its way.
pub const ACK_EVERY: u32 = WINDOW / 2;
/// `Welcome.ack_within_ms`.
pub const ACK_WITHIN: Duration = Duration::from_millis(2000);
/// Bytes written to one socket and not yet taken by it.
pub const OUTBOX_BYTES: usize = 256 * 1024;
/// First byte, request head, and Hello: each within this long.
pub const FIRST_BYTE: Duration = Duration::from_secs(5);
/// The request head must be complete this long after its first byte.
pub const REQUEST_HEAD: Duration = Duration::from_secs(5);
/// The Hello must have come this long after the upgrade.
pub const HELLO: Duration = Duration::from_secs(5);
/// Size of a request head.
pub const REQUEST_HEAD_BYTES: usize = 16 * 1024;
/// Header lines of a request.
pub const REQUEST_HEADERS: usize = 64;
/// All buffers of connections that have not proved who they are, together.
pub const UNAUTHENTICATED_BYTES: usize = 64 * 1024 * 1024;
/// Frames a second a connection (`frames_per_second`).
pub const FRAMES_PER_SECOND: u32 = 50;
/// WebSocket control frames (ping, pong) a second a connection; counted even where frames are not.
pub const CONTROL_FRAMES_PER_SECOND: u32 = 10;
/// Handshakes a second an address; burst ten times that: an office shares one address.
pub const HANDSHAKES_PER_SECOND: u32 = 100;
/// An older link of the same generation is closed this long after the newer was welcomed.
pub const OLDER_LINK: Duration = Duration::from_secs(10);
/// Wanted silence is clamped to this range, seconds (`HEARTBEAT.md`).
pub const SILENCE_MIN: Duration = Duration::from_secs(15);
/// See [`SILENCE_MIN`].
pub const SILENCE_MAX: Duration = Duration::from_secs(1800);
/// The gateway's choice where a client wants none.
pub const SILENCE_DEFAULT: Duration = Duration::from_secs(45);
/// A link silent for twice its silence plus this is dropped.
pub const SILENT_EXTRA: Duration = Duration::from_secs(60);
/// Entries skipped for a reader before an Advance is sent.
pub const ADVANCE_EVERY: u32 = 1024;
/// The link closes this long after the token's `exp`.
pub const TOKEN_GRACE: Duration = Duration::from_secs(5);
/// Leeway when `exp` and `nbf` are checked.
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(5);
/// `exp` lies at most this far ahead.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Receipts of one frame or HTTP request.
pub const RECEIPTS: usize = 1000;
/// `deliver_at` lies at most this far ahead.
pub const DELIVER_AT: Duration = Duration::from_secs(90 * 24 * 3600);
/// Idempotency keys are kept this long.
pub const IDEMPOTENCY: Duration = Duration::from_secs(24 * 3600);
/// Cursors are written at most this often a device, and at disconnect.
pub const CURSOR_WRITE: Duration = Duration::from_secs(5);
/// Unexpired entries of an app's `all` log.
pub const EVERYONE_ENTRIES: u64 = 10_000;
/// Lines of one batch publish.
pub const BATCH_LINES: usize = 10_000;
/// Bytes of one batch publish.
pub const BATCH_BYTES: usize = 32 * 1024 * 1024;
