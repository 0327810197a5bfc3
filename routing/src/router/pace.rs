//! How often an app may publish to everyone: a bucket an app, refilled by the second.

use core::time::Duration;
use pulsegate_proto::id::AppId;
use pulsegate_proto::time::UnixMs;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

#[derive(Clone, Copy)]
struct Bucket {
    /// Thousandths of a token: with the clock's milliseconds no division loses anything.
    milli_tokens: u64,
    filled: UnixMs,
}

#[derive(Default)]
pub(super) struct Pace(Mutex<HashMap<AppId, Bucket>>);

impl Pace {
    /// Takes one of `per_second`; a full second's worth may go at once. Else says how long until
    /// the next.
    pub(super) fn take(&self, app: &AppId, per_second: u32, now: UnixMs) -> Result<(), Duration> {
        if per_second == 0 {
            return Ok(());
        }
        let rate = u64::from(per_second);
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Bucket { milli_tokens: rate * 1000, filled: now };
        let bucket = buckets.entry(app.clone()).or_insert(full);
        // A clock set back refills nothing and keeps nobody waiting for its old time.
        let elapsed = u64::try_from(now.0 - bucket.filled.0).unwrap_or(0);
        bucket.milli_tokens =
            elapsed.saturating_mul(rate).saturating_add(bucket.milli_tokens).min(rate * 1000);
        bucket.filled = now;
        if bucket.milli_tokens >= 1000 {
            bucket.milli_tokens -= 1000;
            Ok(())
        } else {
            Err(Duration::from_millis((1000 - bucket.milli_tokens).div_ceil(rate)))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that cannot parse its own text should fail there
    use super::*;

    #[test]
    fn a_second_s_worth_goes_at_once_and_then_one_by_one() {
        let pace = Pace::default();
        let app = AppId::parse("demo").unwrap();
        let start = 1_000_000;
        for _ in 0..5 {
            assert_eq!(pace.take(&app, 5, UnixMs(start)), Ok(()));
        }
        let wait = pace.take(&app, 5, UnixMs(start)).unwrap_err();
        assert_eq!(wait, Duration::from_millis(200));
        assert_eq!(pace.take(&app, 5, UnixMs(start + 199)).unwrap_err(), Duration::from_millis(1));
        assert_eq!(pace.take(&app, 5, UnixMs(start + 200)), Ok(()));
        assert!(pace.take(&app, 5, UnixMs(start - 5000)).is_err());
        assert_eq!(pace.take(&app, 5, UnixMs(start - 4800)), Ok(()));
        assert_eq!(pace.take(&app, 0, UnixMs(start)), Ok(()));
    }
}
