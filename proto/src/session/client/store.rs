//! What came goes to storage in batches, one transaction at a time.

use super::{ClientSession, Effect, Entry, Fault, Store};
use crate::id::LogName;

/// What waits, and what is out.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    entries: Vec<Entry>,
    ended: Vec<LogName>,
    no: u32,
    out: Option<Out>,
    told: bool,
}

/// A transaction that is being written.
#[derive(Debug)]
struct Out {
    /// Deliveries of the link that it covers.
    came: u64,
    /// The inbox was wiped meanwhile: its cursors mean nothing.
    void: bool,
}

impl Outgoing {
    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(super) fn end(&mut self, log: LogName) {
        self.ended.push(log);
    }

    /// A log begins: its cursor is not to be dropped after all.
    pub(super) fn begin(&mut self, log: &LogName) {
        if let Some(index) = self.ended.iter().position(|ended| ended == log) {
            self.ended.swap_remove(index);
        }
    }

    /// Whether a transaction is out.
    pub(super) fn is_busy(&self) -> bool {
        self.out.is_some()
    }

    /// The inbox is wiped.
    pub(super) fn wipe(&mut self) {
        self.entries.clear();
        self.ended.clear();
        if let Some(out) = &mut self.out {
            out.void = true;
        }
    }

    /// A new link: what is out covers nothing of it.
    pub(super) fn new_link(&mut self) {
        if let Some(out) = &mut self.out {
            out.came = 0;
        }
    }
}

impl ClientSession {
    /// Writes what waits, unless a transaction is out.
    pub(super) fn flush_store(&mut self) {
        if self.outgoing.out.is_some() {
            return;
        }
        let cursors = self.logs.take_dirty();
        let outgoing = &mut self.outgoing;
        if cursors.is_empty() && outgoing.entries.is_empty() && outgoing.ended.is_empty() {
            // Only repeats came: they are stored already.
            self.pace.stored = self.pace.came;
            return;
        }
        outgoing.no = outgoing.no.wrapping_add(1);
        outgoing.out = Some(Out { came: self.pace.came, void: false });
        let store = Store {
            no: outgoing.no,
            entries: core::mem::take(&mut outgoing.entries),
            cursors,
            ended: core::mem::take(&mut outgoing.ended),
        };
        self.emit(Effect::Store(Box::new(store)));
    }

    pub(super) fn stored(&mut self, no: u32) {
        if no != self.outgoing.no {
            return;
        }
        let Some(out) = self.outgoing.out.take() else {
            return;
        };
        if !out.void {
            self.logs.stored();
            self.pace.stored = self.pace.stored.max(out.came);
        }
        self.flush_store();
        self.ack_if_due();
    }

    pub(super) fn store_failed(&mut self, no: u32) {
        if no == self.outgoing.no && !self.outgoing.told {
            self.outgoing.told = true;
            self.emit(Effect::Error(Fault::Storage));
        }
    }
}
