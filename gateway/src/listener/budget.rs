//! All buffers of connections that have not proved who they are, together, stay below one bound.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Accounting unit, bytes: small enough to waste little, large enough that a billion bytes fit the counter.
const UNIT: usize = 1024;

/// The bound: a count of units that are free.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Semaphore>);

/// A share of the budget, given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    permit: OwnedSemaphorePermit,
    used: usize,
}

impl Budget {
    /// A budget of `bytes`.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / UNIT)))
    }

    /// Waits until `bytes` are free. In the order of asking, so that nobody starves.
    pub async fn wait(&self, bytes: usize) -> Option<Share> {
        let permit = Arc::clone(&self.0).acquire_many_owned(units(bytes)).await.ok()?;
        Some(Share { budget: self.clone(), permit, used: 0 })
    }

    /// Takes `bytes` if they are free now.
    #[must_use]
    pub fn take(&self, bytes: usize) -> Option<Share> {
        let permit = Arc::clone(&self.0).try_acquire_many_owned(units(bytes)).ok()?;
        Some(Share { budget: self.clone(), permit, used: 0 })
    }

    /// Bytes that are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.0.available_permits() * UNIT
    }
}

impl Share {
    /// Counts `bytes` more as held, taking more of the budget when this share is used up. False: there is no more.
    pub fn hold(&mut self, bytes: usize) -> bool {
        self.used = self.used.saturating_add(bytes);
        let have = self.permit.num_permits() * UNIT;
        if self.used <= have {
            return true;
        }
        match Arc::clone(&self.budget.0).try_acquire_many_owned(units(self.used - have)) {
            Ok(more) => {
                self.permit.merge(more);
                true
            }
            Err(_) => false,
        }
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a share that should exist and does not is the failure
    use super::*;

    #[test]
    fn shares_grow_while_there_is_room_and_come_back_when_dropped() {
        let budget = Budget::new(10 * UNIT);
        let mut one = budget.take(2 * UNIT).unwrap();
        assert!(one.hold(2 * UNIT), "within the share");
        assert!(one.hold(3 * UNIT), "grown");
        assert_eq!(budget.free(), 5 * UNIT);
        assert!(budget.take(6 * UNIT).is_none());
        assert!(!one.hold(9 * UNIT), "no more room");
        drop(one);
        assert_eq!(budget.free(), 10 * UNIT);
    }
}
