//! The client's half: encode what clients say, decode what gateways say.

use super::convert::{cursor, id_bytes, message};
use crate::frame::{
    Cause, ClientEnvelope, ClientFrame, CloseCode, Closing, Deliver, Endpoint, ErrorCode, FrameError,
    FrameErrorKind, Gap, GapReason, HeartbeatKind, HeartbeatPolicy, Hello, LastSeen, Publish, Receipt,
    Redirect, Reply, ServerFrame, Start, Welcome, What,
};
use crate::generated as wire;
use crate::id::{LogName, MessageId, Position, Tag, Topic};
use crate::time::UnixMs;
use prost::Message as _;

/// The bytes of a frame.
#[must_use]
pub fn encode_client(envelope: ClientEnvelope) -> Vec<u8> {
    wire::ClientFrame { request_id: envelope.request_id, frame: envelope.frame.map(frame) }.encode_to_vec()
}

/// The body of `POST …/receipts`.
#[must_use]
pub fn encode_receipts(receipts: Vec<Receipt>) -> Vec<u8> {
    report(receipts).encode_to_vec()
}

fn frame(frame: ClientFrame) -> wire::client_frame::Frame {
    use wire::client_frame::Frame;
    match frame {
        ClientFrame::Hello(it) => Frame::Hello(hello(*it)),
        ClientFrame::BeatReply { silence_s, silence_no } => {
            Frame::BeatReply(wire::BeatReply { silence_s, silence_no })
        }
        ClientFrame::Ack(cursors) => {
            Frame::Ack(wire::Ack { cursors: cursors.into_iter().map(Into::into).collect() })
        }
        ClientFrame::Probe { nonce } => Frame::Probe(wire::Probe { nonce }),
        ClientFrame::Receipts(receipts) => Frame::Receipts(report(receipts)),
        ClientFrame::Activity(it) => Frame::Activity(wire::Activity {
            visible_tabs: it.visible_tabs,
            hidden_tabs: it.hidden_tabs,
            frozen: it.frozen,
        }),
        ClientFrame::Subscribe(list) => Frame::Subscribe(wire::Subscribe { topics: topics(list) }),
        ClientFrame::Unsubscribe(list) => Frame::Unsubscribe(wire::Unsubscribe { topics: topics(list) }),
        ClientFrame::SetTags { add, remove } => {
            Frame::SetTags(wire::SetTags { add: tags(&add), remove: tags(&remove) })
        }
        ClientFrame::RefreshToken(token) => Frame::RefreshToken(wire::RefreshToken { token }),
        ClientFrame::Publish(it) => Frame::Publish(publish(*it)),
        ClientFrame::SetWebPush(it) => {
            Frame::SetWebPush(wire::SetWebPush { endpoint: it.endpoint, p256dh: it.p256dh, auth: it.auth })
        }
        ClientFrame::Forget => Frame::Forget(wire::Forget {}),
    }
}

fn hello(hello: Hello) -> wire::Hello {
    let (registration_id, registration_secret) = match hello.registration {
        Some((id, secret)) => (id.as_str().to_owned(), secret),
        None => Default::default(),
    };
    wire::Hello {
        app: hello.app.as_str().to_owned(),
        token: hello.token,
        registration_id,
        registration_secret,
        generation: hello.generation,
        cursors: hello.cursors.into_iter().map(Into::into).collect(),
        silence_s: hello.silence_s,
        agent: hello.agent,
        last_link: hello.last_link.map(|last| wire::LastLink {
            session_id: last.session_id,
            last_heard_ms: last.last_heard_ms,
            timed_out: last.timed_out,
        }),
        link: hello.link,
        level: hello.level,
        ephemeral: hello.ephemeral,
    }
}

fn report(receipts: Vec<Receipt>) -> wire::ReceiptReport {
    wire::ReceiptReport {
        receipts: receipts
            .into_iter()
            .map(|it| wire::Receipt {
                message_id: id_bytes(it.message),
                stage: wire::Stage::from(it.stage) as i32,
                at_ms: it.at.0,
                action: it.action,
            })
            .collect(),
    }
}

fn publish(it: Publish) -> wire::Publish {
    wire::Publish {
        body: Some(it.body.into()),
        notification: it.notification.map(Into::into),
        ttl_s: it.ttl_s,
        message_id: id_bytes(it.message_id),
        target: Some(it.target.into()),
    }
}

fn topics(list: Vec<Topic>) -> Vec<String> {
    list.iter().map(|t| t.as_str().to_owned()).collect()
}

fn tags(list: &[Tag]) -> Vec<String> {
    list.iter().map(|t| t.as_str().to_owned()).collect()
}

/// Reads a frame of a gateway; `None`: unset, or of a kind this build does not know, to be ignored.
///
/// Starts and cursors of logs with unknown names are left out. So is a Deliver of such a log.
///
/// # Errors
/// Says what the bytes are not.
pub fn decode_server(bytes: &[u8]) -> Result<Option<ServerFrame>, FrameError> {
    use wire::server_frame::Frame;
    let Ok(wire) = wire::ServerFrame::decode(bytes) else {
        return Err(FrameError::new(FrameErrorKind::Malformed, "not a ServerFrame"));
    };
    let Some(frame) = wire.frame else {
        return Ok(None);
    };
    Ok(Some(match frame {
        Frame::Welcome(it) => ServerFrame::Welcome(Box::new(welcome(it))),
        Frame::Beat(it) => ServerFrame::Beat { silence_ms: it.silence_ms, silence_no: it.silence_no },
        Frame::Deliver(it) => {
            let Ok(log) = LogName::parse(&it.log) else {
                return Ok(None);
            };
            ServerFrame::Deliver(Box::new(Deliver {
                log,
                at: Position { epoch: it.epoch, seq: it.seq },
                what: what(it.what)?,
            }))
        }
        Frame::ProbeReply(it) => ServerFrame::ProbeReply {
            nonce: it.nonce,
            heard_ms_ago: it.heard_ms_ago,
            beat_sent_ms_ago: it.beat_sent_ms_ago,
        },
        Frame::Gap(it) => match gap(&it) {
            Some(gap) => ServerFrame::Gap(gap),
            None => return Ok(None),
        },
        Frame::Reply(it) => ServerFrame::Reply(Box::new(Reply {
            request_id: it.request_id,
            error: error_code(it.error),
            detail: it.detail,
            message: MessageId::from_slice(&it.message_id),
            retry_after_ms: it.retry_after_ms,
            starts: starts(&it.starts),
            denied: it.denied,
        })),
        Frame::Redirect(it) => ServerFrame::Redirect(Redirect {
            endpoints: it
                .endpoints
                .into_iter()
                .map(|e| Endpoint { url: e.url, weight: e.weight, region: e.region })
                .collect(),
            after_ms: it.after_ms,
            reason: it.reason,
        }),
        Frame::Closing(it) => ServerFrame::Closing(Closing {
            code: CloseCode::from_code(u16::try_from(it.code).unwrap_or(0)),
            reason: it.reason,
            reconnect_after_ms: it.reconnect_after_ms,
            generation: it.generation,
        }),
        Frame::TokenExpiring(it) => ServerFrame::TokenExpiring { expires: UnixMs(it.expires_ms) },
        Frame::Logs(it) => ServerFrame::Logs {
            started: starts(&it.started),
            ended: it
                .ended
                .iter()
                .filter_map(|e| Some((LogName::parse(&e.log).ok()?, error_code(e.why))))
                .collect(),
        },
        Frame::Advance(it) => ServerFrame::Advance(it.cursors.iter().filter_map(cursor).collect()),
    }))
}

fn what(what: Option<wire::deliver::What>) -> Result<What, FrameError> {
    const NO_ID: FrameError = FrameError::new(FrameErrorKind::Violation, "a message id is not 16 bytes");
    Ok(match what {
        Some(wire::deliver::What::Message(it)) => What::Message(Box::new(message(it).ok_or(NO_ID)?)),
        Some(wire::deliver::What::Recall(it)) => {
            What::Recall { message: MessageId::from_slice(&it.message_id).ok_or(NO_ID)?, tag: it.tag }
        }
        None => What::Unknown,
    })
}

fn welcome(it: wire::Welcome) -> Welcome {
    Welcome {
        registration: it.registration_id,
        secret: it.registration_secret,
        session: it.session_id,
        boot: it.boot_id,
        network_key: it.network_key,
        server_time: UnixMs(it.server_time_ms),
        token_expires: UnixMs(it.token_expires_ms),
        starts: starts(&it.starts),
        heartbeat: it.heartbeat.map(heartbeat).unwrap_or_default(),
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

fn heartbeat(it: wire::HeartbeatPolicy) -> HeartbeatPolicy {
    HeartbeatPolicy {
        kind: match wire::heartbeat_policy::Kind::try_from(it.kind) {
            Ok(wire::heartbeat_policy::Kind::Stepped) => HeartbeatKind::Stepped,
            Ok(wire::heartbeat_policy::Kind::Fixed) => HeartbeatKind::Fixed,
            Ok(wire::heartbeat_policy::Kind::Ladder) | Err(_) => HeartbeatKind::Ladder,
        },
        min_s: it.min_s,
        max_s: it.max_s,
        visible_max_s: it.visible_max_s,
        night_max_s: it.night_max_s,
        night_from_min: it.night_from_min,
        night_to_min: it.night_to_min,
    }
}

fn last_seen(it: wire::LastSeen) -> LastSeen {
    LastSeen {
        heard_ms_ago: it.heard_ms_ago,
        beat_unanswered: it.beat_unanswered,
        cause: match wire::last_seen::Cause::try_from(it.cause) {
            Ok(wire::last_seen::Cause::ClientClosed) => Cause::ClientClosed,
            Ok(wire::last_seen::Cause::Reset) => Cause::Reset,
            Ok(wire::last_seen::Cause::TimedOut) => Cause::TimedOut,
            Ok(wire::last_seen::Cause::GatewayClosed) => Cause::GatewayClosed,
            Ok(wire::last_seen::Cause::Replaced) => Cause::Replaced,
            Ok(wire::last_seen::Cause::Eof) => Cause::Eof,
            Ok(wire::last_seen::Cause::Unknown) | Err(_) => Cause::Unknown,
        },
        gateway_lived: it.gateway_lived,
    }
}

fn gap(it: &wire::Gap) -> Option<Gap> {
    Some(Gap {
        log: LogName::parse(&it.log).ok()?,
        epoch: it.epoch,
        after: it.after_seq,
        resume: it.resume_seq,
        reason: match wire::gap::Reason::try_from(it.reason) {
            Ok(wire::gap::Reason::Retention) => GapReason::Retention,
            Ok(wire::gap::Reason::EpochChanged) => GapReason::EpochChanged,
            Ok(wire::gap::Reason::CursorAhead) => GapReason::CursorAhead,
            Ok(wire::gap::Reason::Corrupt) => GapReason::Corrupt,
            Ok(wire::gap::Reason::Unspecified) | Err(_) => GapReason::Unspecified,
        },
    })
}

fn starts(list: &[wire::Start]) -> Vec<Start> {
    list.iter()
        .filter_map(|it| {
            Some(Start {
                log: LogName::parse(&it.log).ok()?,
                at: Position { epoch: it.epoch, seq: it.seq },
                recovered: it.recovered,
            })
        })
        .collect()
}

fn error_code(number: i32) -> ErrorCode {
    ErrorCode::from_code(u32::try_from(number).unwrap_or(u32::MAX))
}
