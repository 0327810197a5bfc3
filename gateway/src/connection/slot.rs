//! The logs one connection reads, by slot.

use crate::hub::{Hub, Place, Waiter};
use pulsegate_proto::id::{LogName, Seq};
use pulsegate_proto::session::server::Slot;
use pulsegate_routing::{ReaderView, StartInfo};
use std::sync::Arc;

/// One log a connection reads.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) place: Place,
    /// Where this device began to read the log.
    began: Seq,
    /// The device may have had messages up to here before this link.
    had: Seq,
    /// The store was read to its end since we took our place: from then on the board has heard of everything new.
    pub(super) caught_up: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Slots(Vec<Option<Reading>>);

impl Slots {
    /// Takes a place at the log of `start`.
    pub(super) fn attach(&mut self, hub: &Hub, waiter: &Arc<Waiter>, slot: Slot, start: &StartInfo) {
        let index = usize::from(slot);
        if self.0.len() <= index {
            self.0.reserve_exact(index + 1 - self.0.len());
            self.0.resize_with(index + 1, || None);
        }
        let reading = Reading {
            place: hub.sit(&start.log, waiter, slot),
            began: start.began,
            had: start.had,
            caught_up: false,
        };
        if let Some(before) = self.0[index].replace(reading) {
            hub.leave(before.place);
        }
    }

    /// Gives the place back.
    pub(super) fn detach(&mut self, hub: &Hub, slot: Slot) {
        if let Some(reading) = self.0.get_mut(usize::from(slot)).and_then(Option::take) {
            hub.leave(reading.place);
        }
    }

    /// Gives all places back.
    pub(super) fn clear(&mut self, hub: &Hub) {
        for reading in self.0.drain(..).flatten() {
            hub.leave(reading.place);
        }
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Reading> {
        self.0.get(usize::from(slot))?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Reading> {
        self.0.get_mut(usize::from(slot))?.as_mut()
    }

    /// Whether a log of this name is read already.
    pub(super) fn reads(&self, log: &LogName) -> bool {
        self.0.iter().flatten().any(|reading| reading.place.board.key().log.name() == *log)
    }
}

impl Reading {
    /// Makes `view` the one of this log's reader.
    pub(super) fn focus(&self, view: &mut ReaderView) {
        view.began = self.began;
        view.had = self.had;
    }
}
