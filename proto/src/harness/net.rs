//! A bad link: it delays, it breaks, and what was on the way may or may not have arrived.

use crate::reconnect::Random;
use crate::time::Instant;
use core::time::Duration;

/// How bad.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Shortest way of a message.
    pub least: Duration,
    /// Longest way of a message.
    pub most: Duration,
    /// A connection breaks after a random time of this at most; zero: never.
    pub breaks_within: Duration,
    /// Of ten breaks, so many are silent: neither side is told.
    pub silent_of_ten: u64,
}

impl Weather {
    /// Ten milliseconds each way, nothing breaks.
    pub const FAIR: Self = Self {
        least: Duration::from_millis(10),
        most: Duration::from_millis(10),
        breaks_within: Duration::ZERO,
        silent_of_ten: 0,
    };

    /// Up to 200 ms each way, breaks every few seconds, three of ten silently.
    pub const FOUL: Self = Self {
        least: Duration::from_millis(1),
        most: Duration::from_millis(200),
        breaks_within: Duration::from_secs(8),
        silent_of_ten: 3,
    };

    pub(super) fn way(&self, random: &mut Random) -> Duration {
        self.least + up_to(random, self.most.saturating_sub(self.least))
    }
}

/// One direction of a connection: first in, first out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pipe {
    busy_until: Instant,
    /// What arrives after this is lost.
    pub(super) cut: Option<Instant>,
}

impl Pipe {
    /// When something sent now arrives; `None`: never.
    pub(super) fn send(&mut self, now: Instant, way: Duration) -> Option<Instant> {
        self.busy_until = self.busy_until.max(now + way);
        match self.cut {
            Some(cut) if cut < self.busy_until => None,
            _ => Some(self.busy_until),
        }
    }
}

/// A uniform choice from nothing to `most`.
pub(super) fn up_to(random: &mut Random, most: Duration) -> Duration {
    Duration::from_millis(random.up_to(u64::try_from(most.as_millis()).unwrap_or(0)))
}
