//! When a token makes itself felt.

use super::TokenTimes;
use crate::limits;
use crate::time::{Instant, UnixMs};
use core::time::Duration;

/// The client is told at least this long before, if there is that much.
const AHEAD_MS: i64 = 30_000;

/// When to tell the client, and when to close the link; `None`: the token never expires.
///
/// Told at 80 % of the lifetime and at least 30 s ahead; closed 5 s after `exp`.
pub(super) fn times(now: Instant, server_now: UnixMs, token: TokenTimes) -> Option<(Instant, Instant)> {
    if token.expires == UnixMs::ZERO {
        return None;
    }
    let clock = if token.now == UnixMs::ZERO { server_now.0 } else { token.now.0 };
    let issued = if token.issued == UnixMs::ZERO { clock } else { token.issued.0 };
    let expires = token.expires.0;
    let lifetime = expires.saturating_sub(issued).max(0);
    let tell = expires.saturating_sub(lifetime / 5).min(expires.saturating_sub(AHEAD_MS));
    let after = |at: i64| now + Duration::from_millis(u64::try_from(at.saturating_sub(clock)).unwrap_or(0));
    Some((after(tell), after(expires) + limits::TOKEN_GRACE))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // every token here expires
    use super::*;

    fn told_and_closed(issued: i64, expires: i64, clock: i64) -> (u64, u64) {
        let token = TokenTimes { issued: UnixMs(issued), expires: UnixMs(expires), now: UnixMs(clock) };
        let (tell, close) = times(Instant::ZERO, UnixMs::ZERO, token).unwrap();
        (tell.as_millis(), close.as_millis())
    }

    #[test]
    fn token_expiring_comes_at_four_fifths_and_at_least_thirty_seconds_ahead() {
        assert_eq!(told_and_closed(1_000_000, 1_600_000, 1_000_000), (480_000, 605_000));
        assert_eq!(told_and_closed(1_000_000, 1_100_000, 1_000_000), (70_000, 105_000));
        assert_eq!(told_and_closed(1_000_000, 1_020_000, 1_000_000), (0, 25_000));
        assert_eq!(told_and_closed(1_000_000, 1_600_000, 1_590_000), (0, 15_000));
    }

    #[test]
    fn a_token_without_expiry_has_no_times() {
        assert!(times(Instant::ZERO, UnixMs(5), TokenTimes::default()).is_none());
    }
}
