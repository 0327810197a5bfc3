//! Frames as one line of text each, for transcripts people read.

use crate::frame::{ClientEnvelope, ClientFrame, GapReason, ServerFrame, Start, What};
use crate::id::{Cursor, Tag, Topic};

/// What a client said.
#[must_use]
pub fn client_line(envelope: &ClientEnvelope) -> String {
    let text = match &envelope.frame {
        None => "(unknown)".to_owned(),
        Some(ClientFrame::Hello(it)) => {
            let id = it.registration.as_ref().map_or("none", |(id, _)| id.as_str());
            format!(
                "Hello app={} token={:?} registration={id} link={} silence={}s cursors=[{}]{}",
                it.app,
                it.token,
                it.link,
                it.silence_s,
                cursors(&it.cursors),
                if it.ephemeral { " ephemeral" } else { "" },
            )
        }
        Some(ClientFrame::BeatReply { silence_s, silence_no }) => {
            format!("BeatReply silence={silence_s}s no={silence_no}")
        }
        Some(ClientFrame::Ack(list)) => format!("Ack [{}]", cursors(list)),
        Some(ClientFrame::Probe { nonce }) => format!("Probe {nonce}"),
        Some(ClientFrame::Receipts(list)) => format!("Receipts {}", list.len()),
        Some(ClientFrame::Activity(it)) => {
            format!("Activity visible={} hidden={} frozen={}", it.visible_tabs, it.hidden_tabs, it.frozen)
        }
        Some(ClientFrame::Subscribe(list)) => format!("Subscribe [{}]", topics(list)),
        Some(ClientFrame::Unsubscribe(list)) => format!("Unsubscribe [{}]", topics(list)),
        Some(ClientFrame::SetTags { add, remove }) => {
            format!("SetTags add=[{}] remove=[{}]", tags(add), tags(remove))
        }
        Some(ClientFrame::RefreshToken(token)) => format!("RefreshToken {token:?}"),
        Some(ClientFrame::Publish(it)) => format!("Publish {:?} {:?}", it.target, it.body.body),
        Some(ClientFrame::SetWebPush(it)) => format!("SetWebPush {:?}", it.endpoint),
        Some(ClientFrame::Forget) => "Forget".to_owned(),
    };
    match envelope.request_id {
        0 => text,
        id => format!("{text} (request {id})"),
    }
}

/// What a gateway said.
#[must_use]
pub fn server_line(frame: &ServerFrame) -> String {
    match frame {
        ServerFrame::Welcome(it) => format!(
            "Welcome registration={}{} user={:?} topics=[{}] starts=[{}]",
            it.registration,
            if it.secret.is_empty() { "" } else { " secret" },
            it.user,
            it.topics.join(" "),
            starts(&it.starts),
        ),
        ServerFrame::Beat { silence_ms, silence_no } => {
            format!("Beat silence={silence_ms}ms no={silence_no}")
        }
        ServerFrame::Deliver(it) => {
            let what = match &it.what {
                What::Message(message) => format!("{:?}", message.body.body),
                What::Recall { message, .. } => format!("recall of {}", short(*message)),
                What::Encoded { bytes, .. } => format!("{} bytes", bytes.len()),
                What::Unknown => "(unknown)".to_owned(),
            };
            format!("Deliver {}@{}.{} {what}", it.log, it.at.epoch, it.at.seq)
        }
        ServerFrame::ProbeReply { nonce, heard_ms_ago, beat_sent_ms_ago } => {
            format!("ProbeReply {nonce} heard={heard_ms_ago}ms beat={beat_sent_ms_ago}ms")
        }
        ServerFrame::Gap(it) => {
            let why = match it.reason {
                GapReason::Unspecified => "unspecified",
                GapReason::Retention => "retention",
                GapReason::EpochChanged => "epoch changed",
                GapReason::CursorAhead => "cursor ahead",
                GapReason::Corrupt => "corrupt",
            };
            format!("Gap {}@{} after={} resume={} {why}", it.log, it.epoch, it.after, it.resume)
        }
        ServerFrame::Reply(it) => format!(
            "Reply {} {:?} starts=[{}] denied=[{}]",
            it.request_id,
            it.error,
            starts(&it.starts),
            it.denied.join(" "),
        ),
        ServerFrame::Redirect(it) => {
            let urls: Vec<&str> = it.endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect();
            format!("Redirect [{}] after={}ms", urls.join(" "), it.after_ms)
        }
        ServerFrame::Closing(it) => {
            let generation = if it.generation == 0 { "" } else { " generation" };
            format!("Closing {:?} after={}ms{generation}", it.code, it.reconnect_after_ms)
        }
        ServerFrame::TokenExpiring { expires } => {
            format!("TokenExpiring at {}s", (expires.0 - super::ORIGIN.0) / 1000)
        }
        ServerFrame::Logs { started, ended } => {
            let ended: Vec<String> = ended.iter().map(|(log, why)| format!("{log} {why:?}")).collect();
            format!("Logs started=[{}] ended=[{}]", starts(started), ended.join(" "))
        }
        ServerFrame::Advance(list) => format!("Advance [{}]", cursors(list)),
    }
}

fn starts(list: &[Start]) -> String {
    let text = |it: &Start| {
        let lost = if it.recovered { "" } else { " lost" };
        format!("{}@{}.{}{lost}", it.log, it.at.epoch, it.at.seq)
    };
    list.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn cursors(list: &[Cursor]) -> String {
    let text = |it: &Cursor| format!("{}@{}.{}", it.log, it.at.epoch, it.at.seq);
    list.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn topics(list: &[Topic]) -> String {
    list.iter().map(Topic::as_str).collect::<Vec<_>>().join(" ")
}

fn tags(list: &[Tag]) -> String {
    list.iter().map(Tag::as_str).collect::<Vec<_>>().join(" ")
}

fn short(id: crate::id::MessageId) -> String {
    id.0[15].to_string()
}
