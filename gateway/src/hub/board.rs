//! One log on this node: who is parked on it, and its tail.

use super::lock;
use super::ring::Ring;
use super::waiter::{Mail, Waiter};
use crate::connection::frame;
use bytes::Bytes;
use pulsegate_proto::id::Seq;
use pulsegate_proto::session::server::{Batch, Slot};
use pulsegate_proto::time::UnixMs;
use pulsegate_routing::{Entry, LogKey, ReaderView};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A reader's place on a board: by number and number of use, so that a late goodbye cannot unseat who came after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    index: u32,
    generation: u32,
}

/// Everything this node knows of one log that has readers here. Every device has one or two of its own, so it is
/// small while nothing happens: no table for a single reader, no tail until something is appended.
#[derive(Debug)]
pub struct Board {
    key: LogKey,
    /// Not one lock with the tail: while thousands are woken under this one, the first of them read already.
    room: Mutex<Room>,
    /// `None`: what was appended is with the store only.
    tail: Mutex<Option<Box<Ring>>>,
    /// The last entry appended since this board was set up; 0 if none was.
    last: AtomicU64,
}

#[derive(Debug, Default)]
struct Room {
    seats: Seats,
    /// Nobody reads any more and the hub let go of this board: who comes now needs a new one.
    retired: bool,
}

/// The readers. Nearly every log of a device's own has exactly one.
#[derive(Debug, Default)]
enum Seats {
    #[default]
    Empty,
    One(Reader),
    Many(Box<Table>),
}

#[derive(Debug)]
struct Table {
    readers: Vec<(Option<Reader>, u32)>,
    free: Vec<u32>,
    taken: usize,
}

#[derive(Debug)]
struct Reader {
    waiter: Arc<Waiter>,
    slot: Slot,
}

impl Board {
    pub(super) fn new(key: LogKey) -> Self {
        Self { key, room: Mutex::default(), tail: Mutex::default(), last: AtomicU64::new(0) }
    }

    /// A board with one reader.
    pub(super) fn with(key: LogKey, waiter: &Arc<Waiter>, slot: Slot) -> (Self, Seat) {
        let board = Self::new(key);
        let reader = Reader { waiter: Arc::clone(waiter), slot };
        let seat = lock(&board.room).seats.sit(reader);
        (board, seat)
    }

    /// Which log.
    #[must_use]
    pub fn key(&self) -> &LogKey {
        &self.key
    }

    /// Takes a seat. `None`: the board was let go of in the meantime.
    pub(super) fn sit(&self, waiter: &Arc<Waiter>, slot: Slot) -> Option<Seat> {
        let mut room = lock(&self.room);
        if room.retired {
            return None;
        }
        Some(room.seats.sit(Reader { waiter: Arc::clone(waiter), slot }))
    }

    /// Leaves a seat. True: nobody is left, and nobody may come any more.
    pub(super) fn leave(&self, seat: Seat) -> bool {
        let mut room = lock(&self.room);
        room.seats.leave(seat);
        if matches!(room.seats, Seats::Empty) {
            room.retired = true;
        }
        room.retired
    }

    /// Keeps `entries` for the readers and wakes them. True: the tail has just begun and wants to be aged.
    pub(super) fn appended(&self, entries: &[Arc<Entry>], now: Instant) -> bool {
        let begun = {
            let mut tail = lock(&self.tail);
            let begun = tail.is_none();
            let ring = tail.get_or_insert_with(|| Box::new(Ring::new(self.last())));
            ring.push(entries, now);
            self.last.store(ring.last(), Ordering::Release);
            begun
        };
        self.mark_all();
        begun
    }

    /// Hands a message that is stored nowhere to everybody here; returns how many had no room for it.
    pub(super) fn live(&self, entry: &Arc<Entry>) -> u64 {
        let frame: Bytes = frame::payload(&self.key.name(), entry);
        let mut dropped = 0;
        lock(&self.room).seats.each(|reader| {
            let mail = Mail::Live { slot: reader.slot, entry: Arc::clone(entry), frame: frame.clone() };
            dropped += u64::from(!reader.waiter.post(mail));
        });
        dropped
    }

    pub(super) fn removed(&self, seq: Seq) {
        if let Some(ring) = &mut *lock(&self.tail) {
            ring.remove(seq);
        }
    }

    /// Entries were dropped below the readers: they have to ask the store, which says what is missing.
    pub(super) fn trimmed(&self) {
        if let Some(ring) = &mut *lock(&self.tail) {
            ring.forget();
        }
        self.mark_all();
    }

    /// See [`Ring::read`].
    pub(crate) fn read(&self, after: Seq, reader: &ReaderView, max: usize, now: UnixMs) -> Option<Batch> {
        match &mut *lock(&self.tail) {
            Some(ring) => ring.read(&self.key, after, reader, max, now),
            None => Ring::new(self.last()).read(&self.key, after, reader, max, now),
        }
    }

    /// The last entry appended since this board was set up; 0 if none was.
    pub(crate) fn last(&self) -> Seq {
        self.last.load(Ordering::Acquire)
    }

    /// Drops what the tail kept long enough. True: it holds something still.
    pub(super) fn age(&self, now: Instant) -> bool {
        let mut tail = lock(&self.tail);
        if tail.as_mut().is_some_and(|ring| !ring.age(now)) {
            *tail = None;
        }
        tail.is_some()
    }

    fn mark_all(&self) {
        lock(&self.room).seats.each(|reader| reader.waiter.mark(reader.slot));
    }
}

impl Seats {
    fn sit(&mut self, reader: Reader) -> Seat {
        match self {
            Self::Empty => {
                *self = Self::One(reader);
                return Seat { index: 0, generation: 0 };
            }
            Self::One(_) => {
                if let Self::One(first) = std::mem::take(self) {
                    let readers = vec![(Some(first), 0)];
                    *self = Self::Many(Box::new(Table { readers, free: Vec::new(), taken: 1 }));
                }
            }
            Self::Many(_) => {}
        }
        match self {
            Self::Many(table) => table.sit(reader),
            Self::Empty | Self::One(_) => unreachable!("it was made a table above"),
        }
    }

    fn leave(&mut self, seat: Seat) {
        match self {
            Self::One(_) if seat == (Seat { index: 0, generation: 0 }) => *self = Self::Empty,
            Self::Many(table) => {
                if table.leave(seat) {
                    *self = Self::Empty;
                }
            }
            Self::Empty | Self::One(_) => {}
        }
    }

    fn each(&self, mut f: impl FnMut(&Reader)) {
        match self {
            Self::Empty => {}
            Self::One(reader) => f(reader),
            Self::Many(table) => table.readers.iter().filter_map(|(reader, _)| reader.as_ref()).for_each(f),
        }
    }
}

impl Table {
    fn sit(&mut self, reader: Reader) -> Seat {
        let index = self.free.pop().unwrap_or_else(|| {
            self.readers.push((None, 0));
            u32::try_from(self.readers.len() - 1).unwrap_or(u32::MAX)
        });
        let place = &mut self.readers[index as usize];
        place.0 = Some(reader);
        self.taken += 1;
        Seat { index, generation: place.1 }
    }

    /// True: nobody is left.
    fn leave(&mut self, seat: Seat) -> bool {
        if let Some(place) = self.readers.get_mut(seat.index as usize)
            && place.1 == seat.generation
            && place.0.take().is_some()
        {
            place.1 = place.1.wrapping_add(1);
            self.free.push(seat.index);
            self.taken -= 1;
        }
        self.taken == 0
    }
}
