//! The keys of the tables. Each begins with the app (ended by a zero byte, which no id contains),
//! then one byte for what it is, then the rest in an order that ranges can use.

use super::codec::{Damaged, Decoder};
use crate::{KeyScope, Log, LogKey};
use pulsegate_proto::id::{AppId, MessageId, RegistrationId, Seq, Topic, UserId};
use pulsegate_proto::time::UnixMs;

/// The ordered tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Entries of logs, by (app, log, seq).
    Entry = 0,
    /// Messages, their shared bodies and their counts, by (app, id).
    Message = 1,
    /// Registrations, their cursors, the indexes to them and how many there are.
    Device = 2,
    /// Receipts, by (app, message, registration).
    Receipt = 3,
    /// Idempotency keys, and entries by collapse key.
    Key = 4,
    /// What ends or begins, by time.
    Time = 5,
    /// The store itself, apps, floors.
    Meta = 6,
}

impl Table {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::Entry, Self::Message, Self::Device, Self::Receipt, Self::Key, Self::Time, Self::Meta];

    /// Its name on disk.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Message => "message",
            Self::Device => "device",
            Self::Receipt => "receipt",
            Self::Key => "key",
            Self::Time => "time",
            Self::Meta => "meta",
        }
    }
}

fn start(app: &AppId, kind: u8) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    key.extend_from_slice(app.as_str().as_bytes());
    key.push(0);
    key.push(kind);
    key
}

fn zero_ended(mut key: Vec<u8>, text: &str) -> Vec<u8> {
    key.extend_from_slice(text.as_bytes());
    key.push(0);
    key
}

fn push_log(key: Vec<u8>, log: &Log) -> Vec<u8> {
    let mut key = key;
    let (kind, name) = match log {
        Log::All => (b'a', ""),
        Log::Device(id) => (b'd', id.as_str()),
        Log::Topic(topic) => (b't', topic.as_str()),
        Log::User(user) => (b'u', user.as_str()),
    };
    key.push(kind);
    zero_ended(key, name)
}

/// A log as it stands in keys and values.
pub(crate) fn log_bytes(log: &Log) -> Vec<u8> {
    push_log(Vec::with_capacity(40), log)
}

/// Reads what [`log_bytes`] wrote, from the front of `bytes`; answers the rest.
pub(crate) fn parse_log(bytes: &[u8]) -> Result<(Log, &[u8]), Damaged> {
    let (kind, rest) = bytes.split_first().ok_or(Damaged)?;
    let end = rest.iter().position(|b| *b == 0).ok_or(Damaged)?;
    let name = core::str::from_utf8(&rest[..end]).map_err(|_| Damaged)?;
    let log = match kind {
        b'a' if name.is_empty() => Log::All,
        b'd' => Log::Device(RegistrationId::parse(name).map_err(|_| Damaged)?),
        b't' => Log::Topic(Topic::parse(name).map_err(|_| Damaged)?),
        b'u' => Log::User(UserId::parse(name).map_err(|_| Damaged)?),
        _ => return Err(Damaged),
    };
    Ok((log, &rest[end + 1..]))
}

/// The app a key begins with, and the rest after its zero byte.
pub(crate) fn split_app(key: &[u8]) -> Result<(AppId, &[u8]), Damaged> {
    let end = key.iter().position(|b| *b == 0).ok_or(Damaged)?;
    let app = core::str::from_utf8(&key[..end]).map_err(|_| Damaged)?;
    Ok((AppId::parse(app).map_err(|_| Damaged)?, &key[end + 1..]))
}

/// The first key that does not begin with `prefix`. Keys of ours never end in 0xff bytes only.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            break;
        }
    }
    end
}

pub(crate) fn log_prefix(log: &LogKey) -> Vec<u8> {
    push_log(start(&log.app, b'e'), &log.log)
}

pub(crate) fn entry(app: &AppId, log: &Log, seq: Seq) -> Vec<u8> {
    let mut key = push_log(start(app, b'e'), log);
    key.extend_from_slice(&seq.to_be_bytes());
    key
}

/// The number at the end of a key.
pub(crate) fn trailing_number(key: &[u8]) -> Result<u64, Damaged> {
    let at = key.len().checked_sub(8).ok_or(Damaged)?;
    Decoder(&key[at..]).array().map(u64::from_be_bytes)
}

pub(crate) fn message(app: &AppId, id: MessageId) -> Vec<u8> {
    with_id(start(app, b'm'), id)
}

pub(crate) fn body(app: &AppId, id: MessageId) -> Vec<u8> {
    with_id(start(app, b'b'), id)
}

pub(crate) fn counts(app: &AppId, id: MessageId) -> Vec<u8> {
    with_id(start(app, b'c'), id)
}

fn with_id(mut key: Vec<u8>, id: MessageId) -> Vec<u8> {
    key.extend_from_slice(&id.0);
    key
}

pub(crate) fn row(app: &AppId, id: &RegistrationId) -> Vec<u8> {
    let mut key = start(app, b'r');
    key.extend_from_slice(id.as_str().as_bytes());
    key
}

pub(crate) fn rows(app: &AppId) -> Vec<u8> {
    start(app, b'r')
}

pub(crate) fn progress(app: &AppId, id: &RegistrationId) -> Vec<u8> {
    let mut key = start(app, b'p');
    key.extend_from_slice(id.as_str().as_bytes());
    key
}

pub(crate) fn of_user(app: &AppId, user: &UserId) -> Vec<u8> {
    zero_ended(start(app, b'u'), user.as_str())
}

pub(crate) fn of_topic(app: &AppId, topic: &Topic) -> Vec<u8> {
    zero_ended(start(app, b't'), topic.as_str())
}

/// An index key: the prefix of [`of_user`] or [`of_topic`] and the registration.
pub(crate) fn indexed(mut prefix: Vec<u8>, id: &RegistrationId) -> Vec<u8> {
    prefix.extend_from_slice(id.as_str().as_bytes());
    prefix
}

pub(crate) fn how_many_rows(app: &AppId) -> Vec<u8> {
    start(app, b'n')
}

pub(crate) fn how_many_subscribe(app: &AppId, topic: &Topic) -> Vec<u8> {
    let mut key = start(app, b'n');
    key.push(b't');
    key.extend_from_slice(topic.as_str().as_bytes());
    key
}

pub(crate) fn how_many_everyone(app: &AppId) -> Vec<u8> {
    let mut key = start(app, b'n');
    key.push(b'a');
    key
}

pub(crate) fn receipts(app: &AppId, id: MessageId) -> Vec<u8> {
    with_id(start(app, b'x'), id)
}

pub(crate) fn receipt(app: &AppId, id: MessageId, registration: &RegistrationId) -> Vec<u8> {
    let mut key = receipts(app, id);
    key.extend_from_slice(registration.as_str().as_bytes());
    key
}

pub(crate) fn idempotency(app: &AppId, scope: &KeyScope, text: &[u8]) -> Vec<u8> {
    let mut key = start(app, b'i');
    match scope {
        KeyScope::App => key.push(b'a'),
        KeyScope::Registration(id) => {
            key.push(b'r');
            key = zero_ended(key, id.as_str());
        }
    }
    key.extend_from_slice(text);
    key
}

pub(crate) fn collapse(app: &AppId, log: &Log, text: &str) -> Vec<u8> {
    let mut key = push_log(start(app, b'k'), log);
    key.extend_from_slice(text.as_bytes());
    key
}

/// Things that end in the second `second`; `unique` tells rows of one second apart.
pub(crate) fn ends(app: &AppId, second: u64, unique: u64) -> Vec<u8> {
    let mut key = start(app, b'e');
    key.extend_from_slice(&second.to_be_bytes());
    key.extend_from_slice(&unique.to_be_bytes());
    key
}

/// The second of a key made by [`ends`].
pub(crate) fn ends_second(key: &[u8]) -> Result<u64, Damaged> {
    let at = key.len().checked_sub(16).ok_or(Damaged)?;
    Decoder(&key[at..]).array().map(u64::from_be_bytes)
}

pub(crate) fn scheduled(app: &AppId, at: UnixMs, id: MessageId) -> Vec<u8> {
    let mut key = start(app, b's');
    key.extend_from_slice(&u64::try_from(at.0).unwrap_or(0).to_be_bytes());
    with_id(key, id)
}

pub(crate) fn floor(log: &LogKey) -> Vec<u8> {
    push_log(start(&log.app, b'f'), &log.log)
}

/// The second before which nothing of the app is left in [`Table::Time`].
pub(crate) fn low_water(app: &AppId) -> Vec<u8> {
    start(app, b'w')
}

/// Says that the app has rows in [`Table::Time`].
pub(crate) fn app(app: &AppId) -> Vec<u8> {
    start(app, b'p')
}

/// Keys of the store itself begin with a zero byte: no app does.
pub(crate) const EPOCH: &[u8] = b"\0epoch";
/// See [`EPOCH`].
pub(crate) const FORMAT: &[u8] = b"\0format";
/// The last sequence number handed out, and the number of the last group of commits.
pub(crate) const TAIL: &[u8] = b"\0tail";
