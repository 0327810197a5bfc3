//! One number over the ladder's decisions in many made-up lives: equal where the arithmetic is.
//!
//! A native build and a browser's wasm are both asked for it by their tests, and both are held to
//! [`DECISIONS`].

use super::random::Dice;
use crate::heartbeat::{Caps, Conditions, End, How, Ladder, Network, RUNGS, Reopened};

/// What [`decisions`] gives for 100,000 strings. Whoever changes rungs, prior or arithmetic changes it.
pub const DECISIONS: u64 = 9_389_577_313_963_125_586;

/// FNV-1a, 64 bits (Fowler, Noll, Vo).
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// Events of one string: mostly survivals, some deaths, now and then another network or a restart.
const EVENTS: u32 = 10;

/// The digest over the wishes and the weights, to the bit, after each event of so many random strings.
#[must_use]
pub fn decisions(strings: u32) -> u64 {
    let mut digest = BASIS;
    let mut take = |bits: u64| digest = (digest ^ bits).wrapping_mul(PRIME);
    for string in 0..strings {
        let mut dice = Dice::new(string.into());
        let mut ladder = Ladder::new(Vec::new());
        let mut day = 20_000;
        _ = ladder.welcome("0", day);
        for _ in 0..EVENTS {
            happens(&mut ladder, &mut dice, &mut day);
            let caps = Caps::by_day(if dice.chance(0.9) { 580 } else { 285 });
            let (visible, night) = (dice.chance(0.3), dice.chance(0.3));
            take(ladder.wish(&caps, Conditions { visible, night }).into());
            let weights = ladder.networks().last().map(|network| *network.belief.weights());
            for weight in weights.unwrap_or_default() {
                take(weight.to_bits());
            }
        }
    }
    digest
}

fn happens(ladder: &mut Ladder, dice: &mut Dice, day: &mut u32) {
    let gap = dice.between(0.0, 1.2 * f64::from(RUNGS[RUNGS.len() - 1]));
    match (dice.unit() * 20.0) as u32 {
        0..=9 => ladder.survived(gap, *day),
        10 | 11 => ladder.lapsed(gap),
        12 => *day += (dice.unit() * 40.0) as u32,
        13 => {
            let key = (dice.unit() * 40.0) as u32;
            _ = ladder.welcome(&key.to_string(), *day);
        }
        14 => *ladder = Ladder::new(ladder.networks().iter().map(reloaded).collect()),
        kind => {
            let how = match kind {
                15 => How::Closed,
                16 => How::Reset,
                17 | 18 => How::Eof,
                _ => How::TimedOut { probed: dice.chance(0.8) },
            };
            let end = End { how, silence_s: gap, planned_s: gap * dice.unit(), slept: dice.chance(0.1) };
            let reopened = Reopened {
                after_ms: (dice.unit() * 6_000.0) as u64,
                same_network: dice.chance(0.9),
                gateway_lived: dice.chance(0.9),
                beat_unanswered: dice.chance(0.6),
                gateway_closed: dice.chance(0.1),
            };
            _ = ladder.ended(&end, &reopened);
        }
    }
}

/// As after a restart: what was stored is clamped and normalised.
fn reloaded(network: &Network) -> Network {
    let belief = crate::heartbeat::Belief::load(*network.belief.weights());
    Network { belief, ..network.clone() }
}
