//! Distributions over the seeded generator of the machines.

use crate::reconnect::Random;

/// A seeded source; the same seed gives the same world on every machine.
#[derive(Clone, Debug)]
pub(super) struct Dice(Random);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        // Seeds that differ by little begin with numbers that differ by much.
        _ = random.next();
        Self(random)
    }

    /// A source of its own for one part of the world.
    pub(super) fn fork(&mut self) -> Self {
        Self::new(self.0.next())
    }

    /// Uniform in [0, 1): 53 random bits.
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit a float exactly")]
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    pub(super) fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.unit()
    }

    /// Uniform over the logarithm.
    pub(super) fn log_between(&mut self, from: f64, to: f64) -> f64 {
        (self.between(from.ln(), to.ln())).exp()
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Exponentially distributed.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// One of them, by weight.
    pub(super) fn weighted<T: Copy>(&mut self, of: &[(T, f64)]) -> Option<T> {
        let mut pick = self.unit() * of.iter().map(|(_, weight)| weight).sum::<f64>();
        for &(value, weight) in of {
            if pick < weight {
                return Some(value);
            }
            pick -= weight;
        }
        of.last().map(|&(value, _)| value)
    }

    /// Times of a Poisson process, `per_day`, until `end`.
    pub(super) fn times(&mut self, per_day: f64, end: f64) -> Vec<f64> {
        let mut times = Vec::new();
        if per_day <= 0.0 {
            return times;
        }
        let mut at = 0.0;
        loop {
            at += self.exponential(86_400.0 / per_day);
            if at >= end {
                return times;
            }
            times.push(at);
        }
    }
}
