//! The logs a session reads: where it is in each, and whose turn it is.

use super::{Slot, Started};
use crate::id::{Cursor, LogName, Position, Seq};

/// Slots are bits of a `u128`; [`limits::LOGS`](crate::limits::LOGS) is 103.
const SLOTS: usize = 128;

/// One log.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) log: LogName,
    pub(super) epoch: u64,
    /// Safely stored by the client.
    pub(super) acked: Seq,
    /// The client was told of everything up to here, on this link.
    pub(super) told: Seq,
    /// Read up to here; what lies between `told` and `read` was not for this client.
    pub(super) read: Seq,
    /// Entries passed over since the client was last told a place.
    pub(super) skipped: u32,
}

impl Place {
    /// A cursor at what was read, if the client does not know of it yet.
    pub(super) fn advance(&mut self) -> Option<Cursor> {
        if self.read <= self.told {
            return None;
        }
        self.told = self.read;
        self.skipped = 0;
        Some(Cursor { log: self.log.clone(), at: Position { epoch: self.epoch, seq: self.read } })
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Logs {
    places: Vec<Option<Place>>,
    /// Slots that may have entries to read.
    ready: u128,
    /// Where the round goes on.
    turn: u8,
    /// The read that is out, and whether its log is gone meanwhile.
    reading: Option<(Slot, bool)>,
}

impl Logs {
    /// Reads a log from now on; `None`: it is read already, or there is no slot left.
    pub(super) fn attach(&mut self, started: &Started) -> Option<Slot> {
        if self.find(&started.log).is_some() {
            return None;
        }
        let place = Place {
            log: started.log.clone(),
            epoch: started.at.epoch,
            acked: started.at.seq,
            told: started.at.seq,
            read: started.at.seq,
            skipped: 0,
        };
        let busy = self.reading.map(|(slot, _)| usize::from(slot));
        let free = (0..self.places.len()).find(|&i| self.places[i].is_none() && Some(i) != busy);
        let index = match free {
            Some(index) => {
                self.places[index] = Some(place);
                index
            }
            None if self.places.len() < SLOTS => {
                self.places.reserve_exact(1);
                self.places.push(Some(place));
                self.places.len() - 1
            }
            None => return None,
        };
        Slot::try_from(index).ok()
    }

    /// Reads a log no more.
    pub(super) fn detach(&mut self, log: &LogName) -> Option<Slot> {
        let slot = self.find(log)?;
        self.places[usize::from(slot)] = None;
        self.ready &= !bit(slot);
        if let Some((reading, gone)) = &mut self.reading
            && *reading == slot
        {
            *gone = true;
        }
        Some(slot)
    }

    pub(super) fn find(&self, log: &LogName) -> Option<Slot> {
        let index =
            self.places.iter().position(|place| place.as_ref().is_some_and(|place| place.log == *log))?;
        Slot::try_from(index).ok()
    }

    pub(super) fn place(&mut self, slot: Slot) -> Option<&mut Place> {
        self.places.get_mut(usize::from(slot))?.as_mut()
    }

    /// The log may have entries.
    pub(super) fn wake(&mut self, slot: Slot) {
        let under_way = self.reading.is_some_and(|(reading, _)| reading == slot);
        if self.place(slot).is_some() && !under_way {
            self.ready |= bit(slot);
        }
    }

    /// Nothing is to be read any more: a newer link does.
    pub(super) fn stop(&mut self) {
        self.ready = 0;
    }

    /// The next read, round the ready logs; one is out at a time.
    pub(super) fn next_read(&mut self) -> Option<(Slot, Seq)> {
        if self.reading.is_some() || self.ready == 0 {
            return None;
        }
        let round = self.ready.rotate_right(u32::from(self.turn));
        let slot = (u32::from(self.turn) + round.trailing_zeros()) % 128;
        let slot = Slot::try_from(slot).ok()?;
        self.turn = u8::try_from((slot + 1) % 128).unwrap_or(0);
        self.ready &= !bit(slot);
        let after = self.place(slot)?.read;
        self.reading = Some((slot, false));
        Some((slot, after))
    }

    /// The read that is out came back; false: it is not awaited, or its log is gone.
    pub(super) fn read_back(&mut self, slot: Slot) -> bool {
        match self.reading {
            Some((reading, gone)) if reading == slot => {
                self.reading = None;
                !gone
            }
            _ => false,
        }
    }

    /// Places the client does not know of yet.
    pub(super) fn advances(&mut self) -> Vec<Cursor> {
        self.places.iter_mut().flatten().filter_map(Place::advance).collect()
    }
}

fn bit(slot: Slot) -> u128 {
    1u128.checked_shl(u32::from(slot)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // names in these tests are valid
    use super::*;

    fn started(log: &str) -> Started {
        Started {
            log: LogName::parse(log).unwrap(),
            at: Position { epoch: 7, seq: 10 },
            recovered: true,
            gap: None,
        }
    }

    #[test]
    fn ready_logs_take_turns() {
        let mut logs = Logs::default();
        for topic in ["topic:a", "topic:b", "topic:c"] {
            logs.attach(&started(topic)).unwrap();
        }
        let mut order = Vec::new();
        for _ in 0..6 {
            (0..3).for_each(|slot| logs.wake(slot));
            let (slot, _) = logs.next_read().unwrap();
            assert!(logs.next_read().is_none(), "one read at a time");
            assert!(logs.read_back(slot));
            order.push(slot);
        }
        assert_eq!(order, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_slot_is_not_given_away_while_a_read_of_it_is_out() {
        let mut logs = Logs::default();
        let a = logs.attach(&started("topic:a")).unwrap();
        logs.wake(a);
        logs.next_read().unwrap();
        logs.detach(&LogName::parse("topic:a").unwrap()).unwrap();
        let b = logs.attach(&started("topic:b")).unwrap();
        assert_ne!(a, b);
        assert!(!logs.read_back(a), "its answer belongs to nobody");
        assert_eq!(logs.attach(&started("topic:c")), Some(a));
    }

    #[test]
    fn a_log_is_read_once() {
        let mut logs = Logs::default();
        assert!(logs.attach(&started("device")).is_some());
        assert!(logs.attach(&started("device")).is_none());
    }
}
