//! What a device keeps over its restarts: who it is, how far it has stored, what it has shown.
//!
//! Lines of text, in memory or in a synced file. A transaction ends with a line `.`; what follows
//! the last one was torn by a crash and does not count.

use crate::{ledger::Ledger, oracle::Shown};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use pulsegate_proto::{
    id::{Cursor, LogName, MessageId, Position, RegistrationId},
    session::client::{Identity, Save},
    time::UnixMs,
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

/// A device's storage. Clones are the same storage.
#[derive(Clone, Debug)]
pub struct Storage {
    lines: Arc<Lines>,
}

#[derive(Debug)]
enum Lines {
    Memory(Mutex<Vec<String>>),
    File(Ledger),
}

/// Minutes after midnight.
const NOON_MIN: i32 = 12 * 60;

/// What a storage holds, read back.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Id and secret.
    pub registration: Option<(RegistrationId, Vec<u8>)>,
    /// Last used generation.
    pub generation: u64,
    /// A log-out is under way.
    pub forgetting: bool,
    /// How far each log is stored.
    pub cursors: BTreeMap<String, (u64, u64)>,
    /// Everything ever shown, in order.
    pub shown: Vec<Shown>,
    /// What the heartbeat remembers.
    pub heartbeat: Vec<u8>,
}

impl Storage {
    /// An empty storage that lives as long as its last clone.
    #[must_use]
    pub fn memory() -> Self {
        Self { lines: Arc::new(Lines::Memory(Mutex::default())) }
    }

    /// A storage in a synced file; holds what the file holds.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self { lines: Arc::new(Lines::File(Ledger::open(path))) }
    }

    /// A storage that holds what this one holds now, and goes its own way from here: a backup.
    #[must_use]
    pub fn backup(&self) -> Self {
        Self { lines: Arc::new(Lines::Memory(Mutex::new(self.lines()))) }
    }

    /// One transaction: all of it or nothing.
    pub(super) fn commit(&self, mut lines: Vec<String>) {
        lines.push(".".into());
        match &*self.lines {
            Lines::Memory(kept) => kept.lock().unwrap().append(&mut lines),
            Lines::File(ledger) => ledger.write(&lines),
        }
    }

    pub(super) fn keep_identity(&self, save: &Save) {
        let (id, secret) = match &save.registration {
            Some((id, secret)) => (id.as_str(), URL_SAFE_NO_PAD.encode(secret)),
            None => ("", String::new()),
        };
        self.commit(vec![format!("I\t{id}\t{secret}\t{}\t{}", save.generation, save.forgetting)]);
    }

    pub(super) fn keep_heartbeat(&self, bytes: &[u8]) {
        self.commit(vec![format!("H\t{}", URL_SAFE_NO_PAD.encode(bytes))]);
    }

    pub(super) fn wipe(&self) {
        self.commit(vec!["W".into()]);
    }

    /// Lines for [`Storage::commit`].
    pub(super) fn cursor_line(cursor: &Cursor) -> String {
        format!("C\t{}\t{}\t{}", cursor.log, cursor.at.epoch, cursor.at.seq)
    }

    pub(super) fn ended_line(log: &LogName) -> String {
        format!("E\t{log}")
    }

    pub(super) fn shown_line(shown: &Shown) -> String {
        format!("S\t{}", shown.line())
    }

    fn lines(&self) -> Vec<String> {
        match &*self.lines {
            Lines::Memory(kept) => kept.lock().unwrap().clone(),
            Lines::File(ledger) => ledger.lines(),
        }
    }

    /// Reads it back.
    ///
    /// # Panics
    /// If it holds what it never wrote.
    #[must_use]
    pub fn held(&self) -> Held {
        let mut held = Held::default();
        let lines = self.lines();
        let whole = lines.iter().rposition(|line| line == ".").map_or(0, |last| last + 1);
        for line in &lines[..whole] {
            let (kind, rest) = line.split_once('\t').unwrap_or((line, ""));
            match kind {
                "I" => {
                    let fields: Vec<&str> = rest.split('\t').collect();
                    held.registration = RegistrationId::parse(fields[0])
                        .ok()
                        .map(|id| (id, URL_SAFE_NO_PAD.decode(fields[1]).unwrap()));
                    held.generation = fields[2].parse().unwrap();
                    held.forgetting = fields[3].parse().unwrap();
                }
                "C" => {
                    let fields: Vec<&str> = rest.split('\t').collect();
                    let at = (fields[1].parse().unwrap(), fields[2].parse().unwrap());
                    held.cursors.insert(fields[0].into(), at);
                }
                "E" => {
                    held.cursors.remove(rest);
                }
                // The oracle judges everything that was ever shown: the wipe takes the cursors.
                "W" => held.cursors.clear(),
                "H" => held.heartbeat = URL_SAFE_NO_PAD.decode(rest).unwrap(),
                "S" => held.shown.push(Shown::parse(rest)),
                _ => {}
            }
        }
        held
    }

    /// What a session starts from.
    pub(super) fn identity(&self) -> Identity {
        let held = self.held();
        let cursors = held.cursors.iter().map(|(log, &(epoch, seq))| Cursor {
            log: LogName::parse(log).unwrap(),
            at: Position { epoch, seq },
        });
        let recent = held.shown.iter().map(|shown| MessageId::parse(&shown.id).unwrap());
        let now = crate::keys::unix_now_ms();
        Identity {
            registration: held.registration,
            generation: held.generation,
            cursors: cursors.collect(),
            recent: recent.collect(),
            forgetting: held.forgetting,
            now: UnixMs(i64::try_from(now).unwrap()),
            // It begins at noon: the caps of a test do not depend on when it runs.
            offset_min: NOON_MIN - i32::try_from(now / 60_000 % 1440).unwrap(),
            heartbeat: held.heartbeat,
        }
    }
}
