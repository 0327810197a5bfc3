//! How long a registration is kept unseen.

use crate::store::Row;
use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};

/// An ephemeral registration whose gateway died is forgotten after this long.
const EPHEMERAL: Duration = Duration::from_secs(24 * 3600);

/// The idle times of now, milliseconds; `u64::MAX` is for ever.
pub(super) struct Idle {
    registration: AtomicU64,
    anonymous: AtomicU64,
}

fn millis(idle: Duration) -> u64 {
    match u64::try_from(idle.as_millis()) {
        Ok(0) | Err(_) => u64::MAX,
        Ok(millis) => millis,
    }
}

impl Idle {
    pub(super) fn new(registration: Duration, anonymous: Duration) -> Self {
        Self {
            registration: AtomicU64::new(millis(registration)),
            anonymous: AtomicU64::new(millis(anonymous)),
        }
    }

    pub(super) fn set(&self, registration: Duration, anonymous: Duration) {
        self.registration.store(millis(registration), Ordering::Relaxed);
        self.anonymous.store(millis(anonymous), Ordering::Relaxed);
    }

    /// The idle time of the registration in `row`.
    pub(super) fn of(&self, row: &Row) -> Duration {
        let of_kind = |kind: &AtomicU64| Duration::from_millis(kind.load(Ordering::Relaxed));
        match (row.ephemeral, &row.user) {
            (true, _) => EPHEMERAL,
            (false, None) => of_kind(&self.anonymous),
            (false, Some(_)) => of_kind(&self.registration),
        }
    }
}
