//! What the session learns of the path, for the heartbeat: gaps that were survived, and ends that are judged
//! when the next link is welcomed.

use super::{ClientSession, Effect, Reason};
use crate::frame::{Cause, LastLink, ServerFrame, Welcome, say};
use crate::heartbeat::{End, How, Learnt, Reopened};
use crate::time::Instant;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// A welcomed link that ended, or was given up.
#[derive(Debug)]
pub(super) struct Ended {
    at: Instant,
    end: End,
}

impl ClientSession {
    /// The silence to ask for now, seconds.
    pub(super) fn silence_wanted(&self) -> u16 {
        let minute = (self.wall(self.now) / MINUTE_MS) as u32;
        self.heartbeat.wish(self.visible, minute.wrapping_add_signed(self.offset_min))
    }

    /// Answers a Beat; `silence_s` 0 leaves the wish as it is.
    pub(super) fn answer_beat(&mut self) {
        if !self.ask_silence() {
            self.say(say::beat_reply(0, 0));
        }
    }

    /// Tells the gateway of another wish; false: it is the one it knows.
    pub(super) fn ask_silence(&mut self) -> bool {
        let wish = self.silence_wanted();
        let asked = self.heartbeat.ask(wish);
        if let Some((silence_s, silence_no)) = asked {
            self.say(say::beat_reply(silence_s, silence_no));
            self.arm_watch();
            self.keep();
        }
        asked.is_some()
    }

    fn keep(&mut self) {
        if !self.hello.ephemeral {
            let bytes = self.heartbeat.save();
            self.emit(Effect::KeepHeartbeat(bytes));
        }
    }

    pub(super) fn learnt(&mut self, learnt: Learnt) {
        self.emit(Effect::Learnt(learnt));
    }

    fn today(&self) -> u32 {
        (self.wall(self.now) / DAY_MS) as u32
    }

    /// A frame came after `silence` of so many milliseconds.
    pub(super) fn lived(&mut self, silence: u64, frame: &ServerFrame) {
        let mut gap_ms = silence;
        let mut beat = false;
        if let ServerFrame::Beat { silence_ms, silence_no } = *frame {
            gap_ms = silence_ms.into();
            beat = true;
            // Of an older request, or sent again after it was lost: it proves nothing.
            if silence_no != self.heartbeat.number() || gap_ms.abs_diff(silence) > self.grace_ms() {
                return;
            }
        }
        let day = self.today();
        if let Some(learnt) = self.heartbeat.survived(gap_ms as f64 / 1000.0, beat, day) {
            self.learnt(learnt);
        }
    }

    /// The welcomed link has ended, or is given up.
    pub(super) fn note_end(&mut self, reason: Reason) {
        if self.ended.is_some() {
            return;
        }
        let how = match reason {
            Reason::Silent => How::TimedOut { probed: true },
            // What answers our Probe by ending the link is no goodbye of a proxy.
            Reason::SocketLost if self.probing => How::Reset,
            Reason::SocketLost => How::Eof,
            _ => How::Closed,
        };
        let silence_s = self.now.millis_since(self.heard_at) as f64 / 1000.0;
        let asked_s = f64::from(self.heartbeat.asked());
        // Who asks before the beat is due knows of that much silence only.
        let planned_s = if silence_s < asked_s { silence_s } else { asked_s };
        let end = End { how, silence_s, planned_s, slept: self.void };
        self.ended = Some(Ended { at: self.now, end });
        self.hello.last_link = Some(LastLink {
            session_id: self.session.clone(),
            last_heard_ms: self.wall(self.heard_at),
            timed_out: reason == Reason::Silent,
        });
    }

    /// A link is welcomed: the one before it can be judged.
    pub(super) fn judge(&mut self, welcome: &Welcome) {
        let day = self.today();
        let asked_s = self.hello.silence_s as u16;
        let same_network = self.heartbeat.welcome(asked_s, &welcome.network_key, day, &welcome.heartbeat);
        if let Some(Ended { at, end }) = self.ended.take() {
            let seen = welcome.last_seen;
            let reopened = Reopened {
                // Nobody knows of that link: whatever it was, it proves little.
                after_ms: seen.map_or(u64::MAX, |_| self.now.millis_since(at)),
                same_network,
                gateway_lived: seen.is_none_or(|seen| seen.gateway_lived),
                beat_unanswered: seen.is_some_and(|seen| seen.beat_unanswered),
                gateway_closed: seen.is_some_and(|seen| seen.cause == Cause::GatewayClosed),
            };
            let learnt = self.heartbeat.ended(end, &reopened);
            self.learnt(learnt);
        }
        self.void = false;
        self.waited = false;
        _ = self.ask_silence();
        self.keep();
    }
}
