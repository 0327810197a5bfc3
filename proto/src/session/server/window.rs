//! Deliveries of this link that are not acked yet, over all logs.

use super::Slot;
use crate::id::{MessageId, Seq};
use std::collections::VecDeque;

/// What is in flight, in the order of sending.
#[derive(Debug)]
pub(super) struct Window {
    size: u32,
    flying: VecDeque<(Slot, Seq, Option<MessageId>)>,
}

impl Window {
    pub(super) fn new(size: u32) -> Self {
        Self { size: size.max(1), flying: VecDeque::new() }
    }

    /// How many more may be sent before an ack must come.
    pub(super) fn room(&self) -> u32 {
        self.size.saturating_sub(u32::try_from(self.flying.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn sent(&mut self, slot: Slot, seq: Seq, message: Option<MessageId>) {
        self.flying.push_back((slot, seq, message));
    }

    /// Takes what an ack covers; the messages among it.
    pub(super) fn acked(&mut self, slot: Slot, up_to: Seq) -> Vec<MessageId> {
        let mut received = Vec::new();
        self.flying.retain(|&(of, seq, message)| {
            let covered = of == slot && seq <= up_to;
            if covered {
                received.extend(message);
            }
            !covered
        });
        self.shrink();
        received
    }

    /// Forgets a log that is read no more: nobody will ack it.
    pub(super) fn forget(&mut self, slot: Slot) {
        self.flying.retain(|&(of, _, _)| of != slot);
        self.shrink();
    }

    /// An idle session keeps no room: it would add up over thousands of them.
    fn shrink(&mut self) {
        if self.flying.is_empty() {
            self.flying = VecDeque::new();
        }
    }
}
