//! Frames and control frames a second.

use crate::time::Instant;
use core::time::Duration;

/// A leaky bucket that holds one second's worth: the "virtual scheduling" form of the generic cell
/// rate algorithm (ITU-T I.371), which needs one instant and no timer.
#[derive(Debug)]
pub(super) struct Rate {
    full_until: Instant,
}

impl Rate {
    pub(super) fn new(now: Instant) -> Self {
        Self { full_until: now }
    }

    /// Counts one; false: over `per_second`. Zero is no limit.
    pub(super) fn admit(&mut self, now: Instant, per_second: u32) -> bool {
        if per_second == 0 {
            return true;
        }
        let next = self.full_until.max(now) + Duration::from_secs(1) / per_second;
        if next.saturating_since(now) > Duration::from_secs(1) {
            return false;
        }
        self.full_until = next;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_as_many_as_allowed_and_refills_evenly() {
        let mut rate = Rate::new(Instant::ZERO);
        let now = Instant::from_millis(100);
        assert!((0..50).all(|_| rate.admit(now, 50)));
        assert!(!rate.admit(now, 50));
        assert!(rate.admit(Instant::from_millis(120), 50));
        assert!(!rate.admit(Instant::from_millis(120), 50));
    }

    #[test]
    fn zero_is_no_limit() {
        let mut rate = Rate::new(Instant::ZERO);
        assert!((0..100_000).all(|_| rate.admit(Instant::ZERO, 0)));
    }
}
