//! Time as the machines see it: a number the driver hands in, never a clock that is read.

use core::time::Duration;

/// A point in time: the duration since an origin of the driver's choice, in microseconds.
///
/// `std::time::Instant` cannot be made from a number and panics on wasm32-unknown-unknown, so the
/// machines carry their own. Two instants may be compared only if they come from one driver. One
/// number, not a `Duration` of two: timers are most of what a session computes, and a browser
/// downloads the arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

/// Saturates at the end of time, 584,000 years on. Folds to a constant where the duration is one.
#[inline]
const fn micros(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000).saturating_add(duration.subsec_micros() as u64)
}

impl Instant {
    /// The driver's origin.
    pub const ZERO: Self = Self(0);

    /// The instant `since_origin` after the driver's origin, to the microsecond.
    #[must_use]
    pub const fn new(since_origin: Duration) -> Self {
        Self(micros(since_origin))
    }

    /// The instant `ms` milliseconds after the driver's origin.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1000))
    }

    /// The instant `us` microseconds after the driver's origin.
    #[must_use]
    pub const fn from_micros(us: u64) -> Self {
        Self(us)
    }

    /// The duration since the driver's origin.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        Duration::from_micros(self.0)
    }

    /// Whole milliseconds since the driver's origin.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The instant `ms` milliseconds later.
    #[must_use]
    pub const fn after_millis(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1000)))
    }

    /// How long ago `earlier` was, whole milliseconds; zero if it lies ahead.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1000
    }
}

impl core::ops::Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of time rather than panic.
    #[inline]
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(micros(rhs)))
    }
}

/// Wall-clock time: milliseconds since the Unix epoch. Zero stands for "never" or "unknown".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// Never, or unknown.
    pub const ZERO: Self = Self(0);

    /// The time `by` later; saturates.
    #[must_use]
    pub fn saturating_add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_saturates_at_its_end() {
        let end = Instant::ZERO + Duration::MAX;
        assert_eq!(end + Duration::from_secs(1), end);
        assert_eq!(Instant::ZERO.saturating_since(end), Duration::ZERO);
    }

    #[test]
    fn instants_are_exact_to_the_microsecond() {
        let at = Instant::new(Duration::new(3, 4_567_890));
        assert_eq!((at, at.as_millis()), (Instant::from_micros(3_004_567), 3004));
        assert_eq!(at.millis_since(Instant::from_millis(1)), 3003);
    }
}
