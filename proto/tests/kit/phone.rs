//! A client's session on a table, with the test as its driver.

#![allow(dead_code, clippy::unwrap_used)] // each test file uses its part; wrong steps should fail there

use super::{EPOCH, cursor, id, log};
use core::time::Duration;
use pulsegate_proto::frame::{
    ClientEnvelope, ClientFrame, CloseCode, Closing, Deliver, ErrorCode, Message, NotifyBody, Reply,
    ServerFrame, Start, Urgency, Welcome, What, decode_client, encode_server,
};
use pulsegate_proto::heartbeat::Policy;
use pulsegate_proto::id::{AppId, Position};
use pulsegate_proto::session::client::{
    ClientSession, Config, Deadline, Effect, Identity, Input, Reason, Socket, State, Store, Wish,
};
use pulsegate_proto::time::{Instant, UnixMs};

pub const WALL: UnixMs = UnixMs(1_800_000_000_000);

pub struct Phone {
    pub session: ClientSession,
    pub now: Instant,
    pub effects: Vec<Effect>,
    pub deadline: Option<Deadline>,
    pub socket: Socket,
}

pub fn config(tokens: bool) -> Config {
    Config {
        app: AppId::parse("demo").unwrap(),
        agent: "test/1".to_owned(),
        tokens,
        ephemeral: false,
        heartbeat: Some(Policy::Fixed(45)),
        recent: 0,
        seed: 1,
    }
}

/// A first visit: storage holds nothing.
pub fn nothing() -> Identity {
    Identity { now: WALL, ..Identity::default() }
}

/// A device that has been here.
pub fn known() -> Identity {
    Identity {
        registration: Some((pulsegate_proto::id::RegistrationId::parse("r1").unwrap(), vec![1; 32])),
        generation: 5,
        cursors: vec![cursor("device", 10), cursor("topic:a", 20)],
        recent: vec![id(1), id(2)],
        forgetting: false,
        now: WALL,
        ..Identity::default()
    }
}

impl Phone {
    pub fn new(config: Config) -> Self {
        let now = Instant::from_millis(1_000_000);
        Self { session: ClientSession::new(now, config), now, effects: Vec::new(), deadline: None, socket: 0 }
    }

    /// An anonymous device, connected but not yet welcomed.
    pub fn at_hello(identity: Identity) -> Self {
        let mut phone = Self::new(config(false));
        phone.input(Input::Identity(Box::new(identity))).input(Input::IdentitySaved);
        phone.open();
        phone
    }

    /// An anonymous device that reads `device` at 10 and `topic:a` at 20, effects taken.
    pub fn welcomed() -> Self {
        let mut phone = Self::at_hello(known());
        phone.frame(ServerFrame::Welcome(Box::new(welcome("r1", &[("device", 10), ("topic:a", 20)]))));
        phone.take();
        phone
    }

    pub fn input(&mut self, input: Input<'_>) -> &mut Self {
        let effects = self.session.handle(self.now, input);
        self.deadline = effects.deadline();
        let effects: Vec<Effect> = effects.collect();
        for effect in &effects {
            if let Effect::Connect { socket, .. } = effect {
                self.socket = *socket;
            }
        }
        self.effects.extend(effects);
        self
    }

    /// The socket asked for last opens.
    pub fn open(&mut self) -> &mut Self {
        let socket = self.socket;
        self.input(Input::Open { socket })
    }

    pub fn frame(&mut self, frame: ServerFrame) -> &mut Self {
        let socket = self.socket;
        self.frame_on(socket, frame)
    }

    pub fn frame_on(&mut self, socket: Socket, frame: ServerFrame) -> &mut Self {
        let bytes = encode_server(frame);
        self.input(Input::Message { socket, bytes: &bytes })
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let socket = self.socket;
        self.input(Input::Message { socket, bytes })
    }

    pub fn closing(&mut self, code: CloseCode) -> &mut Self {
        self.close_with(code, 0, 0)
    }

    pub fn close_with(&mut self, code: CloseCode, reconnect_after_ms: u32, generation: u64) -> &mut Self {
        let reason = String::new();
        self.frame(ServerFrame::Closing(Closing { code, reason, reconnect_after_ms, generation }))
    }

    pub fn lose(&mut self) -> &mut Self {
        let socket = self.socket;
        self.input(Input::SocketClosed { socket, code: 1006 })
    }

    /// Lets time pass, waking the session at each of its deadlines.
    pub fn run(&mut self, time: Duration) -> &mut Self {
        let end = self.now + time;
        while let Some(deadline) = self.deadline.filter(|deadline| deadline.at <= end) {
            self.now = self.now.max(deadline.at);
            self.input(Input::Elapsed);
        }
        self.now = end;
        self.input(Input::Elapsed)
    }

    pub fn seconds(&mut self, n: u64) -> &mut Self {
        self.run(Duration::from_secs(n))
    }

    pub fn millis(&mut self, n: u64) -> &mut Self {
        self.run(Duration::from_millis(n))
    }

    /// Comes back after a lost link and is welcomed again, with the same logs.
    pub fn return_welcomed(&mut self, starts: &[(&str, u64)]) -> &mut Self {
        self.reconnect();
        self.open();
        self.frame(ServerFrame::Welcome(Box::new(welcome("r1", starts))))
    }

    /// Lets time pass until a socket is asked for; the seconds that took.
    pub fn reconnect(&mut self) -> u64 {
        self.effects.retain(|effect| !matches!(effect, Effect::Connect { .. }));
        for second in 0..400 {
            if self.connecting() {
                return second;
            }
            self.seconds(1);
        }
        panic!("it does not come back: {:?}", self.effects);
    }

    /// Whether a socket was asked for.
    pub fn connecting(&self) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::Connect { .. }))
    }

    pub fn take(&mut self) -> Vec<Effect> {
        core::mem::take(&mut self.effects)
    }

    /// What was sent; other effects are dropped.
    pub fn sent(&mut self) -> Vec<ClientEnvelope> {
        sent(&self.take())
    }

    /// The frames that were sent, without their request ids.
    pub fn said(&mut self) -> Vec<ClientFrame> {
        self.sent().into_iter().filter_map(|envelope| envelope.frame).collect()
    }

    pub fn hello(&mut self) -> pulsegate_proto::frame::Hello {
        match self.said().pop() {
            Some(ClientFrame::Hello(hello)) => *hello,
            other => panic!("{other:?}"),
        }
    }

    /// The only Store asked for.
    pub fn store(&mut self) -> Store {
        let mut stores = stores(&self.take());
        assert_eq!(stores.len(), 1, "{stores:?}");
        stores.remove(0)
    }

    /// What was stored is durable, and whatever is asked for thereafter.
    pub fn stored(&mut self) -> &mut Self {
        let mut effects = self.take();
        loop {
            let Some(no) = stores(&effects).first().map(|store| store.no) else {
                self.effects.extend(effects);
                return self;
            };
            effects.retain(|effect| !matches!(effect, Effect::Store(_)));
            self.input(Input::Stored { no });
            effects.append(&mut self.take());
        }
    }

    pub fn deliver(&mut self, name: &str, seq: u64) -> &mut Self {
        self.frame(message(name, seq, seq))
    }

    pub fn reply(&mut self, request_id: u32, error: ErrorCode) -> &mut Self {
        self.frame(reply(request_id, error))
    }

    /// The last state told, and why.
    pub fn state(&self) -> (State, Option<Reason>) {
        let told = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::State { state, reason } => Some((*state, *reason)),
            _ => None,
        });
        told.unwrap_or((self.session.state(), None))
    }

    pub fn wish(&mut self, wish: u32, what: Wish) -> &mut Self {
        self.input(Input::Wish { wish, what })
    }
}

pub fn sent(effects: &[Effect]) -> Vec<ClientEnvelope> {
    let bytes = effects.iter().filter_map(|effect| match effect {
        Effect::Send { bytes, .. } => Some(bytes),
        _ => None,
    });
    bytes.map(|bytes| decode_client(bytes).unwrap()).collect()
}

pub fn stores(effects: &[Effect]) -> Vec<Store> {
    let store = |effect: &Effect| match effect {
        Effect::Store(store) => Some((**store).clone()),
        _ => None,
    };
    effects.iter().filter_map(store).collect()
}

pub fn welcome(registration: &str, starts: &[(&str, u64)]) -> Welcome {
    Welcome {
        registration: registration.to_owned(),
        session: "s1".to_owned(),
        server_time: WALL,
        starts: starts.iter().map(|(name, seq)| start(name, *seq)).collect(),
        window: 64,
        ack_every: 4,
        ack_within_ms: 2000,
        level: 1,
        ..Welcome::default()
    }
}

pub fn start(name: &str, seq: u64) -> Start {
    Start { log: log(name), at: Position { epoch: EPOCH, seq }, recovered: true }
}

pub fn message(name: &str, seq: u64, of: u64) -> ServerFrame {
    let what = What::Message(Box::new(Message {
        id: id(of),
        body: NotifyBody::default(),
        notification: None,
        published: WALL,
        expires: WALL,
        urgency: Urgency::Normal,
        collapse_key: String::new(),
    }));
    ServerFrame::Deliver(Box::new(Deliver { log: log(name), at: Position { epoch: EPOCH, seq }, what }))
}

pub fn reply(request_id: u32, error: ErrorCode) -> ServerFrame {
    ServerFrame::Reply(Box::new(Reply {
        request_id,
        error,
        detail: String::new(),
        message: None,
        retry_after_ms: 0,
        starts: Vec::new(),
        denied: Vec::new(),
    }))
}
