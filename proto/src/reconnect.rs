//! When to come back: capped exponential backoff with full jitter.
//!
//! Full jitter (a uniform choice between zero and the cap) spreads a fleet that was cut at once
//! best: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. What the gateway asked for
//! by `reconnect_after_ms` is a floor that no signal of the network undercuts.

use crate::time::Instant;

/// The first attempt comes within this.
pub const BASE_MS: u64 = 1000;
/// Later ones within at most this.
pub const CAP_MS: u64 = 60_000;
/// A link that lived this long ends the series.
pub const STABLE_MS: u64 = 10_000;
/// A welcomed link that died young leaves at most this many attempts on the count: a gateway that
/// is being restarted again and again is come back to within 4 s.
const YOUNG: u32 = 2;
/// Without a network, attempts are only a guard against a browser that is wrong about it.
const OFFLINE_MS: u64 = 30_000;

/// The state between attempts.
#[derive(Clone, Debug)]
pub struct Backoff {
    attempt: u32,
    floor: Instant,
    random: Random,
}

impl Backoff {
    /// Nothing has failed yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { attempt: 0, floor: Instant::ZERO, random: Random(seed) }
    }

    /// A welcomed link ended after `lived_ms`.
    pub fn link_ended(&mut self, lived_ms: u64) {
        self.attempt = if lived_ms >= STABLE_MS { 0 } else { self.attempt.min(YOUNG) };
    }

    /// An attempt or a link failed: when to try again. `after_ms` is the gateway's wish.
    pub fn failed(&mut self, now: Instant, after_ms: u32, offline: bool) -> Instant {
        let cap = (BASE_MS << self.attempt.min(6)).min(CAP_MS);
        self.attempt = self.attempt.saturating_add(1);
        self.floor = now.after_millis(u64::from(after_ms));
        let least = if offline { OFFLINE_MS } else { 0 };
        self.floor.after_millis(self.random.up_to(cap)).max(now.after_millis(least))
    }

    /// The network is back, or a person looks: try now, but not before the gateway's wish.
    pub fn hurry(&mut self, now: Instant) -> Instant {
        self.attempt = 0;
        self.floor.max(now)
    }

    /// The app asked to start anew.
    pub fn reset(&mut self) {
        self.attempt = 0;
        self.floor = Instant::ZERO;
    }

    /// A uniform choice below `n`; 0 where `n` is 0.
    pub fn choose(&mut self, n: u64) -> u64 {
        self.random.next().checked_rem(n).unwrap_or(0)
    }
}

/// `SplitMix64` (Steele, Lea, Flood, 2014): enough for jitter, a handful of instructions.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A uniform choice from 0 to `most`, which is below `u64::MAX`.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        self.next() % (most + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(1_000_000);

    fn delay(at: Instant) -> u64 {
        at.millis_since(NOW)
    }

    #[test]
    fn delays_grow_to_the_cap_and_never_beyond() {
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed);
            for attempt in 0..20 {
                let most = (BASE_MS << attempt.min(6)).min(CAP_MS);
                assert!(delay(backoff.failed(NOW, 0, false)) <= most);
            }
        }
    }

    #[test]
    fn jitter_is_full() {
        let mut quarters = [0u32; 4];
        for seed in 0..4000 {
            let ms = delay(Backoff::new(seed).failed(NOW, 0, false));
            quarters[usize::try_from(ms / 251).unwrap_or(3).min(3)] += 1;
        }
        assert!(quarters.iter().all(|n| (800..1200).contains(n)), "{quarters:?}");
    }

    #[test]
    fn no_signal_undercuts_what_the_gateway_asked_for() {
        let mut backoff = Backoff::new(1);
        let at = backoff.failed(NOW, 30_000, false);
        assert!(delay(at) >= 30_000);
        assert_eq!(delay(backoff.hurry(NOW)), 30_000);
    }

    #[test]
    fn a_network_signal_brings_the_attempt_forward() {
        let mut backoff = Backoff::new(1);
        (0..10).for_each(|_| _ = backoff.failed(NOW, 0, false));
        assert_eq!(backoff.hurry(NOW), NOW);
        assert!(delay(backoff.failed(NOW, 0, false)) <= BASE_MS);
    }

    #[test]
    fn without_a_network_attempts_are_rare() {
        let mut backoff = Backoff::new(1);
        assert!(delay(backoff.failed(NOW, 0, true)) >= OFFLINE_MS);
    }

    #[test]
    fn a_stable_link_ends_the_series_and_a_young_one_shortens_it() {
        let mut backoff = Backoff::new(1);
        (0..10).for_each(|_| _ = backoff.failed(NOW, 0, false));
        let mut young = backoff.clone();
        young.link_ended(2000);
        assert!(delay(young.failed(NOW, 0, false)) <= BASE_MS * 4);
        backoff.link_ended(STABLE_MS);
        assert!(delay(backoff.failed(NOW, 0, false)) <= BASE_MS);
    }
}
