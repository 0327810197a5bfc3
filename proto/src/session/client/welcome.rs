//! Frames of the gateway.

use super::logs::Seen;
use super::{ClientSession, Effect, Entry, Reason, Save, Socket, State, Wipe};
use crate::frame::{Deliver, ErrorCode, Gap, Reply, ServerFrame, Start, Welcome, What, decode_lightly};
use crate::id::{LogName, Position, RegistrationId};

impl ClientSession {
    /// One binary message.
    pub(super) fn message(&mut self, socket: Socket, bytes: &[u8]) {
        let on = |link: &Option<super::link::Link>| link.as_ref().is_some_and(|link| link.socket == socket);
        let next = on(&self.next);
        let candidate = self.race.has(socket);
        if !next && !candidate && !on(&self.link) {
            return;
        }
        let frame = match decode_lightly(bytes) {
            Ok(frame) if candidate => return self.candidate_said(socket, frame),
            Ok(Some(frame)) => frame,
            Ok(None) => {
                self.heard_if(next);
                return;
            }
            Err(_) => return self.socket_lost(socket, Reason::BadFrame),
        };
        if let Some(silence) = self.heard_if(next) {
            self.lived(silence, &frame);
        }
        match frame {
            ServerFrame::Closing(closing) => {
                self.emit(Effect::CloseSocket { socket });
                self.closed_by_gateway(socket, closing);
            }
            ServerFrame::Welcome(welcome) if next || !self.welcomed => {
                self.welcome(socket, welcome);
            }
            // Before Welcome only a Probe's answer may come, and we sent none.
            _ if next || !self.welcomed => {}
            ServerFrame::Welcome(_) => self.socket_lost(socket, Reason::BadFrame),
            frame => self.frame(frame),
        }
    }

    fn heard_if(&mut self, next: bool) -> Option<u64> {
        if next || !self.welcomed { None } else { self.heard() }
    }

    /// A frame of the welcomed link.
    fn frame(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::Welcome(_) | ServerFrame::Closing(_) => {}
            ServerFrame::ProbeReply { nonce, beat_sent_ms_ago, .. } => {
                self.probe_answered(nonce, beat_sent_ms_ago);
            }
            ServerFrame::Beat { .. } => self.answer_beat(),
            ServerFrame::Deliver(deliver) => self.deliver(*deliver),
            ServerFrame::Gap(gap) => self.gap(gap),
            ServerFrame::Reply(reply) => self.replied(*reply),
            ServerFrame::Redirect(redirect) => self.redirected(redirect),
            ServerFrame::TokenExpiring { .. } => self.refresh_token(),
            ServerFrame::Logs { started, ended } => self.logs_changed(started, ended),
            ServerFrame::Advance(cursors) => {
                for cursor in &cursors {
                    self.logs.advance(cursor);
                }
                self.arm_ack();
                self.flush_store();
            }
        }
    }

    fn welcome(&mut self, socket: Socket, mut welcome: Box<Welcome>) {
        let Ok(id) = RegistrationId::parse(&welcome.registration) else {
            return self.socket_lost(socket, Reason::BadFrame);
        };
        let known = self.hello.registration.as_ref().map(|(known, _)| *known == id);
        let secret = core::mem::take(&mut welcome.secret);
        if known != Some(true) {
            if secret.is_empty() {
                return self.socket_lost(socket, Reason::BadFrame);
            }
            if known.is_some() {
                self.wipe(Wipe::RegistrationChanged);
            }
            self.hello.registration = Some((id, secret));
            self.save();
        }
        self.moved();
        self.pace.begin(&welcome);
        self.welcomed = true;
        self.session.clone_from(&welcome.session);
        self.server_clock = Some((self.now, welcome.server_time));
        self.heard_at = self.now;
        if let Some(link) = &mut self.link {
            link.since = self.now;
        }
        self.said_at = self.now;
        self.judge(&welcome);
        self.arrived(&welcome.network_key);
        self.arm_watch();
        self.offline = false;
        self.set_state(State::Connected, None);
        self.token_welcomed(welcome.token_expires);
        let starts = core::mem::take(&mut welcome.starts);
        for start in &starts {
            self.outgoing.begin(&start.log);
        }
        for log in self.logs.welcomed(starts) {
            self.outgoing.end(log);
        }
        self.emit(Effect::Welcomed(welcome));
        self.reconcile_topics();
        self.flush_store();
    }

    fn deliver(&mut self, deliver: Deliver) {
        if self.forgetting {
            return;
        }
        let Deliver { log, at, what } = deliver;
        let stored = at.seq != 0;
        if stored {
            self.pace.came += 1;
            self.arm_ack();
            if self.logs.deliver(&log, at) == Seen::Again {
                return self.flush_store();
            }
        }
        match what {
            What::Encoded { id, bytes } => {
                if self.dedup.insert(id) {
                    self.outgoing.push(Entry::Message { log, at, id, bytes });
                }
            }
            What::Recall { message, tag } => self.outgoing.push(Entry::Recall { log, at, message, tag }),
            // A message is never decoded on this road.
            What::Message(_) | What::Unknown => {}
        }
        self.flush_store();
    }

    fn gap(&mut self, gap: Gap) {
        if self.forgetting {
            return;
        }
        let at = Position { epoch: gap.epoch, seq: gap.resume };
        self.logs.gap(&gap.log, at);
        self.emit(Effect::Gap { log: gap.log, after: gap.after, resume: gap.resume, reason: gap.reason });
        self.arm_ack();
        self.flush_store();
    }

    fn logs_changed(&mut self, started: Vec<Start>, ended: Vec<(LogName, ErrorCode)>) {
        self.logs_started(started);
        for (log, why) in ended {
            if self.logs.end(&log) {
                self.outgoing.end(log.clone());
            }
            self.topic_ended(&log, why);
            self.emit(Effect::LogEnded { log, why });
        }
        self.flush_store();
    }

    fn logs_started(&mut self, started: Vec<Start>) {
        for start in started {
            self.outgoing.begin(&start.log);
            self.logs.start(start);
        }
    }

    fn replied(&mut self, mut reply: Reply) {
        self.logs_started(core::mem::take(&mut reply.starts));
        if !self.refresh_replied(&reply) && !self.forget_replied(&reply) {
            self.wish_replied(&reply);
        }
        self.flush_store();
    }

    /// What this device held means nothing any more.
    pub(super) fn wipe(&mut self, why: Wipe) {
        self.emit(Effect::WipeInbox(why));
        self.logs.clear();
        self.dedup.clear();
        self.outgoing.wipe();
        self.wishes.renewed();
    }

    /// Keeps what this device is.
    pub(super) fn save(&mut self) {
        if self.hello.ephemeral {
            return;
        }
        self.saving += 1;
        self.emit(Effect::SaveIdentity(Box::new(Save {
            registration: self.hello.registration.clone(),
            generation: self.hello.generation,
            forgetting: self.forgetting,
        })));
    }
}
