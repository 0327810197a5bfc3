//! The client's half, upwards: what clients say becomes bytes.

use super::log_parts;
use super::wire::Writer;
use crate::frame::{ClientEnvelope, ClientFrame, DeviceTarget, Hello, Notification, Publish, Receipt, Stage};
use crate::id::{Cursor, Tag, Topic};

/// The bytes of a frame.
#[must_use]
pub fn encode_client(envelope: ClientEnvelope) -> Vec<u8> {
    let mut out = Writer::default();
    if let Some(frame) = envelope.frame {
        put_frame(&mut out, frame);
    }
    out.number(15, envelope.request_id.into());
    out.0
}

/// The body of `POST …/receipts`.
#[must_use]
pub fn encode_receipts(receipts: Vec<Receipt>) -> Vec<u8> {
    let mut out = Writer::default();
    put_receipts(&mut out, &receipts);
    out.0
}

fn put_frame(out: &mut Writer, frame: ClientFrame) {
    let mark = out.begin(match &frame {
        ClientFrame::Hello(_) => 1,
        ClientFrame::BeatReply { .. } => 2,
        ClientFrame::Ack(_) => 3,
        ClientFrame::Probe { .. } => 4,
        ClientFrame::Receipts(_) => 5,
        ClientFrame::Activity(_) => 6,
        ClientFrame::Subscribe(_) => 7,
        ClientFrame::Unsubscribe(_) => 8,
        ClientFrame::SetTags { .. } => 9,
        ClientFrame::RefreshToken(_) => 10,
        ClientFrame::Publish(_) => 11,
        ClientFrame::SetWebPush(_) => 12,
        ClientFrame::Forget => 13,
    });
    match frame {
        ClientFrame::Hello(it) => put_hello(out, &it),
        ClientFrame::BeatReply { silence_s, silence_no } => {
            out.number(1, silence_s.into());
            out.number(2, silence_no.into());
        }
        ClientFrame::Ack(cursors) => put_cursors(out, 1, &cursors),
        ClientFrame::Probe { nonce } => out.number(1, nonce.into()),
        ClientFrame::Receipts(receipts) => put_receipts(out, &receipts),
        ClientFrame::Activity(it) => {
            out.number(1, it.visible_tabs.into());
            out.number(2, it.hidden_tabs.into());
            out.number(3, it.frozen.into());
        }
        ClientFrame::Subscribe(list) | ClientFrame::Unsubscribe(list) => put_topics(out, &list),
        ClientFrame::SetTags { add, remove } => {
            put_tags(out, 1, &add);
            put_tags(out, 2, &remove);
        }
        ClientFrame::RefreshToken(token) => out.bytes(1, token.as_bytes()),
        ClientFrame::Publish(it) => put_publish(out, &it),
        ClientFrame::SetWebPush(it) => {
            out.bytes(1, it.endpoint.as_bytes());
            out.bytes(2, &it.p256dh);
            out.bytes(3, &it.auth);
        }
        ClientFrame::Forget => {}
    }
    out.end(mark);
}

fn put_hello(out: &mut Writer, hello: &Hello) {
    out.bytes(1, hello.app.as_str().as_bytes());
    out.bytes(2, hello.token.as_bytes());
    if let Some((id, secret)) = &hello.registration {
        out.bytes(3, id.as_str().as_bytes());
        out.bytes(4, secret);
    }
    out.number(5, hello.generation);
    put_cursors(out, 6, &hello.cursors);
    out.number(7, hello.silence_s.into());
    out.bytes(8, hello.agent.as_bytes());
    if let Some(last) = &hello.last_link {
        let mark = out.begin(9);
        out.bytes(1, last.session_id.as_bytes());
        out.number(2, last.last_heard_ms);
        out.number(3, last.timed_out.into());
        out.end(mark);
    }
    out.number(10, hello.link);
    out.number(11, hello.level.into());
    out.number(12, hello.ephemeral.into());
}

fn put_cursors(out: &mut Writer, field: u32, cursors: &[Cursor]) {
    for cursor in cursors {
        let mark = out.begin(field);
        let (kind, name) = log_parts(&cursor.log);
        let log = out.begin(1);
        out.0.extend_from_slice(kind.as_bytes());
        out.0.extend_from_slice(name.as_bytes());
        out.end(log);
        out.number(2, cursor.at.epoch);
        out.number(3, cursor.at.seq);
        out.end(mark);
    }
}

fn put_receipts(out: &mut Writer, receipts: &[Receipt]) {
    for receipt in receipts {
        let mark = out.begin(1);
        out.bytes(1, &receipt.message.0);
        let stage = match receipt.stage {
            Stage::Received => 1,
            Stage::Displayed => 2,
            Stage::Clicked => 3,
            Stage::Dismissed => 4,
            Stage::Handled => 5,
        };
        out.number(2, stage);
        out.number(3, receipt.at.0.cast_unsigned());
        out.bytes(4, receipt.action.as_bytes());
        out.end(mark);
    }
}

fn put_topics(out: &mut Writer, topics: &[Topic]) {
    for topic in topics {
        out.element(1, topic.as_str().as_bytes());
    }
}

fn put_tags(out: &mut Writer, field: u32, tags: &[Tag]) {
    for tag in tags {
        out.element(field, tag.as_str().as_bytes());
    }
}

fn put_publish(out: &mut Writer, it: &Publish) {
    match &it.target {
        DeviceTarget::Topic(topic) => out.element(1, topic.as_str().as_bytes()),
        DeviceTarget::User(user) => out.element(2, user.as_str().as_bytes()),
    }
    let mark = out.begin(4);
    out.bytes(1, it.body.app.as_bytes());
    out.bytes(2, it.body.body.as_bytes());
    out.bytes(3, it.body.ext.as_bytes());
    out.end(mark);
    if let Some(notification) = &it.notification {
        let mark = out.begin(5);
        put_notification(out, notification);
        out.end(mark);
    }
    if let Some(ttl_s) = it.ttl_s {
        out.present(6, ttl_s.into());
    }
    out.bytes(7, &it.message_id.0);
}

fn put_notification(out: &mut Writer, n: &Notification) {
    let texts = [&n.title, &n.body, &n.icon, &n.image, &n.badge, &n.url, &n.tag, &n.lang];
    for (field, text) in (1..).zip(texts) {
        out.bytes(field, text.as_bytes());
    }
    for action in &n.actions {
        let mark = out.begin(9);
        for (field, text) in (1..).zip([&action.action, &action.title, &action.icon, &action.url]) {
            out.bytes(field, text.as_bytes());
        }
        out.end(mark);
    }
    out.number(10, n.require_interaction.into());
    out.number(11, n.silent.into());
    out.number(12, n.renotify.into());
    out.bytes(13, n.dir.as_bytes());
}
