//! The driver: inputs in, effects out, one timer.

use crate::host::{Host, kind, performance_now};
use crate::perform;
use crate::socket::{ABNORMAL, Event, Socket};
use gloo_timers::callback::Timeout;
use pulsegate_proto::frame::{Activity, Endpoint, Receipt, Stage};
use pulsegate_proto::id::{AppId, Cursor, LogName, MessageId, Position, RegistrationId, Tag, Topic};
use pulsegate_proto::session::client::{ClientSession, Config, Deadline, Effect, Identity, Input, Wish};
use pulsegate_proto::time::{Instant, UnixMs};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// One device's connection.
pub struct Core {
    driver: Rc<Driver>,
}

struct Driver {
    host: Host,
    url: String,
    session: RefCell<ClientSession>,
    sockets: RefCell<Vec<(u32, Socket)>>,
    /// The one timer; arming it anew frees the one before, also out of its own call.
    timer: RefCell<Option<Timeout>>,
    /// A socket the browser refused to open.
    refused: Cell<Option<u32>>,
    /// What was said while the session was at work: a host may answer in the same breath.
    said: RefCell<Vec<Said>>,
    identity: RefCell<Identity>,
    receipts: RefCell<Vec<Receipt>>,
    gateways: RefCell<Vec<Endpoint>>,
}

/// An input as it came from the worker.
struct Said {
    kind: u32,
    x: f64,
    y: f64,
    bytes: Vec<u8>,
}

impl Core {
    /// A device. `config` is text of lines: the gateway's WebSocket, the app id, the agent, and a fourth
    /// if the device is to end with its link.
    /// `tokens`: the app has tokens; `seed` is random. Traps if the app id is none: the page has
    /// checked it.
    #[must_use]
    pub fn new(host: Host, tokens: bool, seed: f64, config: &[u8]) -> Self {
        let mut lines = lines(config);
        let mut next = || lines.next().unwrap_or_default();
        let url = next().to_owned();
        let Ok(app) = AppId::parse(next()) else { core::arch::wasm32::unreachable() };
        let agent = next().to_owned();
        let ephemeral = !next().is_empty();
        let config = Config { app, agent, tokens, ephemeral, silence_s: 0, recent: 0, seed: seed.to_bits() };
        Self {
            driver: Rc::new(Driver {
                host,
                url,
                session: RefCell::new(ClientSession::new(now(), config)),
                sockets: RefCell::default(),
                timer: RefCell::default(),
                refused: Cell::default(),
                said: RefCell::default(),
                identity: RefCell::default(),
                receipts: RefCell::default(),
                gateways: RefCell::default(),
            }),
        }
    }

    /// Tells the core something. Arguments a kind does not name are not looked at; `text` and `lines`
    /// are `bytes` in UTF-8.
    ///
    /// | kind | | arguments |
    /// | --- | --- | --- |
    /// | 0 to 10 | start, stop, online, offline, another network, a person looks again, forget, hold acks, go on, no token to be had, the app says no token | |
    /// | 11 | a cursor that storage holds, before 12 | `x` epoch, `y` seq, text: the log |
    /// | 12 | who this device is; it connects | `x` generation, `y` Unix ms, negative: forgetting; `bytes` one with the length of the registration, the registration, 32 of secret if there is one, then 16 of each message id that was seen, oldest first |
    /// | 13 | the identity is kept | |
    /// | 14 | that transaction is on the disk, or handled where there is none | `x` its number |
    /// | 15 | that transaction failed | `x` its number |
    /// | 16 | a token | `x` its expiry in Unix ms, 0 unknown; text |
    /// | 17 | the device is anonymous | |
    /// | 18, 19 | listen to topics, leave topics | lines |
    /// | 20 | change tags; ends with `SETTLED` | `x` number of the wish; lines, `+` or `-` before each |
    /// | 21 | a stage that a message reached, told with 22 | `x` stage, `y` Unix ms, `bytes` 16 of id, then the action |
    /// | 22 | the receipts so far | |
    /// | 23 | tabs | `x` visible, `y` hidden, `bytes` not empty: about to be frozen |
    /// | 24 | a gateway of the list, told with 25 | `x` weight, text: its WebSocket, nothing: the configured gateway |
    /// | 25 | the list of gateways so far | `x` seconds it is good |
    pub fn input(&self, kind: u32, x: f64, y: f64, bytes: Vec<u8>) {
        self.driver.said.borrow_mut().push(Said { kind, x, y, bytes });
        self.driver.listen();
    }
}

impl Driver {
    /// Hears what was said, unless the session is at work: then it is heard after that.
    fn listen(self: &Rc<Self>) {
        while self.session.try_borrow_mut().is_ok() {
            let mut said = self.said.borrow_mut();
            if said.is_empty() {
                return;
            }
            let next = said.remove(0);
            drop(said);
            if let Some(input) = self.understand(next) {
                self.input(input);
            }
        }
    }

    fn understand(&self, said: Said) -> Option<Input<'static>> {
        let Said { kind, x, y, bytes } = said;
        let topics = || lines(&bytes).filter_map(|name| Topic::parse(name).ok()).collect();
        Some(match kind {
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
            10 => Input::TokenDenied,
            11 => {
                let at = Position { epoch: x as u64, seq: y as u64 };
                let log = LogName::parse(text(&bytes)).ok()?;
                self.identity.borrow_mut().cursors.push(Cursor { log, at });
                return None;
            }
            12 => {
                let mut identity = self.identity.take();
                let (length, rest) = bytes.split_first()?;
                let (id, mut seen) = rest.split_at_checked(usize::from(*length))?;
                if let (Ok(id), Some((secret, rest))) =
                    (RegistrationId::parse(text(id)), seen.split_at_checked(32))
                {
                    identity.registration = Some((id, secret.to_vec()));
                    seen = rest;
                }
                identity.generation = x as u64;
                identity.forgetting = y < 0.0;
                identity.now = UnixMs(y.abs() as i64);
                identity.recent = seen.chunks_exact(16).filter_map(MessageId::from_slice).collect();
                Input::Identity(Box::new(identity))
            }
            13 => Input::IdentitySaved,
            14 => Input::Stored { no: x as u32 },
            15 => Input::StoreFailed { no: x as u32 },
            16 => Input::Token { token: Some(text(&bytes).to_owned()), expires: UnixMs(x as i64) },
            17 => Input::Token { token: None, expires: UnixMs::ZERO },
            18 => Input::Subscribe(topics()),
            19 => Input::Unsubscribe(topics()),
            20 => {
                let (mut add, mut remove) = (Vec::new(), Vec::new());
                for line in lines(&bytes) {
                    let tags = if line.starts_with('+') { &mut add } else { &mut remove };
                    match Tag::parse(line.get(1..).unwrap_or_default()) {
                        Ok(tag) => tags.push(tag),
                        Err(_) => {
                            self.host.say(kind::SETTLED, x as u32, INVALID, "");
                            return None;
                        }
                    }
                }
                Input::Wish { wish: x as u32, what: Wish::set_tags(&add, &remove) }
            }
            21 => {
                let stage = match x as u32 {
                    2 => Stage::Displayed,
                    3 => Stage::Clicked,
                    4 => Stage::Dismissed,
                    5 => Stage::Handled,
                    _ => Stage::Received,
                };
                let (id, action) = bytes.split_at_checked(16)?;
                let message = MessageId::from_slice(id)?;
                let action = text(action).to_owned();
                let receipt = Receipt { message, stage, at: UnixMs(y as i64), action };
                self.receipts.borrow_mut().push(receipt);
                return None;
            }
            22 => Input::Receipts(self.receipts.take()),
            23 => Input::Activity(Activity {
                visible_tabs: x as u32,
                hidden_tabs: y as u32,
                frozen: !bytes.is_empty(),
            }),
            24 => {
                let url = text(&bytes).to_owned();
                self.gateways.borrow_mut().push(Endpoint { url, weight: x as u32, region: String::new() });
                return None;
            }
            25 => Input::Gateways { list: self.gateways.take(), ttl_s: x as u32 },
            _ => return None,
        })
    }

    /// Only while the session is not at work.
    fn input(self: &Rc<Self>, input: Input<'_>) {
        let mut session = self.session.borrow_mut();
        let effects = session.handle(now(), input);
        let deadline = effects.deadline();
        for effect in effects {
            self.perform(effect);
        }
        drop(session);
        self.arm(deadline);
        if let Some(socket) = self.refused.take() {
            self.input(Input::SocketClosed { socket, code: ABNORMAL });
        }
    }

    /// What the browser says comes in a turn of its own, never while the session is at work.
    fn happened(self: &Rc<Self>, input: Input<'_>) {
        self.input(input);
        self.listen();
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
            Effect::NeedGateways => host.say(kind::NEED_GATEWAYS, 0, 0, ""),
            Effect::Store(store) => perform::store(host, &store),
            Effect::SaveIdentity(save) => perform::save(host, &save),
            Effect::WipeInbox(why) => perform::wipe(host, why),
            Effect::State { state, reason } => perform::state(host, state, reason),
            Effect::Welcomed(w) => {
                let mut text = String::new();
                for line in [w.registration.as_str(), &w.user, &w.session] {
                    text.push_str(line);
                    text.push('\n');
                }
                for topic in &w.topics {
                    text.push_str(topic);
                    text.push('\n');
                }
                host.say(kind::WELCOMED, 0, 0, &text);
            }
            Effect::Subscribed { topic, recovered } => {
                host.say(kind::SUBSCRIBED, u32::from(recovered), 0, topic.as_str());
            }
            Effect::SubscribeFailed { topic, error } => {
                host.say(kind::REFUSED, error.code(), 0, topic.as_str())
            }
            Effect::Unsubscribed { topic } => host.say(kind::UNSUBSCRIBED, 0, 0, topic.as_str()),
            Effect::Settled { wish, error, .. } => host.say(kind::SETTLED, wish, error.code(), ""),
            Effect::LogEnded { log, why } => {
                host.say(kind::LOG_ENDED, why.code(), 0, &perform::log_text(&log))
            }
            Effect::Gap { log, reason, .. } => perform::gap(host, &log, reason),
            Effect::ReceiptsTaken(count) => host.say(kind::RECEIPTS_TAKEN, count, 0, ""),
            Effect::Forgotten => host.say(kind::FORGOTTEN, 0, 0, ""),
            Effect::Error(fault) => perform::fault(host, &fault),
        }
    }

    fn connect(self: &Rc<Self>, socket: u32, url: Option<&str>) {
        let driver = Rc::downgrade(self);
        let on = move |event: Event| {
            let Some(driver) = driver.upgrade() else { return };
            match event {
                Event::Open => driver.happened(Input::Open { socket }),
                Event::Message(bytes) => {
                    driver.host.say(kind::HEARD, u32::from(bytes.first() == Some(&BEAT)), 0, "");
                    driver.happened(Input::Message { socket, bytes: &bytes });
                }
                Event::Closed(code) => driver.happened(Input::SocketClosed { socket, code }),
            }
        };
        match Socket::open(url.unwrap_or(&self.url), on) {
            Ok(open) => self.sockets.borrow_mut().push((socket, open)),
            // The session is at work: it hears of it next.
            Err(_) => self.refused.set(Some(socket)),
        }
    }

    /// One timer, for the next deadline.
    fn arm(self: &Rc<Self>, deadline: Option<Deadline>) {
        let timer = deadline.map(|Deadline { at, .. }| {
            // Rounded up: a timer that fires early would only be armed again.
            let wait = at.millis_since(now()) + 1;
            let wait = u32::try_from(wait).unwrap_or(LONGEST_TIMEOUT_MS).min(LONGEST_TIMEOUT_MS);
            let driver = Rc::downgrade(self);
            Timeout::new(wait, move || {
                if let Some(driver) = driver.upgrade() {
                    driver.happened(Input::Elapsed);
                }
            })
        });
        self.timer.replace(timer);
    }
}

/// The worker encodes its own strings: what is no UTF-8 cannot come, and reads as nothing.
fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_default()
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &str> {
    bytes.split(|byte| *byte == b'\n').map(text).filter(|line| !line.is_empty())
}

/// The contract's code for a wish that makes no sense.
const INVALID: u32 = 400;

/// How a frame that holds a Beat begins: field 2, a message.
const BEAT: u8 = 0x12;

/// A longer one fires at once: browsers keep the delay in 31 bits.
const LONGEST_TIMEOUT_MS: u32 = 0x7fff_ffff;

fn now() -> Instant {
    Instant::from_micros((performance_now() * 1000.0) as u64)
}
