//! One socket: from the attempt to its end.

use super::race::Look;
use super::{ClientSession, Effect, Reason, Socket, State, Why};
use crate::choose::Gateway;
use crate::frame::say;
use crate::time::Instant;

/// A socket that has our Hello.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) socket: Socket,
    /// Where it leads.
    pub(super) gateway: Gateway,
    /// When it was welcomed.
    pub(super) since: Instant,
}

impl ClientSession {
    /// Begins a link, if one is wanted and nothing stands in the way. Called after every input.
    pub(super) fn proceed(&mut self) {
        if !self.wanted
            || self.link.is_some()
            || self.race.is_on()
            || self.saving > 0
            || self.timers.is_set(Why::Reconnect)
            || self.token().is_none()
        {
            return;
        }
        self.look(Look::Connect);
        if self.state != State::Offline {
            self.set_state(State::Connecting, None);
        }
    }

    /// Lets go of a link that is dead.
    pub(super) fn give_up(&mut self) {
        if let Some(link) = &self.link {
            let socket = link.socket;
            self.emit(Effect::CloseSocket { socket });
            self.lost(Reason::Silent);
            self.come_back(0, Reason::Silent);
            self.hurry();
        }
    }

    /// Brings a waiting attempt forward.
    pub(super) fn hurry(&mut self) {
        if self.timers.is_set(Why::Reconnect) {
            let at = self.backoff.hurry(self.now);
            self.timers.set(Why::Reconnect, at);
        }
    }

    /// Sends a frame on the link.
    #[inline(never)]
    pub(super) fn say(&mut self, bytes: Vec<u8>) {
        if let Some(link) = &self.link {
            let socket = link.socket;
            self.said_at = self.now;
            self.emit(Effect::Send { socket, bytes });
        }
    }

    /// Sends a frame that asks for a Reply.
    #[inline(never)]
    pub(super) fn ask(&mut self, request_id: u32, mut bytes: Vec<u8>) {
        say::ask(&mut bytes, request_id);
        self.say(bytes);
    }

    /// A socket is of no use any more.
    pub(super) fn socket_lost(&mut self, socket: Socket, reason: Reason) {
        self.emit(Effect::CloseSocket { socket });
        if !self.candidate_lost(socket, 0, reason) {
            self.lost(reason);
            self.come_back(0, reason);
        }
    }

    /// The link has ended, whatever the cause: what was out on it is out no more.
    pub(super) fn lost(&mut self, reason: Reason) {
        let Some(link) = self.link.take() else {
            return;
        };
        if self.welcomed {
            self.backoff.link_ended(self.now.millis_since(link.since));
            self.note_end(reason);
        } else {
            self.end_race();
        }
        self.forget_link();
        self.timers.clear(Why::Move);
        if self.hello.ephemeral {
            // The registration ended with its link.
            self.hello.registration = None;
            self.logs.clear();
            self.wishes.renewed();
        }
        if let Some(next) = self.next.take() {
            // The move is under way: that socket is the attempt.
            self.link = Some(next);
        }
        if self.link.is_some() || self.race.is_on() {
            self.set_state(State::Connecting, Some(reason));
        }
    }

    /// Nothing of a link outlives it here.
    pub(super) fn forget_link(&mut self) {
        self.welcomed = false;
        self.probing = false;
        self.forget_request = 0;
        self.outgoing.new_link();
        self.wishes.link_lost();
        self.tokens.link_lost();
        for why in [Why::Ack, Why::Watch, Why::Probe, Why::Token, Why::Wish] {
            self.timers.clear(why);
        }
    }

    /// Tries again after the backoff.
    pub(super) fn come_back(&mut self, after_ms: u32, reason: Reason) {
        if !self.wanted || self.link.is_some() || self.race.is_on() {
            return;
        }
        let at = self.backoff.failed(self.now, after_ms, self.offline);
        self.timers.set(Why::Reconnect, at);
        let state = if self.offline { State::Offline } else { State::Connecting };
        self.set_state(state, Some(reason));
    }

    pub(super) fn wall(&self, at: Instant) -> u64 {
        let (origin, wall) = self.wall_clock;
        u64::try_from(wall.0).unwrap_or(0).saturating_add(at.millis_since(origin))
    }
}
