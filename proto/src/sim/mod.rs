//! A simulator of heartbeats: the real policies, a made-up world, virtual time.
//!
//! A client lives for days on paths with a hidden idle time-out: it roams, loses its network, sleeps,
//! is looked at, and the backend publishes for it. The same worlds are lived through under every
//! policy, and by an oracle that knows the time-out. The worlds are argued in `docs/HEARTBEAT.md`.
//!
//! The same seed gives the same figures on every machine whose `ln` and `exp` agree.

mod client;
mod digest;
mod policy;
mod random;
mod tally;
mod watch;
mod world;

pub use digest::{DECISIONS, decisions};
pub use policy::Policy;
pub use tally::Row;
pub use watch::{Path, convergence, silences};
pub use world::Stratum;

use client::Client;
use random::Dice;
use world::World;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Seed of the worlds.
    pub seed: u64,
    /// How many clients a stratum has.
    pub clients: u32,
    /// How long they live.
    pub days: u32,
}

/// Lives one stratum under all policies, and under the oracle that they are measured by.
#[must_use]
pub fn rows(setting: Setting, stratum: Stratum, policies: &[Policy]) -> Vec<Row> {
    let worlds = worlds(setting, stratum);
    let row = |policy: Policy| {
        let lives: Vec<_> =
            worlds.iter().map(|(world, seed)| Client::new(world, policy, *seed).live()).collect();
        Row::new(policy.name(), stratum.name(), f64::from(setting.days), &lives)
    };
    let best = row(Policy::Oracle).cost_per_day;
    policies
        .iter()
        .map(|&policy| {
            let mut row = row(policy);
            row.cost_vs_oracle = row.cost_per_day / best;
            row
        })
        .collect()
}

/// The worlds of a stratum, each with the seed of what its client does by chance.
fn worlds(setting: Setting, stratum: Stratum) -> Vec<(World, u64)> {
    let mut dice = Dice::new(setting.seed);
    (0..setting.clients)
        .map(|client| (World::new(stratum, setting.days, dice.fork()), setting.seed ^ u64::from(client)))
        .collect()
}
