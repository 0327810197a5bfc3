//! One socket: from the attempt to its end.

use super::{ClientSession, Effect, Reason, Socket, State, Why};
use crate::frame::{LastLink, say};
use crate::time::Instant;
use core::time::Duration;

/// The socket must be open, and then the Hello be answered, within this.
const ANSWER: Duration = Duration::from_secs(10);
/// A Beat may be this late before it is missed: while a person looks, and otherwise.
const GRACE_MS: [u64; 2] = [2000, 4000];
/// A Probe must be answered within this: while a person looks, and otherwise.
const PROBE_MS: [u64; 2] = [4000, 8000];
/// A person who looks again wants to know whether a path this silent still lives.
const QUIET: Duration = Duration::from_secs(15);

/// A socket of ours.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) socket: Socket,
    pub(super) open: bool,
    /// When it was welcomed.
    pub(super) since: Instant,
}

impl ClientSession {
    /// Begins a link, if one is wanted and nothing stands in the way. Called after every input.
    pub(super) fn proceed(&mut self) {
        if !self.wanted
            || self.link.is_some()
            || self.saving > 0
            || self.timers.is_set(Why::Reconnect)
            || self.token().is_none()
        {
            return;
        }
        let link = self.connect();
        self.link = Some(link);
        self.timers.set(Why::Connect, self.now + ANSWER);
        if self.state != State::Offline {
            self.set_state(State::Connecting, None);
        }
    }

    /// Opens a socket.
    pub(super) fn connect(&mut self) -> Link {
        self.sockets = self.sockets.wrapping_add(1);
        let socket = self.sockets;
        let url = self.url.clone();
        self.emit(Effect::Connect { socket, url });
        Link { socket, open: false, since: self.now }
    }

    pub(super) fn opened(&mut self, socket: Socket) {
        let links = [&mut self.link, &mut self.next];
        let Some(link) = links.into_iter().flatten().find(|link| link.socket == socket && !link.open) else {
            return;
        };
        link.open = true;
        let Some(token) = self.token() else {
            // It expired while the socket opened; the next attempt has a fresh one.
            return self.socket_lost(socket, Reason::TimedOut);
        };
        self.hello.link += 1;
        self.hello.token = token;
        self.hello.cursors = self.logs.cursors();
        let bytes = say::hello(&self.hello);
        self.emit(Effect::Send { socket, bytes });
        if self.link.as_ref().is_some_and(|link| link.socket == socket) {
            self.timers.set(Why::Connect, self.now + ANSWER);
        }
    }

    /// Something was heard on the welcomed link.
    pub(super) fn heard(&mut self) {
        self.heard_at = self.now;
        self.timers.clear(Why::Probe);
        self.probing = false;
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

    /// The Probe went unanswered: the path is dead, the next attempt comes at once.
    pub(super) fn probe_lost(&mut self) {
        if let Some(link) = &self.link {
            let socket = link.socket;
            self.timed_out = true;
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

    /// A socket is gone, without a Closing that said why.
    pub(super) fn socket_lost(&mut self, socket: Socket, reason: Reason) {
        if self.next.as_ref().is_some_and(|link| link.socket == socket) {
            self.next = None;
            self.emit(Effect::CloseSocket { socket });
            return self.move_failed();
        }
        if self.link.as_ref().is_some_and(|link| link.socket == socket) {
            self.emit(Effect::CloseSocket { socket });
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
            self.hello.last_link = Some(LastLink {
                session_id: core::mem::take(&mut self.session),
                last_heard_ms: self.wall(self.heard_at),
                timed_out: self.timed_out,
            });
        } else {
            // The configured gateway may live where the one we were sent to does not.
            self.url = None;
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
            self.timers.set(Why::Connect, self.now + ANSWER);
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
        for why in [Why::Connect, Why::Ack, Why::Watch, Why::Probe, Why::Token, Why::Wish] {
            self.timers.clear(why);
        }
    }

    /// Tries again after the backoff.
    pub(super) fn come_back(&mut self, after_ms: u32, reason: Reason) {
        if !self.wanted || self.link.is_some() {
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
