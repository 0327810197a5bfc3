//! A router with its clock, and devices that behave like devices.

use crate::store::Store;
use crate::{
    Clock, Connect, ConnectRefused, Connected, Draft, Entry, EntryKind, GapInfo, Grants, LastSeenRecord,
    LinkEnd, LogKey, ManualClock, ReaderView, Router, RouterSettings, SessionRef, StartInfo, Target, Wake,
};
use bytes::Bytes;
use core::time::Duration;
use pulsegate_proto::id::{
    AppId, Cursor, LogName, Mark, Marks, MessageId, Pattern, Position, RegistrationId, Seq, SessionId, Tag,
    Topic, UserId,
};
use pulsegate_proto::time::UnixMs;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// What a [`Wake`] was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Entries of a log.
    Appended(LogKey, Vec<Seq>),
    /// A message that is not stored.
    Live(LogKey, MessageId),
    /// An entry went.
    Removed(LogKey, Seq),
    /// A link lost the row.
    Superseded(SessionId, u64, bool),
    /// Logs of a device began or ended.
    LogsChanged(RegistrationId, Vec<LogName>, Vec<LogName>),
    /// Tags of a device changed.
    TagsChanged(RegistrationId, Vec<Tag>),
    /// A registration went.
    Deleted(RegistrationId),
    /// Unexpired entries went.
    Trimmed(LogKey, GapInfo),
}

/// A [`Wake`] that writes down what it was told.
#[derive(Default)]
pub struct Recorder(Mutex<Vec<Heard>>);

impl Recorder {
    /// What was heard since the last look.
    pub fn take(&self) -> Vec<Heard> {
        core::mem::take(&mut self.0.lock().unwrap())
    }

    fn hear(&self, heard: Heard) {
        self.0.lock().unwrap().push(heard);
    }
}

impl Wake for Recorder {
    fn appended(&self, log: &LogKey, entries: &[Arc<Entry>]) {
        self.hear(Heard::Appended(log.clone(), entries.iter().map(|e| e.seq).collect()));
    }
    fn live(&self, log: &LogKey, entry: &Arc<Entry>) {
        self.hear(Heard::Live(log.clone(), entry.message().unwrap()));
    }
    fn removed(&self, log: &LogKey, seq: Seq) {
        self.hear(Heard::Removed(log.clone(), seq));
    }
    fn superseded(&self, session: &SessionRef, generation: u64, link_only: bool) {
        self.hear(Heard::Superseded(session.session.clone(), generation, link_only));
    }
    fn logs_changed(
        &self,
        _: &AppId,
        registration: &RegistrationId,
        started: &[StartInfo],
        ended: &[LogName],
    ) {
        let started = started.iter().map(|start| start.log.name()).collect();
        self.hear(Heard::LogsChanged(registration.clone(), started, ended.to_vec()));
    }
    fn tags_changed(&self, _: &AppId, registration: &RegistrationId, tags: &[Tag]) {
        self.hear(Heard::TagsChanged(registration.clone(), tags.to_vec()));
    }
    fn deleted(&self, _: &AppId, registration: &RegistrationId) {
        self.hear(Heard::Deleted(registration.clone()));
    }
    fn trimmed(&self, log: &LogKey, gap: &GapInfo) {
        self.hear(Heard::Trimmed(log.clone(), *gap));
    }
}

/// A topic by its name.
#[must_use]
pub fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

/// A user by name.
#[must_use]
pub fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

/// A tag by its name.
pub(super) fn tag(name: &str) -> Tag {
    Tag::parse(name).unwrap()
}

/// A router on some store, the clock it reads and what its wake heard.
pub struct World {
    /// The router.
    pub router: Router,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// What was heard.
    pub heard: Arc<Recorder>,
    /// The app of the case.
    pub app: AppId,
    ids: u64,
    sessions: u64,
}

impl World {
    /// The time at which worlds begin.
    pub const START: UnixMs = UnixMs(1_800_000_000_000);

    /// Settings for tests: nothing happens by itself, and no limit on `everyone` a second.
    #[must_use]
    pub fn settings() -> RouterSettings {
        RouterSettings { background: false, everyone_per_second: 0, ..RouterSettings::default() }
    }

    /// A router on the store that `make` makes for the clock.
    pub async fn new(make: impl FnOnce(Arc<dyn Clock>) -> Store) -> Self {
        Self::with(Self::settings(), make).await
    }

    /// See [`World::new`].
    pub async fn with(settings: RouterSettings, make: impl FnOnce(Arc<dyn Clock>) -> Store) -> Self {
        let clock = Arc::new(ManualClock::new(Self::START));
        let heard = Arc::new(Recorder::default());
        let store = make(clock.clone());
        let router = Router::open(store, settings, clock.clone(), heard.clone()).await.unwrap();
        let app = AppId::parse("demo").unwrap();
        Self { router, clock, heard, app, ids: 0, sessions: 0 }
    }

    /// Another router on the store that `make` makes, as after a restart.
    pub async fn restart(&mut self, make: impl FnOnce(Arc<dyn Clock>) -> Store) {
        let store = make(self.clock.clone());
        let wake = self.heard.clone();
        self.router = Router::open(store, Self::settings(), self.clock.clone(), wake).await.unwrap();
    }

    /// Moves the clock and lets happen what happens by itself.
    pub async fn pass(&self, by: Duration) {
        self.clock.advance(by);
        self.router.tick().await.unwrap();
    }

    /// What was heard since the last look. The wake comes after the answer: another round trip
    /// through the store makes sure that it has come.
    pub async fn hear(&self) -> Vec<Heard> {
        let nothing = self.router.recall(&self.app, MessageId([0xff; 16])).await;
        assert!(nothing.is_err());
        self.heard.take()
    }

    /// A fresh message id.
    pub fn id(&mut self) -> MessageId {
        self.ids += 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.ids.to_be_bytes());
        MessageId(id)
    }

    /// A draft for `target` whose body names its id.
    pub fn draft(&mut self, target: Target) -> Draft {
        let id = self.id();
        Draft::new(id, self.clock.now(), target, Bytes::from(id.to_string()))
    }

    /// A draft for a topic.
    pub fn to_topic(&mut self, name: &str) -> Draft {
        self.draft(Target::Topic(topic(name)))
    }

    /// Publishes what must be accepted; answers its id.
    pub async fn publish(&self, draft: Draft) -> MessageId {
        self.router.publish(&self.app, draft).await.unwrap().id
    }

    /// Publishes to a topic.
    pub async fn say(&mut self, name: &str) -> MessageId {
        let draft = self.to_topic(name);
        self.publish(draft).await
    }

    /// What a device of `user` asks for that may subscribe to everything.
    pub fn ask(&mut self, user_name: Option<&str>) -> Connect {
        self.sessions += 1;
        Connect {
            user: user_name.map(user),
            grants: Grants { topics: vec![Pattern::parse("#").unwrap()], tags: Vec::new() },
            registration: None,
            generation: 1,
            link: 1,
            cursors: Vec::new(),
            ephemeral: false,
            agent: String::from("test/1"),
            session: SessionId::parse(&format!("s{}", self.sessions)).unwrap(),
            boot: String::from("boot"),
        }
    }

    /// A new device of `user`, connected.
    pub async fn device(&mut self, user_name: Option<&str>) -> Device {
        let ask = self.ask(user_name);
        let session = ask.session.clone();
        let connected = self.router.connect(&self.app, ask).await.unwrap();
        Device::new(&self.app, user_name.map(user), connected, session)
    }

    /// A new device that subscribes to topics.
    pub async fn subscriber(&mut self, topics: &[&str]) -> Device {
        let mut device = self.device(None).await;
        device.subscribe(self, topics).await;
        device
    }

    /// The counts of a message.
    pub async fn funnel(&self, id: MessageId) -> crate::Funnel {
        self.router.message(&self.app, id).await.unwrap().unwrap().funnel
    }
}

/// A device: keeps its cursors, reads its logs, remembers what it got.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its registration.
    pub id: RegistrationId,
    /// Its secret.
    pub secret: [u8; 32],
    /// Its user.
    pub user: Option<UserId>,
    /// The generation and link of its next Hello are one more.
    pub generation: u64,
    /// See `generation`.
    pub link: u64,
    /// The link it has.
    pub session: SessionRef,
    /// Where it is in each log, on its link.
    pub logs: BTreeMap<LogKey, StartInfo>,
    /// What it has safely stored: its cursors.
    pub stored: BTreeMap<LogKey, Position>,
    /// Its tags, as decided against.
    pub tags: Vec<Tag>,
    /// Messages it got, in the order in which they came.
    pub got: Vec<MessageId>,
    /// Where they stood.
    pub places: HashMap<MessageId, (LogKey, Seq)>,
    /// Recalls it got.
    pub recalled: Vec<MessageId>,
    /// Gaps it was told of.
    pub gaps: Vec<GapInfo>,
}

impl Device {
    fn new(app: &AppId, user: Option<UserId>, connected: Connected, session: SessionId) -> Self {
        let id = connected.registration.clone();
        let mut device = Self {
            secret: connected.secret.unwrap(),
            user,
            generation: connected.generation,
            link: connected.link,
            session: SessionRef { app: app.clone(), registration: id.clone(), session },
            id,
            logs: BTreeMap::new(),
            stored: BTreeMap::new(),
            tags: Vec::new(),
            got: Vec::new(),
            places: HashMap::new(),
            recalled: Vec::new(),
            gaps: Vec::new(),
        };
        device.take(&connected);
        device
    }

    fn take(&mut self, connected: &Connected) {
        self.logs.clear();
        self.tags.clone_from(&connected.tags);
        for start in &connected.starts {
            assert_eq!(start.recovered, start.gap.is_none(), "{start:?}");
            self.gaps.extend(start.gap);
            self.logs.insert(start.log.clone(), start.clone());
        }
    }

    /// What it would ask for now.
    pub fn ask(&self, world: &mut World) -> Connect {
        let mut ask = world.ask(None);
        ask.user.clone_from(&self.user);
        ask.registration = Some((self.id.clone(), self.secret.to_vec()));
        ask.generation = self.generation;
        ask.link = self.link + 1;
        let cursor = |(log, at): (&LogKey, &Position)| Cursor { log: log.name(), at: *at };
        ask.cursors = self.stored.iter().map(cursor).collect();
        ask
    }

    /// Connects again.
    ///
    /// # Errors
    /// The Hello was refused.
    pub async fn connect(&mut self, world: &mut World) -> Result<Connected, ConnectRefused> {
        let ask = self.ask(world);
        self.connect_as(world, ask).await
    }

    /// Connects with this Hello.
    ///
    /// # Errors
    /// The Hello was refused.
    pub async fn connect_as(&mut self, world: &World, ask: Connect) -> Result<Connected, ConnectRefused> {
        let session = ask.session.clone();
        let connected = world.router.connect(&world.app, ask).await?;
        if let Some(secret) = connected.secret {
            self.secret = secret;
            self.stored.clear();
        }
        self.id = connected.registration.clone();
        (self.generation, self.link) = (connected.generation, connected.link);
        self.session.registration = self.id.clone();
        self.session.session = session;
        self.take(&connected);
        Ok(connected)
    }

    /// Its link ends.
    pub async fn disconnect(&self, world: &World) {
        let end = LastSeenRecord {
            session: self.session.session.clone(),
            boot: String::from("boot"),
            heard: world.clock.now(),
            unanswered: false,
            end: LinkEnd::Eof,
        };
        world.router.disconnect(&self.session, end).await.unwrap();
    }

    /// Subscribes.
    pub async fn subscribe(&mut self, world: &World, topics: &[&str]) {
        let topics = topics.iter().map(|name| topic(name)).collect();
        let starts = world.router.subscribe(&self.session, topics).await.unwrap();
        for start in starts {
            assert!(start.recovered);
            self.logs.insert(start.log.clone(), start);
        }
    }

    /// As whom it reads a log.
    #[must_use]
    pub fn view(&self, start: &StartInfo) -> ReaderView {
        ReaderView {
            registration: self.id.clone(),
            user: self.user.clone(),
            tags: self.tags.as_slice().into(),
            began: start.began,
            had: start.had,
        }
    }

    /// Reads all its logs to their ends; answers the messages that came.
    pub async fn read(&mut self, world: &World) -> Vec<MessageId> {
        let before = self.got.len();
        let logs: Vec<LogKey> = self.logs.keys().cloned().collect();
        for log in logs {
            while !self.read_some(world, &log, 64).await {}
        }
        self.got[before..].to_vec()
    }

    /// Reads at most `max` entries of a log; answers whether it is at its end.
    pub async fn read_some(&mut self, world: &World, log: &LogKey, max: usize) -> bool {
        let start = self.logs[log].clone();
        let view = self.view(&start);
        let after = start.at.seq;
        let batch = world.router.read(log, after, &view, max, 1 << 20).await.unwrap();
        assert!(batch.entries.len() <= max);
        assert!(batch.passed >= after);
        self.gaps.extend(batch.gap);
        let mut last = batch.gap.map_or(after, |gap| gap.resume);
        for entry in &batch.entries {
            assert!(entry.seq > last && entry.seq <= batch.passed, "order: {entry:?} after {last}");
            last = entry.seq;
            match &entry.kind {
                EntryKind::Message { id, body } => {
                    assert_eq!(body[..], *id.to_string().as_bytes(), "a body of its own");
                    self.got.push(*id);
                    self.places.insert(*id, (log.clone(), entry.seq));
                    let mark = Mark { seq: entry.seq, message: Some(*id) };
                    world.router.sent(&world.router.notes(&self.session), log, Marks::one(mark));
                }
                EntryKind::Recall { message, .. } => self.recalled.push(*message),
            }
        }
        if let Some(start) = self.logs.get_mut(log) {
            start.at.seq = batch.passed;
        }
        batch.end
    }

    /// Stores and acks everything it has read: the messages `got` among it.
    pub fn ack(&mut self, world: &World, got: &[MessageId]) {
        for (log, start) in &self.logs {
            self.stored.insert(log.clone(), start.at);
            let places = got.iter().filter_map(|id| Some((*id, self.places.get(id)?)));
            let here = places.filter(|(_, (of, _))| of == log);
            let marks = here.map(|(id, (_, seq))| Marks::one(Mark { seq: *seq, message: Some(id) }));
            world.router.acked(&world.router.notes(&self.session), log, start.at.seq, marks.collect());
        }
    }

    /// Reads, stores and acks; answers the messages that came.
    pub async fn take_all(&mut self, world: &World) -> Vec<MessageId> {
        let got = self.read(world).await;
        self.ack(world, &got);
        got
    }
}
