//! What happens to a device, whatever its policy: made once a client, the same for every policy.
//!
//! Where the numbers come from is argued in `docs/HEARTBEAT.md`.

use super::random::Dice;

pub(super) const DAY: f64 = 86_400.0;
const HOUR: f64 = 3_600.0;

/// What a path does with a silence beyond its time-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Drops whatever comes, from either side.
    BlackHole,
    /// Answers the next packet with a reset.
    Reset,
    /// The client's next packet makes a new mapping; what the gateway sent before is lost until then.
    Loose,
    /// Closes towards both sides when the time is over.
    Proxy,
}

/// A network a device is in.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub(super) kind: Kind,
    /// Time-outs, seconds, each from a time on; never empty.
    pub(super) timeouts: Vec<(f64, f64)>,
}

impl Network {
    pub(super) fn timeout(&self, at: f64) -> f64 {
        let known = self.timeouts.iter().rev().find(|(from, _)| *from <= at);
        known.map_or(f64::INFINITY, |&(_, timeout)| timeout)
    }
}

/// Something that happens at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    /// The backend publishes something for this device.
    Push,
    /// A tab becomes visible.
    Visible,
    /// None is visible any more.
    Hidden,
    /// No packet passes; `asleep`: because the machine sleeps.
    Down { asleep: bool },
    /// Packets pass again.
    Up {
        /// The machine woke.
        woke: bool,
        /// The browser says so.
        told: bool,
    },
    /// Another network.
    Roam {
        to: usize,
        /// The browser says so.
        told: bool,
    },
    /// A box on the way forgets the connection, and nobody is told: it restarted, or was full.
    Dropped,
    /// The gateway's process ends.
    GatewayDies,
    /// Local night begins or ends: the cap changes.
    Night(bool),
    /// A time-out changed.
    Changed,
}

/// Which part of the world clients are drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stratum {
    /// Everything, in proportions.
    Mix,
    /// Hidden pages whose timers tick once a minute.
    Throttled,
    /// Timers on time.
    Unthrottled,
    /// Six changes of network a day.
    Roaming,
    /// Never a change of network.
    Stationary,
    /// Outages, changes, gateway deaths and sleeps ten times as often.
    Stress,
    /// Behind a proxy that closes idle connections after so many seconds.
    Proxy(u16),
    /// A time-out that rises from 120 s to 3,600 s half-way.
    Rising,
    /// And one that falls.
    Falling,
    /// Time-outs drawn log-uniform from 25 s to 4,000 s, so that the prior is wrong.
    LogUniform,
}

impl Stratum {
    /// All that the table has.
    pub const ALL: &'static [Self] = &[
        Self::Mix,
        Self::Throttled,
        Self::Unthrottled,
        Self::Roaming,
        Self::Stationary,
        Self::Stress,
        Self::Proxy(55),
        Self::Proxy(60),
        Self::Proxy(75),
        Self::Proxy(100),
        Self::Proxy(350),
        Self::Rising,
        Self::Falling,
        Self::LogUniform,
    ];

    /// Its name in the table.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Mix => "mix".into(),
            Self::Throttled => "throttled".into(),
            Self::Unthrottled => "unthrottled".into(),
            Self::Roaming => "roaming".into(),
            Self::Stationary => "stationary".into(),
            Self::Stress => "stress".into(),
            Self::Proxy(timeout) => format!("proxy-{timeout}"),
            Self::Rising => "rising".into(),
            Self::Falling => "falling".into(),
            Self::LogUniform => "log-uniform".into(),
        }
    }
}

/// Idle time-outs of NATs and firewalls, seconds, with how common they are.
const NAT_TIMEOUTS: &[(f64, f64)] = &[
    (60.0, 2.0),
    (120.0, 6.0),
    (180.0, 4.0),
    (240.0, 6.0),
    (300.0, 14.0),
    (350.0, 2.0),
    (600.0, 9.0),
    (900.0, 6.0),
    (1_800.0, 12.0),
    (3_600.0, 14.0),
    (7_440.0, 15.0),
    (86_400.0, 10.0),
];
/// Of proxies and load balancers.
const PROXY_TIMEOUTS: &[(f64, f64)] =
    &[(60.0, 4.0), (75.0, 1.0), (100.0, 3.0), (240.0, 1.0), (350.0, 1.0), (600.0, 4.0)];
const KINDS: &[(Kind, f64)] = &[(Kind::BlackHole, 5.0), (Kind::Loose, 3.0), (Kind::Reset, 2.0)];
/// Share of the mixed population that is behind an idle-closing proxy.
const BEHIND_PROXY: f64 = 0.4;

/// One client's world.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) end: f64,
    pub(super) networks: Vec<Network>,
    pub(super) events: Vec<(f64, Event)>,
    /// A hidden page's timers tick once a minute.
    pub(super) throttled: bool,
    /// Round trip, seconds.
    pub(super) rtt: f64,
}

impl World {
    pub(super) fn new(stratum: Stratum, days: u32, mut dice: Dice) -> Self {
        let end = f64::from(days) * DAY;
        let stress = stratum == Stratum::Stress;
        let often = if stress { 10.0 } else { 1.0 };
        let roams = match stratum {
            Stratum::Roaming => true,
            Stratum::Mix | Stratum::Throttled | Stratum::Unthrottled => dice.chance(0.3),
            Stratum::Stress => true,
            _ => false,
        };
        let count = if roams { 3 } else { 1 };
        let networks: Vec<Network> = (0..count).map(|_| network(stratum, end, &mut dice)).collect();
        let throttled = match stratum {
            Stratum::Throttled => true,
            Stratum::Unthrottled => false,
            _ => dice.chance(0.5),
        };
        let mut world =
            Self { end, networks, events: Vec::new(), throttled, rtt: dice.log_between(0.02, 0.2) };
        let moves = if roams { if stress { 30.0 } else { 6.0 } } else { 0.0 };
        world.pushes(&mut dice.fork());
        world.people(&mut dice.fork());
        world.roams(moves, &mut dice.fork());
        world.outages(1.5 * often, &mut dice.fork());
        let at = |event: Event| move |time| (time, event);
        world.events.extend(dice.times(often / 2.0, end).into_iter().map(at(Event::Dropped)));
        world.events.extend(dice.times(often / 7.0, end).into_iter().map(at(Event::GatewayDies)));
        for network in &world.networks {
            world.events.extend(network.timeouts.iter().map(|&(from, _)| (from, Event::Changed)));
        }
        world.events.sort_by(|a, b| a.0.total_cmp(&b.0));
        world
    }

    fn pushes(&mut self, dice: &mut Dice) {
        let per_day = dice.log_between(4.0, 150.0);
        self.events.extend(dice.times(per_day, self.end).into_iter().map(|at| (at, Event::Push)));
    }

    /// Looks by day, nights, and machines that sleep through them.
    fn people(&mut self, dice: &mut Dice) {
        let sleeper = dice.chance(0.3);
        let spells = dice.between(3.0, 14.0);
        let mut midnight = 0.0;
        while midnight < self.end {
            let (morning, evening) = (midnight + 7.0 * HOUR, midnight + 23.5 * HOUR);
            self.events.push((morning, Event::Night(false)));
            self.events.push((evening, Event::Night(true)));
            let mut at = morning;
            loop {
                at += dice.exponential(16.5 * HOUR / spells);
                let until = at + dice.exponential(240.0);
                if until >= evening {
                    break;
                }
                self.events.push((at, Event::Visible));
                self.events.push((until, Event::Hidden));
                at = until;
            }
            if sleeper && midnight + DAY < self.end {
                self.events.push((evening + HOUR / 4.0, Event::Down { asleep: true }));
                self.events.push((midnight + DAY + 6.9 * HOUR, Event::Up { woke: true, told: true }));
            }
            midnight += DAY;
        }
    }

    fn roams(&mut self, per_day: f64, dice: &mut Dice) {
        let mut now = 0;
        for at in dice.times(per_day, self.end) {
            let others = self.networks.len() - 1;
            // Home more often than not.
            let to = if now != 0 && dice.chance(0.6) {
                0
            } else {
                (now + 1 + usize::from(dice.chance(0.5))) % (others + 1)
            };
            if to != now {
                now = to;
                self.events.push((at, Event::Roam { to, told: dice.chance(0.95) }));
            }
        }
    }

    fn outages(&mut self, per_day: f64, dice: &mut Dice) {
        let mut free = 0.0;
        for at in dice.times(per_day, self.end) {
            let lasts = dice.log_between(2.0, 600.0);
            // One at a time, and none where the machine sleeps anyway.
            let hour = at % DAY / HOUR;
            if at < free || !(7.0..23.0).contains(&hour) || at + lasts >= self.end {
                continue;
            }
            free = at + lasts;
            self.events.push((at, Event::Down { asleep: false }));
            self.events.push((free, Event::Up { woke: false, told: dice.chance(0.5) }));
        }
    }
}

fn network(stratum: Stratum, end: f64, dice: &mut Dice) -> Network {
    let kind = dice.weighted(KINDS).unwrap_or(Kind::BlackHole);
    let always = |timeout: f64| vec![(0.0, timeout)];
    let nat = |dice: &mut Dice| dice.weighted(NAT_TIMEOUTS).unwrap_or(300.0);
    match stratum {
        Stratum::Proxy(timeout) => Network { kind: Kind::Proxy, timeouts: always(f64::from(timeout)) },
        Stratum::Rising => Network { kind, timeouts: vec![(0.0, 120.0), (end / 2.0, 3_600.0)] },
        Stratum::Falling => Network { kind, timeouts: vec![(0.0, 3_600.0), (end / 2.0, 120.0)] },
        Stratum::LogUniform => Network { kind, timeouts: always(dice.log_between(25.0, 4_000.0)) },
        _ if dice.chance(BEHIND_PROXY) => {
            Network { kind: Kind::Proxy, timeouts: always(dice.weighted(PROXY_TIMEOUTS).unwrap_or(60.0)) }
        }
        _ => Network { kind, timeouts: always(nat(dice)) },
    }
}
