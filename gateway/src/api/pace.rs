//! Rates of publishing: a token bucket an app, shared by HTTP and by devices.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pulsegate_proto::id::AppId;

/// Buckets kept before full ones are swept out.
const SWEEP_AT: usize = 4096;

/// All rates of one node.
#[derive(Default)]
pub struct Pace {
    publishes: Buckets<AppId>,
}

impl Pace {
    /// Takes `n` publishes of `app`, of which `per_second` are allowed; 0 = any.
    ///
    /// # Errors
    /// When to come back; nothing was taken.
    pub fn publish(&self, app: &AppId, n: u32, per_second: u32) -> Result<(), Duration> {
        self.publishes.take(app, n, f64::from(per_second), f64::from(per_second), Instant::now())
    }
}

/// Token buckets by key.
struct Buckets<K>(Mutex<HashMap<K, Bucket>>);

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

#[derive(Clone, Copy)]
struct Bucket {
    level: f64,
    at: Instant,
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    /// A bucket starts full. More than its size can be taken at once from a full one, so that a
    /// large batch is slowed down and not refused for ever: the debt is paid before the next.
    fn take(&self, key: &K, n: u32, rate: f64, size: f64, now: Instant) -> Result<(), Duration> {
        if rate <= 0.0 || n == 0 {
            return Ok(());
        }
        let n = f64::from(n);
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= SWEEP_AT && !buckets.contains_key(key) {
            buckets.retain(|_, bucket| bucket.filled(rate, size, now) < size);
        }
        let bucket = buckets.entry(key.clone()).or_insert(Bucket { level: size, at: now });
        bucket.level = bucket.filled(rate, size, now);
        bucket.at = now;
        let needed = n.min(size.max(1.0));
        if bucket.level + 1e-9 < needed {
            let wait = (needed - bucket.level) / rate;
            return Err(Duration::from_secs_f64(wait.min(3600.0)));
        }
        bucket.level -= n;
        Ok(())
    }
}

impl Bucket {
    fn filled(&self, rate: f64, size: f64, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        (self.level + gained).min(size.max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_refuses_beyond_its_rate_and_fills_again() {
        let buckets = Buckets::default();
        let start = Instant::now();
        for _ in 0..5 {
            assert!(buckets.take(&"a", 1, 5.0, 5.0, start).is_ok());
        }
        let wait = buckets.take(&"a", 1, 5.0, 5.0, start);
        assert_eq!(wait, Err(Duration::from_millis(200)));
        assert!(buckets.take(&"b", 1, 5.0, 5.0, start).is_ok());
        let later = start + Duration::from_millis(200);
        assert!(buckets.take(&"a", 1, 5.0, 5.0, later).is_ok());
        assert!(buckets.take(&"a", 1, 5.0, 5.0, later).is_err());
    }

    #[test]
    fn a_large_batch_is_slowed_down_not_refused_for_ever() {
        let buckets = Buckets::default();
        let start = Instant::now();
        assert!(buckets.take(&"a", 50, 5.0, 5.0, start).is_ok());
        let wait = buckets.take(&"a", 1, 5.0, 5.0, start);
        assert_eq!(wait, Err(Duration::from_millis(9200)));
    }

    #[test]
    fn no_limit_is_no_limit() {
        let buckets = Buckets::default();
        for _ in 0..1000 {
            assert!(buckets.take(&"a", 1000, 0.0, 0.0, Instant::now()).is_ok());
        }
    }
}
