//! The gateway's goodbye: Closing first, then the close.

use super::{Effect, Phase, ServerSession};
use crate::frame::{Cause, CloseCode, Closing, ServerFrame};

/// A client that is refused for its rate comes back no earlier.
const RATE_PENALTY_MS: u32 = 1000;

impl ServerSession {
    pub(super) fn too_many(&mut self, reason: &str) {
        let mut closing = Closing::new(CloseCode::TooManyRequests, reason);
        closing.reconnect_after_ms = RATE_PENALTY_MS;
        self.close_with(closing, Cause::GatewayClosed);
    }

    pub(super) fn close(&mut self, code: CloseCode, reason: &str) {
        self.close_with(Closing::new(code, reason), Cause::GatewayClosed);
    }

    pub(super) fn close_with(&mut self, closing: Closing, cause: Cause) {
        self.close_socket(closing.code.code(), closing, cause);
    }

    /// Says Closing, then closes with `code`.
    pub(super) fn close_socket(&mut self, code: u16, mut closing: Closing, cause: Cause) {
        self.advance();
        // A close frame has room for 123 bytes of reason (RFC 6455, section 5.5).
        let mut end = closing.reason.len().min(123);
        while !closing.reason.is_char_boundary(end) {
            end -= 1;
        }
        closing.reason.truncate(end);
        let reason = closing.reason.clone();
        self.send(ServerFrame::Closing(closing));
        self.effects.push_back(Effect::Close { code, reason, cause });
        self.end(cause);
    }

    pub(super) fn end(&mut self, cause: Cause) {
        self.timers.clear_all();
        self.phase = Phase::Closed(cause);
    }
}

impl Closing {
    pub(super) fn new(code: CloseCode, reason: &str) -> Self {
        Self { code, reason: reason.to_owned(), reconnect_after_ms: 0, generation: 0 }
    }
}
