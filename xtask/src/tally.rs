//! Reads how many tests a runner ran from what it said.

use std::iter::Sum;
use std::ops::Add;

/// How many tests went well and how many did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
}

impl Tally {
    /// Tests that ran.
    pub fn ran(self) -> u64 {
        self.passed + self.failed
    }

    /// Finds the counts in the output of nextest, libtest (also the one in the browser), Node's test
    /// runner, or of a script that closes with `N passed, N failed`.
    ///
    /// One runner's lines are counted, the first kind that occurs: a script that repeats the counts
    /// of the runner it called is not counted twice.
    pub fn of(output: &str) -> Self {
        let lines: Vec<String> = output.lines().map(plain).collect();
        [nextest, libtest, node, script]
            .into_iter()
            .map(|read| lines.iter().filter_map(|line| read(line)).sum::<Self>())
            .find(|tally| tally.ran() > 0)
            .unwrap_or_default()
    }
}

impl Add for Tally {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

/// `Summary [   0.1s] 12 tests run: 11 passed, 1 failed, 0 skipped`; timed out ones count as failed.
fn nextest(line: &str) -> Option<Tally> {
    let counts = line.trim_start().strip_prefix("Summary [")?.split_once("run: ")?.1;
    let failed =
        [" failed", " timed out", " exec failed"].iter().filter_map(|word| before(counts, word)).sum();
    Some(Tally { passed: before(counts, " passed").unwrap_or(0), failed })
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; …`
fn libtest(line: &str) -> Option<Tally> {
    let counts = line.trim_start().strip_prefix("test result: ")?;
    Some(Tally { passed: before(counts, " passed")?, failed: before(counts, " failed")? })
}

/// `# pass 3` (TAP) or `ℹ pass 3` (spec), and the same with `fail`.
fn node(line: &str) -> Option<Tally> {
    let rest = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "))?;
    let (word, count) = rest.split_once(' ')?;
    let count = count.trim().parse().ok()?;
    match word {
        "pass" => Some(Tally { passed: count, failed: 0 }),
        "fail" | "cancelled" => Some(Tally { passed: 0, failed: count }),
        _ => None,
    }
}

/// `12 passed, 0 failed`, alone on a line.
fn script(line: &str) -> Option<Tally> {
    let (passed, failed) = line.trim().split_once(" passed, ")?;
    let failed = failed.split_once(" failed").map(|(count, _)| count)?;
    Some(Tally { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
}

/// The number right before `word`.
fn before(text: &str, word: &str) -> Option<u64> {
    let head = text.split_once(word)?.0;
    let digits = head.rfind(|c: char| !c.is_ascii_digit()).map_or(head, |at| head.split_at(at + 1).1);
    digits.parse().ok()
}

/// The line without terminal colours.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // CSI: everything up to the final letter.
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else if c != '\r' {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64) -> Tally {
        Tally { passed, failed }
    }

    #[test]
    fn nextest_says_it_in_its_summary() {
        let colours = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.005s] \u{1b}[1m13\u{1b}[0m tests run: \u{1b}[1m13\u{1b}[0m passed, 0 skipped\n";
        assert_eq!(Tally::of(colours), tally(13, 0));
        assert_eq!(
            Tally::of("     Summary [  0.1s] 12/20 tests run: 9 passed, 2 failed, 1 timed out, 0 skipped"),
            tally(9, 3)
        );
    }

    #[test]
    fn libtest_says_it_once_a_binary() {
        let text = "test result: ok. 3 passed; 0 failed; 0 ignored\nnoise\ntest result: FAILED. 1 passed; 2 failed; 0 ignored\n";
        assert_eq!(Tally::of(text), tally(4, 2));
    }

    #[test]
    fn node_says_it_in_two_dialects() {
        assert_eq!(Tally::of("# tests 5\n# pass 4\n# fail 1\n# cancelled 0\n"), tally(4, 1));
        assert_eq!(Tally::of("ℹ pass 4\nℹ fail 0\n"), tally(4, 0));
    }

    #[test]
    fn a_script_that_repeats_its_runner_is_not_counted_twice() {
        assert_eq!(Tally::of("# pass 4\n# fail 0\n4 passed, 0 failed\n"), tally(4, 0));
        assert_eq!(Tally::of("7 passed, 1 failed\n"), tally(7, 1));
    }

    #[test]
    fn silence_is_no_test() {
        assert_eq!(Tally::of("all is well\n"), tally(0, 0));
    }
}
