//! The values of the tables: messages, entries and what counts them. Registrations have their own
//! file, [`super::device_value`].

use super::codec::{Damaged, Decoder, Encoder};
use super::key::{log_bytes, parse_log};
use crate::store::collapse::{CollapseEntry, CollapseRow, HiderRow};
use crate::store::model::{Append, Counts, MessageRow, RowState};
use crate::{Entry, EntryKind, Expression, KeyScope, Log, Predicate};
use bytes::Bytes;
use pulsegate_proto::id::{Epoch, MessageId, RegistrationId, Seq, UserId};
use pulsegate_proto::time::UnixMs;
use std::sync::Arc;

pub(crate) fn write_log(e: &mut Encoder, log: &Log) {
    e.raw(&log_bytes(log));
}

pub(crate) fn read_log(d: &mut Decoder<'_>) -> Result<Log, Damaged> {
    let (log, rest) = parse_log(d.0)?;
    d.0 = rest;
    Ok(log)
}

fn read_id(d: &mut Decoder<'_>) -> Result<MessageId, Damaged> {
    d.array().map(MessageId)
}

pub(crate) fn read_registration(d: &mut Decoder<'_>) -> Result<RegistrationId, Damaged> {
    RegistrationId::parse(d.text()?).map_err(|_| Damaged)
}

pub(crate) fn read_user(d: &mut Decoder<'_>) -> Result<UserId, Damaged> {
    UserId::parse(d.text()?).map_err(|_| Damaged)
}

fn write_predicate(e: &mut Encoder, predicate: Option<&Arc<Predicate>>) {
    e.some(predicate, |e, predicate| {
        e.some(predicate.tags.as_ref(), |e, tags| {
            e.text(tags.as_str());
        });
        e.list(predicate.not_registrations.iter(), |e, id| {
            e.text(id.as_str());
        });
        e.list(predicate.not_users.iter(), |e, user| {
            e.text(user.as_str());
        });
    });
}

fn read_predicate(d: &mut Decoder<'_>) -> Result<Option<Arc<Predicate>>, Damaged> {
    d.some(|d| {
        Ok(Arc::new(Predicate {
            tags: d.some(|d| Expression::parse(d.text()?).map_err(|_| Damaged))?,
            not_registrations: d.list(read_registration)?,
            not_users: d.list(read_user)?,
        }))
    })
}

fn write_text(e: &mut Encoder, text: Option<&Arc<str>>) {
    e.some(text, |e, text| {
        e.text(text);
    });
}

fn read_text(d: &mut Decoder<'_>) -> Result<Option<Arc<str>>, Damaged> {
    d.some(|d| d.text().map(Arc::from))
}

const MESSAGE: u8 = 0;
const MESSAGE_BODY_ELSEWHERE: u8 = 1;
const RECALL: u8 = 2;

/// An entry as it is stored: its number is in the key, its epoch is the store's.
pub(crate) fn encode_entry(entry: &Entry, body_elsewhere: bool) -> Vec<u8> {
    let mut e = Encoder(Vec::with_capacity(64));
    match &entry.kind {
        EntryKind::Message { id, body } => {
            e.u8(if body_elsewhere { MESSAGE_BODY_ELSEWHERE } else { MESSAGE }).raw(&id.0);
            e.time(entry.expires);
            write_text(&mut e, entry.collapse_key.as_ref());
            write_predicate(&mut e, entry.predicate.as_ref());
            if !body_elsewhere {
                e.raw(body);
            }
        }
        EntryKind::Recall { message, tag, of_seq } => {
            e.u8(RECALL).raw(&message.0);
            e.time(entry.expires);
            write_predicate(&mut e, entry.predicate.as_ref());
            e.num(*of_seq).text(tag);
        }
    }
    e.0
}

/// Reads an entry; `body_of` is asked for a body that is stored elsewhere.
pub(crate) fn decode_entry(
    seq: Seq,
    epoch: Epoch,
    payload: &Bytes,
    body_of: impl FnOnce(MessageId) -> Result<Bytes, Damaged>,
) -> Result<Entry, Damaged> {
    let mut d = Decoder(payload);
    let kind = d.u8()?;
    let id = read_id(&mut d)?;
    let expires = d.time()?;
    if kind == RECALL {
        let predicate = read_predicate(&mut d)?;
        let of_seq = d.num()?;
        let tag = Arc::from(d.text()?);
        d.end()?;
        let kind = EntryKind::Recall { message: id, tag, of_seq };
        return Ok(Entry { seq, epoch, expires, collapse_key: None, predicate, kind });
    }
    let collapse_key = read_text(&mut d)?;
    let predicate = read_predicate(&mut d)?;
    let body = match kind {
        MESSAGE => payload.slice(payload.len() - d.0.len()..),
        MESSAGE_BODY_ELSEWHERE => body_of(id)?,
        _ => return Err(Damaged),
    };
    let kind = EntryKind::Message { id, body };
    Ok(Entry { seq, epoch, expires, collapse_key, predicate, kind })
}

pub(crate) fn encode_message(row: &MessageRow) -> Vec<u8> {
    let mut e = Encoder(Vec::with_capacity(96));
    e.u8(match row.state {
        RowState::Scheduled => 0,
        RowState::Live => 1,
        RowState::Expired => 2,
        RowState::Recalled => 3,
    });
    e.time(row.published).time(row.expires).some(row.deliver_at, |e, at| {
        e.time(at);
    });
    e.num(row.targeted).list(row.logs.iter(), write_log).num(row.first).num(row.recall_first);
    write_predicate(&mut e, row.predicate.as_ref());
    write_text(&mut e, row.collapse_key.as_ref());
    e.text(&row.notification_tag);
    e.0
}

pub(crate) fn decode_message(payload: &[u8]) -> Result<MessageRow, Damaged> {
    let mut d = Decoder(payload);
    let row = MessageRow {
        state: match d.u8()? {
            0 => RowState::Scheduled,
            1 => RowState::Live,
            2 => RowState::Expired,
            3 => RowState::Recalled,
            _ => return Err(Damaged),
        },
        published: d.time()?,
        expires: d.time()?,
        deliver_at: d.some(Decoder::time)?,
        targeted: d.num()?,
        logs: d.list(read_log)?,
        first: d.num()?,
        recall_first: d.num()?,
        predicate: read_predicate(&mut d)?,
        collapse_key: read_text(&mut d)?,
        notification_tag: Arc::from(d.text()?),
    };
    d.end()?;
    Ok(row)
}

pub(crate) fn encode_counts(counts: &Counts) -> Vec<u8> {
    let mut e = Encoder(Vec::with_capacity(16));
    e.num(counts.sent).num(counts.received).num(counts.received_without_ack);
    e.num(counts.handled).num(counts.displayed).num(counts.clicked).num(counts.dismissed);
    e.num(counts.expired);
    e.0
}

pub(crate) fn decode_counts(payload: &[u8]) -> Result<Counts, Damaged> {
    let mut d = Decoder(payload);
    let counts = Counts {
        sent: d.num()?,
        received: d.num()?,
        received_without_ack: d.num()?,
        handled: d.num()?,
        displayed: d.num()?,
        clicked: d.num()?,
        dismissed: d.num()?,
        expired: d.num()?,
    };
    d.end()?;
    Ok(counts)
}

pub(crate) fn encode_collapse(row: &CollapseRow) -> Vec<u8> {
    let mut e = Encoder::default();
    e.list(row.live.iter(), |e, entry| {
        e.num(entry.seq).time(entry.expires).num(entry.predicate);
    });
    e.list(row.hiders.iter(), |e, hider| {
        e.num(hider.seq).time(hider.until);
        write_predicate(e, Some(&hider.predicate));
    });
    e.0
}

pub(crate) fn decode_collapse(payload: &[u8]) -> Result<CollapseRow, Damaged> {
    let mut d = Decoder(payload);
    let live = d.list(|d| Ok(CollapseEntry { seq: d.num()?, expires: d.time()?, predicate: d.num()? }))?;
    let hiders = d.list(|d| {
        Ok(HiderRow { seq: d.num()?, until: d.time()?, predicate: read_predicate(d)?.ok_or(Damaged)? })
    })?;
    d.end()?;
    Ok(CollapseRow { live, hiders })
}

/// A message that waits for its `deliver_at`; the app is in the key. Its idempotency key has its
/// own row already.
pub(crate) fn encode_scheduled(append: &Append) -> Vec<u8> {
    let mut e = Encoder::default();
    e.raw(&append.id.0).bytes(&append.body).time(append.published).time(append.expires);
    e.some(append.deliver_at, |e, at| {
        e.time(at);
    });
    write_text(&mut e, append.collapse_key.as_ref());
    e.text(&append.notification_tag);
    write_predicate(&mut e, append.predicate.as_ref());
    e.list(append.logs.iter(), write_log);
    e.0
}

pub(crate) fn decode_scheduled(app: pulsegate_proto::id::AppId, payload: &[u8]) -> Result<Append, Damaged> {
    let mut d = Decoder(payload);
    let append = Append {
        app,
        id: read_id(&mut d)?,
        body: Bytes::copy_from_slice(d.bytes()?),
        published: d.time()?,
        expires: d.time()?,
        deliver_at: d.some(Decoder::time)?,
        collapse_key: read_text(&mut d)?,
        notification_tag: Arc::from(d.text()?),
        predicate: read_predicate(&mut d)?,
        logs: d.list(read_log)?,
        targeted: 0,
        idempotency: None,
    };
    d.end()?;
    Ok(append)
}

/// What stands under an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) id: MessageId,
    pub(crate) hash: [u8; 32],
    /// The key is forgotten then.
    pub(crate) until: UnixMs,
}

pub(crate) fn encode_key(row: &KeyRow) -> Vec<u8> {
    let mut e = Encoder::default();
    e.raw(&row.id.0).raw(&row.hash).time(row.until);
    e.0
}

pub(crate) fn decode_key(payload: &[u8]) -> Result<KeyRow, Damaged> {
    let mut d = Decoder(payload);
    let row = KeyRow { id: read_id(&mut d)?, hash: d.array()?, until: d.time()? };
    d.end()?;
    Ok(row)
}

/// One thing that ends, in a row of the time table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A message's time-to-live.
    Message(MessageId),
    /// What is kept of a message after that.
    Status(MessageId),
    /// An idempotency key.
    Key(KeyScope, Vec<u8>),
    /// Perhaps the idle time of a registration: its row says.
    Registration(RegistrationId),
}

pub(crate) fn encode_endings(endings: &[Ending]) -> Vec<u8> {
    let mut e = Encoder::default();
    e.list(endings.iter(), |e, ending| {
        match ending {
            Ending::Message(id) => e.u8(0).raw(&id.0),
            Ending::Status(id) => e.u8(1).raw(&id.0),
            Ending::Key(KeyScope::App, key) => e.u8(2).bytes(key),
            Ending::Key(KeyScope::Registration(id), key) => e.u8(3).text(id.as_str()).bytes(key),
            Ending::Registration(id) => e.u8(4).text(id.as_str()),
        };
    });
    e.0
}

pub(crate) fn decode_endings(payload: &[u8]) -> Result<Vec<Ending>, Damaged> {
    let mut d = Decoder(payload);
    let endings = d.list(|d| {
        Ok(match d.u8()? {
            0 => Ending::Message(read_id(d)?),
            1 => Ending::Status(read_id(d)?),
            2 => Ending::Key(KeyScope::App, d.bytes()?.to_vec()),
            3 => {
                let scope = KeyScope::Registration(read_registration(d)?);
                Ending::Key(scope, d.bytes()?.to_vec())
            }
            4 => Ending::Registration(read_registration(d)?),
            _ => return Err(Damaged),
        })
    })?;
    d.end()?;
    Ok(endings)
}
