//! What the belief itself predicts for a path whose time-out is known: where the ladder comes to rest, and how many
//! links that costs.

use pulsegate_proto::heartbeat::{Belief, Evidence, Learnt, RUNGS};

/// How a path dies that was silent for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// What is sent then is lost, or answered by a reset.
    Lapses,
    /// A proxy ends it at the time-out.
    Ends,
}

/// The rung on which a belief stands for good, seconds: it tries nothing higher, and would not after surviving that
/// one many times more. `None`: it is not done.
#[must_use]
pub fn at_rest(belief: &Belief, cap_s: u16) -> Option<u16> {
    let mut belief = belief.clone();
    let choice @ (base, attempt) = belief.choose(cap_s);
    let lasting = (0..50).all(|_| {
        belief.survived(RUNGS[base].into());
        belief.choose(cap_s) == choice
    });
    (attempt.is_none() && lasting).then_some(RUNGS[base])
}

/// The end of the climb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foresight {
    /// The silence it settles on, seconds.
    pub rung_s: u16,
    /// Deaths until then.
    pub deaths: usize,
    /// How often it asks for another silence than before, the first included.
    pub wishes: usize,
}

/// Lets `belief` climb under a cap on a path that bears `timeout_s` seconds. Its deaths are judged like `verdicts`, one
/// after the other, and as clearly as can be once there are no more of them.
///
/// # Panics
/// If it comes to no rest.
#[must_use]
pub fn foresee(
    mut belief: Belief,
    cap_s: u16,
    timeout_s: u32,
    death: Death,
    verdicts: &[Evidence],
) -> Foresight {
    let (mut deaths, mut wishes, mut asked) = (0, 0, 0);
    for _ in 0..100 {
        let (base, attempt) = belief.choose(cap_s);
        let wish = RUNGS[attempt.unwrap_or(base)];
        wishes += usize::from(wish != asked);
        asked = wish;
        if u32::from(wish) < timeout_s {
            belief.survived(wish.into());
            if at_rest(&belief, cap_s) == Some(wish) {
                return Foresight { rung_s: wish, deaths, wishes };
            }
        } else {
            let verdict = verdicts.get(deaths).copied().unwrap_or(Evidence::Strong);
            deaths += 1;
            match death {
                Death::Lapses => belief.died(wish.into(), verdict),
                Death::Ends => belief.ended(timeout_s.into(), verdict),
            }
        }
    }
    panic!("no rest under {cap_s} s with a time-out of {timeout_s} s: {belief:?}");
}

/// The largest rung that a path with this time-out bears, under a cap, seconds.
#[must_use]
pub fn largest(cap_s: u16, timeout_s: u32) -> u16 {
    let borne = |rung: &u16| u32::from(*rung) < timeout_s && *rung <= cap_s;
    RUNGS.into_iter().rfind(borne).unwrap_or(RUNGS[0])
}

/// The verdicts on deaths among what was learnt.
#[must_use]
pub fn verdicts(learnt: &[Learnt]) -> Vec<Evidence> {
    let verdict = |learnt: &Learnt| match learnt {
        Learnt::Survived { .. } => None,
        Learnt::Lapsed { .. } => Some(Evidence::Strong),
        Learnt::Ended { evidence, .. } => *evidence,
    };
    learnt.iter().filter_map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_belief_finds_the_largest_rung_where_its_rungs_are_dense() {
        for timeout in [60, 70, 140] {
            let seen = foresee(Belief::default(), 580, timeout, Death::Lapses, &[]);
            assert_eq!(seen.rung_s, largest(580, timeout), "{timeout}");
            assert!((1..=4).contains(&seen.deaths), "{seen:?}");
        }
        assert_eq!(
            foresee(Belief::default(), 580, 60, Death::Ends, &[]),
            Foresight { rung_s: 55, deaths: 3, wishes: 5 }
        );
    }

    #[test]
    fn doubt_costs_more_deaths() {
        let seen = foresee(Belief::default(), 580, 70, Death::Lapses, &[Evidence::Weak; 2]);
        let clear = foresee(Belief::default(), 580, 70, Death::Lapses, &[]);
        assert!(seen.rung_s == clear.rung_s && seen.deaths > clear.deaths, "{seen:?} {clear:?}");
    }

    #[test]
    fn a_path_that_bears_everything_costs_nothing() {
        let seen = foresee(Belief::default(), 580, 86_400, Death::Lapses, &[]);
        assert_eq!(seen, Foresight { rung_s: 580, deaths: 0, wishes: 2 });
    }
}
