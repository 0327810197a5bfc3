//! What the plots show: single lives, and how fast many of them learn.

use super::client::Client;
use super::policy::Policy;
use super::world::{Event, Kind, Network, Stratum, World};
use super::{Setting, worlds};

/// A path with a name, for a plot of what is asked for on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// A proxy that closes what idles for 60 s.
    Proxy60,
    /// A NAT that forgets after 120 s and is fooled by the client's next packet.
    Loose120,
    /// A NAT that forgets after 300 s and says nothing.
    Strict300,
    /// One that forgets after two hours.
    Long,
    /// 120 s, and from the half on an hour.
    Rising,
}

impl Path {
    /// All that are plotted.
    pub const ALL: &'static [Self] =
        &[Self::Proxy60, Self::Loose120, Self::Strict300, Self::Long, Self::Rising];

    /// Its name in the plot.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Proxy60 => "proxy, 60 s",
            Self::Loose120 => "loose NAT, 120 s",
            Self::Strict300 => "strict NAT, 300 s",
            Self::Long => "NAT, 2 h",
            Self::Rising => "120 s, later 1 h",
        }
    }

    fn network(self, end: f64) -> Network {
        let (kind, timeouts) = match self {
            Self::Proxy60 => (Kind::Proxy, vec![(0.0, 60.0)]),
            Self::Loose120 => (Kind::Loose, vec![(0.0, 120.0)]),
            Self::Strict300 => (Kind::BlackHole, vec![(0.0, 300.0)]),
            Self::Long => (Kind::BlackHole, vec![(0.0, 7_440.0)]),
            Self::Rising => (Kind::BlackHole, vec![(0.0, 120.0), (end / 2.0, 3_600.0)]),
        };
        Network { kind, timeouts }
    }
}

/// What a policy asks for on a path by day, unseen and undisturbed: (hours, seconds) at each change.
#[must_use]
pub fn silences(path: Path, policy: Policy, hours: f64) -> Vec<(f64, f64)> {
    let end = hours * 3_600.0;
    let world = World::quiet(path.network(end), end);
    let steps = Client::new(&world, policy, 1).watched();
    steps.into_iter().map(|(at, silence)| (at / 3_600.0, silence)).collect()
}

/// After how many hours in its first network each client of a stratum asked for nine tenths of what
/// that bears (at most 580 s counts); sorted, without those that never did.
#[must_use]
pub fn convergence(setting: Setting, stratum: Stratum, policy: Policy) -> Vec<f64> {
    let mut hours: Vec<f64> = worlds(setting, stratum)
        .iter()
        .filter_map(|(world, seed)| Client::new(world, policy, *seed).live().reached)
        .map(|seconds| seconds / 3_600.0)
        .collect();
    hours.sort_by(f64::total_cmp);
    hours
}

impl World {
    /// One network and nothing that happens, by day.
    fn quiet(network: Network, end: f64) -> Self {
        let changes = network.timeouts.iter().map(|&(from, _)| (from, Event::Changed));
        let events = [(0.0, Event::Night(false))].into_iter().chain(changes).collect();
        Self { end, events, networks: vec![network], throttled: false, rtt: 0.05 }
    }
}
