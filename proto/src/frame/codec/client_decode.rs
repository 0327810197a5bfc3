//! The client's half, downwards: the bytes of a gateway become valid frames.

use super::wire::{Faults, Fields, Value};
use crate::frame::{
    Cause, CloseCode, Closing, Deliver, Endpoint, ErrorCode, FrameError, FrameErrorKind, Gap, GapReason,
    HeartbeatKind, HeartbeatPolicy, LastSeen, Message, Notification, NotificationAction, NotifyBody,
    Redirect, Reply, ServerFrame, Start, Urgency, Welcome, What,
};
use crate::id::{Cursor, LogName, MessageId, Position};
use crate::time::UnixMs;

/// Reads a frame of a gateway; `None`: unset, or of a kind this build does not know, to be ignored.
///
/// Starts and cursors of logs with unknown names are left out. So is a Deliver of such a log.
///
/// # Errors
/// Says what the bytes are not.
pub fn decode_server(bytes: &[u8]) -> Result<Option<ServerFrame>, FrameError> {
    decode(bytes, |fields| deliver(fields, |message| What::Message(Box::new(self::message(message)))))
}

/// The same, but a message is left as its bytes ([`What::Encoded`]): what a session does with it
/// needs no more than its id, and a browser reads the rest in TypeScript.
///
/// # Errors
/// Says what the bytes are not.
pub(crate) fn decode_lightly(bytes: &[u8]) -> Result<Option<ServerFrame>, FrameError> {
    decode(bytes, |fields| deliver(fields, encoded))
}

/// Reads what [`What::Encoded`] holds; `None`: it is no message.
#[must_use]
pub fn read_message(bytes: &[u8]) -> Option<Message> {
    let faults = Faults::default();
    let message = message(faults.fields(bytes));
    faults.first().is_none().then_some(message)
}

fn decode(
    bytes: &[u8],
    deliver: fn(Fields<'_>) -> Option<ServerFrame>,
) -> Result<Option<ServerFrame>, FrameError> {
    let faults = Faults::default();
    let mut frame = None;
    let mut fields = faults.fields(bytes);
    while let Some((field, value)) = fields.next() {
        let decode: fn(Fields<'_>) -> Option<ServerFrame> = match field {
            1 => welcome,
            2 => beat,
            3 => deliver,
            4 => probe_reply,
            5 => gap,
            7 => reply,
            8 => redirect,
            9 => closing,
            10 => token_expiring,
            11 => logs,
            12 => advance,
            _ => continue,
        };
        frame = decode(faults.fields(fields.bytes(value)));
    }
    match faults.first() {
        Some(fault) => Err(fault),
        None => Ok(frame),
    }
}

/// Reads a message of numbers alone: fields 1 to `N`.
fn numbers<const N: usize>(fields: Fields<'_>) -> [u64; N] {
    let mut numbers = [0; N];
    read_numbers(fields, &mut numbers);
    numbers
}

#[inline(never)]
fn read_numbers(mut fields: Fields<'_>, numbers: &mut [u64]) {
    while let Some((field, value)) = fields.next() {
        if let Some(slot) = numbers.get_mut(field as usize - 1) {
            *slot = fields.number(value);
        }
    }
}

/// Reads texts, fields 1 to `texts.len()`.
#[inline(never)]
fn read_texts(mut fields: Fields<'_>, texts: &mut [&mut String]) {
    while let Some((field, value)) = fields.next() {
        if let Some(slot) = texts.get_mut(field as usize - 1) {
            fields.text_into(slot, value);
        }
    }
}

/// Reads a message that begins with a log's name, field 1, and goes on with numbers, fields 2 to 5.
/// `None`: the log's name is none of ours.
#[inline(never)]
fn at_log(mut fields: Fields<'_>) -> Option<(LogName, [u64; 4])> {
    let mut name = "";
    let mut numbers = [0; 4];
    while let Some((field, value)) = fields.next() {
        match field {
            1 => name = fields.text(value),
            2..=5 => numbers[field as usize - 2] = fields.number(value),
            _ => {}
        }
    }
    LogName::parse(name).ok().map(|log| (log, numbers))
}

impl<'a> Fields<'a> {
    /// The embedded message in `value`.
    fn nested(&self, value: Value<'a>) -> Fields<'a> {
        self.faults.fields(self.bytes(value))
    }

    fn push_text(&self, list: &mut Vec<String>, value: Value<'a>) {
        list.push(self.text(value).to_owned());
    }

    /// `None`, and noted: not 16 bytes.
    fn id(&self, value: Value<'a>) -> Option<MessageId> {
        MessageId::from_slice(self.bytes(value))
    }
}

fn beat(fields: Fields<'_>) -> Option<ServerFrame> {
    let [silence_ms, silence_no] = numbers(fields);
    Some(ServerFrame::Beat { silence_ms: silence_ms as u32, silence_no: silence_no as u32 })
}

fn probe_reply(fields: Fields<'_>) -> Option<ServerFrame> {
    let [nonce, heard_ms_ago, beat_sent_ms_ago] = numbers(fields).map(|n| n as u32);
    Some(ServerFrame::ProbeReply { nonce, heard_ms_ago, beat_sent_ms_ago })
}

fn token_expiring(fields: Fields<'_>) -> Option<ServerFrame> {
    let [expires] = numbers(fields);
    Some(ServerFrame::TokenExpiring { expires: UnixMs(expires.cast_signed()) })
}

fn gap(fields: Fields<'_>) -> Option<ServerFrame> {
    let (log, [epoch, after, resume, reason]) = at_log(fields)?;
    let reason = match reason as u32 {
        1 => GapReason::Retention,
        2 => GapReason::EpochChanged,
        3 => GapReason::CursorAhead,
        4 => GapReason::Corrupt,
        _ => GapReason::Unspecified,
    };
    Some(ServerFrame::Gap(Gap { log, epoch, after, resume, reason }))
}

#[inline(never)]
fn push_start(list: &mut Vec<Start>, fields: Fields<'_>) {
    if let Some((log, [epoch, seq, recovered, _])) = at_log(fields) {
        list.push(Start { log, at: Position { epoch, seq }, recovered: recovered != 0 });
    }
}

fn advance(mut fields: Fields<'_>) -> Option<ServerFrame> {
    let mut cursors = Vec::new();
    while let Some((field, value)) = fields.next() {
        if field == 1
            && let Some((log, [epoch, seq, ..])) = at_log(fields.nested(value))
        {
            cursors.push(Cursor { log, at: Position { epoch, seq } });
        }
    }
    Some(ServerFrame::Advance(cursors))
}

fn logs(mut fields: Fields<'_>) -> Option<ServerFrame> {
    let (mut started, mut ended) = (Vec::new(), Vec::new());
    while let Some((field, value)) = fields.next() {
        match field {
            1 => push_start(&mut started, fields.nested(value)),
            2 => {
                if let Some((log, [why, ..])) = at_log(fields.nested(value)) {
                    ended.push((log, error_code(why)));
                }
            }
            _ => {}
        }
    }
    Some(ServerFrame::Logs { started, ended })
}

fn error_code(number: u64) -> ErrorCode {
    ErrorCode::from_code(u32::try_from(number as i32).unwrap_or(u32::MAX))
}

fn reply(mut fields: Fields<'_>) -> Option<ServerFrame> {
    let mut it = Box::new(Reply {
        request_id: 0,
        error: ErrorCode::Ok,
        detail: String::new(),
        message: None,
        retry_after_ms: 0,
        starts: Vec::new(),
        denied: Vec::new(),
    });
    while let Some((field, value)) = fields.next() {
        match field {
            1 => it.request_id = fields.number(value) as u32,
            2 => it.error = error_code(fields.number(value)),
            3 => fields.text_into(&mut it.detail, value),
            4 => it.message = fields.id(value),
            5 => it.retry_after_ms = fields.number(value) as u32,
            6 => push_start(&mut it.starts, fields.nested(value)),
            7 => fields.push_text(&mut it.denied, value),
            _ => {}
        }
    }
    Some(ServerFrame::Reply(it))
}

fn redirect(mut fields: Fields<'_>) -> Option<ServerFrame> {
    let mut it = Redirect { endpoints: Vec::new(), after_ms: 0, reason: String::new() };
    while let Some((field, value)) = fields.next() {
        match field {
            1 => it.endpoints.push(endpoint(fields.nested(value))),
            2 => it.after_ms = fields.number(value) as u32,
            3 => fields.text_into(&mut it.reason, value),
            _ => {}
        }
    }
    Some(ServerFrame::Redirect(it))
}

fn endpoint(mut fields: Fields<'_>) -> Endpoint {
    let mut it = Endpoint { url: String::new(), weight: 0, region: String::new() };
    while let Some((field, value)) = fields.next() {
        match field {
            1 => fields.text_into(&mut it.url, value),
            2 => it.weight = fields.number(value) as u32,
            3 => fields.text_into(&mut it.region, value),
            _ => {}
        }
    }
    it
}

fn closing(mut fields: Fields<'_>) -> Option<ServerFrame> {
    let (mut code, mut reason) = (0, String::new());
    let (mut reconnect_after_ms, mut generation) = (0, 0);
    while let Some((field, value)) = fields.next() {
        match field {
            1 => code = fields.number(value) as i32,
            2 => fields.text_into(&mut reason, value),
            3 => reconnect_after_ms = fields.number(value) as u32,
            4 => generation = fields.number(value),
            _ => {}
        }
    }
    let code = CloseCode::from_code(u16::try_from(code).unwrap_or(0));
    Some(ServerFrame::Closing(Closing { code, reason, reconnect_after_ms, generation }))
}

fn welcome(mut fields: Fields<'_>) -> Option<ServerFrame> {
    let mut it = Box::new(Welcome::default());
    while let Some((field, value)) = fields.next() {
        let text = match field {
            1 => &mut it.registration,
            3 => &mut it.session,
            4 => &mut it.boot,
            5 => &mut it.network_key,
            15 => &mut it.user,
            2 => {
                it.secret = fields.bytes(value).to_vec();
                continue;
            }
            8 => {
                push_start(&mut it.starts, fields.nested(value));
                continue;
            }
            9 => {
                it.heartbeat = heartbeat(fields.nested(value));
                continue;
            }
            10 => {
                it.last_seen = Some(last_seen(fields.nested(value)));
                continue;
            }
            13 => {
                fields.push_text(&mut it.topics, value);
                continue;
            }
            14 => {
                fields.push_text(&mut it.tags, value);
                continue;
            }
            6 | 7 | 11 | 12 | 16..=18 => {
                let number = fields.number(value);
                match field {
                    6 => it.server_time = UnixMs(number.cast_signed()),
                    7 => it.token_expires = UnixMs(number.cast_signed()),
                    11 => it.max_frame_bytes = number as u32,
                    12 => it.window = number as u32,
                    16 => it.ack_every = number as u32,
                    17 => it.ack_within_ms = number as u32,
                    _ => it.level = number as u32,
                }
                continue;
            }
            _ => continue,
        };
        fields.text_into(text, value);
    }
    Some(ServerFrame::Welcome(it))
}

fn heartbeat(fields: Fields<'_>) -> HeartbeatPolicy {
    let [kind, min_s, max_s, visible_max_s, night_max_s, night_from_min, night_to_min] =
        numbers::<7>(fields).map(|n| n as u32);
    let kind = match kind {
        1 => HeartbeatKind::Stepped,
        2 => HeartbeatKind::Fixed,
        _ => HeartbeatKind::Ladder,
    };
    HeartbeatPolicy { kind, min_s, max_s, visible_max_s, night_max_s, night_from_min, night_to_min }
}

fn last_seen(fields: Fields<'_>) -> LastSeen {
    let [heard_ms_ago, beat_unanswered, cause, gateway_lived] = numbers(fields);
    let cause = match cause as u32 {
        1 => Cause::ClientClosed,
        2 => Cause::Reset,
        3 => Cause::TimedOut,
        4 => Cause::GatewayClosed,
        5 => Cause::Replaced,
        6 => Cause::Eof,
        _ => Cause::Unknown,
    };
    LastSeen { heard_ms_ago, beat_unanswered: beat_unanswered != 0, cause, gateway_lived: gateway_lived != 0 }
}

/// An id that must be there.
fn required(id: Option<MessageId>, faults: &Faults) -> MessageId {
    id.unwrap_or_else(|| {
        faults.note(FrameError::new(FrameErrorKind::Violation, "a message id is not 16 bytes"));
        MessageId([0; 16])
    })
}

#[inline]
fn deliver(mut fields: Fields<'_>, read: impl Fn(Fields<'_>) -> What) -> Option<ServerFrame> {
    let (mut log, mut at, mut what) = ("", Position::default(), What::Unknown);
    while let Some((field, value)) = fields.next() {
        match field {
            1 => log = fields.text(value),
            2 => at.epoch = fields.number(value),
            3 => at.seq = fields.number(value),
            4 => what = read(fields.nested(value)),
            5 => what = recall(fields.nested(value)),
            _ => {}
        }
    }
    let log = LogName::parse(log).ok()?;
    Some(ServerFrame::Deliver(Box::new(Deliver { log, at, what })))
}

fn encoded(fields: Fields<'_>) -> What {
    let bytes = fields.bytes.to_vec();
    What::Encoded { id: id_of(fields), bytes }
}

/// Field 1 of a message.
fn id_of(mut fields: Fields<'_>) -> MessageId {
    let mut id = None;
    while let Some((field, value)) = fields.next() {
        if field == 1 {
            id = fields.id(value);
        }
    }
    required(id, fields.faults)
}

fn recall(mut fields: Fields<'_>) -> What {
    let (mut id, mut tag) = (None, String::new());
    while let Some((field, value)) = fields.next() {
        match field {
            1 => id = fields.id(value),
            2 => fields.text_into(&mut tag, value),
            _ => {}
        }
    }
    What::Recall { message: required(id, fields.faults), tag }
}

fn message(mut fields: Fields<'_>) -> Message {
    let mut id = None;
    let mut it = Message {
        id: MessageId([0; 16]),
        body: NotifyBody::default(),
        notification: None,
        published: UnixMs::ZERO,
        expires: UnixMs::ZERO,
        urgency: Urgency::Normal,
        collapse_key: String::new(),
    };
    while let Some((field, value)) = fields.next() {
        match field {
            1 => id = fields.id(value),
            2 => {
                let NotifyBody { app, body, ext } = &mut it.body;
                read_texts(fields.nested(value), &mut [app, body, ext]);
            }
            3 => it.notification = Some(notification(fields.nested(value))),
            4 => it.published = UnixMs(fields.number(value).cast_signed()),
            5 => it.expires = UnixMs(fields.number(value).cast_signed()),
            6 => {
                it.urgency = match fields.number(value) as u32 {
                    1 => Urgency::VeryLow,
                    2 => Urgency::Low,
                    3 => Urgency::High,
                    _ => Urgency::Normal,
                };
            }
            7 => fields.text_into(&mut it.collapse_key, value),
            _ => {}
        }
    }
    it.id = required(id, fields.faults);
    it
}

fn notification(mut fields: Fields<'_>) -> Notification {
    let mut it = Notification::default();
    while let Some((field, value)) = fields.next() {
        let text = match field {
            1 => &mut it.title,
            2 => &mut it.body,
            3 => &mut it.icon,
            4 => &mut it.image,
            5 => &mut it.badge,
            6 => &mut it.url,
            7 => &mut it.tag,
            8 => &mut it.lang,
            13 => &mut it.dir,
            9 => {
                let mut action = NotificationAction::default();
                let NotificationAction { action: name, title, icon, url } = &mut action;
                read_texts(fields.nested(value), &mut [name, title, icon, url]);
                it.actions.push(action);
                continue;
            }
            10..=12 => {
                let flag = match field {
                    10 => &mut it.require_interaction,
                    11 => &mut it.silent,
                    _ => &mut it.renotify,
                };
                *flag = fields.number(value) != 0;
                continue;
            }
            _ => continue,
        };
        fields.text_into(text, value);
    }
    it
}
