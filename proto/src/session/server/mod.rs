//! The gateway's side of one link.
//!
//! ```text
//! client                      session                             driver
//!   Hello            ->         Admit            ->                authenticates, takes the registry row
//!   <- Welcome                  Attach, Park      <- Admitted
//!                               Read              <- Available      something was appended
//!   <- Deliver                  Deliver, Park     <- Entries
//!   Ack              ->         Acked             ->                registry, funnel
//!   Subscribe        ->         Commit            ->                registry
//!   <- Reply                    Attach, Park      <- Done
//! ```
//!
//! The session decides, the driver performs. One driver loop, whatever the runtime:
//!
//! ```text
//! let mut session = ServerSession::new(clock.now(), settings.clone());
//! let mut input = None;
//! loop {
//!     let now = clock.now();
//!     let mut effects = session.handle(now, input.unwrap_or(Input::Elapsed));
//!     let deadline = effects.deadline();               // arm one timer: Input::Elapsed
//!     for effect in effects {
//!         match effect {
//!             Effect::Send(bytes) => outbox.push(bytes),
//!             Effect::Deliver { run, .. } => outbox.push(run.split().1),
//!             Effect::Admit(hello) => jobs.push(admit(hello)),         // -> Admitted | Refused
//!             Effect::Commit { request, op } => jobs.push(commit(request, op)),   // -> Done, in order
//!             Effect::Attach { slot, log } => logs.insert(slot, log),
//!             Effect::Detach { slot } => logs.remove(slot),
//!             Effect::Read { slot, after, max } => jobs.push(read(slot, after, max)), // -> Entries
//!             Effect::Park { slot, after } => hub.park(slot, after),   // -> Available
//!             Effect::Acked { slot, seq, received } => router.acked(slot, seq, &received),
//!             Effect::Close { code, reason, .. } => return close(outbox, code, reason),
//!             Effect::Count(what) => metrics.count(what),
//!         }
//!     }
//!     input = Some(next(socket, jobs, hub, deadline).await);
//! }
//! router.disconnect(session.farewell(clock.now()));
//! ```
//!
//! Every effect must be performed, in order, before the next input. After [`Effect::Close`] nothing
//! more comes; inputs are then ignored.

mod ack;
mod beat;
mod close;
mod commit;
mod deliver;
mod frames;
mod hello;
mod io;
mod logs;
mod rate;
mod run;
mod timers;
mod token;
mod window;

pub use io::{
    Admission, Batch, Counted, Deadline, Effect, Farewell, Input, Op, Outcome, Refusal, Settings, Slot,
    Started, TokenTimes, Why,
};
pub use run::{Item, Run};

use crate::frame::{Cause, CloseCode, Closing, ErrorCode, Redirect, Reply, ServerFrame, encode_server};
use crate::time::{Instant, UnixMs};
use beat::Beat;
use hello::Admitting;
use logs::Logs;
use rate::Rate;
use std::collections::VecDeque;
use std::sync::Arc;
use timers::Timers;
use window::Window;

/// The gateway's side of one link: a few hundred bytes when idle.
#[derive(Debug)]
pub struct ServerSession {
    settings: Arc<Settings>,
    now: Instant,
    phase: Phase,
    beat: Beat,
    frames: Rate,
    controls: Rate,
    timers: Timers,
    effects: VecDeque<Effect>,
}

#[derive(Debug)]
enum Phase {
    /// Only Hello and small Probes are taken.
    Hello,
    /// The driver judges the Hello.
    Admitting(Box<Admitting>),
    /// Welcomed.
    Live(Box<Live>),
    /// Nothing more is said.
    Closed(Cause),
}

/// What a welcomed link holds.
#[derive(Debug)]
struct Live {
    logs: Logs,
    window: Window,
    /// The gateway's wall clock at an instant of ours.
    clock: (Instant, UnixMs),
    /// Commits that were not answered yet.
    commits: u32,
    /// A newer link of the same generation rules.
    older: bool,
    /// The driver's outbox is over its bound.
    full: bool,
    /// For the REPLACED that ends an older link.
    ruling: u64,
    /// When the token expires.
    expires: UnixMs,
}

/// What a session asks for after one input: an iterator that must be drained.
#[derive(Debug)]
#[must_use = "effects that are not performed are lost"]
pub struct Effects<'a> {
    effects: &'a mut VecDeque<Effect>,
    deadline: Option<Deadline>,
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
        self.effects.pop_front()
    }
}

impl Drop for Effects<'_> {
    /// What was not performed is lost.
    fn drop(&mut self) {
        self.effects.clear();
    }
}

impl ServerSession {
    /// A link whose upgrade was answered at `now`.
    #[must_use]
    pub fn new(now: Instant, settings: Arc<Settings>) -> Self {
        let mut timers = Timers::default();
        timers.set(Why::Hello, now + settings.hello_within);
        Self {
            beat: Beat::new(now, settings.silence),
            settings,
            now,
            phase: Phase::Hello,
            frames: Rate::new(now),
            controls: Rate::new(now),
            timers,
            effects: VecDeque::new(),
        }
    }

    /// Takes an input; `now` never runs backwards.
    pub fn handle(&mut self, now: Instant, input: Input) -> Effects<'_> {
        self.now = now.max(self.now);
        self.take(input);
        self.elapse();
        Effects { deadline: self.deadline(), effects: &mut self.effects }
    }

    /// Exchanges the room for effects, if there are none. A driver of thousands of links lends the same room to each
    /// while it runs: an idle link then keeps none, and a busy one asks the allocator for nothing.
    pub fn exchange_room(&mut self, room: &mut VecDeque<Effect>) {
        if self.effects.is_empty() && room.is_empty() {
            core::mem::swap(&mut self.effects, room);
        }
    }

    /// When the session wants [`Input::Elapsed`]; before the first input, the Hello's time.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        let (at, why) = self.timers.next()?;
        Some(Deadline { at, why })
    }

    /// False while a Hello is being judged: the driver should leave frames in the socket. The
    /// session holds a few if it does not.
    #[must_use]
    pub fn wants_frames(&self) -> bool {
        matches!(self.phase, Phase::Hello | Phase::Live(_))
    }

    /// Whether the link is welcomed and not closed.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live(_))
    }

    /// Whether [`Effect::Close`] was asked for or the socket is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed(_))
    }

    /// What to write down when the connection has ended.
    #[must_use]
    pub fn farewell(&self, now: Instant) -> Farewell {
        let (heard_ago, unanswered) = self.beat.state(now);
        Farewell {
            heard_ago,
            unanswered,
            cause: match self.phase {
                Phase::Closed(cause) => cause,
                Phase::Hello | Phase::Admitting(_) | Phase::Live(_) => Cause::Unknown,
            },
        }
    }

    fn take(&mut self, input: Input) {
        if self.is_closed() {
            return;
        }
        match input {
            Input::Frame(bytes) => self.frame(bytes),
            Input::TextFrame => self.close_socket(
                1003,
                Closing::new(CloseCode::ProtocolViolation, "text is not spoken here"),
                Cause::GatewayClosed,
            ),
            Input::ControlFrame => self.control_frame(),
            Input::Oversized => self.close(CloseCode::FrameTooLarge, "a message is over 64 KiB"),
            Input::BadSocketFrame { code } => {
                let ours = if code == 1009 { CloseCode::FrameTooLarge } else { CloseCode::ProtocolViolation };
                let closing = Closing::new(ours, "a broken WebSocket frame");
                self.close_socket(code, closing, Cause::GatewayClosed);
            }
            Input::UnsupportedVersion => {
                self.close(CloseCode::UnsupportedVersion, "this gateway speaks pulsegate.v1")
            }
            Input::Admitted(admission) => self.admitted(*admission),
            Input::Refused(refusal) => self.refused(refusal),
            Input::Done { request, outcome } => self.done(request, outcome),
            Input::Available { slot } => self.available(slot),
            Input::Entries { slot, batch } => self.entries(slot, batch),
            Input::ReadFailed { slot } => self.read_failed(slot),
            Input::Live { slot, frame } => self.live(slot, frame),
            Input::LogsChanged { started, ended } => self.logs_changed(started, ended),
            Input::Superseded { generation, link_only } => self.superseded(generation, link_only),
            Input::Deleted => self.close(CloseCode::Unauthenticated, "the registration was deleted"),
            Input::Redirect { endpoints, after_ms, reason } => {
                self.redirect(Redirect { endpoints, after_ms, reason })
            }
            Input::Drain { reconnect_after_ms } => {
                let mut closing = Closing::new(CloseCode::Draining, "this gateway goes away");
                closing.reconnect_after_ms = reconnect_after_ms;
                self.close_with(closing, Cause::GatewayClosed);
            }
            Input::OutboxFull => self.outbox(true),
            Input::OutboxDrained => self.outbox(false),
            Input::Elapsed => {}
            Input::SocketClosed(cause) => self.end(cause),
        }
    }

    fn redirect(&mut self, redirect: Redirect) {
        if self.is_live() {
            self.advance();
            self.send(ServerFrame::Redirect(redirect));
        }
    }

    fn superseded(&mut self, generation: u64, link_only: bool) {
        if let Phase::Live(live) = &mut self.phase
            && link_only
        {
            if !live.older {
                live.older = true;
                live.ruling = generation;
                live.logs.stop();
                self.timers.clear(Why::ReadAgain);
                self.timers.set(Why::OlderLink, self.now + self.settings.older_link);
            }
            return;
        }
        self.replaced(generation);
    }

    fn replaced(&mut self, generation: u64) {
        let mut closing = Closing::new(CloseCode::Replaced, "a newer link rules");
        closing.generation = generation;
        self.close_with(closing, Cause::Replaced);
    }

    fn refused(&mut self, refusal: Refusal) {
        let cause = match refusal.code {
            CloseCode::Replaced => Cause::Replaced,
            _ => Cause::GatewayClosed,
        };
        let closing = Closing {
            code: refusal.code,
            reason: refusal.reason,
            reconnect_after_ms: refusal.reconnect_after_ms,
            generation: refusal.generation,
        };
        self.close_with(closing, cause);
    }

    /// Handles every timer that is due.
    fn elapse(&mut self) {
        while let Some(why) = self.timers.take_due(self.now) {
            match why {
                Why::Hello => self.close(CloseCode::HelloTimeout, "no Hello in time"),
                Why::Beat => self.beat_due(),
                Why::Silent => {
                    if self.beat.silent() <= self.now {
                        let closing = Closing::new(CloseCode::Silent, "nothing was heard");
                        self.close_with(closing, Cause::TimedOut);
                    } else {
                        self.timers.set(Why::Silent, self.beat.silent());
                    }
                }
                Why::TokenExpiring => self.token_expiring(),
                Why::TokenExpired => self.close(CloseCode::TokenExpired, "the token expired"),
                Why::OlderLink => {
                    if let Phase::Live(live) = &self.phase {
                        let ruling = live.ruling;
                        self.replaced(ruling);
                    }
                }
                Why::ReadAgain => self.pump(),
            }
        }
    }

    fn beat_due(&mut self) {
        if self.beat.due() <= self.now {
            let (silence_ms, silence_no) = self.beat.beat(self.now);
            self.advance();
            self.send(ServerFrame::Beat { silence_ms, silence_no });
        }
        self.timers.set(Why::Beat, self.beat.due());
    }

    /// After a change of the silence wanted.
    fn arm_beat(&mut self) {
        self.timers.set(Why::Beat, self.beat.due());
        self.timers.set(Why::Silent, self.beat.silent());
    }

    fn send(&mut self, frame: ServerFrame) {
        self.beat.spoke(self.now);
        self.effects.push_back(Effect::Send(encode_server(frame)));
    }

    fn reply(&mut self, request_id: u32, error: ErrorCode, detail: &str) {
        if request_id != 0 {
            self.send(ServerFrame::Reply(Box::new(Reply {
                request_id,
                error,
                detail: detail.to_owned(),
                message: None,
                retry_after_ms: 0,
                starts: Vec::new(),
                denied: Vec::new(),
            })));
        }
    }
}
