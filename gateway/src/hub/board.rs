//! One log on this node: who is parked on it, and its tail.

use super::lock;
use super::ring::Ring;
use super::waiter::{Mail, Waiter};
use crate::connection::frame;
use bytes::Bytes;
use pulsegate_proto::id::{LogName, Seq};
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

/// Everything this node knows of one log that has readers here.
#[derive(Debug)]
pub struct Board {
    key: LogKey,
    name: LogName,
    /// Not one lock with the tail: while thousands are woken under this one, the first of them read already.
    room: Mutex<Room>,
    tail: Mutex<Tail>,
    /// The last entry appended since this board was set up; 0 if none was.
    last: AtomicU64,
}

#[derive(Debug, Default)]
struct Room {
    seats: Seats,
    /// Nobody reads any more and the hub let go of this board: who comes now needs a new one.
    retired: bool,
}

#[derive(Debug, Default)]
struct Tail {
    ring: Ring,
    /// On the hub's list of rings to be aged.
    warm: bool,
}

/// The readers. Nearly every log of a device's own has exactly one, so one costs no table.
#[derive(Debug, Default)]
enum Seats {
    #[default]
    Empty,
    One(Reader, u32),
    Many {
        readers: Vec<(Option<Reader>, u32)>,
        free: Vec<u32>,
        taken: usize,
    },
}

#[derive(Debug)]
struct Reader {
    waiter: Arc<Waiter>,
    slot: Slot,
}

impl Board {
    pub(super) fn new(key: LogKey) -> Self {
        let name = key.name();
        Self { key, name, room: Mutex::default(), tail: Mutex::default(), last: AtomicU64::new(0) }
    }

    /// Which log.
    #[must_use]
    pub fn key(&self) -> &LogKey {
        &self.key
    }

    /// The log's name on the wire.
    #[must_use]
    pub fn name(&self) -> &LogName {
        &self.name
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

    /// Keeps `entries` for the readers and wakes them. True: the ring has just begun and wants to be aged.
    pub(super) fn appended(&self, entries: &[Arc<Entry>], now: Instant) -> bool {
        let begun = {
            let mut tail = lock(&self.tail);
            tail.ring.push(entries, now);
            self.last.store(tail.ring.last(), Ordering::Release);
            !tail.ring.is_empty() && !std::mem::replace(&mut tail.warm, true)
        };
        self.mark_all();
        begun
    }

    /// Hands a message that is stored nowhere to everybody here; returns how many had no room for it.
    pub(super) fn live(&self, entry: &Arc<Entry>) -> u64 {
        let frame: Bytes = frame::payload(&self.name, entry);
        let mut dropped = 0;
        lock(&self.room).seats.each(|reader| {
            let mail = Mail::Live { slot: reader.slot, entry: Arc::clone(entry), frame: frame.clone() };
            dropped += u64::from(!reader.waiter.post(mail));
        });
        dropped
    }

    pub(super) fn removed(&self, seq: Seq) {
        lock(&self.tail).ring.remove(seq);
    }

    /// Entries were dropped below the readers: they have to ask the store, which says what is missing.
    pub(super) fn trimmed(&self) {
        lock(&self.tail).ring.forget();
        self.mark_all();
    }

    /// See [`Ring::read`].
    pub(crate) fn read(&self, after: Seq, reader: &ReaderView, max: usize, now: UnixMs) -> Option<Batch> {
        lock(&self.tail).ring.read(&self.name, after, reader, max, now)
    }

    /// The last entry appended since this board was set up; 0 if none was.
    pub(crate) fn last(&self) -> Seq {
        self.last.load(Ordering::Acquire)
    }

    /// Drops what the ring kept long enough. True: it holds something still.
    pub(super) fn age(&self, now: Instant) -> bool {
        let mut tail = lock(&self.tail);
        tail.warm = tail.ring.age(now);
        tail.warm
    }

    fn mark_all(&self) {
        lock(&self.room).seats.each(|reader| reader.waiter.mark(reader.slot));
    }
}

impl Seats {
    fn sit(&mut self, reader: Reader) -> Seat {
        match std::mem::take(self) {
            Self::Empty => {
                *self = Self::One(reader, 0);
                Seat { index: 0, generation: 0 }
            }
            Self::One(first, generation) => {
                let readers = vec![(Some(first), generation), (Some(reader), 0)];
                *self = Self::Many { readers, free: Vec::new(), taken: 2 };
                Seat { index: 1, generation: 0 }
            }
            Self::Many { mut readers, mut free, taken } => {
                let index = free.pop().unwrap_or_else(|| {
                    readers.push((None, 0));
                    u32::try_from(readers.len() - 1).unwrap_or(u32::MAX)
                });
                let place = &mut readers[index as usize];
                place.0 = Some(reader);
                let seat = Seat { index, generation: place.1 };
                *self = Self::Many { readers, free, taken: taken + 1 };
                seat
            }
        }
    }

    fn leave(&mut self, seat: Seat) {
        match self {
            Self::One(_, generation) if seat.index == 0 && seat.generation == *generation => {
                *self = Self::Empty
            }
            Self::Many { readers, free, taken } => {
                let Some(place) = readers.get_mut(seat.index as usize) else { return };
                if place.1 != seat.generation || place.0.take().is_none() {
                    return;
                }
                place.1 = place.1.wrapping_add(1);
                free.push(seat.index);
                *taken -= 1;
                if *taken == 0 {
                    *self = Self::Empty;
                }
            }
            Self::Empty | Self::One(..) => {}
        }
    }

    fn each(&self, mut f: impl FnMut(&Reader)) {
        match self {
            Self::Empty => {}
            Self::One(reader, _) => f(reader),
            Self::Many { readers, .. } => {
                readers.iter().filter_map(|(reader, _)| reader.as_ref()).for_each(f)
            }
        }
    }
}
