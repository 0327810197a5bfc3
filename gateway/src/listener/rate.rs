//! How often one address may come: a token bucket each, in bounded memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Addresses remembered at most, all shards together: 48 bytes each, about 6 MiB with the table's slack.
const ADDRESSES: usize = 65_536;
/// Independent locks, so that two cores rarely meet.
const SHARDS: usize = 16;

/// What one address may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Refill, events a second. Zero: no limit.
    pub per_second: f64,
    /// Largest balance.
    pub burst: f64,
}

impl Rate {
    /// `count` a second, ten times that at once: an office shares one address.
    #[must_use]
    pub fn per_second(count: u32) -> Self {
        Self { per_second: f64::from(count), burst: f64::from(count) * 10.0 }
    }

    /// `count` a minute, all of them at once if need be.
    #[must_use]
    pub fn per_minute(count: u32) -> Self {
        Self { per_second: f64::from(count) / 60.0, burst: f64::from(count) }
    }
}

/// Whether an event is within its address's rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Pass,
    /// Refuse, and say politely when to come back.
    Refuse(Duration),
    /// Refuse as cheaply as possible: this address was refused a whole burst already.
    Drop(Duration),
}

struct Bucket {
    /// May go below zero, down to one burst of debt: refusals are counted too, so that telling them stays bounded.
    tokens: f64,
    at: Instant,
}

/// Token buckets by address.
pub struct AddressRate {
    hasher: RandomState,
    shards: [Mutex<HashMap<IpAddr, Bucket>>; SHARDS],
}

impl Default for AddressRate {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl AddressRate {
    /// Takes one event of `address` at `now`.
    pub fn take(&self, address: IpAddr, rate: Rate, now: Instant) -> Verdict {
        self.judge(address, rate, now, 1.0)
    }

    /// What [`Self::take`] would say, without taking.
    pub fn peek(&self, address: IpAddr, rate: Rate, now: Instant) -> Verdict {
        self.judge(address, rate, now, 0.0)
    }

    fn judge(&self, address: IpAddr, rate: Rate, now: Instant, cost: f64) -> Verdict {
        if rate.per_second <= 0.0 {
            return Verdict::Pass;
        }
        let address = group(address);
        let shard = &self.shards[self.hasher.hash_one(address) as usize % SHARDS];
        let mut buckets = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES / SHARDS && !buckets.contains_key(&address) {
            make_room(&mut buckets, rate, now);
        }
        let bucket = buckets.entry(address).or_insert(Bucket { tokens: rate.burst, at: now });
        let refill = now.saturating_duration_since(bucket.at).as_secs_f64() * rate.per_second;
        bucket.tokens = (bucket.tokens + refill).min(rate.burst);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= cost;
            return Verdict::Pass;
        }
        let wait = Duration::from_secs_f64((1.0 - bucket.tokens) / rate.per_second);
        if bucket.tokens > -rate.burst {
            bucket.tokens -= cost;
            Verdict::Refuse(wait)
        } else {
            Verdict::Drop(wait)
        }
    }
}

/// Forgets who has a full bucket again; if nobody has, forgets half, whoever they are: under an attack from that
/// many addresses a rate by address decides nothing anyway, and memory must not grow.
fn make_room(buckets: &mut HashMap<IpAddr, Bucket>, rate: Rate, now: Instant) {
    let full = |b: &Bucket| {
        b.tokens + now.saturating_duration_since(b.at).as_secs_f64() * rate.per_second >= rate.burst
    };
    buckets.retain(|_, bucket| !full(bucket));
    if buckets.len() >= ADDRESSES / SHARDS {
        let mut keep = false;
        buckets.retain(|_, _| {
            keep = !keep;
            keep
        });
    }
}

/// One customer's addresses count as one: a whole /64 of IPv6 is handed to a single household.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            octets[8..].fill(0);
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // addresses of the tests are literals
    use super::*;

    const RATE: Rate = Rate { per_second: 2.0, burst: 4.0 };

    #[test]
    fn a_burst_passes_then_the_rate_rules_then_debt_is_dropped() {
        let (rate, now) = (AddressRate::default(), Instant::now());
        let me: IpAddr = "192.0.2.7".parse().unwrap();
        let first: Vec<_> = (0..4).map(|_| rate.take(me, RATE, now)).collect();
        assert_eq!(first, [Verdict::Pass; 4]);
        assert_eq!(rate.take(me, RATE, now), Verdict::Refuse(Duration::from_millis(500)));
        for _ in 0..3 {
            assert!(matches!(rate.take(me, RATE, now), Verdict::Refuse(_)));
        }
        assert!(matches!(rate.take(me, RATE, now), Verdict::Drop(_)));
        let other: IpAddr = "192.0.2.8".parse().unwrap();
        assert_eq!(rate.take(other, RATE, now), Verdict::Pass, "another address has its own bucket");
        assert_eq!(
            rate.take(me, RATE, now + Duration::from_secs(3)),
            Verdict::Pass,
            "debt is paid by waiting"
        );
    }

    #[test]
    fn a_slash_64_is_one_address_and_mapped_v4_is_v4() {
        let (rate, now) = (AddressRate::default(), Instant::now());
        for host in 1..=4u16 {
            let address = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host));
            assert_eq!(rate.take(address, RATE, now), Verdict::Pass);
        }
        assert!(matches!(rate.take("2001:db8:0:1::9".parse().unwrap(), RATE, now), Verdict::Refuse(_)));
        assert_eq!(group("::ffff:192.0.2.7".parse().unwrap()), "192.0.2.7".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn memory_stays_bounded_whatever_the_number_of_addresses() {
        let (rate, now) = (AddressRate::default(), Instant::now());
        for i in 0..(3 * ADDRESSES as u32) {
            rate.take(IpAddr::V4(i.into()), RATE, now);
        }
        let held: usize = rate.shards.iter().map(|s| s.lock().unwrap().len()).sum();
        assert!(held <= ADDRESSES, "{held}");
    }

    #[test]
    fn zero_means_no_limit() {
        let rate = AddressRate::default();
        for _ in 0..10_000 {
            let verdict = rate.take(IpAddr::V4(1.into()), Rate::per_second(0), Instant::now());
            assert_eq!(verdict, Verdict::Pass);
        }
    }
}
