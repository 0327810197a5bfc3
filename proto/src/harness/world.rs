//! A little gateway's store, in memory: logs, registrations, and the rules of the contract that lie
//! between a Hello and its Welcome. Written to be obviously right, not fast.

use crate::frame::{
    CloseCode, ErrorCode, Gap, GapReason, Hello, Message, NotifyBody, Urgency, encode_deliver,
    encode_message, encode_recall,
};
use crate::id::{Cursor, LogName, MessageId, Position, RegistrationId, Seq, SessionId, Tag, Topic, UserId};
use crate::session::server::{
    Admission, Batch, Item, Op, Outcome, Refusal, Run, Settings, Started, TokenTimes,
};
use crate::time::{Instant, UnixMs};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The wall clock at the simulation's origin.
pub const ORIGIN: UnixMs = UnixMs(1_800_000_000_000);

/// A connection of the simulation.
pub type Conn = usize;

/// An entry of a log.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) seq: Seq,
    /// `None`: taken out by a recall.
    pub(crate) content: Option<Content>,
    /// Odd devices are not addressed: stands for a tag expression.
    pub(crate) even_only: bool,
}

/// What an entry holds.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Message(MessageId, Bytes),
    /// Of which message, and where that was.
    Recall(MessageId, Seq),
}

#[derive(Debug, Default)]
struct Log {
    entries: Vec<Kept>,
    floor: Seq,
}

/// A registration's row.
#[derive(Debug)]
pub(crate) struct Row {
    secret: [u8; 32],
    user: Option<UserId>,
    generation: u64,
    link: u64,
    conn: Option<Conn>,
    /// Subscribed topics, and where reading each log began.
    topics: BTreeSet<Topic>,
    tags: BTreeSet<Tag>,
    began: BTreeMap<String, Seq>,
    cursors: BTreeMap<String, Position>,
    ephemeral: bool,
}

/// The store.
#[derive(Debug)]
pub struct World {
    pub(crate) settings: Arc<Settings>,
    epoch: u64,
    last: Seq,
    logs: BTreeMap<String, Log>,
    pub(crate) rows: BTreeMap<RegistrationId, Row>,
    boot: u32,
    made: u64,
}

/// Who must be told that another link rules.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Loser {
    pub(crate) conn: Conn,
    pub(crate) generation: u64,
    pub(crate) link_only: bool,
}

impl World {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            epoch: 7,
            last: 1000,
            logs: BTreeMap::new(),
            rows: BTreeMap::new(),
            boot: 1,
            made: 0,
        }
    }

    /// The gateway process starts again.
    pub(crate) fn restart(&mut self) {
        self.boot += 1;
        for row in self.rows.values_mut() {
            row.conn = None;
        }
    }

    /// The store is lost: a new epoch, no logs, no registrations.
    pub(crate) fn wipe(&mut self) {
        self.epoch += 1;
        self.last = 0;
        self.logs.clear();
        self.rows.clear();
    }

    /// The name of a log among all devices.
    pub(crate) fn key(registration: &RegistrationId, log: &LogName) -> String {
        match log {
            LogName::Device => format!("device of {registration}"),
            LogName::All | LogName::User(_) | LogName::Topic(_) => log.to_string(),
        }
    }

    pub(crate) fn last(&self, key: &str) -> Seq {
        let log = self.logs.get(key);
        log.and_then(|log| log.entries.last()).map_or(0, |kept| kept.seq)
    }

    fn seq(&mut self) -> Seq {
        // Strictly increasing over all logs, not dense.
        self.last += 1 + self.last % 3;
        self.last
    }

    /// Accepts a message.
    pub(crate) fn publish(
        &mut self,
        key: &str,
        even_only: bool,
        text: &str,
        now: Instant,
    ) -> (MessageId, Seq) {
        self.made += 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.made.to_be_bytes());
        let id = MessageId(id);
        let bytes = encode_message(message(id, text, wall(now)));
        let seq = self.seq();
        let content = Some(Content::Message(id, bytes));
        self.logs.entry(key.to_owned()).or_default().entries.push(Kept { seq, content, even_only });
        (id, seq)
    }

    /// Takes a message back: its entry is emptied, a recall is appended.
    pub(crate) fn recall(&mut self, key: &str, id: MessageId) {
        let seq = self.seq();
        let log = self.logs.entry(key.to_owned()).or_default();
        let mut of = 0;
        for kept in &mut log.entries {
            if matches!(kept.content, Some(Content::Message(other, _)) if other == id) {
                kept.content = None;
                of = kept.seq;
            }
        }
        let content = Some(Content::Recall(id, of));
        log.entries.push(Kept { seq, content, even_only: false });
    }

    /// Retention drops everything up to now.
    pub(crate) fn trim(&mut self, key: &str) {
        if let Some(log) = self.logs.get_mut(key)
            && let Some(last) = log.entries.last()
        {
            log.floor = last.seq;
            log.entries.clear();
        }
    }

    fn last_seq(&self) -> Seq {
        self.last
    }

    fn logs_of(row: &Row) -> Vec<LogName> {
        let mut logs = vec![LogName::Device, LogName::All];
        logs.extend(row.user.clone().map(LogName::User));
        logs.extend(row.topics.iter().cloned().map(LogName::Topic));
        logs
    }

    /// Judges a Hello and takes the row.
    pub(crate) fn connect(
        &mut self,
        now: Instant,
        conn: Conn,
        hello: &Hello,
    ) -> Result<(Admission, Option<Loser>), Refusal> {
        let token = Token::read(&hello.token, now)?;
        let found = match &hello.registration {
            Some((id, secret)) => match self.rows.get(id) {
                Some(row) if row.secret[..] != secret[..] => {
                    return Err(refusal(CloseCode::RegistrationInvalid, 0));
                }
                Some(row) if row.user.is_some() && row.user != token.user => None,
                Some(_) => Some(id.clone()),
                None => None,
            },
            None => None,
        };
        let unknown = hello.registration.as_ref().is_some_and(|(id, _)| !self.rows.contains_key(id));
        let known = found.is_some();
        let id = found.unwrap_or_else(|| self.register(&token, hello));
        let epoch = self.epoch;
        let row = self.rows.get_mut(&id).ok_or_else(|| refusal(CloseCode::Internal, 0))?;
        let newer = hello.generation > row.generation
            || (hello.generation == row.generation && (hello.link == 0 || hello.link > row.link));
        if known && !newer {
            return Err(refusal(CloseCode::Replaced, row.generation));
        }
        let loser = row.conn.filter(|_| known).map(|conn| Loser {
            conn,
            generation: hello.generation,
            link_only: row.generation == hello.generation,
        });
        row.generation = hello.generation;
        row.link = if hello.link == 0 { row.link + 1 } else { hello.link };
        row.conn = Some(conn);
        let secret = (!known).then_some(row.secret);
        if row.user.is_none() {
            row.user.clone_from(&token.user);
        }
        let logs = Self::logs_of(row);
        let mut started: Vec<Started> = Vec::new();
        for log in logs {
            started.push(self.start(&id, log, &hello.cursors, unknown));
        }
        let row = self.rows.get_mut(&id).ok_or_else(|| refusal(CloseCode::Internal, 0))?;
        for start in &started {
            let at = Position { epoch, seq: start.at.seq };
            row.cursors.entry(Self::key(&id, &start.log)).or_insert(at);
        }
        let admission = Admission {
            registration: id.clone(),
            secret,
            session: session(self.boot, conn),
            boot_id: format!("boot-{}", self.boot),
            network_key: "home".to_owned(),
            server_time: wall(now),
            token: token.times,
            started,
            topics: row.topics.iter().cloned().collect(),
            tags: row.tags.iter().cloned().collect(),
            user: row.user.clone(),
            last_seen: None,
        };
        Ok((admission, loser))
    }

    fn register(&mut self, token: &Token, hello: &Hello) -> RegistrationId {
        self.made += 1;
        let n = self.made;
        let id =
            RegistrationId::parse(&format!("r{n}")).unwrap_or_else(|_| unreachable!("letters and digits"));
        let mut row = Row {
            secret: [u8::try_from(n % 251).unwrap_or(0); 32],
            user: token.user.clone(),
            generation: 0,
            link: 0,
            conn: None,
            topics: BTreeSet::new(),
            tags: BTreeSet::new(),
            began: BTreeMap::new(),
            cursors: BTreeMap::new(),
            ephemeral: hello.ephemeral,
        };
        for log in Self::logs_of(&row) {
            row.began.insert(Self::key(&id, &log), self.last_seq());
        }
        self.rows.insert(id.clone(), row);
        id
    }

    /// Where a device reads on: at its own cursor if that means something, never below where the
    /// registration began, else at ours.
    fn start(&self, id: &RegistrationId, log: LogName, cursors: &[Cursor], lost: bool) -> Started {
        let key = Self::key(id, &log);
        let row = self.rows.get(id);
        let began = row.and_then(|row| row.began.get(&key)).copied().unwrap_or(self.last_seq());
        let ours = row.and_then(|row| row.cursors.get(&key)).map_or(began, |at| at.seq.max(began));
        let floor = self.logs.get(&key).map_or(0, |log| log.floor);
        let theirs = cursors.iter().find(|cursor| cursor.log == log).map(|cursor| cursor.at);
        let (seq, after, reason) = match theirs {
            None => (ours, ours, None),
            Some(at) if at.epoch != self.epoch => (ours, at.seq, Some(GapReason::EpochChanged)),
            Some(at) if at.seq > self.last => (ours, at.seq, Some(GapReason::CursorAhead)),
            Some(at) => (at.seq.max(began), at.seq, None),
        };
        let (seq, after, reason) = match reason {
            None if seq < floor => (floor, seq, Some(GapReason::Retention)),
            other => (seq.max(floor), after, other),
        };
        let at = Position { epoch: self.epoch, seq };
        let gap =
            reason.map(|reason| Gap { log: log.clone(), epoch: self.epoch, after, resume: seq, reason });
        Started { log, at, recovered: gap.is_none() && !lost, gap }
    }

    /// Reads for one device.
    pub(crate) fn read(&self, id: &RegistrationId, log: &LogName, after: Seq, max: u32, odd: bool) -> Batch {
        let key = Self::key(id, log);
        let mut batch = Batch { passed: after, end: true, ..Batch::default() };
        let Some(kept) = self.logs.get(&key) else {
            return batch;
        };
        let from = after;
        let mut after = after;
        if after < kept.floor {
            batch.gap = Some(Gap {
                log: log.clone(),
                epoch: self.epoch,
                after,
                resume: kept.floor,
                reason: GapReason::Retention,
            });
            after = kept.floor;
            batch.passed = after;
        }
        let mut items = Vec::new();
        for entry in kept.entries.iter().filter(|entry| entry.seq > after) {
            if items.len() >= max as usize {
                batch.end = false;
                break;
            }
            batch.passed = entry.seq;
            let at = Position { epoch: self.epoch, seq: entry.seq };
            match &entry.content {
                Some(Content::Message(id, bytes)) if !(odd && entry.even_only) => items.push(Item {
                    seq: entry.seq,
                    message: Some(*id),
                    frame: encode_deliver(log, at, bytes),
                }),
                // Who has not come past the message never had it.
                Some(Content::Recall(id, of)) if *of <= from => {
                    items.push(Item { seq: entry.seq, message: None, frame: encode_recall(log, at, *id, "") })
                }
                Some(Content::Message(..) | Content::Recall(..)) | None => batch.skipped += 1,
            }
        }
        batch.entries = Run::of(items);
        batch
    }

    pub(crate) fn acked(&mut self, id: &RegistrationId, log: &LogName, seq: Seq) {
        let epoch = self.epoch;
        if let Some(row) = self.rows.get_mut(id) {
            let cursor = row.cursors.entry(Self::key(id, log)).or_default();
            let seq = if cursor.epoch == epoch { seq.max(cursor.seq) } else { seq };
            *cursor = Position { epoch, seq };
        }
    }

    /// Performs what a client asked for.
    pub(crate) fn commit(&mut self, now: Instant, conn: Conn, id: &RegistrationId, op: &Op) -> Outcome {
        let (epoch, last) = (self.epoch, self.last);
        let Some(row) = self.rows.get_mut(id).filter(|row| row.conn == Some(conn)) else {
            return refused(ErrorCode::Conflict);
        };
        match op {
            Op::Subscribe(topics) => {
                let (denied, granted): (Vec<Topic>, Vec<Topic>) =
                    topics.iter().cloned().partition(|topic| topic.as_str().starts_with("secret"));
                let mut started = Vec::new();
                let mut already = 0;
                for topic in granted {
                    let log = LogName::Topic(topic.clone());
                    if row.topics.insert(topic) {
                        let at = Position { epoch, seq: last };
                        row.began.insert(Self::key(id, &log), last);
                        row.cursors.insert(Self::key(id, &log), at);
                        started.push(Started { log, at, recovered: true, gap: None });
                    } else {
                        already += 1;
                    }
                }
                Outcome::Subscribed { started, already, denied }
            }
            Op::Unsubscribe(topics) => {
                for topic in topics {
                    row.topics.remove(topic);
                }
                Outcome::Unsubscribed(topics.clone())
            }
            Op::SetTags { add, remove } => {
                row.tags.extend(add.iter().cloned());
                row.tags.retain(|tag| !remove.contains(tag));
                Outcome::Done
            }
            Op::Refresh(token) => match Token::read(token, now) {
                Ok(token) if token.user == row.user => {
                    Outcome::Refreshed { token: token.times, started: Vec::new(), ended: Vec::new() }
                }
                Ok(_) => refused(ErrorCode::NotPermitted),
                Err(_) => refused(ErrorCode::Unauthorized),
            },
            Op::Forget => {
                self.rows.remove(id);
                Outcome::Forgotten
            }
            Op::Publish(publish) => Outcome::Published(publish.message_id),
            Op::Receipts(_) | Op::WebPush(_) | Op::Activity(_) => Outcome::Done,
        }
    }

    /// A connection has ended.
    pub(crate) fn disconnect(&mut self, conn: Conn, id: &RegistrationId) {
        if let Some(row) = self.rows.get_mut(id)
            && row.conn == Some(conn)
        {
            row.conn = None;
            if row.ephemeral {
                self.rows.remove(id);
            }
        }
    }

    /// The backend ends a subscription.
    pub(crate) fn end_topic(&mut self, id: &RegistrationId, topic: &Topic) -> Option<Conn> {
        let row = self.rows.get_mut(id)?;
        row.topics.remove(topic);
        row.conn
    }

    /// The backend deletes a registration.
    pub(crate) fn delete(&mut self, id: &RegistrationId) -> Option<Conn> {
        self.rows.remove(id)?.conn
    }
}

/// A token of the simulation: `USER`, `USER;SECONDS of its life from the origin`, `bad`, or nothing.
struct Token {
    user: Option<UserId>,
    times: TokenTimes,
}

impl Token {
    fn read(text: &str, now: Instant) -> Result<Self, Refusal> {
        if text == "bad" {
            return Err(refusal(CloseCode::Unauthenticated, 0));
        }
        let (user, ends) = text.split_once(';').unwrap_or((text, ""));
        let mut times = TokenTimes { now: wall(now), ..TokenTimes::default() };
        if let Ok(seconds) = ends.parse::<i64>() {
            times.issued = wall(now);
            times.expires = UnixMs(ORIGIN.0 + seconds * 1000);
            if times.expires <= wall(now) {
                return Err(refusal(CloseCode::TokenExpired, 0));
            }
        }
        Ok(Self { user: UserId::parse(user).ok(), times })
    }
}

/// The wall clock at an instant of the simulation.
pub(crate) fn wall(now: Instant) -> UnixMs {
    ORIGIN.saturating_add(now.since_origin())
}

fn session(boot: u32, conn: Conn) -> SessionId {
    SessionId::parse(&format!("s{boot}-{conn}")).unwrap_or_else(|_| unreachable!("letters and digits"))
}

fn message(id: MessageId, text: &str, now: UnixMs) -> Message {
    Message {
        id,
        body: NotifyBody { app: "demo".to_owned(), body: text.to_owned(), ext: String::new() },
        notification: None,
        published: now,
        expires: UnixMs(now.0 + 86_400_000),
        urgency: Urgency::Normal,
        collapse_key: String::new(),
    }
}

fn refusal(code: CloseCode, generation: u64) -> Refusal {
    Refusal { code, reason: String::new(), generation, reconnect_after_ms: 0 }
}

fn refused(error: ErrorCode) -> Outcome {
    Outcome::Refused { error, detail: String::new(), retry_after_ms: 0 }
}
