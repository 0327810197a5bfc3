//! Which policy chooses, what it asked for on this link, and what came of it.

use super::belief::{Belief, RUNGS};
use super::ladder::{Caps, Conditions, Ladder};
use super::stepped::Stepped;
use super::verdict::{End, Reopened};
use super::{Learnt, memory};
use crate::frame::{HeartbeatKind, HeartbeatPolicy};

/// Minutes of a day.
const DAY_MIN: u32 = 1440;
/// What is shorter than the lowest rung tells nothing, seconds; half a second is forgiven as everywhere.
const LEAST_S: f64 = RUNGS[0] as f64 - 0.5;

/// Who decides how long silence may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// A belief over rungs, under these caps.
    Ladder(Caps),
    /// The original design.
    Stepped,
    /// Always the same, seconds; the gateway clamps it to 15 to 1,800.
    Fixed(u16),
}

/// See the top of the file.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// The app chose: what the gateway recommends does not count.
    chosen: bool,
    policy: Policy,
    /// Learns under any policy, so that its memory is not lost by a change of mind.
    ladder: Ladder,
    stepped: Stepped,
    asked_s: u16,
    no: u32,
}

impl Heartbeat {
    /// By `policy`; `None`: by what the gateway recommends, and the ladder until that is known.
    #[must_use]
    pub fn new(policy: Option<Policy>) -> Self {
        Self {
            chosen: policy.is_some(),
            policy: policy.unwrap_or(Policy::Ladder(Caps::default())),
            ladder: Ladder::new(Vec::new()),
            stepped: Stepped::default(),
            asked_s: 0,
            no: 0,
        }
    }

    /// Takes what [`Heartbeat::save`] gave; what is none of that is as good as nothing.
    pub fn load(&mut self, bytes: &[u8]) {
        self.ladder = Ladder::new(memory::read(bytes));
    }

    /// What to remember, at most 32 networks of about 100 bytes.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        memory::write(self.ladder.networks())
    }

    /// What is believed of the network in use; `None`: nothing was ever welcomed.
    #[must_use]
    pub fn belief(&self) -> Option<&Belief> {
        self.ladder.networks().last().map(|network| &network.belief)
    }

    /// The silence to ask for, seconds. `minute`: after local midnight.
    #[must_use]
    pub fn wish(&self, visible: bool, minute: u32) -> u16 {
        match self.policy {
            Policy::Fixed(seconds) => seconds,
            Policy::Stepped => self.stepped.interval() as u16,
            Policy::Ladder(caps) => {
                self.ladder.wish(&caps, Conditions { visible, night: caps.is_night(minute % DAY_MIN) })
            }
        }
    }

    /// What is asked for, seconds.
    #[must_use]
    pub fn asked(&self) -> u16 {
        self.asked_s
    }

    /// Number of that request; Hello's is 0.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.no
    }

    /// Another wish: the next request's `silence_s` and `silence_no`. `None`: it is what is asked for.
    #[must_use]
    pub fn ask(&mut self, wish: u16) -> Option<(u32, u32)> {
        if wish == self.asked_s {
            return None;
        }
        self.asked_s = wish;
        self.no += 1;
        Some((wish.into(), self.no))
    }

    /// A link was welcomed whose Hello asked for `asked_s`. `day`: since the Unix epoch. True: it is in the
    /// network of the link before.
    pub fn welcome(&mut self, asked_s: u16, key: &str, day: u32, recommended: &HeartbeatPolicy) -> bool {
        self.asked_s = asked_s;
        self.no = 0;
        if !self.chosen && recommended.max_s > 0 {
            let short = |seconds: u32| seconds.min(0xffff) as u16;
            let it = recommended;
            self.policy = match it.kind {
                HeartbeatKind::Stepped => Policy::Stepped,
                HeartbeatKind::Fixed => Policy::Fixed(short(it.max_s)),
                HeartbeatKind::Ladder => Policy::Ladder(Caps {
                    day_s: short(it.max_s),
                    night_s: short(it.night_max_s),
                    visible_s: short(it.visible_max_s),
                    night_min: [short(it.night_from_min), short(it.night_to_min)],
                }),
            };
        }
        self.ladder.welcome(key, day)
    }

    /// Something came after `gap_s` of silence, in time; `beat`: and it was the beat that was asked for.
    #[must_use]
    pub fn survived(&mut self, gap_s: f64, beat: bool, day: u32) -> Option<Learnt> {
        if beat {
            _ = self.stepped.succeeded();
        }
        if gap_s < LEAST_S {
            return None;
        }
        self.ladder.survived(gap_s, day);
        Some(Learnt::Survived { gap_s })
    }

    /// A beat was sent and never came, though the link lives.
    pub fn lapsed(&mut self) -> Learnt {
        let planned_s = self.asked_s.into();
        self.stepped.failed();
        self.ladder.lapsed(planned_s);
        Learnt::Lapsed { planned_s }
    }

    /// The link before this one ended like that.
    pub fn ended(&mut self, end: End, reopened: &Reopened) -> Learnt {
        let evidence = self.ladder.ended(&end, reopened);
        if evidence.is_some() {
            self.stepped.failed();
        }
        Learnt::Ended { end, evidence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heartbeat::{Evidence, How};

    #[test]
    fn each_policy_asks_for_its_own() {
        let wish = |policy| Heartbeat::new(policy).wish(false, 720);
        assert_eq!(wish(Some(Policy::Fixed(30))), 30);
        assert_eq!(wish(Some(Policy::Stepped)), 268);
        assert_eq!(wish(None), 230);
        assert_eq!(wish(Some(Policy::Ladder(Caps { day_s: 60, ..Caps::default() }))), 55);
    }

    #[test]
    fn a_request_is_numbered_and_the_same_wish_is_none() {
        let mut heartbeat = Heartbeat::new(None);
        _ = heartbeat.welcome(230, "home", 1, &HeartbeatPolicy::default());
        assert_eq!((heartbeat.ask(230), heartbeat.number()), (None, 0));
        assert_eq!(heartbeat.ask(580), Some((580, 1)));
        assert_eq!((heartbeat.ask(580), heartbeat.asked(), heartbeat.number()), (None, 580, 1));
        _ = heartbeat.welcome(55, "home", 1, &HeartbeatPolicy::default());
        assert_eq!((heartbeat.asked(), heartbeat.number()), (55, 0), "each Hello begins anew");
    }

    #[test]
    fn the_gateway_recommends_and_the_app_decides() {
        let frugal = HeartbeatPolicy {
            max_s: 880,
            visible_max_s: 60,
            night_max_s: 1180,
            night_from_min: 1320,
            night_to_min: 360,
            ..HeartbeatPolicy::default()
        };
        let mut heartbeat = Heartbeat::new(None);
        _ = heartbeat.welcome(230, "home", 1, &frugal);
        _ = heartbeat.survived(1_770.0, true, 1);
        let at = |visible, minute| heartbeat.wish(visible, minute);
        assert_eq!((at(true, 720), at(false, 720), at(false, 1_330), at(false, 359)), (55, 880, 1180, 1180));
        assert_eq!(at(false, 360), 880, "the morning");
        let mut chosen = Heartbeat::new(Some(Policy::Fixed(45)));
        _ = chosen.welcome(45, "home", 1, &frugal);
        assert_eq!(chosen.wish(false, 720), 45);
        let mut fixed = Heartbeat::new(None);
        let recommended = HeartbeatPolicy { kind: HeartbeatKind::Fixed, max_s: 60, ..frugal };
        _ = fixed.welcome(230, "home", 1, &recommended);
        assert_eq!(fixed.wish(false, 720), 60);
    }

    #[test]
    fn the_original_design_steps_up_with_beats_and_down_with_deaths() {
        let mut heartbeat = Heartbeat::new(Some(Policy::Stepped));
        _ = heartbeat.welcome(268, "home", 1, &HeartbeatPolicy::default());
        (0..4).for_each(|_| _ = heartbeat.survived(268.0, true, 1));
        assert_eq!(heartbeat.wish(false, 0), 356);
        _ = heartbeat.lapsed();
        assert_eq!(heartbeat.wish(false, 0), 312);
        let end = End { how: How::Reset, silence_s: 312.0, planned_s: 312.0, slept: true };
        let reopened = Reopened {
            after_ms: 1,
            same_network: true,
            gateway_lived: true,
            beat_unanswered: true,
            gateway_closed: false,
        };
        assert_eq!(heartbeat.ended(end, &reopened), Learnt::Ended { end, evidence: None });
        assert_eq!(heartbeat.wish(false, 0), 312, "a night's sleep is no failure");
        let end = End { slept: false, ..end };
        let strong = Some(Evidence::Strong);
        assert_eq!(heartbeat.ended(end, &reopened), Learnt::Ended { end, evidence: strong });
        assert!(heartbeat.wish(false, 0) < 312);
    }

    #[test]
    fn what_it_saves_it_loads() {
        let mut heartbeat = Heartbeat::new(None);
        _ = heartbeat.welcome(230, "home", 1, &HeartbeatPolicy::default());
        _ = heartbeat.survived(580.0, true, 1);
        let mut again = Heartbeat::new(None);
        again.load(&heartbeat.save());
        assert_eq!(again.wish(false, 720), 580);
        again.load(b"what is this?");
        assert_eq!((again.wish(false, 720), again.belief().is_some()), (230, false));
    }
}
