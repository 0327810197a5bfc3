//! A device of the simulation: a client's session over a storage that can crash and be rolled back.

use crate::heartbeat::Policy;
use crate::id::{AppId, Cursor, LogName, MessageId, Position, RegistrationId, Seq};
use crate::session::client::{ClientSession, Config, Effect, Entry, Identity, Save, Socket, Store};
use crate::time::{Instant, UnixMs};
use std::collections::{BTreeMap, VecDeque};

/// What survives a crash.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// Id and secret.
    pub registration: Option<(RegistrationId, Vec<u8>)>,
    /// Last used generation.
    pub generation: u64,
    /// A Forget is under way.
    pub forgetting: bool,
    /// What the heartbeat remembers.
    pub heartbeat: Vec<u8>,
    /// Places, one per log.
    pub cursors: BTreeMap<LogName, Position>,
    /// Everything that was ever put into the inbox, in order; recalled ones are taken out.
    pub inbox: Vec<(LogName, Seq, MessageId)>,
    /// Recalls that came.
    pub recalls: Vec<MessageId>,
    /// How often the inbox was wiped.
    pub wipes: u32,
}

/// A write on its way to storage.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Store(Box<Store>),
    Save(Box<Save>),
    Wipe,
}

/// One device.
#[derive(Debug)]
pub struct Device {
    /// Its machine.
    pub session: ClientSession,
    /// What survives a crash.
    pub storage: Storage,
    /// What the app was told, oldest first.
    pub told: Vec<Effect>,
    /// Sockets it holds, and the connection behind each.
    pub(super) sockets: BTreeMap<Socket, usize>,
    /// Let go of while they were being dialled.
    pub(super) let_go: Vec<Socket>,
    /// Writes under way, in order; a crash loses them.
    pub(super) writes: VecDeque<Write>,
    /// Counts lives: what was meant for an earlier one is dropped.
    pub(super) life: u32,
    pub(super) timer: Option<Instant>,
    pub(super) token: Option<String>,
    pub(super) config: Config,
    /// Whether messages for even devices only pass it by.
    pub(super) odd: bool,
    pub(super) alive: bool,
    /// Its storage forgot what it had.
    pub(super) rolled_back: bool,
}

impl Device {
    pub(super) fn new(now: Instant, seed: u64, token: Option<&str>, odd: bool) -> Self {
        let config = Config {
            app: AppId::parse("demo").unwrap_or_else(|_| unreachable!("lower-case letters")),
            agent: "harness/1".to_owned(),
            tokens: token.is_some(),
            ephemeral: false,
            heartbeat: Some(Policy::Fixed(45)),
            recent: 0,
            seed,
        };
        Self {
            session: ClientSession::new(now, config.clone()),
            storage: Storage::default(),
            told: Vec::new(),
            sockets: BTreeMap::new(),
            let_go: Vec::new(),
            writes: VecDeque::new(),
            life: 0,
            timer: None,
            token: token.map(str::to_owned),
            config,
            odd,
            alive: true,
            rolled_back: false,
        }
    }

    /// What a fresh process reads.
    pub(super) fn identity(&self, now: UnixMs) -> Identity {
        Identity {
            registration: self.storage.registration.clone(),
            generation: self.storage.generation,
            cursors: self
                .storage
                .cursors
                .iter()
                .map(|(log, at)| Cursor { log: log.clone(), at: *at })
                .collect(),
            recent: self.storage.inbox.iter().map(|(_, _, id)| *id).collect(),
            forgetting: self.storage.forgetting,
            heartbeat: self.storage.heartbeat.clone(),
            offset_min: 0,
            now,
        }
    }
}

impl Storage {
    /// One strict transaction.
    pub(super) fn write(&mut self, write: &Write) {
        match write {
            Write::Store(store) => {
                for log in &store.ended {
                    self.cursors.remove(log);
                }
                for entry in &store.entries {
                    match entry {
                        Entry::Message { log, at, id, .. } => {
                            assert!(
                                !self.inbox.iter().any(|(_, _, held)| held == id),
                                "stored twice: {}",
                                id
                            );
                            self.inbox.push((log.clone(), at.seq, *id));
                        }
                        Entry::Recall { message, .. } => {
                            self.recalls.push(*message);
                            self.inbox.retain(|(_, _, id)| id != message);
                        }
                    }
                }
                for cursor in &store.cursors {
                    self.cursors.insert(cursor.log.clone(), cursor.at);
                }
            }
            Write::Save(save) => {
                self.registration.clone_from(&save.registration);
                self.generation = save.generation;
                self.forgetting = save.forgetting;
            }
            Write::Wipe => {
                self.cursors.clear();
                self.inbox.clear();
                self.recalls.clear();
                self.wipes += 1;
            }
        }
    }
}
