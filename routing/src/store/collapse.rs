//! Collapse keys: which entries of one key in one log are still to be read, and which newer ones
//! hide older ones from whom.

use super::model::Hider;
use crate::Predicate;
use pulsegate_proto::id::Seq;
use pulsegate_proto::time::UnixMs;
use std::sync::Arc;

/// The entries of one collapse key in one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CollapseRow {
    /// Entries that may still be read.
    pub(crate) live: Vec<CollapseEntry>,
    /// Newer entries that hide older ones from some readers only, while older ones live.
    pub(crate) hiders: Vec<HiderRow>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CollapseEntry {
    pub(crate) seq: Seq,
    pub(crate) expires: UnixMs,
    /// Identifies its predicate; 0: it has none.
    pub(crate) predicate: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HiderRow {
    pub(crate) seq: Seq,
    pub(crate) predicate: Arc<Predicate>,
    /// No older entry lives longer than this.
    pub(crate) until: UnixMs,
}

impl CollapseRow {
    /// Adds a newer entry; answers the entries it hides from everybody it could meet, which go.
    ///
    /// One without predicate hides all older ones. One with a predicate hides for good those of the
    /// same predicate (whoever could read the older is addressed by the newer), and the others for
    /// its own readers only: that is decided by each reader, so the newer is remembered as hider.
    pub(crate) fn add(
        &mut self,
        seq: Seq,
        expires: UnixMs,
        predicate: Option<&Arc<Predicate>>,
        now: UnixMs,
    ) -> Vec<Seq> {
        self.prune(now);
        let identity = predicate.map_or(0, |p| predicate_identity(p));
        let hidden = |old: &CollapseEntry| identity == 0 || old.predicate == identity;
        let gone = self.live.iter().filter(|old| hidden(old)).map(|old| old.seq).collect();
        self.live.retain(|old| !hidden(old));
        match predicate {
            None => self.hiders.clear(),
            Some(predicate) => {
                self.hiders.retain(|old| old.predicate != *predicate);
                if let Some(until) = self.live.iter().map(|old| old.expires).max() {
                    self.hiders.push(HiderRow { seq, predicate: predicate.clone(), until });
                }
            }
        }
        self.live.push(CollapseEntry { seq, expires, predicate: identity });
        gone
    }

    /// Forgets what has ended.
    pub(crate) fn prune(&mut self, now: UnixMs) {
        self.live.retain(|old| old.expires > now);
        let longest = self.live.iter().map(|old| old.expires).max().unwrap_or(UnixMs::ZERO);
        self.hiders.retain(|hider| hider.until.min(longest) > now);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    pub(crate) fn hiding(&self, seq: Seq) -> Vec<Hider> {
        self.hiders
            .iter()
            .filter(|hider| hider.seq > seq)
            .map(|hider| Hider { seq: hider.seq, predicate: hider.predicate.clone() })
            .collect()
    }
}

/// Equal for equal predicates, over restarts and versions of the compiler; never 0.
fn predicate_identity(predicate: &Predicate) -> u64 {
    let mut hasher = blake3::Hasher::new();
    let mut part = |text: &str| {
        hasher.update(&(text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    };
    part(predicate.tags.as_ref().map_or("", |tags| tags.as_str()));
    for id in &predicate.not_registrations {
        part(id.as_str());
    }
    part("");
    for user in &predicate.not_users {
        part(user.as_str());
    }
    let hash = hasher.finalize();
    let mut first = [0u8; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_be_bytes(first).max(1)
}
