//! The driver: inputs in, effects out, one timer.

use crate::host::{kind, performance_now, say};
use crate::socket::Socket;
use crate::{input, perform};
use gloo_timers::callback::Timeout;
use pulsegate_proto::frame::{Activity, Receipt, Stage};
use pulsegate_proto::id::{AppId, Cursor, LogName, MessageId, Position, RegistrationId, Tag, Topic};
use pulsegate_proto::session::client::{ClientSession, Config, Deadline, Effect, Identity, Input, Wish};
use pulsegate_proto::time::{Instant, UnixMs};
use std::cell::{Cell, RefCell};

/// One device's connection.
pub struct Core {
    url: String,
    session: RefCell<ClientSession>,
    sockets: RefCell<Vec<(u32, Socket)>>,
    /// The one timer; arming it anew frees the one before, also out of its own call.
    timer: RefCell<Option<Timeout>>,
    /// What was said while the session was at work: the worker may answer in the same breath.
    said: RefCell<Vec<Said>>,
    identity: RefCell<Identity>,
    receipts: RefCell<Vec<Receipt>>,
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
    /// if the device is to end with its link. `tokens`: the app has tokens; `seed` is random. Traps if
    /// the app id is none: the page has checked it.
    pub fn new(tokens: bool, seed: f64, config: &[u8]) -> Self {
        let mut lines = lines(config);
        let mut next = || lines.next().unwrap_or_default();
        let url = next().to_owned();
        let Ok(app) = AppId::parse(next()) else { core::arch::wasm32::unreachable() };
        let agent = next().to_owned();
        let ephemeral = !next().is_empty();
        let config =
            Config { app, agent, tokens, ephemeral, heartbeat: None, recent: 0, seed: seed.to_bits() };
        Self {
            url,
            session: RefCell::new(ClientSession::new(now(), config)),
            sockets: RefCell::default(),
            timer: RefCell::default(),
            said: RefCell::default(),
            identity: RefCell::default(),
            receipts: RefCell::default(),
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
    /// | 25 | that was the list | `x` seconds it is good |
    /// | 26 | what the heartbeat remembers, before 12 | `x` local time minus UTC, minutes, `bytes` as [`kind::HEARTBEAT`] gave them, or none |
    /// | 100 to 104 | of its own: [`crate::MAKE`], sockets, timer | |
    pub fn input(&self, kind: u32, x: f64, y: f64, bytes: Vec<u8>) {
        self.said.borrow_mut().push(Said { kind, x, y, bytes });
        self.listen();
    }

    /// Hears what was said, unless the session is at work: then it is heard after that.
    fn listen(&self) {
        while let Ok(mut session) = self.session.try_borrow_mut() {
            let mut said = self.said.borrow_mut();
            if said.is_empty() {
                return;
            }
            let next = said.remove(0);
            drop(said);
            let Some(input) = self.understand(&next) else { continue };
            let effects = session.handle(now(), input);
            self.arm(effects.deadline());
            for effect in effects {
                self.perform(effect);
            }
        }
    }

    fn perform(&self, effect: Effect) {
        match effect {
            Effect::Connect { socket, url } => {
                match Socket::open(socket, url.as_deref().unwrap_or(&self.url)) {
                    Ok(open) => self.sockets.borrow_mut().push((socket, open)),
                    // The session is at work: it hears of it next.
                    Err(_) => input(CLOSED, f64::from(socket), ABNORMAL, Vec::new()),
                }
            }
            Effect::Send { socket, bytes } => {
                if let Some((_, open)) = self.sockets.borrow().iter().find(|(no, _)| *no == socket) {
                    open.send(&bytes);
                }
            }
            Effect::CloseSocket { socket } => self.sockets.borrow_mut().retain(|(no, _)| *no != socket),
            other => perform::tell(other),
        }
    }

    /// One timer, for the next deadline.
    fn arm(&self, deadline: Option<Deadline>) {
        let timer = deadline.map(|Deadline { at, .. }| {
            // Rounded up: a timer that fires early would only be armed again.
            let wait = at.millis_since(now()) + 1;
            let wait = u32::try_from(wait).unwrap_or(LONGEST_MS).min(LONGEST_MS);
            Timeout::new(wait, || input(ELAPSED, 0.0, 0.0, Vec::new()))
        });
        self.timer.replace(timer);
    }

    fn understand<'a>(&self, said: &'a Said) -> Option<Input<'a>> {
        let Said { kind: what, x, y, bytes } = said;
        let (x, y) = (*x, *y);
        let topics = || lines(bytes).filter_map(|name| Topic::parse(name).ok()).collect();
        Some(match *what {
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
                let log = LogName::parse(text(bytes)).ok()?;
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
            16 => Input::Token { token: Some(text(bytes).to_owned()), expires: UnixMs(x as i64) },
            17 => Input::Token { token: None, expires: UnixMs::ZERO },
            18 => Input::Subscribe(topics()),
            19 => Input::Unsubscribe(topics()),
            20 => {
                let (mut add, mut remove) = (Vec::new(), Vec::new());
                for line in lines(bytes) {
                    let tags = if line.starts_with('+') { &mut add } else { &mut remove };
                    match Tag::parse(line.get(1..).unwrap_or_default()) {
                        Ok(tag) => tags.push(tag),
                        Err(_) => {
                            say(kind::SETTLED, x as u32, INVALID, "");
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
            24 => Input::Gateway { url: text(bytes).to_owned(), weight: x as u32 },
            25 => Input::Gateways { ttl_s: x as u32 },
            26 => {
                let mut identity = self.identity.borrow_mut();
                identity.offset_min = x as i32;
                identity.heartbeat = bytes.clone();
                return None;
            }
            OPEN => Input::Open { socket: x as u32 },
            MESSAGE => {
                say(kind::HEARD, u32::from(bytes.first() == Some(&BEAT)), 0, "");
                Input::Message { socket: x as u32, bytes }
            }
            CLOSED => Input::SocketClosed { socket: x as u32, code: y as u16 },
            ELAPSED => Input::Elapsed,
            _ => return None,
        })
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

/// Kinds of [`Core::input`] that only the core says to itself.
pub const OPEN: u32 = 101;
pub const MESSAGE: u32 = 102;
pub const CLOSED: u32 = 103;
const ELAPSED: u32 = 104;

/// What a socket that could not be opened is said to have closed with (RFC 6455, 7.1.5).
const ABNORMAL: f64 = 1006.0;

/// How a frame that holds a Beat begins: field 2, a message.
const BEAT: u8 = 0x12;

/// A longer timer fires at once: browsers keep the delay in 31 bits.
const LONGEST_MS: u32 = 0x7fff_ffff;

thread_local! {
    /// The wall clock less the worker's, milliseconds.
    static AHEAD: Cell<f64> = const { Cell::new(0.0) };
}

/// By how much the wall clock must run ahead before the machine is said to have slept, milliseconds.
const SLEPT_MS: f64 = 1000.0;

/// Never runs backwards. The worker's own clock stands still while a machine sleeps, on most systems; the
/// wall's does not, and a heartbeat must know.
fn now() -> Instant {
    let own = performance_now();
    let ahead = js_sys::Date::now() - own;
    AHEAD.with(|last| {
        if ahead > last.get() + SLEPT_MS {
            last.set(ahead);
        }
        Instant::from_micros(((own + last.get()) * 1000.0) as u64)
    })
}
