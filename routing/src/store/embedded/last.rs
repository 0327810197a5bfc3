//! The last entry of each log that somebody asked for: what a parked reader is compared with,
//! without a look at the disk.

use crate::{LogKey, StoreError};
use pulsegate_proto::id::Seq;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 64;
/// Logs remembered a shard: a million in all, 16 bytes each.
const SHARD_LOGS: usize = 16 * 1024;

/// By the hash of the log: 64 random-keyed bits, of which a million logs collide once in 30
/// million stores, and then a reader looks at the disk in vain.
pub(crate) struct Lasts {
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<u64, Seq>>>,
}

impl Lasts {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    fn shard(&self, log: &LogKey) -> (u64, MutexGuard<'_, HashMap<u64, Seq>>) {
        let hash = self.hasher.hash_one(log);
        let shard = &self.shards[(hash % SHARDS as u64) as usize];
        (hash, shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The last entry of `log`; read by `find` if nobody asked before. The shard stays locked
    /// meanwhile, so that an append that commits during the look is not forgotten.
    pub(crate) fn get(
        &self,
        log: &LogKey,
        find: impl FnOnce() -> Result<Seq, StoreError>,
    ) -> Result<Seq, StoreError> {
        let (hash, mut shard) = self.shard(log);
        if let Some(seq) = shard.get(&hash) {
            return Ok(*seq);
        }
        let seq = find()?;
        if shard.len() >= SHARD_LOGS {
            shard.clear();
        }
        shard.insert(hash, seq);
        Ok(seq)
    }

    /// An entry was committed.
    pub(crate) fn grow(&self, log: &LogKey, seq: Seq) {
        let (hash, mut shard) = self.shard(log);
        if let Some(last) = shard.get_mut(&hash) {
            *last = seq.max(*last);
        }
    }

    /// Nothing is known any more.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}
