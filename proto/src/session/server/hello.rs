//! Before Welcome: a Hello in time, and what waits while it is judged.

use super::token;
use super::{Admission, Counted, Effect, Live, Logs, Phase, ServerSession, Started, TokenTimes, Why, Window};
use crate::frame::{
    ClientEnvelope, ClientFrame, CloseCode, ErrorCode, Gap, GapReason, ServerFrame, Start, Welcome,
};
use crate::limits;
use crate::time::UnixMs;
use bytes::Bytes;

/// A Hello that is being judged.
#[derive(Debug, Default)]
pub(super) struct Admitting {
    request: u32,
    silence_s: u32,
    held: Vec<Bytes>,
}

/// Frames a client may send on top of its Hello before the Welcome.
const HELD: usize = 8;

impl Admitting {
    /// Keeps a frame until the Welcome; false: too many, or too large together.
    pub(super) fn hold(&mut self, bytes: Bytes) -> bool {
        let total: usize = self.held.iter().map(Bytes::len).sum();
        let fits = self.held.len() < HELD && total + bytes.len() <= limits::FRAME_BYTES;
        if fits {
            self.held.push(bytes);
        }
        fits
    }
}

impl ServerSession {
    /// A frame before the Hello was taken.
    pub(super) fn first_frame(&mut self, envelope: ClientEnvelope, bytes: usize) {
        match envelope.frame {
            Some(ClientFrame::Hello(hello)) => {
                self.hear();
                self.timers.clear(Why::Hello);
                self.phase = Phase::Admitting(Box::new(Admitting {
                    request: envelope.request_id,
                    silence_s: hello.silence_s,
                    held: Vec::new(),
                }));
                self.effects.push_back(Effect::Admit(hello));
            }
            Some(ClientFrame::Probe { .. }) if bytes > limits::EARLY_PROBE_BYTES => {
                self.close(CloseCode::FrameTooLarge, "a Probe before Hello is over 64 bytes");
            }
            Some(ClientFrame::Probe { nonce }) => {
                self.probe(nonce);
                self.reply(envelope.request_id, ErrorCode::Ok, "");
            }
            _ => self.close(CloseCode::ProtocolViolation, "the first frame is no Hello"),
        }
    }

    pub(super) fn admitted(&mut self, admission: Admission) {
        let Phase::Admitting(admitting) = &mut self.phase else {
            return;
        };
        let admitting = std::mem::take(&mut **admitting);
        let server_time = admission.server_time;
        self.phase = Phase::Live(Box::new(Live {
            logs: Logs::default(),
            window: Window::new(self.settings.window),
            clock: (self.now, server_time),
            commits: 0,
            older: false,
            full: false,
            ruling: 0,
            expires: UnixMs::ZERO,
        }));
        self.beat.wish(admitting.silence_s, 0);
        self.count_silence();
        let token = admission.token;
        self.welcome(admission);
        self.reply(admitting.request, ErrorCode::Ok, "");
        self.arm_beat();
        self.arm_token(token);
        for bytes in admitting.held {
            self.read_frame(&bytes);
            if self.is_closed() {
                return;
            }
        }
    }

    fn welcome(&mut self, admission: Admission) {
        let welcome = Welcome {
            registration: admission.registration.as_str().to_owned(),
            secret: admission.secret.map(|secret| secret.to_vec()).unwrap_or_default(),
            session: admission.session.as_str().to_owned(),
            boot: admission.boot_id,
            network_key: admission.network_key,
            server_time: admission.server_time,
            token_expires: admission.token.expires,
            starts: admission.started.iter().map(start).collect(),
            heartbeat: self.settings.heartbeat,
            last_seen: admission.last_seen,
            max_frame_bytes: u32::try_from(limits::FRAME_BYTES).unwrap_or(u32::MAX),
            window: self.settings.window.max(1),
            topics: admission.topics.iter().map(|topic| topic.as_str().to_owned()).collect(),
            tags: admission.tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
            user: admission.user.map(|user| user.as_str().to_owned()).unwrap_or_default(),
            ack_every: self.settings.ack_every.max(1),
            ack_within_ms: u32::try_from(self.settings.ack_within.as_millis()).unwrap_or(u32::MAX),
            level: 1,
        };
        self.send(ServerFrame::Welcome(Box::new(welcome)));
        self.attach(admission.started);
    }

    /// Reads logs from now on; their Starts have been sent. Gaps first, so that each comes before
    /// its log's first Deliver.
    pub(super) fn attach(&mut self, started: Vec<Started>) {
        for started in started {
            let Phase::Live(live) = &mut self.phase else {
                return;
            };
            let Some(slot) = live.logs.attach(&started) else {
                continue;
            };
            let after = started.at.seq;
            let gap = started.gap.or_else(|| {
                (!started.recovered).then(|| Gap {
                    log: started.log.clone(),
                    epoch: started.at.epoch,
                    after,
                    resume: after,
                    reason: GapReason::Unspecified,
                })
            });
            if let Some(gap) = gap {
                if let Some(place) = live.logs.place(slot) {
                    place.told = place.told.max(gap.resume);
                    place.read = place.read.max(gap.resume);
                }
                self.effects.push_back(Effect::Count(Counted::Gap));
                self.send(ServerFrame::Gap(gap));
            }
            self.effects.push_back(Effect::Attach { slot, log: started.log });
            self.park(slot);
        }
    }

    pub(super) fn park(&mut self, slot: super::Slot) {
        let Phase::Live(live) = &mut self.phase else {
            return;
        };
        if let Some(place) = live.logs.place(slot) {
            let after = place.read;
            self.effects.push_back(Effect::Park { slot, after });
        }
    }

    pub(super) fn arm_token(&mut self, token: TokenTimes) {
        self.timers.clear(Why::TokenExpiring);
        self.timers.clear(Why::TokenExpired);
        let Phase::Live(live) = &mut self.phase else {
            return;
        };
        let (at, server) = live.clock;
        let server_now = server.saturating_add(self.now.saturating_since(at));
        live.expires = token.expires;
        if let Some((tell, close)) = token::times(self.now, server_now, token) {
            self.timers.set(Why::TokenExpiring, tell);
            self.timers.set(Why::TokenExpired, close);
        }
    }

    pub(super) fn token_expiring(&mut self) {
        if let Phase::Live(live) = &self.phase {
            let expires: UnixMs = live.expires;
            self.send(ServerFrame::TokenExpiring { expires });
        }
    }
}

pub(super) fn start(started: &Started) -> Start {
    Start { log: started.log.clone(), at: started.at, recovered: started.recovered }
}
