//! Which messages were seen: a bounded ring of ids.

use crate::id::MessageId;

/// Remembered beyond what the inbox holds: a full window of every link a flapping device may have
/// had since its storage last took a cursor.
const RECENT: usize = 1024;

/// The ring. A linear look-up of a few thousand ids costs microseconds and no code.
#[derive(Debug)]
pub(super) struct Dedup {
    ids: Vec<MessageId>,
    oldest: usize,
    size: usize,
}

impl Dedup {
    pub(super) fn new(recent: usize) -> Self {
        Self { ids: Vec::new(), oldest: 0, size: if recent == 0 { RECENT } else { recent } }
    }

    /// Takes what storage holds, oldest first, on top of the room for later ones.
    pub(super) fn seed(&mut self, ids: Vec<MessageId>) {
        self.size = self.size.max(RECENT) + ids.len();
        self.ids = ids;
        self.oldest = 0;
    }

    /// Remembers an id; false: it was seen.
    pub(super) fn insert(&mut self, id: MessageId) -> bool {
        if self.ids.contains(&id) {
            return false;
        }
        if self.ids.len() < self.size {
            self.ids.push(id);
        } else {
            self.ids[self.oldest] = id;
            self.oldest = (self.oldest + 1) % self.size;
        }
        true
    }

    pub(super) fn clear(&mut self) {
        self.ids.clear();
        self.oldest = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> MessageId {
        MessageId([n; 16])
    }

    #[test]
    fn an_id_is_new_once() {
        let mut dedup = Dedup::new(4);
        assert!(dedup.insert(id(1)));
        assert!(!dedup.insert(id(1)));
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut dedup = Dedup::new(3);
        (1..=4).for_each(|n| assert!(dedup.insert(id(n))));
        assert!(!dedup.insert(id(2)));
        assert!(dedup.insert(id(1)), "pushed out by the fourth");
        assert!(dedup.insert(id(2)), "pushed out by the first's return");
    }

    #[test]
    fn what_storage_holds_counts_as_seen() {
        let mut dedup = Dedup::new(0);
        dedup.seed(vec![id(1), id(2)]);
        assert!(!dedup.insert(id(1)));
        assert!(dedup.insert(id(3)));
    }
}
