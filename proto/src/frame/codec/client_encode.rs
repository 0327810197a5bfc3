//! The client's half, upwards: what clients say becomes bytes.

use super::log_parts;
use super::wire::Writer;
use crate::frame::{
    Activity, ClientEnvelope, ClientFrame, DeviceTarget, Hello, Notification, Publish, Receipt, Stage,
    WebPush,
};
use crate::id::{Cursor, Tag, Topic};

/// The bytes of a frame.
#[must_use]
pub fn encode_client(envelope: ClientEnvelope) -> Vec<u8> {
    let mut out = envelope.frame.map(|it| bytes_of(&it)).unwrap_or_default();
    ask(&mut out, envelope.request_id);
    out
}

/// The body of `POST …/receipts`.
#[must_use]
pub fn encode_receipts(receipts: Vec<Receipt>) -> Vec<u8> {
    let mut out = Writer::default();
    put_receipts(&mut out, &receipts);
    out.0
}

/// Makes an encoded frame one that asks for a Reply: protobuf takes its fields in any order.
pub(crate) fn ask(frame: &mut Vec<u8>, request_id: u32) {
    let mut out = Writer(core::mem::take(frame));
    out.number(15, request_id.into());
    *frame = out.0;
}

fn bytes_of(frame: &ClientFrame) -> Vec<u8> {
    match frame {
        ClientFrame::Hello(it) => hello(it),
        ClientFrame::BeatReply { silence_s, silence_no } => beat_reply(*silence_s, *silence_no),
        ClientFrame::Ack(cursors) => ack(cursors),
        ClientFrame::Probe { nonce } => probe(*nonce),
        ClientFrame::Receipts(list) => receipts(list),
        ClientFrame::Activity(it) => activity(*it),
        ClientFrame::Subscribe(list) => topics(false, list),
        ClientFrame::Unsubscribe(list) => topics(true, list),
        ClientFrame::SetTags { add, remove } => set_tags(add, remove),
        ClientFrame::RefreshToken(token) => refresh_token(token),
        ClientFrame::Publish(it) => publish(it),
        ClientFrame::SetWebPush(it) => web_push(it),
        ClientFrame::Forget => forget(),
    }
}

// One function a kind, so that a build does not carry the kinds it never says.

pub(crate) fn hello(it: &Hello) -> Vec<u8> {
    frame(1, |out| put_hello(out, it))
}

pub(crate) fn beat_reply(silence_s: u32, silence_no: u32) -> Vec<u8> {
    numbers(2, [silence_s, silence_no, 0])
}

pub(crate) fn ack(cursors: &[Cursor]) -> Vec<u8> {
    frame(3, |out| put_cursors(out, 1, cursors))
}

pub(crate) fn probe(nonce: u32) -> Vec<u8> {
    numbers(4, [nonce, 0, 0])
}

pub(crate) fn receipts(list: &[Receipt]) -> Vec<u8> {
    frame(5, |out| put_receipts(out, list))
}

pub(crate) fn activity(it: Activity) -> Vec<u8> {
    numbers(6, [it.visible_tabs, it.hidden_tabs, it.frozen.into()])
}

/// Subscribe, or Unsubscribe.
pub(crate) fn topics(leave: bool, list: &[Topic]) -> Vec<u8> {
    frame(7 + u32::from(leave), |out| {
        for topic in list {
            out.element(1, topic.as_str().as_bytes());
        }
    })
}

pub(crate) fn set_tags(add: &[Tag], remove: &[Tag]) -> Vec<u8> {
    frame(9, |out| {
        put_tags(out, 1, add);
        put_tags(out, 2, remove);
    })
}

pub(crate) fn refresh_token(token: &str) -> Vec<u8> {
    frame(10, |out| out.bytes(1, token.as_bytes()))
}

pub(crate) fn publish(it: &Publish) -> Vec<u8> {
    frame(11, |out| put_publish(out, it))
}

pub(crate) fn web_push(it: &WebPush) -> Vec<u8> {
    frame(12, |out| {
        out.bytes(1, it.endpoint.as_bytes());
        out.bytes(2, &it.p256dh);
        out.bytes(3, &it.auth);
    })
}

pub(crate) fn forget() -> Vec<u8> {
    frame(13, |_| {})
}

/// A frame of the field `kind`.
fn frame(kind: u32, put: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::default();
    let mark = out.begin(kind);
    put(&mut out);
    out.end(mark);
    out.0
}

/// A frame of numbers alone: fields 1 to 3.
#[inline(never)]
fn numbers(kind: u32, numbers: [u32; 3]) -> Vec<u8> {
    frame(kind, |out| {
        for (field, number) in (1..).zip(numbers) {
            out.number(field, number.into());
        }
    })
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
