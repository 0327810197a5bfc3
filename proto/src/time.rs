//! Time as the machines see it: a number the driver hands in, never a clock that is read.

use core::time::Duration;

/// A point in time: the duration since an origin of the driver's choice.
///
/// `std::time::Instant` cannot be made from a number and panics on wasm32-unknown-unknown, so the
/// machines carry their own. Two instants may be compared only if they come from one driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The driver's origin.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The instant `since_origin` after the driver's origin.
    #[must_use]
    pub const fn new(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// The instant `ms` milliseconds after the driver's origin.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// The duration since the driver's origin.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// Whole milliseconds since the driver's origin; saturates at `u64::MAX`.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl core::ops::Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of time rather than panic.
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs))
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
