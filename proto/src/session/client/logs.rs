//! Where the device is in each log: what it saw, what is safely stored, what this link may ack.

use crate::frame::Start;
use crate::id::{Cursor, LogName, Position, Seq};

/// One log.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) log: LogName,
    epoch: u64,
    /// Seen: given to Store, or passed over.
    seen: Seq,
    /// Safely stored; never beyond `seen`.
    durable: Seq,
    /// On its way to storage; 0: nothing.
    storing: Seq,
    /// Told on this link: what an ack may name.
    told: Seq,
    /// Acked on this link.
    acked: Seq,
    /// Whether this link reads it.
    on: bool,
    /// What its last Start said.
    recovered: bool,
    /// `seen` was not given to Store yet.
    dirty: bool,
}

/// What a Deliver is to this device.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// For the first time.
    New,
    /// Again: stored, or about to be.
    Again,
}

/// All of them: at most some hundred, so a list will do.
#[derive(Debug, Default)]
pub(super) struct Logs(Vec<Place>);

impl Logs {
    /// What storage holds.
    pub(super) fn load(&mut self, cursors: Vec<Cursor>) {
        for cursor in cursors {
            let place = self.entry(cursor.log, cursor.at.epoch);
            place.seen = cursor.at.seq;
            place.durable = cursor.at.seq;
            place.on = false;
            place.dirty = false;
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What Hello tells.
    pub(super) fn cursors(&self) -> Vec<Cursor> {
        let mut cursors = Vec::new();
        for place in &self.0 {
            cursors.push(place.cursor(place.durable));
        }
        cursors
    }

    /// A link was welcomed: its logs, and the ones that are read no more.
    pub(super) fn welcomed(&mut self, starts: Vec<Start>) -> Vec<LogName> {
        for place in &mut self.0 {
            place.on = false;
            place.told = 0;
            place.acked = 0;
        }
        for start in starts {
            self.start(start);
        }
        let mut ended = Vec::new();
        let mut index = 0;
        while let Some(place) = self.0.get(index) {
            if place.on {
                index += 1;
            } else {
                ended.push(self.0.swap_remove(index).log);
            }
        }
        ended
    }

    /// Delivery of a log goes on after `start.at`.
    pub(super) fn start(&mut self, start: Start) {
        let Start { log, at, recovered } = start;
        let place = self.entry(log, at.epoch);
        if place.epoch != at.epoch || !recovered {
            place.restart(at);
        }
        if at.seq > place.seen {
            place.seen = at.seq;
            place.dirty = true;
        }
        place.told = at.seq;
        place.acked = at.seq;
        place.on = true;
        place.recovered = recovered;
    }

    /// A log is read no more; false: it was not read.
    pub(super) fn end(&mut self, log: &LogName) -> bool {
        let index = self.0.iter().position(|place| place.log == *log);
        index.map(|index| self.0.swap_remove(index)).is_some()
    }

    /// What its last Start said; `None`: not read on this link.
    pub(super) fn recovered(&self, log: &LogName) -> Option<bool> {
        let place = self.0.iter().find(|place| place.log == *log)?;
        place.on.then_some(place.recovered)
    }

    /// An entry came.
    pub(super) fn deliver(&mut self, log: &LogName, at: Position) -> Seen {
        let place = self.entry(log.clone(), at.epoch);
        if place.epoch != at.epoch {
            place.restart(Position { epoch: at.epoch, seq: 0 });
        }
        place.told = place.told.max(at.seq);
        if at.seq <= place.seen {
            return Seen::Again;
        }
        place.seen = at.seq;
        place.dirty = true;
        Seen::New
    }

    /// Nothing for us up to there. Of logs we do not read, or of another epoch: nothing.
    pub(super) fn advance(&mut self, cursor: &Cursor) {
        if let Some(place) = self.0.iter_mut().find(|place| place.log == cursor.log)
            && place.epoch == cursor.at.epoch
        {
            place.told = place.told.max(cursor.at.seq);
            if cursor.at.seq > place.seen {
                place.seen = cursor.at.seq;
                place.dirty = true;
            }
        }
    }

    /// Entries are missing; delivery goes on after `at`.
    pub(super) fn gap(&mut self, log: &LogName, at: Position) {
        let place = self.entry(log.clone(), at.epoch);
        place.restart(at);
        place.told = at.seq;
        place.acked = place.acked.min(at.seq);
    }

    /// New places, for Store.
    pub(super) fn take_dirty(&mut self) -> Vec<Cursor> {
        let mut cursors = Vec::new();
        for place in &mut self.0 {
            if core::mem::take(&mut place.dirty) {
                place.storing = place.seen;
                cursors.push(place.cursor(place.seen));
            }
        }
        cursors
    }

    /// Storage has what was given to it.
    pub(super) fn stored(&mut self) {
        for place in &mut self.0 {
            let stored = core::mem::take(&mut place.storing);
            place.durable = place.durable.max(stored);
        }
    }

    /// Whether there is something to ack.
    pub(super) fn ackable(&self) -> bool {
        self.0.iter().any(|place| place.ackable().is_some())
    }

    /// What to ack now: safely stored and told on this link.
    pub(super) fn take_acks(&mut self) -> Vec<Cursor> {
        let mut cursors = Vec::new();
        for place in &mut self.0 {
            if let Some(seq) = place.ackable() {
                place.acked = seq;
                cursors.push(place.cursor(seq));
            }
        }
        cursors
    }

    fn entry(&mut self, log: LogName, epoch: u64) -> &mut Place {
        let index = match self.0.iter().position(|place| place.log == log) {
            Some(index) => index,
            None => {
                self.0.push(Place {
                    log,
                    epoch,
                    seen: 0,
                    durable: 0,
                    storing: 0,
                    told: 0,
                    acked: 0,
                    on: true,
                    recovered: true,
                    dirty: true,
                });
                self.0.len() - 1
            }
        };
        &mut self.0[index]
    }
}

impl Place {
    fn cursor(&self, seq: Seq) -> Cursor {
        Cursor { log: self.log.clone(), at: Position { epoch: self.epoch, seq } }
    }

    /// The place becomes `at`, also backwards: what was held means nothing any more.
    fn restart(&mut self, at: Position) {
        self.durable = if self.epoch == at.epoch { self.durable.min(at.seq) } else { 0 };
        self.storing = 0;
        self.epoch = at.epoch;
        self.seen = at.seq;
        self.dirty = true;
    }

    fn ackable(&self) -> Option<Seq> {
        let seq = self.durable.min(self.told);
        (self.on && seq > self.acked).then_some(seq)
    }
}
