//! The loop of one connection: whatever comes becomes an input, whatever the session wants is performed, and all
//! that is ready leaves in one write.

use super::close::{self, CLOSE_WAIT};
use super::perform::{Desk, Scratch};
use super::port::Port;
use super::{Incoming, Turned, admit};
use crate::state::AppState;
use futures_util::{Sink, Stream};
use pulsegate_proto::frame::{Cause, CloseCode};
use pulsegate_proto::limits;
use pulsegate_proto::session::server::{Deadline, Input, ServerSession};
use pulsegate_proto::time;
use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

pub(super) type Socket = WebSocketStream<Port>;
/// What is left to do once a connection is over.
pub(super) type Goodbye = super::job::Boxed<()>;

/// What tungstenite reads at once. A client's usual frame (an ack, a probe) is under 100 bytes; a larger one gets
/// its own buffer while it lasts.
const READ_BYTES: usize = 256;
/// What a stranger is charged for from the start: tungstenite's buffer and this future.
const STRANGER_BYTES: usize = 4096;
/// Inputs before the task lets others have the thread.
const TURNS: usize = 64;
/// A socket that takes nothing for this long while something waits for it is given up.
const STALL: Duration = Duration::from_secs(30);
/// "Never", for a timer: far beyond every deadline of a session, well within what the timer can hold.
const NEVER: Duration = Duration::from_secs(30 * 24 * 3600);

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

/// One connection: the future of its task.
pub(super) struct Connection {
    session: ServerSession,
    socket: Socket,
    timer: Pin<Box<Sleep>>,
    /// What the timer is set to; it may ring too early, never too late.
    armed: Option<time::Instant>,
    /// The timer knows whom to wake.
    listening: bool,
    desk: Desk,
    phase: Phase,
    /// The last read found nothing, and nothing is left of what was read before.
    drained: bool,
    /// Since when the socket has taken nothing of what waits.
    stalled: Option<time::Instant>,
    /// Bytes of the outbox as last told to the metrics.
    told_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// A close frame is in the outbox; the peer may answer.
    Closing,
    /// tungstenite cannot read this stream any more: what still comes is thrown away.
    Broken,
    /// The peer said goodbye: what is in the outbox is the last.
    Leaving,
    Over,
}

impl Connection {
    /// A connection about to say hello. One that is turned away begins with its Closing.
    pub(super) async fn open(state: Arc<AppState>, incoming: Incoming) -> Self {
        let Incoming { stream, early, address, origin, turned } = incoming;
        let now = state.hub.now();
        let mut share = state.hub.gate.budget.take(STRANGER_BYTES);
        if let Some(share) = &mut share {
            share.hold(STRANGER_BYTES + early.len());
        }
        // Of the whole message, all fragments together. The smaller bound before Hello is the session's; what a
        // stranger's bytes take until then is counted by the port.
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(limits::FRAME_BYTES))
            .max_frame_size(Some(limits::FRAME_BYTES));
        let port = Port::new(stream, share);
        let socket = WebSocketStream::from_partially_read(port, early, Role::Server, Some(config)).await;
        let settings = state.hub.session_settings();
        let session = ServerSession::new(now, settings);
        let armed = session.deadline().map(|deadline| deadline.at);
        let ring = armed.map_or_else(|| Instant::now() + NEVER, |at| state.hub.system_time(at).into());
        let mut connection = Self {
            session,
            socket,
            timer: Box::pin(tokio::time::sleep_until(ring)),
            armed,
            listening: false,
            desk: Desk::new(state, address, origin),
            phase: Phase::Open,
            drained: false,
            stalled: None,
            told_bytes: 0,
        };
        match turned {
            None => {}
            Some(Turned::Version) => connection.desk.inputs.push_back(Input::UnsupportedVersion),
            Some(Turned::Overload(after)) => {
                connection.desk.state.metrics.handshake_refused("rate");
                let refusal = admit::refusal(CloseCode::TooManyRequests, "too many handshakes", after);
                connection.desk.inputs.push_back(Input::Refused(refusal));
            }
        }
        connection
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.desk.waiter.register(cx.waker());
        self.desk.now = self.desk.state.hub.now();
        let mut quiet = false;
        for _ in 0..TURNS {
            let mut idle = !self.desk.take_wakes();
            idle &= !self.poll_jobs(cx);
            idle &= !self.poll_socket(cx, &mut quiet);
            idle &= !self.poll_timer(cx);
            idle &= !self.pump();
            // What is ready leaves together, but never more than the bound is gathered before.
            if idle || self.socket.get_ref().outbox.bytes() > self.desk.outbox_bound {
                idle &= !self.poll_outbox(cx);
                idle &= !self.pump();
            }
            if self.phase != Phase::Open {
                return Poll::Ready(());
            }
            if idle {
                return Poll::Pending;
            }
        }
        // Others want the thread; what is gathered leaves now, the rest when we are called again.
        self.poll_outbox(cx);
        cx.waker().wake_by_ref();
        if self.phase == Phase::Open { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Hands all inputs to the session and performs what it wants. True: there were some.
    fn pump(&mut self) -> bool {
        let mut pumped = false;
        while let Some(input) = self.desk.inputs.pop_front() {
            pumped = true;
            let gone = matches!(input, Input::SocketClosed(_));
            let mut effects = self.session.handle(self.desk.now, input);
            let deadline = effects.deadline();
            for effect in effects.by_ref() {
                self.desk.perform(&mut self.socket, effect);
            }
            drop(effects);
            self.arm(deadline);
            if gone && self.phase == Phase::Open {
                self.phase = Phase::Over;
            }
        }
        if pumped {
            let farewell = self.session.farewell(self.desk.now);
            self.desk.settle(&farewell);
            if self.desk.closed.is_some() && self.phase == Phase::Open {
                self.phase = Phase::Closing;
            }
        }
        pumped
    }

    fn poll_jobs(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        loop {
            self.desk.next_commit();
            let Poll::Ready(answer) = self.desk.jobs.poll(cx) else { return any };
            any = true;
            self.desk.answered(&mut self.socket, answer);
            self.pump();
        }
    }

    /// Reads one message, if the session wants any. True: something came. `quiet`: the socket had nothing before in
    /// this turn, and will wake us.
    fn poll_socket(&mut self, cx: &mut Context<'_>, quiet: &mut bool) -> bool {
        if *quiet {
            return false;
        }
        let room = self.socket.get_ref().outbox.bytes() <= self.desk.outbox_bound;
        if self.phase != Phase::Open || !room || !self.session.wants_frames() || self.desk.jobs.is_full() {
            return false;
        }
        // Once it was read to its end, a look at the socket is cheaper than a read that finds nothing.
        if self.drained && self.socket.get_mut().poll_readable(cx).is_pending() {
            *quiet = true;
            return false;
        }
        let read = Pin::new(&mut self.socket).poll_next(cx);
        self.drained = read.is_pending();
        if self.socket.get_ref().overdrawn() && self.desk.who.is_none() {
            self.desk.state.metrics.handshake_refused("no_room");
            let refusal = admit::refusal(
                CloseCode::TooManyRequests,
                "too many strangers at once",
                admit::spread(Duration::from_secs(1)),
            );
            self.desk.inputs.push_back(Input::Refused(refusal));
            self.pump();
            return true;
        }
        let input = match read {
            Poll::Pending => {
                *quiet = true;
                return false;
            }
            Poll::Ready(Some(Ok(Message::Binary(bytes)))) => Input::Frame(bytes),
            Poll::Ready(Some(Ok(Message::Text(_)))) => Input::TextFrame,
            Poll::Ready(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => Input::ControlFrame,
            Poll::Ready(Some(Ok(Message::Close(_)))) => {
                self.phase = Phase::Leaving;
                Input::SocketClosed(Cause::ClientClosed)
            }
            // Raw frames are only ever written.
            Poll::Ready(Some(Ok(Message::Frame(_)))) => return true,
            Poll::Ready(Some(Err(error))) => {
                let input = close::failed(&error);
                self.phase = match input {
                    Input::SocketClosed(_) => Phase::Over,
                    _ => Phase::Broken,
                };
                input
            }
            Poll::Ready(None) => Input::SocketClosed(Cause::Eof),
        };
        self.desk.state.metrics.frames_in(1);
        self.desk.inputs.push_back(input);
        self.pump();
        true
    }

    /// Writes what waits. True: the session was told of a change.
    fn poll_outbox(&mut self, cx: &mut Context<'_>) -> bool {
        let mut taken = 0;
        let port = self.socket.get_mut();
        let written = port.poll_outbox(cx, &mut taken);
        let waiting = port.outbox.bytes();
        if taken > 0 {
            self.desk.state.metrics.bytes_out(taken as u64);
        }
        if waiting != self.told_bytes {
            self.desk.state.metrics.outbox(waiting as i64 - self.told_bytes as i64);
            self.told_bytes = waiting;
        }
        match written {
            Poll::Ready(Ok(())) => self.stalled = None,
            Poll::Ready(Err(_)) => {
                self.phase = Phase::Over;
                self.desk.inputs.push_back(Input::SocketClosed(Cause::Reset));
                return true;
            }
            Poll::Pending if taken > 0 || self.stalled.is_none() => {
                let now = self.desk.now;
                self.stalled = Some(now);
                self.ring_at(now + STALL);
            }
            Poll::Pending => {}
        }
        self.desk.outbox_is(waiting)
    }

    /// Looks at the timer where it may have rung, or does not know yet whom to wake. True: it rang.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let due = self.armed.is_some_and(|at| at <= self.desk.now);
        if (self.listening && !due) || self.timer.as_mut().poll(cx).is_pending() {
            self.listening = true;
            return false;
        }
        self.rang();
        true
    }

    /// The timer rang: for the session, or because the socket is stuck.
    fn rang(&mut self) {
        self.armed = None;
        let now = self.desk.now;
        if self.stalled.is_some_and(|since| now >= since + STALL) {
            self.desk.state.metrics.outbox_overflow();
            self.phase = Phase::Over;
            self.desk.inputs.push_back(Input::SocketClosed(Cause::TimedOut));
            return;
        }
        self.listening = false;
        let never = Instant::now() + NEVER;
        self.timer.as_mut().reset(never);
        if let Some(since) = self.stalled {
            self.ring_at(since + STALL);
        }
        self.desk.inputs.push_back(Input::Elapsed);
    }

    fn arm(&mut self, deadline: Option<Deadline>) {
        if let Some(deadline) = deadline {
            self.ring_at(deadline.at);
        }
    }

    /// Rings no later than `at`. Moving the timer further out is left to its next ring: a busy link moves its
    /// beat with every frame.
    fn ring_at(&mut self, at: time::Instant) {
        if self.armed.is_none_or(|armed| at < armed) {
            self.armed = Some(at);
            self.listening = false;
            let at = self.desk.state.hub.system_time(at).into();
            self.timer.as_mut().reset(at);
        }
    }

    /// From the close frame to the end, bounded.
    fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Writes tungstenite's own close reply into the outbox, if there is one.
        let _ = Pin::new(&mut self.socket).poll_flush(cx);
        loop {
            let mut taken = 0;
            match self.socket.get_mut().poll_outbox(cx, &mut taken) {
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) if self.phase == Phase::Leaving => {
                    let _ = ready!(self.socket.get_mut().poll_end(cx));
                    return Poll::Ready(());
                }
                Poll::Ready(Ok(())) if self.phase == Phase::Broken => {
                    let _ = ready!(self.socket.get_mut().poll_end(cx));
                    return self.socket.get_mut().poll_discard(cx);
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            if self.phase != Phase::Closing {
                return Poll::Pending;
            }
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                // A ping's answer would be one more frame after the last: nothing is answered any more.
                Some(Ok(Message::Close(_))) | None => self.phase = Phase::Leaving,
                Some(Ok(_)) => {}
                Some(Err(_)) => self.phase = Phase::Broken,
            }
        }
    }

    /// Takes the connection off every list and says what is left to do.
    fn end(&mut self) -> Goodbye {
        let farewell = self.session.farewell(self.desk.state.hub.now());
        let state = Arc::clone(&self.desk.state);
        let (code, cause) = self.desk.closed.take().unwrap_or((1006, farewell.cause));
        state.metrics.connection_closed(code, close::label(cause));
        state.metrics.outbox(-(self.told_bytes as i64));
        let jobs = std::mem::take(&mut self.desk.jobs);
        let who = self.desk.leave();
        if who.is_some() && close::is_death(cause, farewell.unanswered) {
            state.metrics.death(close::label(cause), farewell.unanswered, farewell.heard_ago);
        }
        Box::pin(super::goodbye::say(state, who, jobs, farewell, cause))
    }
}

impl Future for Connection {
    type Output = Goodbye;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Goodbye> {
        let this = self.get_mut();
        if this.phase == Phase::Open {
            let mut scratch = SCRATCH.take();
            this.desk.pick_up(&mut scratch);
            this.session.exchange_room(&mut scratch.effects);
            this.socket.get_mut().outbox.exchange(&mut scratch.frames);
            let open = this.poll_open(cx).is_pending();
            if !open {
                this.pump();
            }
            this.socket.get_mut().outbox.exchange(&mut scratch.frames);
            this.session.exchange_room(&mut scratch.effects);
            this.desk.put_down(&mut scratch);
            SCRATCH.set(scratch);
            if open {
                return Poll::Pending;
            }
            let wait = Instant::now() + CLOSE_WAIT;
            this.timer.as_mut().reset(wait);
        }
        let closed = this.phase == Phase::Over || this.poll_closing(cx).is_ready();
        if closed || this.timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(this.end());
        }
        Poll::Pending
    }
}
