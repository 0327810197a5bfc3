//! Effects of the session that the worker's TypeScript performs: their translation.

use crate::host::{kind, say, say_bytes};
use pulsegate_proto::frame::GapReason;
use pulsegate_proto::id::LogName;
use pulsegate_proto::session::client::{Effect, Entry, Fault, Reason, Save, State, Store, TokenNeed, Wipe};

/// Tells the worker what to do.
pub fn tell(effect: Effect) {
    match effect {
        Effect::NeedToken(need) => token_need(need),
        Effect::NeedGateways => say(kind::NEED_GATEWAYS, 0, 0, ""),
        Effect::Store(batch) => store(&batch),
        Effect::SaveIdentity(identity) => save(&identity),
        Effect::KeepHeartbeat(bytes) => say_bytes(kind::HEARTBEAT, 0.0, 0.0, &bytes),
        Effect::WipeInbox(why) => wipe(why),
        Effect::State { state: now, reason } => state(now, reason),
        Effect::Welcomed(w) => {
            let mut text = String::new();
            for line in [w.registration.as_str(), &w.user, &w.session] {
                text.push_str(line);
                text.push('\n');
            }
            for topic in &w.topics {
                text.push_str(topic);
                text.push('\n');
            }
            say(kind::WELCOMED, 0, 0, &text);
        }
        Effect::Subscribed { topic, recovered } => {
            say(kind::SUBSCRIBED, u32::from(recovered), 0, topic.as_str());
        }
        Effect::SubscribeFailed { topic, error } => say(kind::REFUSED, error.code(), 0, topic.as_str()),
        Effect::Unsubscribed { topic } => say(kind::UNSUBSCRIBED, 0, 0, topic.as_str()),
        Effect::Settled { wish, error, .. } => say(kind::SETTLED, wish, error.code(), ""),
        Effect::LogEnded { log, why } => say(kind::LOG_ENDED, why.code(), 0, &log_text(&log)),
        Effect::Gap { log, reason, .. } => gap(&log, reason),
        Effect::ReceiptsTaken(count) => say(kind::RECEIPTS_TAKEN, count, 0, ""),
        Effect::Forgotten => say(kind::FORGOTTEN, 0, 0, ""),
        Effect::Error(what) => fault(&what),
        // The driver's own, and what nobody asks for.
        Effect::Connect { .. } | Effect::Learnt(_) | Effect::Send { .. } | Effect::CloseSocket { .. } => {}
    }
}

/// The log's name on the wire, without dragging in the formatting machinery.
fn log_text(log: &LogName) -> String {
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

fn token_need(need: TokenNeed) {
    let why = match need {
        TokenNeed::Connect => 0,
        TokenNeed::Refresh => 1,
        TokenNeed::Expired => 2,
        TokenNeed::Refused => 3,
    };
    say(kind::NEED_TOKEN, why, 0, "");
}

fn store(store: &Store) {
    for entry in &store.entries {
        match entry {
            Entry::Message { log, at, bytes, .. } => message_of(&log_text(log), at.seq != 0, bytes),
            Entry::Recall { message, .. } => {
                say_bytes(kind::RECALL, 0.0, 0.0, &message.0);
            }
        }
    }
    for cursor in &store.cursors {
        // Below 2^53: sequence numbers by the contract, epochs are 32 random bits.
        let (epoch, seq) = (cursor.at.epoch as f64, cursor.at.seq as f64);
        say_bytes(kind::CURSOR, epoch, seq, log_text(&cursor.log).as_bytes());
    }
    for log in &store.ended {
        say(kind::ENDED, 0, 0, &log_text(log));
    }
    say(kind::COMMIT, store.no, 0, "");
}

/// The log's name after its length in one byte, then the encoded message.
fn message_of(log: &str, stored: bool, message: &[u8]) {
    // A log's name has at most 134 bytes.
    let mut bytes = vec![log.len() as u8];
    bytes.extend_from_slice(log.as_bytes());
    bytes.extend_from_slice(message);
    say_bytes(kind::MESSAGE, f64::from(u8::from(stored)), 0.0, &bytes);
}

fn save(save: &Save) {
    let mut bytes = Vec::new();
    if let Some((id, secret)) = &save.registration {
        bytes.extend_from_slice(secret);
        bytes.extend_from_slice(id.as_str().as_bytes());
    }
    say_bytes(kind::SAVE, save.generation as f64, f64::from(u8::from(save.forgetting)), &bytes);
}

fn wipe(why: Wipe) {
    let why = match why {
        Wipe::RegistrationChanged => 0,
        Wipe::RegistrationInvalid => 1,
        Wipe::Forgotten => 2,
    };
    say(kind::WIPE, why, 0, "");
}

fn state(state: State, reason: Option<Reason>) {
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
    say(kind::STATE, state, reason, "");
}

fn gap(log: &LogName, reason: GapReason) {
    let reason = match reason {
        GapReason::Unspecified => 0,
        GapReason::Retention => 1,
        GapReason::EpochChanged => 2,
        GapReason::CursorAhead => 3,
        GapReason::Corrupt => 4,
    };
    say(kind::GAP, reason, 0, &log_text(log));
}

fn fault(fault: &Fault) {
    let (what, code, text) = match fault {
        Fault::Closed(code, text) => (0, u32::from(code.code()), text.as_str()),
        Fault::TokenRefused(text) => (1, 0, text.as_str()),
        Fault::RefreshRefused(error) => (2, error.code(), ""),
        Fault::Storage => (3, 0, ""),
    };
    say(kind::FAULT, what, code, text);
}
