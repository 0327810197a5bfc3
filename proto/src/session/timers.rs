//! Timers of a session: a closed enum of reasons, one place for each.

use crate::time::Instant;
use core::marker::PhantomData;

/// A closed enum whose variants number themselves from zero.
pub(crate) trait Reason: Copy + 'static {
    /// All of them, in the order of their numbers.
    const ALL: &'static [Self];
    /// The number.
    fn index(self) -> usize;
}

/// At most one time for each of `N` reasons.
#[derive(Debug)]
pub(crate) struct Timers<W, const N: usize>([Option<Instant>; N], PhantomData<W>);

impl<W, const N: usize> Default for Timers<W, N> {
    fn default() -> Self {
        Self([None; N], PhantomData)
    }
}

impl<W: Reason, const N: usize> Timers<W, N> {
    pub(crate) fn set(&mut self, why: W, at: Instant) {
        self.0[why.index()] = Some(at);
    }

    pub(crate) fn clear(&mut self, why: W) {
        self.0[why.index()] = None;
    }

    pub(crate) fn get(&self, why: W) -> Option<Instant> {
        self.0[why.index()]
    }

    pub(crate) fn is_set(&self, why: W) -> bool {
        self.get(why).is_some()
    }

    pub(crate) fn clear_all(&mut self) {
        self.0 = [None; N];
    }

    /// The first to come.
    pub(crate) fn next(&self) -> Option<(Instant, W)> {
        let mut first: Option<(Instant, W)> = None;
        for &why in W::ALL {
            if let Some(at) = self.get(why)
                && first.is_none_or(|(soonest, _)| at < soonest)
            {
                first = Some((at, why));
            }
        }
        first
    }

    /// Takes one that is due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<W> {
        let (at, why) = self.next()?;
        if at > now {
            return None;
        }
        self.clear(why);
        Some(why)
    }
}
