//! The timers of a session: one place for each reason.

use super::{Deadline, Why};
use crate::time::Instant;

const ALL: [Why; 7] = [
    Why::Hello,
    Why::Beat,
    Why::Silent,
    Why::TokenExpiring,
    Why::TokenExpired,
    Why::OlderLink,
    Why::ReadAgain,
];

/// At most one time for each reason.
#[derive(Debug, Default)]
pub(super) struct Timers([Option<Instant>; ALL.len()]);

impl Timers {
    pub(super) fn set(&mut self, why: Why, at: Instant) {
        self.0[why as usize] = Some(at);
    }

    pub(super) fn clear(&mut self, why: Why) {
        self.0[why as usize] = None;
    }

    pub(super) fn get(&self, why: Why) -> Option<Instant> {
        self.0[why as usize]
    }

    pub(super) fn clear_all(&mut self) {
        *self = Self::default();
    }

    /// The first to come.
    pub(super) fn next(&self) -> Option<Deadline> {
        ALL.into_iter()
            .filter_map(|why| Some(Deadline { at: self.get(why)?, why }))
            .min_by_key(|deadline| deadline.at)
    }

    /// Takes one that is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Why> {
        let due = self.next().filter(|deadline| deadline.at <= now)?;
        self.clear(due.why);
        Some(due.why)
    }
}
