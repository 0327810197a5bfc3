//! The default policy: one belief a network, experiments where they pay, a cap by circumstances.

use super::belief::{Belief, Evidence, RUNGS};
use super::verdict::{End, How, Reopened, judge};

/// Networks remembered; the one that was not used for longest goes.
pub const NETWORKS: usize = 32;

/// Longest silences, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// By day, with no tab visible.
    pub day_s: u16,
    /// At night, local time. It raises the cap only, never what is believed.
    pub night_s: u16,
    /// While a person looks: they would notice.
    pub visible_s: u16,
    /// The night's begin and end, minutes after local midnight.
    pub night_min: [u16; 2],
}

impl Caps {
    /// The profiles of the day: prompt 285, balanced 580, frugal 880.
    #[must_use]
    pub const fn by_day(day_s: u16) -> Self {
        Self { day_s, night_s: 1180, visible_s: 115, night_min: [23 * 60 + 30, 7 * 60] }
    }

    /// Whether it is night at this minute after local midnight.
    #[must_use]
    pub fn is_night(&self, minute: u32) -> bool {
        let [from, to] = self.night_min.map(u32::from);
        // Mostly it lasts over midnight.
        if from <= to { from <= minute && minute < to } else { from <= minute || minute < to }
    }
}

impl Default for Caps {
    fn default() -> Self {
        Self::by_day(580)
    }
}

/// What decides the cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// A tab is visible.
    pub visible: bool,
    /// It is night where the person is.
    pub night: bool,
}

/// A network and what is believed of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// `Welcome.network_key`.
    pub key: String,
    /// Its time-out.
    pub belief: Belief,
    /// Day it was last used, since the Unix epoch.
    pub day: u32,
}

impl Network {
    /// What is older counts less; a clock that ran backwards forgets nothing.
    fn today(&mut self, day: u32) {
        self.belief.forget(day.saturating_sub(self.day));
        self.day = self.day.max(day);
    }
}

/// See the top of the file.
#[derive(Clone, Debug)]
pub struct Ladder {
    /// The one in use last.
    networks: Vec<Network>,
}

impl Ladder {
    /// Starts with what was remembered, the network used last at the end; before the first
    /// Welcome that one is assumed.
    #[must_use]
    pub fn new(mut remembered: Vec<Network>) -> Self {
        while remembered.len() > NETWORKS {
            remembered.remove(0);
        }
        Self { networks: remembered }
    }

    /// What to remember.
    #[must_use]
    pub fn networks(&self) -> &[Network] {
        &self.networks
    }

    /// The gateway named the network this link is in; `day`: days since the Unix epoch. True: it is the one
    /// before.
    pub fn welcome(&mut self, key: &str, day: u32) -> bool {
        let found = self.networks.iter().position(|network| network.key == key);
        let same = found.is_some_and(|at| at + 1 == self.networks.len());
        let mut network = match found {
            Some(at) => self.networks.remove(at),
            None => Network { key: key.to_owned(), belief: Belief::default(), day },
        };
        network.today(day);
        if self.networks.len() == NETWORKS {
            self.networks.remove(0);
        }
        self.networks.push(network);
        same
    }

    /// The silence to ask for, seconds.
    #[must_use]
    pub fn wish(&self, caps: &Caps, conditions: Conditions) -> u16 {
        let unknown = Belief::default();
        let belief = self.networks.last().map_or(&unknown, |network| &network.belief);
        if conditions.visible {
            return RUNGS[belief.choose(caps.visible_s).0];
        }
        let cap = if conditions.night { caps.night_s.max(caps.day_s) } else { caps.day_s };
        let (base, attempt) = belief.choose(cap);
        RUNGS[attempt.unwrap_or(base)]
    }

    /// Something of the gateway's came after `gap_s` seconds in which neither side had spoken, and the
    /// callback was not late: the downlink lived through it. `day`: today, since the Unix epoch; a link
    /// may live for weeks.
    pub fn survived(&mut self, gap_s: f64, day: u32) {
        if let Some(network) = self.networks.last_mut() {
            network.today(day);
            network.belief.survived(gap_s);
        }
    }

    /// A beat was sent and never came, though the link lives: the mapping had lapsed and our Probe made
    /// it anew.
    pub fn lapsed(&mut self, planned_s: f64) {
        if let Some(network) = self.networks.last_mut() {
            network.belief.died(planned_s, Evidence::Strong);
        }
    }

    /// A link ended and the next one, in the network of `welcome`, is there. The verdict, if any.
    pub fn ended(&mut self, end: &End, reopened: &Reopened) -> Option<Evidence> {
        let evidence = judge(end, reopened)?;
        if let Some(network) = self.networks.last_mut() {
            match end.how {
                How::Eof => network.belief.ended(end.silence_s, evidence),
                _ => network.belief.died(end.planned_s, evidence),
            }
        }
        Some(evidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: Caps = Caps::by_day(580);
    const HIDDEN: Conditions = Conditions { visible: false, night: false };
    const VISIBLE: Conditions = Conditions { visible: true, night: false };
    const NIGHT: Conditions = Conditions { visible: false, night: true };

    fn ladder() -> Ladder {
        let mut ladder = Ladder::new(Vec::new());
        _ = ladder.welcome("home", 1);
        ladder
    }

    #[test]
    fn a_person_who_looks_is_no_experiment() {
        let mut ladder = ladder();
        assert_eq!((ladder.wish(&CAPS, VISIBLE), ladder.wish(&CAPS, HIDDEN)), (55, 230));
        ladder.survived(285.0, 1);
        assert_eq!((ladder.wish(&CAPS, VISIBLE), ladder.wish(&CAPS, HIDDEN)), (115, 580));
    }

    #[test]
    fn night_raises_the_cap_and_not_the_belief() {
        let mut ladder = ladder();
        ladder.survived(580.0, 1);
        assert_eq!(ladder.wish(&CAPS, HIDDEN), 580);
        assert!(ladder.wish(&CAPS, NIGHT) > 580);
        let end = End { how: How::Eof, silence_s: 60.0, planned_s: 285.0, slept: false };
        let reopened = Reopened {
            after_ms: 300,
            same_network: true,
            gateway_lived: true,
            beat_unanswered: false,
            gateway_closed: false,
        };
        let mut proxied = self::ladder();
        for _ in 0..3 {
            assert_eq!(proxied.ended(&end, &reopened), Some(Evidence::Strong));
        }
        proxied.survived(55.0, 1);
        assert_eq!((proxied.wish(&CAPS, HIDDEN), proxied.wish(&CAPS, NIGHT)), (55, 55));
    }

    #[test]
    fn the_night_begins_at_half_past_eleven_and_ends_at_seven() {
        let nights = [(1_409, false), (1_410, true), (0, true), (419, true), (420, false)];
        for (minute, night) in nights {
            assert_eq!(CAPS.is_night(minute), night, "{minute}");
        }
        let early = Caps { night_min: [60, 300], ..CAPS };
        assert!(early.is_night(60) && !early.is_night(300) && !early.is_night(1_410));
    }

    #[test]
    fn each_network_is_remembered_by_itself() {
        let mut ladder = ladder();
        ladder.survived(580.0, 1);
        _ = ladder.welcome("train", 1);
        assert_eq!(ladder.wish(&CAPS, HIDDEN), 230);
        ladder.lapsed(285.0);
        _ = ladder.welcome("home", 2);
        assert_eq!(ladder.wish(&CAPS, HIDDEN), 580);
        let again = Ladder::new(ladder.networks().to_vec());
        assert_eq!(again.wish(&CAPS, HIDDEN), 580, "the network used last is assumed");
    }

    #[test]
    fn at_most_32_networks_are_kept_and_the_oldest_goes() {
        let mut ladder = ladder();
        for network in 0..NETWORKS {
            _ = ladder.welcome(&network.to_string(), 1);
        }
        assert_eq!(ladder.networks().len(), NETWORKS);
        assert!(ladder.networks().iter().all(|network| network.key != "home"));
        let many =
            (0..40).map(|n| Network { key: n.to_string(), belief: Belief::default(), day: 0 }).collect();
        assert_eq!(Ladder::new(many).networks().len(), NETWORKS);
    }

    #[test]
    fn a_clock_that_ran_backwards_forgets_nothing() {
        let mut ladder = ladder();
        ladder.survived(580.0, 1);
        _ = ladder.welcome("home", 0);
        assert_eq!(ladder.wish(&CAPS, HIDDEN), 580);
    }
}
