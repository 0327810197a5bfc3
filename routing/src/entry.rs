//! Entries of a log, and what a read of it returns.

use crate::Predicate;
use bytes::Bytes;
use pulsegate_proto::id::{Epoch, MessageId, RegistrationId, Seq, Tag, UserId};
use pulsegate_proto::time::UnixMs;
use std::sync::Arc;

/// One entry of a log. Cheap to share: readers hold it by `Arc`, the body is reference-counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log; 0 for a message that is not stored (time-to-live 0).
    pub seq: Seq,
    /// Incarnation of the store.
    pub epoch: Epoch,
    /// From then on it is not delivered.
    pub expires: UnixMs,
    /// A newer entry of the log with this key hides this one.
    pub collapse_key: Option<Arc<str>>,
    /// Which of the log's readers it is for; `None`: all of them.
    pub predicate: Option<Arc<Predicate>>,
    /// A message or the recall of one.
    pub kind: EntryKind,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A message.
    Message {
        /// Its id.
        id: MessageId,
        /// The encoded message, as the publisher's gateway handed it in.
        body: Bytes,
    },
    /// A message of this log was taken back.
    Recall {
        /// Which message.
        message: MessageId,
        /// The tag under which its notification is shown; empty if it had none.
        tag: Arc<str>,
        /// Where the message stood in this log.
        of_seq: Seq,
    },
}

impl Entry {
    /// The message this entry delivers; `None` for a recall.
    #[must_use]
    pub fn message(&self) -> Option<MessageId> {
        match &self.kind {
            EntryKind::Message { id, .. } => Some(*id),
            EntryKind::Recall { .. } => None,
        }
    }

    /// Whether this entry is for `reader`, who stands at `after` in its log and has the tags of
    /// now: predicate and excludes hold, it is not expired, it lies above where the reader began,
    /// and a recall only if the reader had the message.
    #[must_use]
    pub fn addressed_to(&self, reader: &ReaderView, after: Seq, now: UnixMs) -> bool {
        if self.expires <= now {
            return false;
        }
        if self.seq != 0 && self.seq <= reader.began {
            return false;
        }
        if let EntryKind::Recall { of_seq, .. } = &self.kind
            && (*of_seq <= reader.began || *of_seq > reader.had.max(after))
        {
            return false;
        }
        self.predicate.as_ref().is_none_or(|predicate| predicate.matches(reader))
    }
}

/// Who reads a log: what predicates are decided against.
#[derive(Clone, Debug)]
pub struct ReaderView {
    /// The device.
    pub registration: RegistrationId,
    /// Its user, if it has one.
    pub user: Option<UserId>,
    /// Its tags now.
    pub tags: Arc<[Tag]>,
    /// Where this device began to read this log (`StartInfo::began`).
    pub began: Seq,
    /// The device may have had messages of this log up to here before this link
    /// (`StartInfo::had`): recalls of those reach it.
    pub had: Seq,
}

/// What one read of a log returned.
#[derive(Clone, Debug, Default)]
pub struct ReadBatch {
    /// Entries for this reader, in order.
    pub entries: Vec<Arc<Entry>>,
    /// The log was read up to here, entries that were skipped included; never below `after`.
    pub passed: Seq,
    /// Entries that were not for this reader.
    pub skipped: u32,
    /// Nothing lies beyond `passed` now.
    pub end: bool,
    /// Unexpired entries between `after` and the first of `entries` can no longer be delivered.
    pub gap: Option<GapInfo>,
}

/// Entries that can no longer be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapInfo {
    /// The reader stood here.
    pub after: Seq,
    /// Delivery goes on after this.
    pub resume: Seq,
    /// Why.
    pub reason: GapReason,
}

/// Why entries can no longer be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// They were dropped before they expired, or the registration was forgotten.
    Retention,
    /// The cursor is of another incarnation of the store.
    EpochChanged,
    /// The cursor lies beyond the last entry of the store.
    CursorAhead,
    /// They cannot be read any more.
    Corrupt,
}
