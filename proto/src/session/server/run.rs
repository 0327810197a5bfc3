//! Entries on their way to a reader: encoded one behind the other, so that they leave as one piece.

use crate::id::{Mark, Marks, MessageId, Seq};
use bytes::Bytes;
use core::ops::Range;
use std::sync::Arc;

/// One entry for one reader.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its place.
    pub seq: Seq,
    /// Its message; `None`: a recall.
    pub message: Option<MessageId>,
    /// The encoded Deliver frame.
    pub frame: Bytes,
}

/// Entries for one reader, in order, at least one. Cheap to clone: all who read on from the same place can be given
/// the same.
#[derive(Clone, Debug)]
pub struct Run(Kind);

#[derive(Clone, Debug)]
enum Kind {
    One(Mark, Bytes),
    Many(Arc<Many>),
}

#[derive(Debug)]
struct Many {
    marks: Marks,
    frames: Bytes,
    /// Where each frame ends in `frames`.
    ends: Vec<usize>,
}

impl Run {
    /// These entries, joined; `None` of none.
    #[must_use]
    pub fn of(items: Vec<Item>) -> Option<Self> {
        if items.len() == 1 {
            return items.into_iter().next().map(Self::one);
        }
        let mut frames = Vec::with_capacity(items.iter().map(|item| item.frame.len()).sum());
        let mut ends = Vec::with_capacity(items.len());
        for item in &items {
            frames.extend_from_slice(&item.frame);
            ends.push(frames.len());
        }
        let marks = items.iter().map(|item| Mark { seq: item.seq, message: item.message });
        let marks = Marks::many(marks.collect())?;
        Some(Self(Kind::Many(Arc::new(Many { marks, frames: frames.into(), ends }))))
    }

    /// A single entry.
    #[must_use]
    pub fn one(Item { seq, message, frame }: Item) -> Self {
        Self(Kind::One(Mark { seq, message }, frame))
    }

    /// What it holds.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        match &self.0 {
            Kind::One(mark, _) => core::slice::from_ref(mark),
            Kind::Many(many) => &many.marks,
        }
    }

    /// The place of its last entry.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.marks().last().map_or(0, |mark| mark.seq)
    }

    /// The entries in `range`; `None` of none.
    #[must_use]
    pub fn part(self, range: Range<usize>) -> Option<Self> {
        if range == (0..self.marks().len()) {
            return Some(self);
        }
        Self::of(self.items().take(range.end).skip(range.start).collect())
    }

    /// What it holds, to be kept, and all its frames.
    #[must_use]
    pub fn split(self) -> (Marks, Bytes) {
        match self.0 {
            Kind::One(mark, frame) => (Marks::one(mark), frame),
            Kind::Many(many) => (many.marks.clone(), many.frames.clone()),
        }
    }

    /// Each entry by itself.
    pub fn items(&self) -> impl Iterator<Item = Item> + '_ {
        let frame = |i: usize| match &self.0 {
            Kind::One(_, frame) => frame.clone(),
            Kind::Many(many) => {
                let begin = i.checked_sub(1).map_or(0, |before| many.ends[before]);
                many.frames.slice(begin..many.ends[i])
            }
        };
        let item =
            move |(i, mark): (usize, &Mark)| Item { seq: mark.seq, message: mark.message, frame: frame(i) };
        self.marks().iter().enumerate().map(item)
    }

    /// The marks of the entries, shared.
    pub(super) fn shared_marks(&self) -> Marks {
        match &self.0 {
            Kind::One(mark, _) => Marks::one(*mark),
            Kind::Many(many) => many.marks.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // the runs of these tests are not empty
    use super::*;

    fn item(seq: Seq) -> Item {
        Item { seq, message: None, frame: vec![0; usize::try_from(seq).unwrap()].into() }
    }

    fn seqs_and_lengths(run: &Run) -> Vec<(Seq, usize)> {
        run.items().map(|item| (item.seq, item.frame.len())).collect()
    }

    #[test]
    fn entries_are_joined_and_can_be_told_apart_again() {
        let run = Run::of(vec![item(3), item(5), item(8)]).unwrap();
        assert_eq!(seqs_and_lengths(&run), [(3, 3), (5, 5), (8, 8)]);
        let (marks, frames) = run.clone().split();
        assert_eq!((marks.len(), marks.last(), frames.len()), (3, 8, 16));
        assert_eq!(seqs_and_lengths(&run.clone().part(1..3).unwrap()), [(5, 5), (8, 8)]);
        assert_eq!(seqs_and_lengths(&run.clone().part(1..2).unwrap()), [(5, 5)]);
        assert!(run.part(3..3).is_none());
        assert!(Run::of(Vec::new()).is_none());
    }
}
