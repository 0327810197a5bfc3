//! What is believed of one network's idle time-out: a weight for each rung that it is the largest
//! silence the path survives.
//!
//! The arithmetic is `+ - * /` and comparisons of 64-bit floats only, which IEEE 754 defines to the
//! bit: the browser's wasm and a native build come to the same belief.

/// How many rungs the ladder has.
pub const COUNT: usize = 16;

/// Silences, seconds: each a little under a common idle time-out (nginx and ALB 60, Cloudflare 100,
/// Azure 240, NLB 350, API gateways 600, ...; sources in `docs/HEARTBEAT.md`, and there why 70 and 95
/// are among them).
pub const RUNGS: [u16; COUNT] = [20, 40, 50, 55, 70, 95, 115, 170, 230, 285, 340, 440, 580, 880, 1180, 1770];

/// How much speaks, before anything was seen, for each rung being the largest safe one.
const PRIOR: [f64; COUNT] =
    [0.5, 0.5, 0.5, 5.0, 1.5, 2.5, 5.0, 4.0, 5.0, 11.0, 5.0, 2.0, 9.0, 7.0, 1.0, 41.0];

/// Sum of [`PRIOR`].
const PRIOR_SUM: f64 = 100.5;
/// A rung is safe enough to stand on.
const SURE: f64 = 0.95;
/// A rung that was survived cannot be above the largest safe one: its weight is multiplied by this.
const SURVIVED: f64 = 0.02;
/// What a death leaves to the rungs it speaks against.
const DIED_STRONG: f64 = 0.10;
/// See [`DIED_STRONG`].
const DIED_WEAK: f64 = 0.90;
/// No weight falls below this share of its prior: a path may change.
const FLOOR: f64 = 0.01;
/// Forgotten a day, towards the prior.
const FORGET: f64 = 0.03;
/// Seconds an experiment has to pay off: half a day.
const HORIZON: f64 = 43_200.0;
/// What a death costs, in beats.
const DEATH_COST: f64 = 80.0;

/// How much a death says of the silence before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Idling killed the path.
    Strong,
    /// It may have.
    Weak,
}

/// See the top of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Belief([f64; COUNT]);

impl Default for Belief {
    fn default() -> Self {
        Self(PRIOR.map(|weight| weight / PRIOR_SUM))
    }
}

impl Belief {
    /// Takes stored weights over. Whatever they are, a belief comes of them: what is no number, or too small,
    /// becomes the floor.
    #[must_use]
    pub fn load(weights: [f64; COUNT]) -> Self {
        let mut belief = Self(weights);
        belief.normalise();
        belief
    }

    /// The weights, one a rung; their sum is one.
    #[must_use]
    pub fn weights(&self) -> &[f64; COUNT] {
        &self.0
    }

    /// How sure it is that each rung is safe.
    #[must_use]
    pub fn safe(&self) -> [f64; COUNT] {
        let mut sum = 0.0;
        let mut safe = self.0;
        for weight in safe.iter_mut().rev() {
            sum += *weight;
            *weight = sum;
        }
        safe
    }

    /// The rung to stand on under `cap` seconds, and the rung worth a try instead, if there is one.
    #[must_use]
    pub fn choose(&self, cap: u16) -> (usize, Option<usize>) {
        let safe = self.safe();
        let under = |&i: &usize| RUNGS[i] <= cap;
        let base = (0..COUNT).rev().filter(under).find(|&i| safe[i] >= SURE).unwrap_or(0);
        let per_second = |i: usize| 1.0 / f64::from(RUNGS[i]);
        let mut best = (0.0, None);
        for j in (base + 1..COUNT).filter(under) {
            let gain = safe[j] * HORIZON * (per_second(base) - per_second(j)) - (1.0 - safe[j]) * DEATH_COST;
            if gain > best.0 {
                best = (gain, Some(j));
            }
        }
        (base, best.1)
    }

    /// Silence of `gap` seconds was survived.
    pub fn survived(&mut self, gap: f64) {
        for i in 0..COUNT - 1 {
            if f64::from(RUNGS[i + 1]) <= gap + 0.5 {
                self.0[i] *= SURVIVED;
            }
        }
        self.normalise();
    }

    /// The path died in a silence planned for `planned` seconds.
    pub fn died(&mut self, planned: f64, evidence: Evidence) {
        self.against(planned - (5.0 + 0.02 * planned), evidence);
    }

    /// The path ended by EOF after `silence` seconds. The FIN's arrival shows that it lived until
    /// then, so the margin is narrow: a wide one would throw 55 out where a proxy closes at 60.
    pub fn ended(&mut self, silence: f64, evidence: Evidence) {
        self.against(silence - 2.0, evidence);
    }

    fn against(&mut self, from: f64, evidence: Evidence) {
        let left = match evidence {
            Evidence::Strong => DIED_STRONG,
            Evidence::Weak => DIED_WEAK,
        };
        for (weight, rung) in self.0.iter_mut().zip(RUNGS) {
            if f64::from(rung) >= from {
                *weight *= left;
            }
        }
        self.normalise();
    }

    /// `days` went by; more than a year leaves nothing to forget.
    pub fn forget(&mut self, days: u32) {
        for _ in 0..days.min(400) {
            for (weight, prior) in self.0.iter_mut().zip(PRIOR) {
                *weight += FORGET * (prior / PRIOR_SUM - *weight);
            }
        }
    }

    fn normalise(&mut self) {
        let sum: f64 = self.0.iter().sum();
        let mut total = 0.0;
        for (weight, prior) in self.0.iter_mut().zip(PRIOR) {
            let least = FLOOR * prior / PRIOR_SUM;
            // Where nothing is left to divide by, the comparison is false: the floor.
            let share = *weight / sum;
            *weight = if share > least { share } else { least };
            total += *weight;
        }
        for weight in &mut self.0 {
            *weight /= total;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rung(seconds: u16) -> usize {
        RUNGS.iter().position(|rung| *rung == seconds).unwrap_or(COUNT)
    }

    fn sum(belief: &Belief) -> f64 {
        belief.weights().iter().sum()
    }

    #[test]
    fn the_prior_is_normalised_and_its_sum_is_right() {
        assert!((PRIOR.iter().sum::<f64>() - PRIOR_SUM).abs() < 1e-12);
        assert!((sum(&Belief::default()) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_known_means_standing_on_55_and_trying_more() {
        assert_eq!(Belief::default().choose(580), (rung(55), Some(rung(230))));
        assert_eq!(Belief::default().choose(115).0, rung(55));
        assert_eq!(Belief::default().choose(1).0, 0, "the lowest rung, whatever the cap");
    }

    #[test]
    fn a_survived_silence_raises_the_ground() {
        let mut belief = Belief::default();
        belief.survived(285.0);
        assert_eq!(belief.choose(580), (rung(285), Some(rung(580))));
        belief.survived(580.0);
        assert_eq!(belief.choose(580), (rung(580), None));
    }

    #[test]
    fn what_falls_short_of_a_rung_by_half_a_second_still_counts_for_it() {
        let mut belief = Belief::default();
        belief.survived(284.5);
        assert_eq!(RUNGS[belief.choose(580).0], 285);
        let mut belief = Belief::default();
        belief.survived(284.4);
        assert_eq!(RUNGS[belief.choose(580).0], 230);
    }

    #[test]
    fn a_proxy_at_60_costs_three_deaths_and_leaves_55() {
        let mut belief = Belief::default();
        let mut deaths = 0;
        loop {
            let (base, attempt) = belief.choose(580);
            match attempt {
                Some(rung) if RUNGS[rung] > 60 => {
                    belief.ended(60.0, Evidence::Strong);
                    deaths += 1;
                }
                Some(rung) => belief.survived(f64::from(RUNGS[rung])),
                None => break assert_eq!((base, deaths), (rung(55), 3)),
            }
        }
    }

    #[test]
    fn the_wide_margin_would_have_thrown_55_out() {
        let mut belief = Belief::default();
        for _ in 0..2 {
            belief.died(60.0, Evidence::Strong);
        }
        assert_eq!(belief.choose(580).1, Some(rung(40)));
    }

    #[test]
    fn weak_evidence_moves_little() {
        let mut belief = Belief::default();
        belief.survived(580.0);
        belief.died(580.0, Evidence::Weak);
        assert_eq!(belief.choose(580).0, rung(580));
    }

    #[test]
    fn no_rung_is_ever_given_up() {
        let mut belief = Belief::default();
        for _ in 0..1_000 {
            belief.died(20.0, Evidence::Strong);
            belief.survived(1_770.0);
        }
        // After the floors the weights are scaled to one again: at most by the floors' own sum.
        for (weight, prior) in belief.weights().iter().zip(PRIOR) {
            assert!(*weight >= FLOOR * prior / PRIOR_SUM / (1.0 + FLOOR), "{weight}");
        }
        assert!((sum(&belief) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_path_that_changed_is_believed_again() {
        let mut belief = Belief::default();
        (0..5).for_each(|_| belief.died(120.0, Evidence::Strong));
        let low = belief.choose(580).0;
        assert!(RUNGS[low] < 120);
        belief.forget(120);
        belief.survived(580.0);
        assert_eq!(belief.choose(580).0, rung(580));
    }

    #[test]
    fn forgetting_goes_towards_the_prior_and_not_beyond() {
        let mut belief = Belief::default();
        belief.survived(1_770.0);
        belief.forget(u32::MAX);
        let prior = Belief::default();
        for (weight, prior) in belief.weights().iter().zip(prior.weights()) {
            assert!((weight - prior).abs() < 1e-4);
        }
    }

    #[test]
    fn whatever_is_loaded_is_a_belief() {
        let mut belief = Belief::default();
        belief.survived(230.0);
        assert_eq!(Belief::load(*belief.weights()).choose(580), belief.choose(580));
        let mut mixed = [0.1; COUNT];
        (mixed[0], mixed[5], mixed[9]) = (-3.0, 7e30, f64::MIN_POSITIVE);
        for bad in [[f64::NAN; COUNT], [f64::INFINITY; COUNT], [-0.1; COUNT], [0.0; COUNT], mixed] {
            let loaded = Belief::load(bad);
            assert!((sum(&loaded) - 1.0).abs() < 1e-9, "{loaded:?}");
            assert!(loaded.weights().iter().all(|weight| *weight > 0.0), "{loaded:?}");
        }
    }
}
