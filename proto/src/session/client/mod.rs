//! The client's side of a device: one connection, whatever happens to it.
//!
//! ```text
//! driver                                session                         gateway
//!   Identity (from storage)      ->     SaveIdentity (new generation)
//!   IdentitySaved                ->     NeedToken
//!   Token                        ->     Connect
//!   Open                         ->     Send                    ->      Hello
//!   Message                      ->     State, Welcomed         <-      Welcome
//!   Message                      ->     Store                   <-      Deliver
//!   Stored                       ->     Send (when the pace says so) -> Ack
//! ```
//!
//! The session decides, the driver performs. One driver loop, whatever the runtime:
//!
//! ```text
//! let mut session = ClientSession::new(clock.now(), config);
//! let mut input = Input::Identity(Box::new(storage.load()));
//! loop {
//!     let mut effects = session.handle(clock.now(), input);
//!     let deadline = effects.deadline();                     // arm one timer: Input::Elapsed
//!     for effect in effects {
//!         match effect {
//!             Effect::Connect { socket, url } => sockets.open(socket, url),   // -> Open | SocketClosed
//!             Effect::Send { socket, bytes } => sockets.send(socket, bytes),
//!             Effect::CloseSocket { socket } => sockets.close(socket),
//!             Effect::Store(store) => storage.write(store),                   // -> Stored
//!             Effect::SaveIdentity(save) => storage.save(save),               // -> IdentitySaved
//!             Effect::WipeInbox(_) => storage.wipe(),      // in order with the writes around it
//!             Effect::NeedToken(_) => app.token(),                            // -> Token
//!             told => tabs.tell(told),
//!         }
//!     }
//!     input = next().await;
//! }
//! ```
//!
//! Every effect must be performed, in order; storage effects in particular must reach storage in
//! the order they were asked for. Their answers may come any time later.

mod ack;
mod dedup;
mod end;
mod evidence;
mod io;
mod link;
mod logs;
mod moving;
mod race;
mod store;
mod timers;
mod token;
mod watch;
mod welcome;
mod wishes;

pub use io::{
    Config, Deadline, Effect, Entry, Fault, Identity, Input, Reason, Save, Socket, State, Store, TokenNeed,
    Why, Wipe, Wish, WishId,
};

use crate::choose::{Gateway, Known, Race, Weighted};
use crate::frame::{CloseCode, Closing, Hello};
use crate::heartbeat::Heartbeat;
use crate::reconnect::Backoff;
use crate::time::{Instant, UnixMs};
use ack::Pace;
use core::marker::PhantomData;
use dedup::Dedup;
use evidence::Ended;
use link::Link;
use logs::Logs;
use race::Look;
use store::Outgoing;
use timers::Timers;
use token::Tokens;
use wishes::Wishes;

/// The contract level spoken.
const LEVEL: u32 = 1;

/// The client's side of a device.
#[derive(Debug)]
pub struct ClientSession {
    now: Instant,
    effects: Vec<Effect>,
    timers: Timers,

    /// Storage was read.
    loaded: bool,
    /// Whether a connection is wanted.
    wanted: bool,
    state: State,
    reason: Option<Reason>,
    offline: bool,
    visible: bool,

    /// Who this device is, as the next Hello tells it.
    hello: Hello,
    has_tokens: bool,
    forgetting: bool,
    forget_request: u32,
    /// Identities that are being saved.
    saving: u32,

    sockets: Socket,
    /// The link, or the attempt.
    link: Option<Link>,
    welcomed: bool,
    /// During a move: the link that will be.
    next: Option<Link>,
    /// Why a gateway is looked for, while one is.
    looking: Look,
    race: Race,
    known: Known,
    /// Where the gateway sent us.
    sent_to: Vec<Gateway>,
    /// The list of gateways, while it is being told.
    listing: Vec<Weighted>,
    session: String,
    heard_at: Instant,
    said_at: Instant,
    /// A Probe is out.
    probing: bool,
    nonce: u32,
    /// What ends this silence proves nothing: the machine slept, or the network changed.
    void: bool,
    /// The watchdog came late and let the queue go first.
    waited: bool,
    /// The link before this one, until it is judged.
    ended: Option<Ended>,
    /// Local time minus UTC, minutes.
    offset_min: i32,
    wall_clock: (Instant, UnixMs),
    server_clock: Option<(Instant, UnixMs)>,

    heartbeat: Heartbeat,
    backoff: Backoff,
    tokens: Tokens,
    wishes: Wishes,
    logs: Logs,
    dedup: Dedup,
    outgoing: Outgoing,
    pace: Pace,
}

/// What a session asks for after one input: an iterator that must be drained.
#[derive(Debug)]
#[must_use = "effects that are not performed are lost"]
pub struct Effects<'a> {
    effects: std::vec::IntoIter<Effect>,
    deadline: Option<Deadline>,
    session: PhantomData<&'a mut ClientSession>,
}

impl Effects<'_> {
    /// When the session wants [`Input::Elapsed`]; `None`: never.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }
}

impl Iterator for Effects<'_> {
    type Item = Effect;

    fn next(&mut self) -> Option<Effect> {
        self.effects.next()
    }
}

impl ClientSession {
    /// A device that has not read its storage yet.
    #[must_use]
    pub fn new(now: Instant, config: Config) -> Self {
        Self {
            now,
            effects: Vec::new(),
            timers: Timers::default(),
            loaded: false,
            wanted: false,
            state: State::Disconnected,
            reason: None,
            offline: false,
            visible: false,
            forgetting: false,
            forget_request: 0,
            saving: 0,
            sockets: 0,
            link: None,
            welcomed: false,
            next: None,
            looking: Look::Connect,
            race: Race::default(),
            known: Known::default(),
            sent_to: Vec::new(),
            listing: Vec::new(),
            session: String::new(),
            heard_at: now,
            said_at: now,
            probing: false,
            nonce: 0,
            void: false,
            waited: false,
            ended: None,
            offset_min: 0,
            wall_clock: (now, UnixMs::ZERO),
            server_clock: None,
            hello: Hello {
                app: config.app,
                token: String::new(),
                registration: None,
                generation: 0,
                cursors: Vec::new(),
                silence_s: 0,
                agent: config.agent,
                last_link: None,
                link: 0,
                level: LEVEL,
                ephemeral: config.ephemeral,
            },
            has_tokens: config.tokens,
            heartbeat: Heartbeat::new(config.heartbeat),
            backoff: Backoff::new(config.seed),
            tokens: Tokens::default(),
            wishes: Wishes::default(),
            logs: Logs::default(),
            dedup: Dedup::new(config.recent),
            outgoing: Outgoing::default(),
            pace: Pace::default(),
        }
    }

    /// Takes an input; `now` never runs backwards.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) -> Effects<'_> {
        self.now = now.max(self.now);
        self.notice_sleep();
        self.take(input);
        self.elapse();
        self.flush_wishes();
        self.proceed();
        Effects {
            deadline: self.timers.next().map(|(at, why)| Deadline { at, why }),
            effects: core::mem::take(&mut self.effects).into_iter(),
            session: PhantomData,
        }
    }

    /// What the app sees of the connection.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// How long silence may last, and what is believed of the path.
    #[must_use]
    pub fn heartbeat(&self) -> &Heartbeat {
        &self.heartbeat
    }

    fn take(&mut self, input: Input<'_>) {
        match input {
            Input::Identity(identity) => self.identity(*identity),
            Input::IdentitySaved => self.saving = self.saving.saturating_sub(1),
            Input::Start => self.start(),
            Input::Stop => self.stop(Reason::Stopped),
            Input::Open { socket } => self.opened(socket),
            Input::Message { socket, bytes } => self.message(socket, bytes),
            Input::SocketClosed { socket, code } => self.socket_closed(socket, code),
            Input::Stored { no } => self.stored(no),
            Input::StoreFailed { no } => self.store_failed(no),
            Input::Token { token, expires } => self.token_came(token, expires),
            Input::TokenUnavailable => self.token_unavailable(),
            Input::TokenDenied => self.token_denied(),
            Input::Subscribe(topics) => self.subscribe(topics),
            Input::Unsubscribe(topics) => self.unsubscribe(topics),
            Input::Wish { wish, what } => self.wish(wish, what),
            Input::Receipts(receipts) => self.receipts(receipts),
            Input::Activity(activity) => self.activity(activity),
            Input::Forget => self.forget(),
            Input::Online => {
                self.offline = false;
                if self.state == State::Offline {
                    self.set_state(State::Connecting, None);
                }
                self.network_changed();
            }
            Input::Offline => {
                self.offline = true;
                self.network_changed();
                if self.wanted && !self.welcomed {
                    self.set_state(State::Offline, None);
                }
            }
            Input::NetworkChanged => self.network_changed(),
            Input::Gateway { url, weight } => {
                let gateway = self.known.number(url);
                self.listing.push((gateway, weight));
            }
            Input::Gateways { ttl_s } => self.listed(ttl_s),
            Input::Visible => self.visible(),
            Input::BackPressure(hold) => {
                self.pace.hold(hold);
                self.ack_if_due();
            }
            Input::Elapsed => {}
        }
    }

    /// Takes over the registration: a generation no other holder has used.
    fn identity(&mut self, identity: Identity) {
        if self.loaded {
            return;
        }
        self.loaded = true;
        let now = u64::try_from(identity.now.0).unwrap_or(0);
        self.hello.generation = (identity.generation + 1).max(now);
        self.hello.registration = identity.registration;
        self.forgetting = identity.forgetting;
        self.wall_clock = (self.now, identity.now);
        self.offset_min = identity.offset_min;
        self.heartbeat.load(&identity.heartbeat);
        self.logs.load(identity.cursors);
        self.dedup.seed(identity.recent);
        self.save();
        self.wanted = true;
        self.ask_list(false);
    }

    fn socket_closed(&mut self, socket: Socket, code: u16) {
        let code = CloseCode::from_code(code);
        let closing = Closing { code, reason: String::new(), reconnect_after_ms: 0, generation: 0 };
        self.closed_by_gateway(socket, closing);
    }

    /// Handles every timer that is due.
    fn elapse(&mut self) {
        while let Some(why) = self.timers.take_due(self.now) {
            match why {
                Why::Reconnect => {}
                Why::Connect => self.run_race(0, Reason::TimedOut),
                Why::Ack => self.ack_due(),
                Why::Watch => self.watch_due(),
                Why::Probe => self.probe_lost(),
                Why::Token => self.refresh_token(),
                Why::Wish => self.wish_again(),
                Why::Move => self.move_now(),
            }
        }
    }

    fn is_welcomed(&self) -> bool {
        self.welcomed
    }

    /// Asks for an effect. Outlined: three dozen places do.
    #[inline(never)]
    fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn set_state(&mut self, state: State, reason: Option<Reason>) {
        if self.state != state || (reason.is_some() && self.reason != reason) {
            self.state = state;
            self.reason = reason;
            self.emit(Effect::State { state, reason });
        }
    }
}
