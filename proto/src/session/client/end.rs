//! How links end, and what then: the client's half of the close codes.

use super::{ClientSession, Effect, Fault, Reason, State, Wipe};
use crate::frame::{CloseCode, Closing, ErrorCode, Reply, Retry, say};

impl ClientSession {
    /// The gateway closes, or the socket's close code says so.
    pub(super) fn closed(&mut self, closing: Closing) {
        let Closing { code, reason, reconnect_after_ms, generation } = closing;
        let why = match code {
            CloseCode::Other(1005 | 1006) => Reason::SocketLost,
            code => Reason::Closed(code),
        };
        let forgotten = self.forgetting && self.forget_request != 0 && code == CloseCode::Unauthenticated;
        self.lost(why);
        if forgotten {
            return self.forgotten();
        }
        if self.link.is_some() || self.race.is_on() {
            // We were moving: the new link is under way, and that the old one is replaced is right.
            return;
        }
        match code.retry() {
            Retry::ComeBack => {}
            Retry::WithNewToken => self.token_expired(),
            Retry::AskApp => {
                if !self.ask_another_token(reason) {
                    return;
                }
            }
            Retry::WithHigherGeneration => {
                self.hello.generation = self.hello.generation.max(generation) + 1;
                self.hello.link = 0;
                self.save();
            }
            Retry::AsNew => {
                self.wipe(Wipe::RegistrationInvalid);
                self.hello.registration = None;
                self.save();
            }
            Retry::Stop => {
                self.emit(Effect::Error(Fault::Closed(code, reason)));
                return self.stop(why);
            }
        }
        self.come_back(reconnect_after_ms, why);
    }

    /// Disconnects and stays so.
    pub(super) fn stop(&mut self, reason: Reason) {
        self.ack_now();
        self.wanted = false;
        for link in [self.next.take(), self.link.take()].into_iter().flatten() {
            self.emit(Effect::CloseSocket { socket: link.socket });
        }
        self.end_race();
        self.forget_link();
        self.timers.clear_all();
        let state = if reason == Reason::Stopped { State::Disconnected } else { State::Closed };
        self.set_state(state, Some(reason));
    }

    /// Something changed: come back.
    pub(super) fn start(&mut self) {
        if !self.loaded || self.wanted {
            return;
        }
        self.wanted = true;
        self.backoff.reset();
    }

    /// The app logs out: nothing is held from now on, and the gateway is told as soon as possible.
    pub(super) fn forget(&mut self) {
        self.wipe(Wipe::Forgotten);
        self.wishes = super::wishes::Wishes::default();
        self.forget_request = 0;
        if self.hello.registration.is_none() && self.link.is_none() {
            return self.forgotten();
        }
        self.forgetting = true;
        self.save();
        self.start();
    }

    pub(super) fn send_forget(&mut self) {
        if self.forget_request == 0 {
            self.forget_request = self.wishes.request();
            self.ask(self.forget_request, say::forget());
        }
    }

    /// A Reply to Forget; false: it was none.
    pub(super) fn forget_replied(&mut self, reply: &Reply) -> bool {
        if self.forget_request == 0 || self.forget_request != reply.request_id {
            return false;
        }
        if reply.error == ErrorCode::Ok || reply.error == ErrorCode::NotFound {
            self.forgotten();
        } else {
            // A newer link rules, or the store is in trouble: the next link asks again.
            self.forget_request = 0;
            self.put_off(reply.retry_after_ms, super::wishes::AGAIN_MS);
        }
        true
    }

    /// The registration is dropped.
    fn forgotten(&mut self) {
        self.hello.registration = None;
        self.forgetting = false;
        self.forget_request = 0;
        self.logs.clear();
        self.save();
        self.stop(Reason::Forgotten);
        self.emit(Effect::Forgotten);
    }
}
