//! Deliveries of this link that are not acked yet, over all logs.

use super::Slot;
use crate::id::{Marks, Seq};
use std::collections::VecDeque;

/// What is in flight, in the order of sending.
#[derive(Debug)]
pub(super) struct Window {
    size: u32,
    /// Entries in `flying`.
    count: u32,
    flying: VecDeque<(Slot, Marks)>,
}

impl Window {
    pub(super) fn new(size: u32) -> Self {
        Self { size: size.max(1), count: 0, flying: VecDeque::new() }
    }

    /// How many more may be sent before an ack must come.
    pub(super) fn room(&self) -> u32 {
        self.size.saturating_sub(self.count)
    }

    pub(super) fn sent(&mut self, slot: Slot, marks: Marks) {
        self.count = self.count.saturating_add(count(&marks));
        self.flying.push_back((slot, marks));
    }

    /// Takes what an ack covers.
    pub(super) fn acked(&mut self, slot: Slot, up_to: Seq) -> Vec<Marks> {
        let mut received = Vec::new();
        self.flying.retain_mut(|(of, marks)| {
            let covered = if *of == slot { marks.partition_point(|mark| mark.seq <= up_to) } else { 0 };
            let Some(part) = marks.part(0..covered) else {
                return true;
            };
            self.count = self.count.saturating_sub(count(&part));
            received.push(part);
            match marks.part(covered..marks.len()) {
                Some(rest) => *marks = rest,
                None => return false,
            }
            true
        });
        self.shrink();
        received
    }

    /// Forgets a log that is read no more: nobody will ack it.
    pub(super) fn forget(&mut self, slot: Slot) {
        self.flying.retain(|(of, _)| *of != slot);
        self.count = self.flying.iter().map(|(_, marks)| count(marks)).sum();
        self.shrink();
    }

    /// An idle session keeps no room: it would add up over thousands of them.
    fn shrink(&mut self) {
        if self.flying.is_empty() {
            self.flying = VecDeque::new();
        }
    }
}

fn count(marks: &Marks) -> u32 {
    u32::try_from(marks.len()).unwrap_or(u32::MAX)
}
