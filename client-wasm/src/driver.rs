//! The driver: inputs in, effects out, one timer.

use crate::host::{Host, performance_now};
use crate::perform;
use crate::socket::{ABNORMAL, Event, Socket};
use bytes::Bytes;
use core::time::Duration;
use gloo_timers::callback::Timeout;
use pulsegate_proto::frame::{Activity, Receipt, Stage};
use pulsegate_proto::id::{AppId, Cursor, LogName, MessageId, Position, RegistrationId, Tag, Topic};
use pulsegate_proto::session::client::{ClientSession, Config, Deadline, Effect, Identity, Input, Wish};
use pulsegate_proto::time::{Instant, UnixMs};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// One device's connection.
#[wasm_bindgen]
pub struct Core {
    driver: Rc<Driver>,
}

struct Driver {
    host: Host,
    url: String,
    session: RefCell<ClientSession>,
    sockets: RefCell<Vec<(u32, Socket)>>,
    timer: RefCell<Option<Timeout>>,
    /// Effects not performed yet. A host that answers at once feeds the session while its effects
    /// are being performed; the new ones queue up behind.
    effects: RefCell<VecDeque<Effect>>,
    performing: Cell<bool>,
    deadline: Cell<Option<Deadline>>,
    identity: RefCell<Identity>,
    receipts: RefCell<Vec<Receipt>>,
}

#[wasm_bindgen]
impl Core {
    /// A device of `app` at the gateway whose WebSocket is `url`. `seed` is random.
    ///
    /// # Errors
    /// `app` is no app id.
    #[wasm_bindgen(constructor)]
    pub fn new(
        host: Host,
        url: String,
        app: &str,
        agent: String,
        tokens: bool,
        seed: f64,
    ) -> Result<Core, JsValue> {
        let app = AppId::parse(app).map_err(|_| JsValue::from_str("config-invalid"))?;
        let config =
            Config { app, agent, tokens, ephemeral: false, silence_s: 0, recent: 0, seed: seed.to_bits() };
        Ok(Self {
            driver: Rc::new(Driver {
                host,
                url,
                session: RefCell::new(ClientSession::new(now(), config)),
                sockets: RefCell::default(),
                timer: RefCell::default(),
                effects: RefCell::default(),
                performing: Cell::new(false),
                deadline: Cell::new(None),
                identity: RefCell::default(),
                receipts: RefCell::default(),
            }),
        })
    }

    /// A cursor that storage holds; before [`Core::begin`].
    pub fn cursor(&self, log: &str, epoch: f64, seq: f64) {
        if let Ok(log) = LogName::parse(log) {
            let at = Position { epoch: epoch as u64, seq: seq as u64 };
            self.driver.identity.borrow_mut().cursors.push(Cursor { log, at });
        }
    }

    /// Who this device is, as storage holds it, and what it has seen: 16 bytes a message id. Takes
    /// the registration over and connects. `now` is Unix milliseconds.
    pub fn begin(
        &self,
        registration: &str,
        secret: &[u8],
        generation: f64,
        forgetting: bool,
        recent: &[u8],
        now: f64,
    ) {
        let mut identity = self.driver.identity.take();
        identity.registration =
            RegistrationId::parse(registration).ok().map(|id| (id, Bytes::copy_from_slice(secret)));
        identity.generation = generation as u64;
        identity.forgetting = forgetting;
        identity.recent = recent.chunks_exact(16).filter_map(MessageId::from_slice).collect();
        identity.now = UnixMs(now as i64);
        self.driver.input(Input::Identity(Box::new(identity)));
    }

    /// The identity is kept.
    pub fn saved(&self) {
        self.driver.input(Input::IdentitySaved);
    }

    /// That transaction is on the disk, or its messages are handled where there is none.
    pub fn stored(&self, no: u32) {
        self.driver.input(Input::Stored { no });
    }

    /// That transaction failed.
    #[wasm_bindgen(js_name = storeFailed)]
    pub fn store_failed(&self, no: u32) {
        self.driver.input(Input::StoreFailed { no });
    }

    /// A token, or `undefined` for an anonymous device; `expires` in Unix milliseconds.
    pub fn token(&self, token: Option<String>, expires: f64) {
        self.driver.input(Input::Token { token, expires: UnixMs(expires as i64) });
    }

    /// Topics to listen to, or to leave, one a line.
    pub fn topics(&self, names: &str, subscribe: bool) {
        let topics = names.lines().filter_map(|name| Topic::parse(name).ok()).collect();
        self.driver.input(if subscribe { Input::Subscribe(topics) } else { Input::Unsubscribe(topics) });
    }

    /// Tags to carry and to drop, one a line. False: one of them is no tag.
    pub fn tags(&self, wish: u32, add: &str, remove: &str) -> bool {
        let parse = |names: &str| names.lines().map(Tag::parse).collect::<Result<Vec<_>, _>>();
        let (Ok(add), Ok(remove)) = (parse(add), parse(remove)) else {
            return false;
        };
        self.driver.input(Input::Wish { wish, what: Wish::SetTags { add, remove } });
        true
    }

    /// A stage that a message reached; sent by [`Core::report`].
    pub fn receipt(&self, id: &[u8], stage: u32, at: f64, action: &str) {
        let stage = match stage {
            2 => Stage::Displayed,
            3 => Stage::Clicked,
            4 => Stage::Dismissed,
            5 => Stage::Handled,
            _ => Stage::Received,
        };
        if let Some(message) = MessageId::from_slice(id) {
            let receipt = Receipt { message, stage, at: UnixMs(at as i64), action: action.to_owned() };
            self.driver.receipts.borrow_mut().push(receipt);
        }
    }

    /// Sends the receipts.
    pub fn report(&self) {
        let receipts = self.driver.receipts.take();
        self.driver.input(Input::Receipts(receipts));
    }

    /// What tabs there are.
    pub fn activity(&self, visible: u32, hidden: u32, frozen: bool) {
        self.driver.input(Input::Activity(Activity { visible_tabs: visible, hidden_tabs: hidden, frozen }));
    }

    /// Something without further words: 0 start, 1 stop, 2 online, 3 offline, 4 another network, 5 a
    /// person looks again, 6 forget, 7 hold acks, 8 go on, 9 no token to be had, 10 no token at all.
    pub fn signal(&self, what: u32) {
        self.driver.input(match what {
            0 => Input::Start,
            1 => Input::Stop,
            2 => Input::Online,
            3 => Input::Offline,
            4 => Input::NetworkChanged,
            5 => Input::Visible,
            6 => Input::Forget,
            7 => Input::BackPressure(true),
            8 => Input::BackPressure(false),
            9 => Input::TokenUnavailable,
            _ => Input::TokenDenied,
        });
    }

    /// A trap on purpose: how a worker dies of one is tested with it.
    pub fn trap(&self) {
        core::arch::wasm32::unreachable();
    }
}

impl Driver {
    fn input(self: &Rc<Self>, input: Input<'_>) {
        {
            let mut session = self.session.borrow_mut();
            let effects = session.handle(now(), input);
            self.deadline.set(effects.deadline());
            self.effects.borrow_mut().extend(effects);
        }
        if self.performing.replace(true) {
            return;
        }
        loop {
            let next = self.effects.borrow_mut().pop_front();
            let Some(effect) = next else { break };
            self.perform(effect);
        }
        self.performing.set(false);
        self.arm();
    }

    fn perform(self: &Rc<Self>, effect: Effect) {
        let host = &self.host;
        match effect {
            Effect::Connect { socket, url } => self.connect(socket, url.as_deref()),
            Effect::Send { socket, bytes } => {
                if let Some((_, open)) = self.sockets.borrow().iter().find(|(no, _)| *no == socket) {
                    open.send(&bytes);
                }
            }
            Effect::CloseSocket { socket } => self.sockets.borrow_mut().retain(|(no, _)| *no != socket),
            Effect::NeedToken(need) => perform::token_need(host, need),
            Effect::Store(store) => perform::store(host, &store),
            Effect::SaveIdentity(save) => perform::save(host, &save),
            Effect::WipeInbox(why) => perform::wipe(host, why),
            Effect::State { state, reason } => perform::state(host, state, reason),
            Effect::Welcomed(w) => {
                let topics = w.topics.iter().map(|topic| JsValue::from_str(topic.as_str())).collect();
                host.welcomed(w.registration.as_str(), &w.user, &w.session, topics);
            }
            Effect::Subscribed { topic, recovered } => host.subscribed(topic.as_str(), recovered),
            Effect::SubscribeFailed { topic, error } => host.refused(topic.as_str(), error.code()),
            Effect::Unsubscribed { topic } => host.unsubscribed(topic.as_str()),
            Effect::Settled { wish, error, .. } => host.settled(wish, error.code()),
            Effect::LogEnded { log, why } => host.log_ended(&perform::log_text(&log), why.code()),
            Effect::Gap { log, reason, .. } => perform::gap(host, &log, reason),
            Effect::ReceiptsTaken(count) => host.receipts_taken(count),
            Effect::Forgotten => host.forgotten(),
            Effect::Error(fault) => perform::fault(host, &fault),
        }
    }

    fn connect(self: &Rc<Self>, socket: u32, url: Option<&str>) {
        let driver = Rc::downgrade(self);
        let opened = Socket::open(url.unwrap_or(&self.url), move |event| {
            let Some(driver) = driver.upgrade() else { return };
            match event {
                Event::Open => driver.input(Input::Open { socket }),
                Event::Message(bytes) => {
                    driver.host.heard(bytes.first() == Some(&BEAT));
                    driver.input(Input::Message { socket, bytes: &bytes });
                }
                Event::Closed(code) => driver.input(Input::SocketClosed { socket, code }),
            }
        });
        match opened {
            Ok(open) => self.sockets.borrow_mut().push((socket, open)),
            Err(_) => self.input(Input::SocketClosed { socket, code: ABNORMAL }),
        }
    }

    /// One timer, for the next deadline; replacing it cancels and frees the last one.
    fn arm(self: &Rc<Self>) {
        let timer = self.deadline.get().map(|Deadline { at, .. }| {
            // Rounded up: a timer that fires early would only be armed again.
            let wait = at.saturating_since(now()) + Duration::from_micros(999);
            let driver = Rc::downgrade(self);
            Timeout::new(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).min(MAX_TIMEOUT_MS), move || {
                if let Some(driver) = driver.upgrade() {
                    driver.input(Input::Elapsed);
                }
            })
        });
        self.timer.replace(timer);
    }
}

/// How a frame that holds a Beat begins: field 2, a message.
const BEAT: u8 = 0x12;

/// A longer one fires at once: browsers keep the delay in 31 bits.
const MAX_TIMEOUT_MS: u32 = 0x7fff_ffff;

fn now() -> Instant {
    Instant::new(Duration::from_micros((performance_now() * 1000.0) as u64))
}
