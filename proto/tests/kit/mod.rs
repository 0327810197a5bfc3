//! A gateway's session on a table, with the test as its driver.

#![allow(dead_code, clippy::unwrap_used)] // each test file uses its part; wrong steps should fail there

pub mod phone;

use bytes::Bytes;
use core::time::Duration;
use pulsegate_proto::frame::{
    ClientEnvelope, ClientFrame, Closing, Hello, ServerFrame, decode_server, encode_client, encode_deliver,
    encode_recall,
};
use pulsegate_proto::id::{AppId, Cursor, LogName, MessageId, Position, RegistrationId, SessionId, Topic};
use pulsegate_proto::session::server::{
    Admission, Batch, Counted, Effect, Input, Item, Op, Outcome, Run, ServerSession, Settings, Slot, Started,
    TokenTimes, Why,
};
use pulsegate_proto::time::{Instant, UnixMs};
use std::sync::Arc;

pub const EPOCH: u64 = 7;
pub const WALL: UnixMs = UnixMs(1_800_000_000_000);

/// One link.
pub struct Gate {
    pub session: ServerSession,
    pub now: Instant,
    pub effects: Vec<Effect>,
    /// What a search found.
    pub last: Option<ServerFrame>,
}

impl Gate {
    pub fn new(settings: Settings) -> Self {
        let now = Instant::from_millis(1000);
        Self { session: ServerSession::new(now, Arc::new(settings)), now, effects: Vec::new(), last: None }
    }

    /// A welcomed link that reads `device` at 10 and `topic:a` at 20, its first effects taken.
    pub fn welcomed(settings: Settings) -> Self {
        let mut gate = Self::new(settings);
        gate.hello();
        gate.admit(admission(vec![started("device", 10), started("topic:a", 20)]));
        gate.take();
        gate
    }

    pub fn plain() -> Self {
        Self::welcomed(Settings::default())
    }

    pub fn input(&mut self, input: Input) -> &mut Self {
        self.effects.extend(self.session.handle(self.now, input));
        self
    }

    pub fn frame(&mut self, frame: ClientFrame) -> &mut Self {
        self.ask(0, frame)
    }

    pub fn ask(&mut self, request_id: u32, frame: ClientFrame) -> &mut Self {
        self.bytes(encode_client(ClientEnvelope { request_id, frame: Some(frame) }))
    }

    pub fn bytes(&mut self, bytes: Vec<u8>) -> &mut Self {
        self.input(Input::Frame(Bytes::from(bytes)))
    }

    pub fn hello(&mut self) -> &mut Self {
        self.frame(ClientFrame::Hello(Box::new(hello())))
    }

    pub fn admit(&mut self, admission: Admission) -> &mut Self {
        self.input(Input::Admitted(Box::new(admission)))
    }

    /// Lets time pass in one step.
    pub fn pass(&mut self, time: Duration) -> &mut Self {
        self.now = self.now + time;
        self.input(Input::Elapsed)
    }

    /// Lets time pass, waking the session at each of its deadlines.
    pub fn run(&mut self, time: Duration) -> &mut Self {
        let end = self.now + time;
        while let Some(deadline) = self.session.deadline().filter(|deadline| deadline.at <= end) {
            self.now = self.now.max(deadline.at);
            self.input(Input::Elapsed);
        }
        self.now = end;
        self
    }

    pub fn take(&mut self) -> Vec<Effect> {
        core::mem::take(&mut self.effects)
    }

    /// What was sent, as frames; other effects are dropped.
    pub fn sent(&mut self) -> Vec<ServerFrame> {
        frames(&self.take())
    }

    /// Entries for a read that is out.
    pub fn entries(&mut self, slot: Slot, items: Vec<Item>, end: bool) -> &mut Self {
        let passed = items.last().map_or(0, |item| item.seq);
        self.input(Input::Entries {
            slot,
            batch: Batch { entries: Run::of(items), passed, end, ..Batch::default() },
        })
    }

    pub fn done(&mut self, request: u32, outcome: Outcome) -> &mut Self {
        self.input(Input::Done { request, outcome })
    }

    /// The Closing and the close that ended the link: its code on the wire.
    pub fn closing(&mut self) -> (Closing, u16) {
        let effects = self.take();
        let Some(Effect::Close { code, .. }) = effects.last() else {
            panic!("not closed: {effects:?}");
        };
        let Some(ServerFrame::Closing(closing)) = frames(&effects).pop() else {
            panic!("no Closing before the close: {effects:?}");
        };
        (closing, *code)
    }
}

pub fn frames(effects: &[Effect]) -> Vec<ServerFrame> {
    let bytes = effects.iter().flat_map(|effect| match effect {
        Effect::Send(bytes) => vec![bytes.clone()],
        Effect::Deliver { run, .. } => run.items().map(|item| item.frame).collect(),
        _ => Vec::new(),
    });
    bytes.map(|bytes| decode_server(&bytes).unwrap().unwrap()).collect()
}

pub fn reads(effects: &[Effect]) -> Vec<(Slot, u64, u32)> {
    let read = |effect: &Effect| match effect {
        Effect::Read { slot, after, max } => Some((*slot, *after, *max)),
        _ => None,
    };
    effects.iter().filter_map(read).collect()
}

pub fn ops(effects: &[Effect]) -> Vec<(u32, Op)> {
    let op = |effect: &Effect| match effect {
        Effect::Commit { request, op } => Some((*request, op.clone())),
        _ => None,
    };
    effects.iter().filter_map(op).collect()
}

/// Acks that count: slot, place, and how many messages each says were received.
pub fn acks(effects: &[Effect]) -> Vec<(Slot, u64, usize)> {
    let ack = |effect: &Effect| match effect {
        Effect::Acked { slot, seq, received } => {
            let marks = received.iter().flat_map(|marks| marks.iter());
            Some((*slot, *seq, marks.filter(|mark| mark.message.is_some()).count()))
        }
        _ => None,
    };
    effects.iter().filter_map(ack).collect()
}

pub fn counted(effects: &[Effect], what: Counted) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Count(it) if *it == what)).count()
}

pub fn log(name: &str) -> LogName {
    LogName::parse(name).unwrap()
}

pub fn topics(names: &[&str]) -> Vec<Topic> {
    names.iter().map(|name| Topic::parse(name).unwrap()).collect()
}

pub fn cursor(name: &str, seq: u64) -> Cursor {
    Cursor { log: log(name), at: Position { epoch: EPOCH, seq } }
}

pub fn started(name: &str, seq: u64) -> Started {
    Started { log: log(name), at: Position { epoch: EPOCH, seq }, recovered: true, gap: None }
}

pub fn id(n: u64) -> MessageId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    MessageId(bytes)
}

/// An entry of `name` at `seq`; the message inside is empty but for its id.
pub fn item(name: &str, seq: u64) -> Item {
    let at = Position { epoch: EPOCH, seq };
    let mut message = vec![0x0a, 16];
    message.extend(id(seq).0);
    Item { seq, message: Some(id(seq)), frame: encode_deliver(&log(name), at, &message) }
}

pub fn recall(name: &str, seq: u64, of: u64) -> Item {
    let at = Position { epoch: EPOCH, seq };
    Item { seq, message: None, frame: encode_recall(&log(name), at, id(of), "") }
}

pub fn items(name: &str, seqs: impl IntoIterator<Item = u64>) -> Vec<Item> {
    seqs.into_iter().map(|seq| item(name, seq)).collect()
}

pub fn hello() -> Hello {
    Hello {
        app: AppId::parse("demo").unwrap(),
        token: "t".to_owned(),
        registration: None,
        generation: 1,
        cursors: Vec::new(),
        silence_s: 45,
        agent: "test".to_owned(),
        last_link: None,
        link: 1,
        level: 1,
        ephemeral: false,
    }
}

pub fn admission(started: Vec<Started>) -> Admission {
    Admission {
        registration: RegistrationId::parse("r1").unwrap(),
        secret: None,
        session: SessionId::parse("s1").unwrap(),
        boot_id: "b1".to_owned(),
        network_key: "n1".to_owned(),
        server_time: WALL,
        token: TokenTimes::default(),
        started,
        topics: Vec::new(),
        tags: Vec::new(),
        user: None,
        last_seen: None,
    }
}

/// The first reason a session waits for.
pub fn waits_for(gate: &Gate) -> Option<Why> {
    gate.session.deadline().map(|deadline| deadline.why)
}
