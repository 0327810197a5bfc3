//! The gateway's half: decode what clients say, encode what gateways say.

use super::convert::{cursor, id_bytes, log_text, message};
use super::log_parts;
use crate::frame::{
    Activity, Cause, ClientEnvelope, ClientFrame, ClientFrameError, DeviceTarget, ErrorCode, FrameError,
    FrameErrorKind, Gap, GapReason, HeartbeatKind, Hello, LastLink, LastSeen, Message, Publish, Receipt,
    ServerFrame, Stage, Start, WebPush, Welcome, What,
};
use crate::generated as wire;
use crate::id::{AppId, Cursor, LogName, MessageId, Position, RegistrationId, Tag, Topic, UserId};
use crate::limits;
use crate::time::UnixMs;
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

/// What is senseless about a well-formed frame.
type Senseless = (ErrorCode, &'static str);

/// Reads a client's frame, all rules of the contract but those of order.
///
/// # Errors
/// Says whether the link must close or the frame be refused, and why.
pub fn decode_client(bytes: &[u8]) -> Result<ClientEnvelope, ClientFrameError> {
    use wire::client_frame::Frame;
    let close = |kind, detail| ClientFrameError::Close(FrameError::new(kind, detail));
    if bytes.len() > limits::FRAME_BYTES {
        return Err(close(FrameErrorKind::TooLarge, "a frame is over 64 KiB"));
    }
    let Ok(wire) = wire::ClientFrame::decode(bytes) else {
        return Err(close(FrameErrorKind::Malformed, "not a ClientFrame"));
    };
    let request_id = wire.request_id;
    let frame = match wire.frame {
        None => None,
        Some(Frame::Hello(it)) => {
            if bytes.len() > limits::HELLO_BYTES {
                return Err(close(FrameErrorKind::TooLarge, "a Hello is over 32 KiB"));
            }
            Some(ClientFrame::Hello(Box::new(hello(it).map_err(ClientFrameError::Close)?)))
        }
        Some(other) => Some(senseless_or(other).map_err(|(error, detail)| ClientFrameError::Refuse {
            request_id,
            error,
            detail,
        })?),
    };
    Ok(ClientEnvelope { request_id, frame })
}

/// Reads the body of `POST …/receipts`. Receipts of unknown stages are left out.
///
/// # Errors
/// Says what the bytes are not.
pub fn decode_receipts(bytes: &[u8]) -> Result<Vec<Receipt>, FrameError> {
    if bytes.len() > limits::FRAME_BYTES {
        return Err(FrameError::new(FrameErrorKind::TooLarge, "a ReceiptReport is over 64 KiB"));
    }
    let Ok(wire) = wire::ReceiptReport::decode(bytes) else {
        return Err(FrameError::new(FrameErrorKind::Malformed, "not a ReceiptReport"));
    };
    receipts(wire).map_err(|(error, detail)| {
        FrameError::new(
            if error == ErrorCode::TooLarge { FrameErrorKind::TooLarge } else { FrameErrorKind::Violation },
            detail,
        )
    })
}

fn hello(it: wire::Hello) -> Result<Hello, FrameError> {
    if it.token.len() > limits::TOKEN_BYTES {
        return Err(FrameError::new(FrameErrorKind::TooLarge, "a token is over 8 KiB"));
    }
    let app = AppId::parse(&it.app)
        .map_err(|_| FrameError::new(FrameErrorKind::UnknownApp, "no such app, or no token for it"))?;
    let registration = if it.registration_id.is_empty() {
        None
    } else {
        let id = RegistrationId::parse(&it.registration_id).map_err(|_| {
            FrameError::new(FrameErrorKind::UnknownRegistration, "no registration has such an id")
        })?;
        Some((id, it.registration_secret.to_vec()))
    };
    let mut agent = it.agent;
    let mut end = agent.len().min(limits::AGENT_BYTES);
    while !agent.is_char_boundary(end) {
        end -= 1;
    }
    agent.truncate(end);
    Ok(Hello {
        app,
        token: it.token,
        registration,
        generation: it.generation,
        cursors: it.cursors.iter().filter_map(cursor).collect(),
        silence_s: it.silence_s,
        agent,
        last_link: it.last_link.map(|last| LastLink {
            session_id: last.session_id,
            last_heard_ms: last.last_heard_ms,
            timed_out: last.timed_out,
        }),
        link: it.link,
        level: it.level.max(1),
        ephemeral: it.ephemeral,
    })
}

/// Any frame but Hello.
fn senseless_or(frame: wire::client_frame::Frame) -> Result<ClientFrame, Senseless> {
    use wire::client_frame::Frame;
    Ok(match frame {
        Frame::Hello(_) => return Err((ErrorCode::Invalid, "a Hello in the wrong place")),
        Frame::BeatReply(it) => ClientFrame::BeatReply { silence_s: it.silence_s, silence_no: it.silence_no },
        Frame::Ack(it) => ClientFrame::Ack(
            it.cursors
                .iter()
                .map(cursor)
                .collect::<Option<Vec<Cursor>>>()
                .ok_or((ErrorCode::Invalid, "a cursor names no log"))?,
        ),
        Frame::Probe(it) => ClientFrame::Probe { nonce: it.nonce },
        Frame::Receipts(it) => ClientFrame::Receipts(receipts(it)?),
        Frame::Activity(it) => ClientFrame::Activity(Activity {
            visible_tabs: it.visible_tabs,
            hidden_tabs: it.hidden_tabs,
            frozen: it.frozen,
        }),
        Frame::Subscribe(it) => ClientFrame::Subscribe(topics(&it.topics)?),
        Frame::Unsubscribe(it) => ClientFrame::Unsubscribe(topics(&it.topics)?),
        Frame::SetTags(it) => ClientFrame::SetTags { add: tags(&it.add)?, remove: tags(&it.remove)? },
        Frame::RefreshToken(it) => {
            if it.token.len() > limits::TOKEN_BYTES {
                return Err((ErrorCode::TooLarge, "a token is over 8 KiB"));
            }
            ClientFrame::RefreshToken(it.token)
        }
        Frame::Publish(it) => ClientFrame::Publish(Box::new(publish(it)?)),
        Frame::SetWebPush(it) => ClientFrame::SetWebPush(web_push(it)?),
        Frame::Forget(_) => ClientFrame::Forget,
    })
}

fn topics(list: &[String]) -> Result<Vec<Topic>, Senseless> {
    if list.len() > limits::TOPICS {
        return Err((ErrorCode::TooLarge, "over 100 topics"));
    }
    list.iter()
        .map(|t| Topic::parse(t))
        .collect::<Result<_, _>>()
        .map_err(|_| (ErrorCode::Invalid, "a topic has no valid name"))
}

fn tags(list: &[String]) -> Result<Vec<Tag>, Senseless> {
    if list.len() > limits::TAGS {
        return Err((ErrorCode::TooLarge, "over 64 tags"));
    }
    list.iter()
        .map(|t| Tag::parse(t))
        .collect::<Result<_, _>>()
        .map_err(|_| (ErrorCode::Invalid, "a tag has no valid name"))
}

fn receipts(it: wire::ReceiptReport) -> Result<Vec<Receipt>, Senseless> {
    if it.receipts.len() > limits::RECEIPTS {
        return Err((ErrorCode::TooLarge, "over 1,000 receipts"));
    }
    let mut list = Vec::with_capacity(it.receipts.len());
    for receipt in it.receipts {
        let stage = match wire::Stage::try_from(receipt.stage) {
            Ok(wire::Stage::Received) => Stage::Received,
            Ok(wire::Stage::Displayed) => Stage::Displayed,
            Ok(wire::Stage::Clicked) => Stage::Clicked,
            Ok(wire::Stage::Dismissed) => Stage::Dismissed,
            Ok(wire::Stage::Handled) => Stage::Handled,
            // A stage of a later contract: the others of the report still count.
            Ok(wire::Stage::Unspecified) | Err(_) => continue,
        };
        list.push(Receipt {
            message: MessageId::from_slice(&receipt.message_id)
                .ok_or((ErrorCode::Invalid, "a message id is not 16 bytes"))?,
            stage,
            at: UnixMs(receipt.at_ms),
            action: receipt.action,
        });
    }
    Ok(list)
}

fn publish(it: wire::Publish) -> Result<Publish, Senseless> {
    let target = match it.target {
        Some(wire::publish::Target::Topic(topic)) => DeviceTarget::Topic(
            Topic::parse(&topic).map_err(|_| (ErrorCode::Invalid, "a topic has no valid name"))?,
        ),
        Some(wire::publish::Target::User(user)) => DeviceTarget::User(
            UserId::parse(&user).map_err(|_| (ErrorCode::Invalid, "a user has no valid name"))?,
        ),
        None => return Err((ErrorCode::Invalid, "a Publish without a target")),
    };
    Ok(Publish {
        target,
        body: it.body.map(Into::into).unwrap_or_default(),
        notification: it.notification.map(Into::into),
        ttl_s: it.ttl_s,
        message_id: MessageId::from_slice(&it.message_id)
            .ok_or((ErrorCode::Invalid, "a message id is not 16 bytes"))?,
    })
}

fn web_push(it: wire::SetWebPush) -> Result<WebPush, Senseless> {
    let removed = it.endpoint.is_empty();
    if !removed && (it.p256dh.len() != 65 || it.auth.len() != 16) {
        return Err((ErrorCode::Invalid, "p256dh must have 65 bytes and auth 16"));
    }
    Ok(WebPush { endpoint: it.endpoint, p256dh: it.p256dh.to_vec(), auth: it.auth.to_vec() })
}

/// The bytes of a frame.
#[must_use]
pub fn encode_server(frame: ServerFrame) -> Bytes {
    use wire::server_frame::Frame;
    if let ServerFrame::Deliver(it) = &frame
        && let What::Encoded { bytes, .. } = &it.what
    {
        return encode_deliver(&it.log, it.at, bytes);
    }
    let frame = match frame {
        ServerFrame::Welcome(it) => Frame::Welcome(welcome(*it)),
        ServerFrame::Beat { silence_ms, silence_no } => Frame::Beat(wire::Beat { silence_ms, silence_no }),
        ServerFrame::Deliver(it) => Frame::Deliver(wire::Deliver {
            log: log_text(&it.log),
            epoch: it.at.epoch,
            seq: it.at.seq,
            what: match it.what {
                What::Message(message) => Some(wire::deliver::What::Message((*message).into())),
                What::Recall { message, tag } => {
                    Some(wire::deliver::What::Recall(wire::Recall { message_id: id_bytes(message), tag }))
                }
                // Encoded was handled above.
                What::Encoded { .. } | What::Unknown => None,
            },
        }),
        ServerFrame::ProbeReply { nonce, heard_ms_ago, beat_sent_ms_ago } => {
            Frame::ProbeReply(wire::ProbeReply { nonce, heard_ms_ago, beat_sent_ms_ago })
        }
        ServerFrame::Gap(it) => Frame::Gap(gap(&it)),
        ServerFrame::Reply(it) => Frame::Reply(wire::Reply {
            request_id: it.request_id,
            error: error_number(it.error),
            detail: it.detail,
            message_id: it.message.map(id_bytes).unwrap_or_default(),
            retry_after_ms: it.retry_after_ms,
            starts: starts(&it.starts),
            denied: it.denied,
        }),
        ServerFrame::Redirect(it) => Frame::Redirect(wire::Redirect {
            endpoints: it
                .endpoints
                .into_iter()
                .map(|e| wire::Endpoint { url: e.url, weight: e.weight, region: e.region })
                .collect(),
            after_ms: it.after_ms,
            reason: it.reason,
        }),
        ServerFrame::Closing(it) => Frame::Closing(wire::Closing {
            code: i32::from(it.code.code()),
            reason: it.reason,
            reconnect_after_ms: it.reconnect_after_ms,
            generation: it.generation,
        }),
        ServerFrame::TokenExpiring { expires } => {
            Frame::TokenExpiring(wire::TokenExpiring { expires_ms: expires.0 })
        }
        ServerFrame::Logs { started, ended } => Frame::Logs(wire::Logs {
            started: starts(&started),
            ended: ended
                .iter()
                .map(|(log, why)| wire::Ended { log: log_text(log), why: error_number(*why) })
                .collect(),
        }),
        ServerFrame::Advance(cursors) => {
            Frame::Advance(wire::Advance { cursors: cursors.into_iter().map(Into::into).collect() })
        }
    };
    let wire = wire::ServerFrame { frame: Some(frame) };
    Bytes::from(wire.encode_to_vec())
}

/// The bytes of a message: what stores keep and [`encode_deliver`] takes. At most
/// [`limits::MESSAGE_BYTES`] may be accepted; judging that is the caller's.
#[must_use]
pub fn encode_message(message: Message) -> Bytes {
    Bytes::from(wire::Message::from(message).encode_to_vec())
}

/// Reads what [`encode_message`] wrote.
///
/// # Errors
/// Says what the bytes are not.
pub fn decode_message(bytes: &[u8]) -> Result<Message, FrameError> {
    wire::Message::decode(bytes)
        .ok()
        .and_then(message)
        .ok_or(FrameError::new(FrameErrorKind::Malformed, "not a Message"))
}

/// A Deliver frame around an encoded message, without decoding it: the bytes every reader of the
/// log gets.
#[must_use]
pub fn encode_deliver(log: &LogName, at: Position, message: &[u8]) -> Bytes {
    deliver(log, at, 4, message)
}

/// A Deliver frame that takes a message back.
#[must_use]
pub fn encode_recall(log: &LogName, at: Position, message: MessageId, tag: &str) -> Bytes {
    let recall = wire::Recall { message_id: id_bytes(message), tag: tag.to_owned() };
    deliver(log, at, 5, &recall.encode_to_vec())
}

/// `ServerFrame { deliver (3): Deliver { log (1), epoch (2), seq (3), what (4 or 5) } }`, written in
/// the order and with the omissions (zero is absent) of the generated code.
fn deliver(log: &LogName, at: Position, what: u32, content: &[u8]) -> Bytes {
    let (kind, name) = log_parts(log);
    let text = kind.len() + name.len();
    let number = |value: u64| {
        if value == 0 { 0 } else { 1 + encoded_len_varint(value) }
    };
    let inner = key_len(1)
        + encoded_len_varint(text as u64)
        + text
        + number(at.epoch)
        + number(at.seq)
        + key_len(what)
        + encoded_len_varint(content.len() as u64)
        + content.len();
    let mut out = BytesMut::with_capacity(key_len(3) + encoded_len_varint(inner as u64) + inner);
    encode_key(3, WireType::LengthDelimited, &mut out);
    encode_varint(inner as u64, &mut out);
    encode_key(1, WireType::LengthDelimited, &mut out);
    encode_varint(text as u64, &mut out);
    out.put_slice(kind.as_bytes());
    out.put_slice(name.as_bytes());
    for (tag, value) in [(2, at.epoch), (3, at.seq)] {
        if value != 0 {
            encode_key(tag, WireType::Varint, &mut out);
            encode_varint(value, &mut out);
        }
    }
    encode_key(what, WireType::LengthDelimited, &mut out);
    encode_varint(content.len() as u64, &mut out);
    out.put_slice(content);
    out.freeze()
}

fn welcome(it: Welcome) -> wire::Welcome {
    wire::Welcome {
        registration_id: it.registration,
        registration_secret: it.secret.into(),
        session_id: it.session,
        boot_id: it.boot,
        network_key: it.network_key,
        server_time_ms: it.server_time.0,
        token_expires_ms: it.token_expires.0,
        starts: starts(&it.starts),
        heartbeat: Some(wire::HeartbeatPolicy {
            kind: match it.heartbeat.kind {
                HeartbeatKind::Ladder => wire::heartbeat_policy::Kind::Ladder,
                HeartbeatKind::Stepped => wire::heartbeat_policy::Kind::Stepped,
                HeartbeatKind::Fixed => wire::heartbeat_policy::Kind::Fixed,
            } as i32,
            min_s: it.heartbeat.min_s,
            max_s: it.heartbeat.max_s,
            visible_max_s: it.heartbeat.visible_max_s,
            night_max_s: it.heartbeat.night_max_s,
            night_from_min: it.heartbeat.night_from_min,
            night_to_min: it.heartbeat.night_to_min,
        }),
        last_seen: it.last_seen.map(last_seen),
        max_frame_bytes: it.max_frame_bytes,
        window: it.window,
        topics: it.topics,
        tags: it.tags,
        user: it.user,
        ack_every: it.ack_every,
        ack_within_ms: it.ack_within_ms,
        level: it.level,
    }
}

fn last_seen(it: LastSeen) -> wire::LastSeen {
    wire::LastSeen {
        heard_ms_ago: it.heard_ms_ago,
        beat_unanswered: it.beat_unanswered,
        cause: match it.cause {
            Cause::Unknown => wire::last_seen::Cause::Unknown,
            Cause::ClientClosed => wire::last_seen::Cause::ClientClosed,
            Cause::Reset => wire::last_seen::Cause::Reset,
            Cause::TimedOut => wire::last_seen::Cause::TimedOut,
            Cause::GatewayClosed => wire::last_seen::Cause::GatewayClosed,
            Cause::Replaced => wire::last_seen::Cause::Replaced,
            Cause::Eof => wire::last_seen::Cause::Eof,
        } as i32,
        gateway_lived: it.gateway_lived,
    }
}

fn gap(it: &Gap) -> wire::Gap {
    wire::Gap {
        log: log_text(&it.log),
        epoch: it.epoch,
        after_seq: it.after,
        resume_seq: it.resume,
        reason: match it.reason {
            GapReason::Unspecified => wire::gap::Reason::Unspecified,
            GapReason::Retention => wire::gap::Reason::Retention,
            GapReason::EpochChanged => wire::gap::Reason::EpochChanged,
            GapReason::CursorAhead => wire::gap::Reason::CursorAhead,
            GapReason::Corrupt => wire::gap::Reason::Corrupt,
        } as i32,
    }
}

fn starts(list: &[Start]) -> Vec<wire::Start> {
    list.iter()
        .map(|it| wire::Start {
            log: log_text(&it.log),
            epoch: it.at.epoch,
            seq: it.at.seq,
            recovered: it.recovered,
        })
        .collect()
}

fn error_number(error: ErrorCode) -> i32 {
    i32::try_from(error.code()).unwrap_or(i32::MAX)
}
