//! Looking for a gateway: sockets that have no Hello yet, and the one that gets it.

use super::link::Link;
use super::watch::PROMPT_MS;
use super::{ClientSession, Effect, Reason, Socket, Why};
use crate::choose::{CONFIGURED, First};
use crate::frame::{CloseCode, Closing, Retry, ServerFrame, say};

/// Why a gateway is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// There is no link.
    Connect,
    /// The network is another one: a nearer gateway may be there. The link goes on.
    Anew,
    /// The link may be dead: whoever answers first is believed.
    Second,
    /// The gateway sent us elsewhere.
    Move,
}

impl ClientSession {
    /// Begins to look. Where somebody looks already, only the reason changes.
    pub(super) fn look(&mut self, why: Look) {
        self.looking = why;
        if self.race.is_on() {
            return;
        }
        let mut order = core::mem::take(&mut self.sent_to);
        if why != Look::Move || order.is_empty() {
            order = self.known.candidates(self.now, &mut self.backoff);
        }
        self.race.begin(self.now, &order, matches!(why, Look::Anew | Look::Second));
        self.run_race(0, Reason::SocketLost);
    }

    /// The link that was in doubt has spoken: nobody else is needed, unless the Hello is out already.
    pub(super) fn end_look(&mut self) {
        if self.looking == Look::Second && !self.race.is_chosen() {
            self.end_race();
        }
    }

    pub(super) fn end_race(&mut self) {
        self.close_others(0);
        self.race.end();
        self.timers.clear(Why::Connect);
    }

    fn close_others(&mut self, but: Socket) {
        while let Some(socket) = self.race.other(but) {
            self.emit(Effect::CloseSocket { socket });
        }
    }

    /// Dials who is due, gives up who is late. `after_ms` and `reason`: of the last who failed.
    pub(super) fn run_race(&mut self, after_ms: u32, reason: Reason) {
        let socket = self.sockets.wrapping_add(1);
        if let Some(gateway) = self.race.dial(self.now, socket) {
            let url = self.known.url(gateway).map(str::to_owned);
            self.sockets = socket;
            self.emit(Effect::Connect { socket, url });
        } else if let Some(socket) = self.race.late(self.now) {
            self.emit(Effect::CloseSocket { socket });
            self.candidate_lost(socket, 0, Reason::TimedOut);
        }
        if !self.race.is_on() {
        } else if self.race.is_lost() {
            self.end_race();
            self.look_failed(after_ms, reason);
        } else {
            self.timers.set(Why::Connect, self.race.due());
        }
    }

    /// A socket opened.
    pub(super) fn opened(&mut self, socket: Socket) {
        match self.race.open(socket) {
            First::Nothing => {}
            First::Probe => self.emit(Effect::Send { socket, bytes: say::probe(socket) }),
            First::Hello => self.chosen(socket),
        }
    }

    /// A frame came from a candidate.
    pub(super) fn candidate_said(&mut self, socket: Socket, frame: Option<ServerFrame>) {
        match frame {
            Some(ServerFrame::ProbeReply { .. }) => self.chosen(socket),
            Some(ServerFrame::Closing(closing)) => {
                self.emit(Effect::CloseSocket { socket });
                self.candidate_lost(socket, closing.reconnect_after_ms, Reason::Closed(closing.code));
            }
            // Nothing else can come before a Hello.
            _ => {}
        }
    }

    /// This candidate gets the Hello, and nobody else.
    fn chosen(&mut self, socket: Socket) {
        let gateway = self.race.gateway(socket).unwrap_or(CONFIGURED);
        let known = self.link.as_ref().is_some_and(|link| link.gateway == gateway);
        if self.looking == Look::Anew && known && !self.probing {
            // The one we have is the best here too, and it lives.
            return self.end_race();
        }
        let Some(token) = self.token() else {
            // It expired while we looked; the next attempt has a fresh one.
            self.end_race();
            return self.look_failed(0, Reason::TimedOut);
        };
        self.close_others(socket);
        self.race.choose(self.now, socket);
        self.hello.link += 1;
        self.hello.token = token;
        self.hello.cursors = self.logs.cursors();
        self.hello.silence_s = self.silence_wanted().into();
        let bytes = say::hello(&self.hello);
        self.emit(Effect::Send { socket, bytes });
        let link = Some(Link { socket, gateway, since: self.now });
        if self.link.is_some() {
            self.next = link;
        } else {
            self.link = link;
        }
        self.timers.set(Why::Connect, self.race.due());
    }

    /// A socket that is not welcomed is gone: the next one's turn. False: it was none of those.
    pub(super) fn candidate_lost(&mut self, socket: Socket, after_ms: u32, reason: Reason) -> bool {
        let Some(gateway) = self.race.failed(self.now, socket) else {
            return false;
        };
        self.known.lost(gateway);
        if self.next.as_ref().is_some_and(|link| link.socket == socket) {
            self.next = None;
        } else if self.link.as_ref().is_some_and(|link| link.socket == socket) {
            self.link = None;
            self.forget_link();
        }
        self.run_race(after_ms, reason);
        true
    }

    /// The gateway closed the socket, with a Closing or a close code alone.
    pub(super) fn closed_by_gateway(&mut self, socket: Socket, closing: Closing) {
        let on_link = self.link.as_ref().is_some_and(|link| link.socket == socket);
        let comes_back = closing.code.retry() == Retry::ComeBack;
        if on_link && (self.welcomed || !comes_back) {
            return self.closed(closing);
        }
        let reason = match closing.code {
            CloseCode::Other(1005 | 1006) => Reason::SocketLost,
            code => Reason::Closed(code),
        };
        self.candidate_lost(socket, closing.reconnect_after_ms, reason);
    }

    /// Nobody was found.
    pub(super) fn look_failed(&mut self, after_ms: u32, reason: Reason) {
        self.ask_list(true);
        match self.looking {
            _ if !self.welcomed => self.come_back(after_ms, reason),
            Look::Second => self.give_up(),
            Look::Move => self.move_again(),
            Look::Connect | Look::Anew => {}
        }
    }

    /// The link is welcomed: who led us there is remembered.
    pub(super) fn arrived(&mut self, network: &str) {
        self.end_race();
        let gateway = self.link.as_ref().map_or(CONFIGURED, |link| link.gateway);
        if self.known.won(self.now, network, gateway) {
            self.look(Look::Anew);
        }
        self.ask_list(false);
    }

    /// The list of gateways, as far as it is due.
    pub(super) fn ask_list(&mut self, again: bool) {
        if self.known.wants_list(self.now, again) {
            self.emit(Effect::NeedGateways);
        }
    }

    /// The list came.
    pub(super) fn listed(&mut self, ttl_s: u32) {
        self.known.listed(self.now, core::mem::take(&mut self.listing), ttl_s);
        if self.race.is_on() && !self.race.is_chosen() && self.looking != Look::Move {
            let order = self.known.candidates(self.now, &mut self.backoff);
            self.race.begin(self.now, &order, false);
            self.run_race(0, Reason::SocketLost);
        }
    }

    /// We may be somewhere else than before.
    pub(super) fn network_changed(&mut self) {
        self.known.network_changed();
        // What the path does now says nothing of idling.
        self.void = true;
        self.probe(PROMPT_MS);
        self.hurry();
        self.ask_list(true);
        if self.known.is_choice() {
            if self.welcomed {
                self.look(Look::Anew);
            } else if self.race.is_on() && !self.race.is_chosen() {
                // What was dialled was dialled from elsewhere.
                self.end_race();
                self.look(Look::Connect);
            }
        }
    }
}
