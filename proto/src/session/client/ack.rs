//! When to ack: after so many deliveries, or so long after the first unacked one, and only what is
//! safely stored.

use super::{ClientSession, Why};
use crate::frame::{Welcome, say};

/// Where a gateway names no pace.
const WITHIN_MS: u32 = 2000;

/// The pace of one link.
#[derive(Debug, Default)]
pub(super) struct Pace {
    every: u64,
    within_ms: u32,
    /// Deliveries that came on this link.
    pub(super) came: u64,
    /// Of these, safely stored.
    pub(super) stored: u64,
    /// Of these, acked.
    acked: u64,
    /// The time is up; the ack goes out as soon as storage allows.
    due: bool,
    /// Tabs are far behind.
    held: bool,
}

impl Pace {
    pub(super) fn begin(&mut self, welcome: &Welcome) {
        let every = match welcome.ack_every {
            0 => (welcome.window / 2).max(1),
            every => every,
        };
        let within_ms = match welcome.ack_within_ms {
            0 => WITHIN_MS,
            ms => ms,
        };
        *self = Self { every: u64::from(every), within_ms, held: self.held, ..Self::default() };
    }

    pub(super) fn hold(&mut self, held: bool) {
        self.held = held;
        self.due |= !held;
    }
}

impl ClientSession {
    /// Something came that will have to be acked.
    pub(super) fn arm_ack(&mut self) {
        if !self.timers.is_set(Why::Ack) {
            self.timers.set(Why::Ack, self.now.after_millis(u64::from(self.pace.within_ms)));
        }
    }

    pub(super) fn ack_due(&mut self) {
        self.pace.due = true;
        self.ack_if_due();
    }

    /// Acks if the pace says so and something is safely stored.
    pub(super) fn ack_if_due(&mut self) {
        let many = self.pace.stored.saturating_sub(self.pace.acked) >= self.pace.every;
        if (many || self.pace.due) && !self.pace.held {
            self.ack_now();
        }
    }

    /// Acks what can be acked.
    pub(super) fn ack_now(&mut self) {
        if !self.is_welcomed() || self.forgetting {
            return;
        }
        if !self.logs.ackable() {
            // Nothing is on its way to storage either: nothing is owed.
            self.pace.due &= self.outgoing.is_busy();
            return;
        }
        let cursors = self.logs.take_acks();
        self.say(say::ack(&cursors));
        self.pace.acked = self.pace.stored;
        self.pace.due = false;
        self.timers.clear(Why::Ack);
        if self.pace.came > self.pace.acked {
            self.arm_ack();
        }
    }
}
