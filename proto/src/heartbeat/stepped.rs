//! The original design: the interval creeps up in eighths and falls back by a quarter.
//!
//! Kept selectable and exact, also where it is odd: the numbers it was published with come out line
//! by line.

/// Seconds it starts from and never goes below.
const MIN: u32 = 180;
/// Seconds it never goes beyond.
const MAX: u32 = 890;

/// See the top of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stepped {
    min: u32,
    max: u32,
    interval: u32,
    ok: u32,
}

impl Default for Stepped {
    fn default() -> Self {
        Self { min: MIN, max: MAX, interval: MIN + ((MAX - MIN) >> 3), ok: 0 }
    }
}

impl Stepped {
    /// The silence to try, seconds.
    #[must_use]
    pub fn interval(&self) -> u32 {
        self.interval
    }

    /// A beat was answered. After some in a row the interval grows: then the step it grew by.
    pub fn succeeded(&mut self) -> Option<u32> {
        self.ok += 1;
        if self.ok < self.interval / 100 * 2 {
            return None;
        }
        let step = (self.max - self.min) >> 3;
        self.min = self.interval;
        self.interval += step;
        self.ok = 0;
        Some(step)
    }

    /// A beat went unanswered.
    pub fn failed(&mut self) {
        self.min = MIN;
        self.max = self.interval.max(MIN);
        self.interval = self.interval.saturating_sub((self.max - self.min) >> 2);
        self.ok = 0;
    }

    /// The published run: every growth until none is left.
    #[must_use]
    pub fn published_run() -> Vec<String> {
        let mut policy = Self::default();
        let mut lines = Vec::new();
        loop {
            if let Some(step) = policy.succeeded() {
                let Self { min, max, interval, .. } = policy;
                lines.push(format!(
                    "step={step} max={max} min={min} mInternal={interval} minute = {}",
                    interval / 60
                ));
                if step == 0 {
                    return lines;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_run_comes_out_line_by_line() {
        let intervals = [
            356, 433, 499, 556, 604, 645, 680, 710, 736, 758, 777, 793, 807, 819, 829, 837, 844, 850, 855,
            860, 864, 867, 870, 872, 874, 876, 878, 879, 880, 881, 882, 883, 884, 884,
        ];
        let run = Stepped::published_run();
        assert_eq!(run.first().map(String::as_str), Some("step=88 max=890 min=268 mInternal=356 minute = 5"));
        assert_eq!(run.last().map(String::as_str), Some("step=0 max=890 min=884 mInternal=884 minute = 14"));
        assert_eq!(run.len(), intervals.len());
        for (line, interval) in run.iter().zip(intervals) {
            assert!(line.contains(&format!("mInternal={interval} ")), "{line}");
        }
    }

    #[test]
    fn a_failure_takes_a_quarter_of_what_was_gained_and_caps_what_follows() {
        let mut policy = Stepped::default();
        (0..4).for_each(|_| _ = policy.succeeded());
        assert_eq!(policy.interval(), 356);
        policy.failed();
        assert_eq!(policy.interval(), 356 - ((356 - 180) >> 2));
        (0..10_000).for_each(|_| _ = policy.succeeded());
        assert!(policy.interval() <= 356);
        (0..1_000).for_each(|_| policy.failed());
        assert!(policy.interval() >= 180);
    }
}
