//! How a parked connection is told that something happened, without a channel of its own.
//!
//! A wake sets a bit and wakes the task; the task takes the bits and asks the logs. Rare things, and frames that
//! are nowhere else (time-to-live 0), go through a mailbox that is empty and without memory nearly always.

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use pulsegate_proto::id::{LogName, Tag};
use pulsegate_proto::session::server::Slot;
use pulsegate_routing::{Entry, StartInfo};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// Bits for slots: 103 logs at most, and a spare for slots that were given out while old ones drain.
const WORDS: usize = 2;
/// Frames with time-to-live 0 that may wait for one connection. "Now or never": what finds it full is dropped.
const LIVE_FRAMES: usize = 64;

/// Something rare that a connection is told.
#[derive(Debug)]
pub enum Mail {
    /// A frame that is stored nowhere.
    Live {
        /// Of this log.
        slot: Slot,
        /// What it holds; who it is for is decided by the reader.
        entry: Arc<Entry>,
        /// The encoded Deliver; the connection puts it into a frame like all the session says.
        frame: Bytes,
    },
    /// A larger (generation, link) took the registration.
    Superseded {
        /// The generation that rules.
        generation: u64,
        /// Of the same generation: only the link is newer.
        link_only: bool,
    },
    /// Somebody else changed which logs this device reads.
    LogsChanged {
        /// Read from now on.
        started: Vec<StartInfo>,
        /// Read no more.
        ended: Vec<LogName>,
    },
    /// Somebody else changed the device's tags: these are the ones of now.
    TagsChanged(Arc<[Tag]>),
    /// The registration is gone.
    Deleted,
    /// This node will stop: move to another one.
    Redirect {
        /// Milliseconds to wait before moving.
        after_ms: u32,
    },
    /// This node stops now.
    Drain {
        /// Milliseconds to wait before coming back.
        reconnect_after_ms: u32,
    },
}

/// Where a connection parks.
#[derive(Debug, Default)]
pub struct Waiter {
    waker: AtomicWaker,
    dirty: [AtomicU64; WORDS],
    has_mail: AtomicBool,
    mail: Mutex<Vec<Mail>>,
    /// When the peer was last heard, milliseconds since the hub began, and in the lowest bit whether something of
    /// ours is unanswered since.
    vital: AtomicU64,
}

/// Signs of life of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vital {
    /// When the peer was last heard, milliseconds since the hub began.
    pub heard_ms: u64,
    /// A Beat or a Deliver was out and nothing had come back.
    pub unanswered: bool,
}

impl Waiter {
    /// Writes down the signs of life, for a newer link of the device that asks.
    pub fn set_vital(&self, vital: Vital) {
        self.vital.store(vital.heard_ms << 1 | u64::from(vital.unanswered), Ordering::Relaxed);
    }

    /// The signs of life as last written down.
    #[must_use]
    pub fn vital(&self) -> Vital {
        let vital = self.vital.load(Ordering::Relaxed);
        Vital { heard_ms: vital >> 1, unanswered: vital & 1 == 1 }
    }

    /// Says that the log in `slot` may hold more.
    pub fn mark(&self, slot: Slot) {
        let (word, bit) = (usize::from(slot) / 64 % WORDS, u64::from(slot) % 64);
        // Release pairs with the Acquire of `take`: what was appended before is seen by who takes the bit.
        if self.dirty[word].fetch_or(1 << bit, Ordering::Release) & (1 << bit) == 0 {
            self.waker.wake();
        }
    }

    /// Leaves `mail`. False: it was a live frame and there is no room for it.
    pub fn post(&self, mail: Mail) -> bool {
        let mut box_ = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(mail, Mail::Live { .. }) && box_.len() >= LIVE_FRAMES {
            return false;
        }
        box_.push(mail);
        drop(box_);
        self.has_mail.store(true, Ordering::Release);
        self.waker.wake();
        true
    }

    /// Who is woken from now on. Call before [`Self::take_marks`] and [`Self::take_mail`], or a wake is lost.
    pub fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// The slots marked since the last call, as bits.
    pub fn take_marks(&self) -> Marks {
        Marks(std::array::from_fn(|word| {
            // A plain load first: the swap would take the cache line for nothing on every poll.
            match self.dirty[word].load(Ordering::Relaxed) {
                0 => 0,
                _ => self.dirty[word].swap(0, Ordering::Acquire),
            }
        }))
    }

    /// The mail left since the last call.
    pub fn take_mail(&self) -> Vec<Mail> {
        if !self.has_mail.load(Ordering::Relaxed) || !self.has_mail.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *self.mail.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Marked slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks([u64; WORDS]);

impl Marks {
    /// Whether no slot is marked.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == [0; WORDS]
    }
}

impl Iterator for Marks {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        let word = self.0.iter().position(|bits| *bits != 0)?;
        let bit = self.0[word].trailing_zeros();
        self.0[word] &= self.0[word] - 1;
        Slot::try_from(word * 64 + usize::try_from(bit).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulsegate_proto::id::MessageId;
    use pulsegate_proto::time::UnixMs;
    use pulsegate_routing::EntryKind;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn marks_come_out_once_in_order_and_wake_once_until_taken() {
        let (waiter, count) = (Waiter::default(), Arc::new(Count::default()));
        waiter.register(&Arc::clone(&count).into());
        for slot in [70, 3, 3, 3] {
            waiter.mark(slot);
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "a waker is used once until it is registered again");
        assert_eq!(waiter.take_marks().collect::<Vec<_>>(), [3, 70]);
        assert!(waiter.take_marks().is_empty());
    }

    #[test]
    fn mail_comes_out_in_order_and_live_frames_are_bounded() {
        let waiter = Waiter::default();
        let entry = Arc::new(Entry {
            seq: 0,
            epoch: 1,
            expires: UnixMs(1),
            collapse_key: None,
            predicate: None,
            kind: EntryKind::Message { id: MessageId([1; 16]), body: Bytes::from_static(b"x") },
        });
        let live = || Mail::Live { slot: 1, entry: Arc::clone(&entry), frame: Bytes::from_static(b"x") };
        for _ in 0..LIVE_FRAMES {
            assert!(waiter.post(live()));
        }
        assert!(!waiter.post(live()), "now or never: never");
        assert!(waiter.post(Mail::Deleted), "what must be told always fits");
        let mail = waiter.take_mail();
        assert_eq!(mail.len(), LIVE_FRAMES + 1);
        assert!(matches!(mail.last(), Some(Mail::Deleted)));
        assert!(waiter.take_mail().is_empty());
    }
}
