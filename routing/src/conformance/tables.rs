//! Tables in memory that fail on purpose: for what a disk does only when it is least welcome.

use crate::StoreError;
use crate::store::embedded::{CommitError, Each, Table, Tables, Write};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// How commits fail from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// They do not.
    #[default]
    None,
    /// There is no room, and that is known before.
    NoRoom,
    /// Room runs out in the middle; the batch turns out to be lost.
    TornAndLost,
    /// Room runs out in the middle; the batch turns out to be there.
    TornAndKept,
    /// Room runs out in the middle, and the tables cannot be opened again yet. The batch is there.
    Stuck,
    /// A sync fails.
    Sync,
}

#[derive(Default)]
struct State {
    rows: Rows,
    fault: Fault,
    broken: bool,
    sync_failed: bool,
    reopened: u64,
    /// Rows that cannot be read any more: the engine's own checksum fails.
    unreadable: Vec<Vec<u8>>,
}

/// Tables in memory.
#[derive(Default)]
pub struct FaultyTables(Mutex<State>);

impl FaultyTables {
    /// Empty tables that do not fail yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Makes commits fail like this.
    pub fn fail(&self, fault: Fault) {
        self.state().fault = fault;
    }

    /// The keys of a table.
    #[must_use]
    pub fn keys(&self, table: Table) -> Vec<Vec<u8>> {
        let state = self.state();
        let keys = state.rows.keys().filter(|(of, _)| *of == table);
        keys.map(|(_, key)| key.clone()).collect()
    }

    /// Flips one bit of the value under `key`.
    pub fn flip(&self, table: Table, key: &[u8], bit: usize) {
        let mut state = self.state();
        let value = state.rows.get_mut(&(table, key.to_vec())).unwrap();
        let bit = bit % (value.len() * 8);
        value[bit / 8] ^= 1 << (bit % 8);
    }

    /// Makes the engine fail to read the row under `key`.
    pub fn make_unreadable(&self, key: &[u8]) {
        self.state().unreadable.push(key.to_vec());
    }
}

fn apply(rows: &mut Rows, batch: Vec<Write>) {
    for write in batch {
        let place = (write.table, write.key);
        match write.value {
            Some(value) => drop(rows.insert(place, value)),
            None => drop(rows.remove(&place)),
        }
    }
}

impl Tables for FaultyTables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let state = self.state();
        let value = state.rows.get(&(table, key.to_vec()));
        Ok(value.map(|value| Bytes::copy_from_slice(value)))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        each: Each<'_>,
    ) -> Result<(), StoreError> {
        if from >= to {
            return Ok(());
        }
        let state = self.state();
        let unreadable = state.unreadable.clone();
        let range = (table, from.to_vec())..(table, to.to_vec());
        let mut rows: Vec<_> = state.rows.range(range).map(|((_, k), v)| (k.clone(), v.clone())).collect();
        drop(state);
        if reverse {
            rows.reverse();
        }
        for (key, value) in rows {
            if unreadable.contains(&key) {
                return Err(StoreError::Corrupt(String::from("a block")));
            }
            if !each(&key, Bytes::from(value)) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: Vec<Write>) -> Result<(), CommitError> {
        let mut state = self.state();
        let why = || String::from("made to fail");
        if state.sync_failed {
            return Err(CommitError::SyncFailed(why()));
        }
        match state.fault {
            Fault::None => {
                apply(&mut state.rows, batch);
                Ok(())
            }
            Fault::NoRoom => Err(CommitError::Full),
            Fault::Sync => {
                state.sync_failed = true;
                Err(CommitError::Unknown(why()))
            }
            fault => {
                state.broken = true;
                if fault != Fault::TornAndLost {
                    apply(&mut state.rows, batch);
                }
                Err(CommitError::Unknown(why()))
            }
        }
    }

    fn heal(&self) -> Result<(), CommitError> {
        let mut state = self.state();
        if state.sync_failed {
            return Err(CommitError::SyncFailed(String::from("made to fail")));
        }
        if state.broken && state.fault == Fault::Stuck {
            return Err(CommitError::Full);
        }
        state.reopened += u64::from(state.broken);
        state.broken = false;
        Ok(())
    }

    fn health(&self) -> Result<(), StoreError> {
        let state = self.state();
        if state.sync_failed {
            Err(StoreError::ReadOnly(String::from("made to fail")))
        } else if state.broken {
            Err(StoreError::Unavailable(String::from("made to fail")))
        } else {
            Ok(())
        }
    }

    fn has_room(&self, _: bool) -> bool {
        self.state().fault != Fault::NoRoom
    }

    fn reopened(&self) -> u64 {
        self.state().reopened
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
