//! Effects of the session that the worker's TypeScript performs: their translation.

use crate::host::{Host, kind};
use pulsegate_proto::frame::GapReason;
use pulsegate_proto::id::LogName;
use pulsegate_proto::session::client::{Entry, Fault, Reason, Save, State, Store, TokenNeed, Wipe};

/// The log's name on the wire, without dragging in the formatting machinery.
pub fn log_text(log: &LogName) -> String {
    let (prefix, name) = match log {
        LogName::Device => ("device", ""),
        LogName::All => ("all", ""),
        LogName::User(user) => ("user:", user.as_str()),
        LogName::Topic(topic) => ("topic:", topic.as_str()),
    };
    // Not `concat`: its general case is a kilobyte.
    let mut text = String::from(prefix);
    text.push_str(name);
    text
}

pub fn token_need(host: &Host, need: TokenNeed) {
    let why = match need {
        TokenNeed::Connect => 0,
        TokenNeed::Refresh => 1,
        TokenNeed::Expired => 2,
        TokenNeed::Refused => 3,
    };
    host.say(kind::NEED_TOKEN, why, 0, "");
}

pub fn store(host: &Host, store: &Store) {
    for entry in &store.entries {
        match entry {
            Entry::Message { log, at, bytes, .. } => message_of(host, &log_text(log), at.seq != 0, bytes),
            Entry::Recall { message, .. } => {
                host.tell_bytes(kind::RECALL, 0.0, 0.0, &message.0);
            }
        }
    }
    for cursor in &store.cursors {
        // Below 2^53: sequence numbers by the contract, epochs are 32 random bits.
        let (epoch, seq) = (cursor.at.epoch as f64, cursor.at.seq as f64);
        host.tell_bytes(kind::CURSOR, epoch, seq, log_text(&cursor.log).as_bytes());
    }
    for log in &store.ended {
        host.say(kind::ENDED, 0, 0, &log_text(log));
    }
    host.say(kind::COMMIT, store.no, 0, "");
}

/// The log's name after its length in one byte, then the encoded message.
fn message_of(host: &Host, log: &str, stored: bool, message: &[u8]) {
    // A log's name has at most 134 bytes.
    let mut bytes = vec![log.len() as u8];
    bytes.extend_from_slice(log.as_bytes());
    bytes.extend_from_slice(message);
    host.tell_bytes(kind::MESSAGE, f64::from(u8::from(stored)), 0.0, &bytes);
}

pub fn save(host: &Host, save: &Save) {
    let mut bytes = Vec::new();
    if let Some((id, secret)) = &save.registration {
        bytes.extend_from_slice(secret);
        bytes.extend_from_slice(id.as_str().as_bytes());
    }
    host.tell_bytes(kind::SAVE, save.generation as f64, f64::from(u8::from(save.forgetting)), &bytes);
}

pub fn wipe(host: &Host, why: Wipe) {
    let why = match why {
        Wipe::RegistrationChanged => 0,
        Wipe::RegistrationInvalid => 1,
        Wipe::Forgotten => 2,
    };
    host.say(kind::WIPE, why, 0, "");
}

pub fn state(host: &Host, state: State, reason: Option<Reason>) {
    let state = match state {
        State::Disconnected => 0,
        State::Connecting => 1,
        State::Connected => 2,
        State::Offline => 3,
        State::Closed => 4,
    };
    // Close codes begin at 1000: one number tells both.
    let reason = match reason {
        None => 0,
        Some(Reason::Closed(code)) => u32::from(code.code()),
        Some(Reason::SocketLost) => 2,
        Some(Reason::Silent) => 3,
        Some(Reason::TimedOut) => 4,
        Some(Reason::TokenUnavailable) => 5,
        Some(Reason::TokenDenied) => 6,
        Some(Reason::TokenRefused) => 7,
        Some(Reason::Forgotten) => 8,
        Some(Reason::Stopped) => 9,
        Some(Reason::BadFrame) => 10,
    };
    host.say(kind::STATE, state, reason, "");
}

pub fn gap(host: &Host, log: &LogName, reason: GapReason) {
    let reason = match reason {
        GapReason::Unspecified => 0,
        GapReason::Retention => 1,
        GapReason::EpochChanged => 2,
        GapReason::CursorAhead => 3,
        GapReason::Corrupt => 4,
    };
    host.say(kind::GAP, reason, 0, &log_text(log));
}

pub fn fault(host: &Host, fault: &Fault) {
    let (what, code, text) = match fault {
        Fault::Closed(code, text) => (0, u32::from(code.code()), text.as_str()),
        Fault::TokenRefused(text) => (1, 0, text.as_str()),
        Fault::RefreshRefused(error) => (2, error.code(), ""),
        Fault::Storage => (3, 0, ""),
    };
    host.say(kind::FAULT, what, code, text);
}
