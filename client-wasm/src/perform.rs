//! Effects of the session that the worker's TypeScript performs: their translation, one line each.

use crate::host::Host;
use js_sys::{Array, Uint8Array};
use pulsegate_proto::frame::{CloseCode, GapReason, Message, Urgency};
use pulsegate_proto::id::{LogName, MessageId};
use pulsegate_proto::session::client::{Entry, Fault, Reason, Save, State, Store, TokenNeed, Wipe};
use wasm_bindgen::JsValue;

/// The log's name on the wire, without dragging in the formatting machinery.
pub fn log_text(log: &LogName) -> String {
    match log {
        LogName::Device => "device".to_owned(),
        LogName::All => "all".to_owned(),
        LogName::User(user) => ["user:", user.as_str()].concat(),
        LogName::Topic(topic) => ["topic:", topic.as_str()].concat(),
    }
}

pub fn token_need(host: &Host, need: TokenNeed) {
    host.need_token(match need {
        TokenNeed::Connect => 0,
        TokenNeed::Refresh => 1,
        TokenNeed::Expired => 2,
        TokenNeed::Refused => 3,
    });
}

pub fn store(host: &Host, store: &Store) {
    for entry in &store.entries {
        match entry {
            Entry::Message { log, at, message } => message_of(host, &log_text(log), at.seq != 0, message),
            Entry::Recall { message, tag, .. } => host.recall(id_of(*message), tag),
        }
    }
    // Below 2^53: sequence numbers by the contract, epochs are 32 random bits.
    for cursor in &store.cursors {
        host.cursor(&log_text(&cursor.log), cursor.at.epoch as f64, cursor.at.seq as f64);
    }
    for log in &store.ended {
        host.ended(&log_text(log));
    }
    host.commit(store.no);
}

fn message_of(host: &Host, log: &str, stored: bool, m: &Message) {
    let texts = Array::new();
    let push = |text: &str| {
        texts.push(&JsValue::from_str(text));
    };
    push(&m.body.body);
    push(&m.body.ext);
    push(&m.collapse_key);
    let mut flags = match m.urgency {
        Urgency::Normal => 0,
        Urgency::VeryLow => 1,
        Urgency::Low => 2,
        Urgency::High => 3,
    };
    if let Some(n) = &m.notification {
        for text in [&n.title, &n.body, &n.icon, &n.image, &n.badge, &n.url, &n.tag, &n.lang, &n.dir] {
            push(text);
        }
        for a in &n.actions {
            for text in [&a.action, &a.title, &a.icon, &a.url] {
                push(text);
            }
        }
        flags |=
            4 | u32::from(n.require_interaction) << 3 | u32::from(n.silent) << 4 | u32::from(n.renotify) << 5;
    }
    host.message(log, stored, id_of(m.id), texts, flags, m.published.0 as f64, m.expires.0 as f64);
}

fn id_of(id: MessageId) -> Uint8Array {
    Uint8Array::from(id.0.as_slice())
}

pub fn save(host: &Host, save: &Save) {
    let (id, secret) = save.registration.as_ref().map_or(("", &[][..]), |(id, secret)| (id.as_str(), secret));
    host.save(id, Uint8Array::from(secret), save.generation as f64, save.forgetting);
}

pub fn wipe(host: &Host, why: Wipe) {
    host.wipe(match why {
        Wipe::RegistrationChanged => 0,
        Wipe::RegistrationInvalid => 1,
        Wipe::Forgotten => 2,
    });
}

pub fn state(host: &Host, state: State, reason: Option<Reason>) {
    let state = match state {
        State::Disconnected => 0,
        State::Connecting => 1,
        State::Connected => 2,
        State::Offline => 3,
        State::Closed => 4,
    };
    let (reason, code) = match reason {
        None => (0, 0),
        Some(Reason::Closed(code)) => (1, close_code(code)),
        Some(Reason::SocketLost) => (2, 0),
        Some(Reason::Silent) => (3, 0),
        Some(Reason::TimedOut) => (4, 0),
        Some(Reason::TokenUnavailable) => (5, 0),
        Some(Reason::TokenDenied) => (6, 0),
        Some(Reason::TokenRefused) => (7, 0),
        Some(Reason::Forgotten) => (8, 0),
        Some(Reason::Stopped) => (9, 0),
        Some(Reason::BadFrame) => (10, 0),
    };
    host.state(state, reason, code);
}

fn close_code(code: CloseCode) -> u32 {
    u32::from(code.code())
}

pub fn gap(host: &Host, log: &LogName, reason: GapReason) {
    host.gap(
        &log_text(log),
        match reason {
            GapReason::Unspecified => 0,
            GapReason::Retention => 1,
            GapReason::EpochChanged => 2,
            GapReason::CursorAhead => 3,
            GapReason::Corrupt => 4,
        },
    );
}

pub fn fault(host: &Host, fault: &Fault) {
    match fault {
        Fault::Closed(code, text) => host.fault(0, close_code(*code), text),
        Fault::TokenRefused(text) => host.fault(1, 0, text),
        Fault::RefreshRefused(error) => host.fault(2, error.code(), ""),
        Fault::Storage => host.fault(3, 0, ""),
    }
}
