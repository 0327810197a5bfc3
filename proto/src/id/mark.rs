//! Where messages stand in a log, as lists that many readers of it share.

use super::{MessageId, Seq};
use core::ops::{Deref, Range};
use std::sync::Arc;

/// An entry of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its place.
    pub seq: Seq,
    /// Its message; `None`: it takes one back.
    pub message: Option<MessageId>,
}

/// Entries of one log in order, at least one. Cheap to clone: a list is shared, a single one is not on the heap.
#[derive(Clone, Debug)]
pub struct Marks(Kind);

#[derive(Clone, Debug)]
enum Kind {
    One(Mark),
    Many { list: Arc<[Mark]>, from: u32, to: u32 },
}

/// Names a part of a shared list while somebody holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SharedPart {
    list: usize,
    from: u32,
    to: u32,
}

impl Marks {
    /// A single entry.
    #[must_use]
    pub fn one(mark: Mark) -> Self {
        Self(Kind::One(mark))
    }

    /// These entries, which stand in the order of their places; `None` of none.
    #[must_use]
    pub fn many(list: Vec<Mark>) -> Option<Self> {
        let to = u32::try_from(list.len()).ok()?;
        match list[..] {
            [] => None,
            [mark] => Some(Self::one(mark)),
            _ => Some(Self(Kind::Many { list: list.into(), from: 0, to })),
        }
    }

    /// Those in `range`; `None` of none.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Option<Self> {
        if range == (0..self.len()) {
            return Some(self.clone());
        }
        match (&self.0, self.get(range.clone())?) {
            (_, []) => None,
            (_, [mark]) => Some(Self::one(*mark)),
            (Kind::One(_), _) => None,
            (Kind::Many { list, from, .. }, part) => {
                let from = from + u32::try_from(range.start).ok()?;
                let to = from + u32::try_from(part.len()).ok()?;
                Some(Self(Kind::Many { list: Arc::clone(list), from, to }))
            }
        }
    }

    /// The part of a shared list this is: two that are equal here hold the same entries.
    #[must_use]
    pub fn shared(&self) -> Option<SharedPart> {
        match &self.0 {
            Kind::One(_) => None,
            Kind::Many { list, from, to } => {
                Some(SharedPart { list: Arc::as_ptr(list).addr(), from: *from, to: *to })
            }
        }
    }

    /// About how many entries this keeps in memory: whoever holds the list too keeps a part of it.
    #[must_use]
    pub fn weight(&self) -> usize {
        match &self.0 {
            Kind::One(_) => 1,
            Kind::Many { list, .. } => 1 + list.len() / Arc::strong_count(list),
        }
    }

    /// The place of the first.
    #[must_use]
    pub fn first(&self) -> Seq {
        self.as_slice().first().map_or(0, |mark| mark.seq)
    }

    /// The place of the last.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.as_slice().last().map_or(0, |mark| mark.seq)
    }

    fn as_slice(&self) -> &[Mark] {
        match &self.0 {
            Kind::One(mark) => core::slice::from_ref(mark),
            Kind::Many { list, from, to } => list.get(*from as usize..*to as usize).unwrap_or_default(),
        }
    }
}

impl Deref for Marks {
    type Target = [Mark];

    fn deref(&self) -> &[Mark] {
        self.as_slice()
    }
}

impl PartialEq for Marks {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Marks {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // the lists of these tests are not empty
    use super::*;

    fn marks(seqs: &[Seq]) -> Marks {
        Marks::many(seqs.iter().map(|&seq| Mark { seq, message: None }).collect()).unwrap()
    }

    #[test]
    fn parts_hold_what_their_list_holds() {
        let all = marks(&[3, 5, 8, 9]);
        assert_eq!((all.first(), all.last(), all.len()), (3, 9, 4));
        assert_eq!(all.part(0..4), Some(all.clone()));
        assert_eq!(all.part(1..3), Some(marks(&[5, 8])));
        assert_eq!(all.part(1..4).unwrap().part(1..3), Some(marks(&[8, 9])));
        assert_eq!(all.part(2..3), Some(marks(&[8])));
        assert_eq!((all.part(2..2), all.part(3..5), Marks::many(Vec::new())), (None, None, None));
    }

    #[test]
    fn the_same_part_of_the_same_list_is_known() {
        let all = marks(&[3, 5, 8, 9]);
        assert_eq!(all.part(1..3).unwrap().shared(), all.part(1..4).unwrap().part(0..2).unwrap().shared());
        assert_ne!(all.part(1..3).unwrap().shared(), all.part(0..2).unwrap().shared());
        let twin = marks(&[3, 5, 8, 9]);
        assert_ne!(all.shared(), twin.shared(), "another list");
        assert_eq!(marks(&[3]).shared(), None, "nothing is shared");
    }
}
