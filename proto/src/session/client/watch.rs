//! Whether the path is alive: armed from what comes, asked by a Probe.
//!
//! A timer alone is never believed: one that comes late stands for a machine that slept, and what came
//! meanwhile may still wait in a queue behind it.

use super::race::Look;
use super::{ClientSession, Reason, Why};
use crate::frame::say;
use core::time::Duration;

/// A Beat may be this late before it is missed: while a person looks, and otherwise.
const GRACE_MS: [u64; 2] = [2000, 4000];
/// A Probe must be answered within this: while a person looks, and otherwise.
const PROBE_MS: [u64; 2] = [4000, 8000];
/// And within this if there is a reason to doubt: whoever opens a tab wants a live connection within 5 s.
pub(super) const PROMPT_MS: u64 = 2500;
/// A person who looks again wants to know whether a path this silent still lives.
const QUIET: Duration = Duration::from_secs(15);
/// A timer that comes this late: the machine slept. Those of a hidden page may be a minute late by themselves.
const SLEPT_MS: [u64; 2] = [30_000, 90_000];
/// One that comes this late lets what waits in the queue go first.
const LATE_MS: u64 = 1000;
/// A beat that was sent this long before the Probe came did not just cross it.
const LOST_MS: u32 = 1000;

impl ClientSession {
    fn patience(&self, ms: [u64; 2]) -> u64 {
        ms[usize::from(!self.visible)]
    }

    /// Before each input: whether a timer that should have come long ago did not.
    pub(super) fn notice_sleep(&mut self) {
        let overdue = |why| self.timers.get(why).map_or(0, |at| self.now.millis_since(at));
        let late = overdue(Why::Watch);
        if late.max(overdue(Why::Probe)) > self.patience(SLEPT_MS) {
            self.void = true;
            self.probing = false;
            self.probe(PROMPT_MS);
        } else if late > LATE_MS && !self.waited {
            self.waited = true;
            self.timers.set(Why::Watch, self.now.after_millis(LATE_MS));
        }
    }

    /// Something was heard on the welcomed link. The silence before it, milliseconds, if its end proves that
    /// the path lived through it.
    pub(super) fn heard(&mut self) -> Option<u64> {
        let silence = self.now.millis_since(self.heard_at.max(self.said_at));
        self.heard_at = self.now;
        self.waited = false;
        if self.probing {
            // It may have waited here since before the Probe: that it lives only the answer says.
            self.arm_probe(PROBE_MS);
            return None;
        }
        if !self.timers.is_set(Why::Watch) {
            self.arm_watch();
        }
        let void = core::mem::take(&mut self.void);
        let most = u64::from(self.heartbeat.asked()) * 1000 + self.patience(GRACE_MS);
        (!void && silence <= most).then_some(silence)
    }

    pub(super) fn arm_watch(&mut self) {
        let silence = Duration::from_secs(self.heartbeat.asked().into());
        // As the gateway reckons: what was said postpones a beat, but not for ever.
        let due = (self.heard_at.max(self.said_at) + silence).min(self.heard_at + silence * 2);
        self.timers.set(Why::Watch, due.after_millis(self.patience(GRACE_MS)));
    }

    /// The silence lasted too long, or the timer was set before something was heard.
    pub(super) fn watch_due(&mut self) {
        self.arm_watch();
        if self.timers.get(Why::Watch) <= Some(self.now) {
            self.timers.clear(Why::Watch);
            self.probe(self.patience(PROBE_MS));
        }
    }

    fn arm_probe(&mut self, within: [u64; 2]) {
        self.timers.set(Why::Probe, self.now.after_millis(self.patience(within)));
    }

    /// Asks whether the path is alive; the answer must be here `within` so many milliseconds.
    pub(super) fn probe(&mut self, within: u64) {
        if !self.welcomed {
            return;
        }
        let at = self.now.after_millis(within);
        if !self.probing {
            self.probing = true;
            self.nonce = self.nonce.wrapping_add(1);
            self.say(say::probe(self.nonce));
        } else if self.timers.get(Why::Probe).is_none_or(|before| before <= at) {
            return;
        }
        self.timers.set(Why::Probe, at);
    }

    /// The path lives. `beat_sent_ms_ago`: a beat went out before the Probe came, and nothing had answered it.
    pub(super) fn probe_answered(&mut self, nonce: u32, beat_sent_ms_ago: u32) {
        if nonce != self.nonce || !self.probing {
            return;
        }
        self.probing = false;
        self.timers.clear(Why::Probe);
        self.arm_watch();
        self.ended = None;
        self.end_look();
        if !core::mem::take(&mut self.void) && beat_sent_ms_ago >= LOST_MS {
            let learnt = self.heartbeat.lapsed();
            self.learnt(learnt);
            _ = self.ask_silence();
        }
    }

    /// The Probe went unanswered: the path is dead, or it is very slow. A second link is opened, and whichever
    /// answers first is believed.
    pub(super) fn probe_lost(&mut self) {
        self.note_end(Reason::Silent);
        self.look(Look::Second);
    }

    /// A person looks again.
    pub(super) fn visible(&mut self) {
        if self.heard_at + QUIET < self.now || self.probing {
            self.probe(PROMPT_MS);
        }
        self.hurry();
    }

    /// How late a Beat may be and still be the one that was due.
    pub(super) fn grace_ms(&self) -> u64 {
        self.patience(GRACE_MS)
    }
}
