//! One socket: from the attempt to its end.

use super::race::Look;
use super::{ClientSession, Effect, Reason, Socket, State, Why};
use crate::frame::{LastLink, say};
use crate::time::Instant;
use core::time::Duration;

/// A Beat may be this late before it is missed: while a person looks, and otherwise.
const GRACE_MS: [u64; 2] = [2000, 4000];
/// A Probe must be answered within this: while a person looks, and otherwise.
const PROBE_MS: [u64; 2] = [4000, 8000];
/// A person who looks again wants to know whether a path this silent still lives.
const QUIET: Duration = Duration::from_secs(15);

/// A socket that has our Hello.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) socket: Socket,
    /// Where it leads; empty: to the configured gateway.
    pub(super) url: String,
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

    /// Something was heard on the welcomed link.
    pub(super) fn heard(&mut self) {
        self.heard_at = self.now;
        self.timers.clear(Why::Probe);
        self.probing = false;
        self.timed_out = false;
        self.end_look();
        if !self.timers.is_set(Why::Watch) {
            self.arm_watch();
        }
    }

    pub(super) fn arm_watch(&mut self) {
        let at = self.missed_at();
        self.timers.set(Why::Watch, at);
    }

    /// When a Beat is missed.
    fn missed_at(&self) -> Instant {
        let grace_ms = GRACE_MS[usize::from(!self.visible)];
        self.heard_at.after_millis(u64::from(self.heartbeat.wanted()) * 1000 + grace_ms)
    }

    /// The silence lasted too long, or the timer was too late to know.
    pub(super) fn watch_due(&mut self) {
        if !self.welcomed {
            return;
        }
        if self.missed_at() <= self.now {
            self.probe();
        } else {
            self.arm_watch();
        }
    }

    /// Asks whether the path is alive, unless that is being asked.
    pub(super) fn probe(&mut self) {
        if !self.welcomed || self.probing {
            return;
        }
        self.probing = true;
        self.nonce = self.nonce.wrapping_add(1);
        let nonce = self.nonce;
        self.say(say::probe(nonce));
        let within = PROBE_MS[usize::from(!self.visible)];
        self.timers.set(Why::Probe, self.now.after_millis(within));
    }

    /// The Probe went unanswered: the path is dead, or it is very slow. A second link is opened, and whichever speaks
    /// first is believed.
    pub(super) fn probe_lost(&mut self) {
        self.timed_out = true;
        self.note_link();
        self.look(Look::Second);
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

    /// A person looks again.
    pub(super) fn visible(&mut self) {
        if self.welcomed {
            if self.heard_at + QUIET < self.now {
                self.probe();
            }
        } else {
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
            self.note_link();
        } else {
            self.end_race();
        }
        self.timed_out = false;
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

    /// Keeps how the link is, or was, for the next Hello.
    fn note_link(&mut self) {
        self.hello.last_link = Some(LastLink {
            session_id: self.session.clone(),
            last_heard_ms: self.wall(self.heard_at),
            timed_out: self.timed_out,
        });
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

    fn wall(&self, at: Instant) -> u64 {
        let (origin, wall) = self.wall_clock;
        u64::try_from(wall.0).unwrap_or(0).saturating_add(at.millis_since(origin))
    }
}
