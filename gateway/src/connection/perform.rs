//! What a connection does with the effects of its session, and what it makes inputs of.

use super::admit::{Admitted, admit};
use super::commit::commit;
use super::convert;
use super::driver::Socket;
use super::frame;
use super::job::{Answer, Jobs, Waiting};
use super::slot::Slots;
use super::who::Who;
use crate::config::GatewayEntry;
use crate::hub::{Mail, Vital, Waiter};
use crate::state::AppState;
use futures_util::Sink;
use pulsegate_proto::frame::{Cause, Endpoint, ErrorCode};
use pulsegate_proto::id::{LogName, Seq};
use pulsegate_proto::limits;
use pulsegate_proto::session::server::{Batch, Counted, Effect, Farewell, Input, Item, Run, Slot};
use pulsegate_proto::time;
use pulsegate_routing::{Notes, ReadBatch, StartInfo};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as SocketCode;

/// Everything of a connection but its socket, its session and its timer.
pub(super) struct Desk {
    pub(super) state: Arc<AppState>,
    pub(super) waiter: Arc<Waiter>,
    pub(super) inputs: VecDeque<Input>,
    pub(super) jobs: Jobs,
    /// When this turn began: the clock is read once a turn and not at every step.
    pub(super) now: time::Instant,
    pub(super) who: Option<Box<Who>>,
    /// What it was sent and has acked; from the Welcome on.
    notes: Option<Notes>,
    /// How it was closed: code and cause.
    pub(super) closed: Option<(u16, Cause)>,
    /// The outbox may hold this many bytes before the session is told to wait.
    pub(super) outbox_bound: usize,
    slots: Slots,
    /// Where logs begin that the session is about to attach.
    starts: Vec<StartInfo>,
    address: IpAddr,
    origin: Option<String>,
    outbox_full: bool,
}

/// Room that a connection needs only while it runs: one for each thread, so that ten thousand idle connections hold
/// none of it and a busy one asks the allocator for nothing.
#[derive(Default)]
pub(super) struct Scratch {
    inputs: VecDeque<Input>,
    pub(super) effects: VecDeque<Effect>,
    pub(super) frames: VecDeque<bytes::Bytes>,
}

impl Desk {
    pub(super) fn new(state: Arc<AppState>, address: IpAddr, origin: Option<String>) -> Self {
        let bound = usize::try_from(state.config.load().limits.outbox_bytes).unwrap_or(usize::MAX);
        Self {
            waiter: Arc::default(),
            inputs: VecDeque::new(),
            jobs: Jobs::default(),
            now: state.hub.now(),
            who: None,
            notes: None,
            closed: None,
            outbox_bound: if bound == 0 { usize::MAX } else { bound },
            slots: Slots::default(),
            starts: Vec::new(),
            address,
            origin,
            outbox_full: false,
            state,
        }
    }

    /// Makes inputs of what others told this connection. True: there was something.
    pub(super) fn take_wakes(&mut self) -> bool {
        // An answer may make more of a mail than it is now: who is not admitted yet reads it later.
        if self.who.is_none() {
            return false;
        }
        let mail = self.waiter.take_mail();
        let marks = self.waiter.take_marks();
        let any = !mail.is_empty() || !marks.is_empty();
        for mail in mail {
            self.read_mail(mail);
        }
        self.inputs.extend(marks.map(|slot| Input::Available { slot }));
        any
    }

    fn read_mail(&mut self, mail: Mail) {
        match mail {
            Mail::Live { slot, entry, frame } => {
                let (Some(who), Some(reading)) = (&mut self.who, self.slots.get(slot)) else { return };
                reading.focus(&mut who.view);
                if entry.addressed_to(&who.view, 0, crate::clock::now()) {
                    self.inputs.push_back(Input::Live { slot, frame });
                }
            }
            Mail::Superseded { generation, link_only } => {
                self.inputs.push_back(Input::Superseded { generation, link_only });
            }
            Mail::LogsChanged { started, ended } => {
                let started: Vec<_> =
                    started.into_iter().filter(|start| !self.slots.reads(&start.log.name())).collect();
                let input = Input::LogsChanged {
                    started: started.iter().map(convert::started).collect(),
                    ended: ended.into_iter().map(|log| (log, ErrorCode::Ok)).collect(),
                };
                self.starts.extend(started);
                self.inputs.push_back(input);
            }
            Mail::TagsChanged(tags) => {
                if let Some(who) = &mut self.who {
                    who.view.tags = tags;
                }
            }
            Mail::Deleted => self.inputs.push_back(Input::Deleted),
            Mail::Redirect { after_ms } => {
                let config = self.state.config.load();
                let endpoint = |other: &GatewayEntry| Endpoint {
                    url: dialable(&other.url),
                    weight: other.weight,
                    region: other.region.clone(),
                };
                self.inputs.push_back(Input::Redirect {
                    endpoints: config.gateways.others.iter().map(endpoint).collect(),
                    after_ms,
                    reason: "this gateway goes away".into(),
                });
            }
            Mail::Drain { reconnect_after_ms } => self.inputs.push_back(Input::Drain { reconnect_after_ms }),
        }
    }

    /// Starts the next commit if its turn has come.
    pub(super) fn next_commit(&mut self) {
        let Some(who) = &self.who else { return };
        let Some(Waiting { request, op }) = self.jobs.next() else { return };
        let committing = commit(Arc::clone(&self.state), who.clone(), op);
        self.jobs.start_registry(async move { Answer::Committed { request, committed: committing.await } });
    }

    /// Makes an input of what a job brought.
    pub(super) fn answered(&mut self, socket: &mut Socket, answer: Answer) {
        match answer {
            Answer::Admitted(Err(refusal)) => self.inputs.push_back(Input::Refused(refusal)),
            Answer::Admitted(Ok(Admitted { who, admission, starts })) => {
                self.state.hub.welcome(&who.session, who.view.user.as_ref());
                self.state.metrics.welcomed();
                socket.get_mut().trust();
                self.starts = starts;
                self.notes = Some(self.state.router.notes(&who.session));
                self.who = Some(Box::new(who));
                self.inputs.push_back(Input::Admitted(admission));
            }
            Answer::Committed { request, committed } => {
                if let Some(who) = committed.who {
                    self.state.hub.welcome(&who.session, who.view.user.as_ref());
                    self.who = Some(who);
                }
                self.starts.extend(committed.starts);
                self.inputs.push_back(Input::Done { request, outcome: committed.outcome });
            }
            Answer::Read { slot, after, result } => {
                let input = match result {
                    Ok(batch) => self.stored(slot, after, batch),
                    Err(error) => {
                        tracing::debug!(%error, "a read failed");
                        Input::ReadFailed { slot }
                    }
                };
                self.inputs.push_back(input);
            }
        }
    }

    /// Performs one effect.
    pub(super) fn perform(&mut self, socket: &mut Socket, effect: Effect) {
        match effect {
            Effect::Send(bytes) => {
                if bytes.first() == Some(&frame::BEAT) {
                    self.state.metrics.beats(1);
                }
                self.state.metrics.frames_out(1);
                socket.get_mut().outbox.push(frame::binary(&bytes));
            }
            Effect::Deliver { slot, run } => {
                let (marks, frames) = run.split();
                self.state.metrics.delivered(marks.len() as u64);
                socket.get_mut().outbox.push(frames);
                if let (Some(notes), Some(reading)) = (&self.notes, self.slots.get(slot)) {
                    self.state.router.sent(notes, reading.place.board.key(), marks);
                }
            }
            Effect::Admit(hello) => {
                let admitting = admit(
                    Arc::clone(&self.state),
                    Arc::clone(&self.waiter),
                    self.address,
                    self.origin.take(),
                    hello,
                );
                self.jobs.start_registry(async move { Answer::Admitted(admitting.await) });
            }
            Effect::Attach { slot, log } => self.attach(slot, &log),
            Effect::Detach { slot } => self.slots.detach(&self.state.hub, slot),
            Effect::Commit { request, op } => self.jobs.queue(Waiting { request, op }),
            Effect::Read { slot, after, max } => self.read(socket, slot, after, max),
            Effect::Park { slot, after } => self.park(slot, after),
            Effect::Acked { slot, seq, received } => {
                if let (Some(notes), Some(reading)) = (&self.notes, self.slots.get(slot)) {
                    self.state.router.acked(notes, reading.place.board.key(), seq, received);
                }
            }
            Effect::Close { code, reason, cause } => {
                self.closed = Some((code, cause));
                let close = CloseFrame { code: SocketCode::from(code), reason: reason.into() };
                // It joins the outbox; if the socket is gone already there is nobody to tell.
                let _ = Pin::new(socket).start_send(Message::Close(Some(close)));
            }
            Effect::Count(counted) => self.count(counted),
        }
    }

    /// The inputs at hand are done: lets go of what was only needed for them, and writes down the signs of life.
    pub(super) fn settle(&mut self, life: &Farewell) {
        self.starts = Vec::new();
        let heard_ms = self.now.as_millis().saturating_sub(life.heard_ago.as_millis() as u64);
        self.waiter.set_vital(Vital { heard_ms, unanswered: life.unanswered });
    }

    /// Tells the session when the outbox goes over its bound or below it again. True: it was told.
    pub(super) fn outbox_is(&mut self, bytes: usize) -> bool {
        let full = if self.outbox_full { bytes > self.outbox_bound / 2 } else { bytes > self.outbox_bound };
        if full == self.outbox_full {
            return false;
        }
        self.outbox_full = full;
        self.inputs.push_back(if full { Input::OutboxFull } else { Input::OutboxDrained });
        true
    }

    /// Takes the connection off every list; who it was, if it was welcomed.
    pub(super) fn leave(&mut self) -> Option<Box<Who>> {
        self.slots.clear(&self.state.hub);
        let who = self.who.take()?;
        self.state.hub.part(&who.session);
        Some(who)
    }

    /// Takes over what this thread keeps for the connections it runs, one at a time.
    pub(super) fn pick_up(&mut self, scratch: &mut Scratch) {
        if self.inputs.is_empty() {
            std::mem::swap(&mut self.inputs, &mut scratch.inputs);
        }
    }

    /// Gives it back for the next one.
    pub(super) fn put_down(&mut self, scratch: &mut Scratch) {
        if self.inputs.is_empty() {
            std::mem::swap(&mut self.inputs, &mut scratch.inputs);
        }
    }

    fn attach(&mut self, slot: Slot, log: &LogName) {
        let Some(at) = self.starts.iter().position(|start| start.log.log.name() == *log) else {
            tracing::error!(%log, "a session attached a log nobody started");
            return;
        };
        let start = self.starts.swap_remove(at);
        self.slots.attach(&self.state.hub, &self.waiter, slot, &start);
    }

    /// Reads on in a log: from the board's ring where that goes back far enough, else from the store.
    fn read(&mut self, socket: &Socket, slot: Slot, after: Seq, max: u32) {
        let waiting = socket.get_ref().outbox.bytes();
        self.outbox_is(waiting);
        let (Some(who), Some(reading)) = (&mut self.who, self.slots.get(slot)) else { return };
        if self.outbox_full {
            // Nothing is read that could not be written: asked again when the outbox is below its bound.
            let batch = Batch { passed: after, ..Batch::default() };
            self.inputs.push_back(Input::Entries { slot, batch });
            return;
        }
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        reading.focus(&mut who.view);
        if reading.caught_up
            && let Some(batch) = reading.place.board.read(after, &who.view, max, crate::clock::now())
        {
            self.inputs.push_back(Input::Entries { slot, batch });
            return;
        }
        let room = self.outbox_bound.saturating_sub(waiting).clamp(1, limits::OUTBOX_BYTES);
        let (router, log, view) =
            (self.state.router.clone(), reading.place.board.key().clone(), who.view.clone());
        self.jobs.start_read(async move {
            let result = router.read(&log, after, &view, max, room).await;
            Answer::Read { slot, after, result }
        });
    }

    fn stored(&mut self, slot: Slot, after: Seq, batch: ReadBatch) -> Input {
        let Some(reading) = self.slots.get_mut(slot) else { return Input::ReadFailed { slot } };
        reading.caught_up |= batch.end;
        let log = &reading.place.board.key().name();
        let items = batch.entries.iter().map(|entry| Item {
            seq: entry.seq,
            message: entry.message(),
            frame: frame::entry(log, entry),
        });
        let batch = Batch {
            entries: Run::of(items.collect()),
            passed: batch.passed.max(after),
            skipped: batch.skipped,
            end: batch.end,
            gap: batch.gap.map(|gap| convert::gap(log.clone(), self.state.router.epoch(), gap)),
        };
        Input::Entries { slot, batch }
    }

    /// The session is at the end of a log as far as it knows: is it?
    fn park(&mut self, slot: Slot, after: Seq) {
        let Some(reading) = self.slots.get_mut(slot) else { return };
        let board = &reading.place.board;
        // Our place at the board is older than this look, so what is appended later marks the slot.
        let more =
            board.last() > after || (!reading.caught_up && self.state.router.last(board.key()) > after);
        if more {
            self.inputs.push_back(Input::Available { slot });
        } else {
            reading.caught_up = true;
        }
    }

    fn count(&self, counted: Counted) {
        let metrics = &self.state.metrics;
        match counted {
            Counted::AckAhead => metrics.ack_ahead(),
            Counted::RateLimited => metrics.rate_limited("frames"),
            Counted::LiveDropped => metrics.live_dropped(1),
            Counted::Silence(seconds) => metrics.silence(seconds),
            Counted::UnknownFrame | Counted::Gap => {}
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // Also when the task is dropped at the end of the process, or panicked.
        let _ = self.leave();
    }
}

/// The WebSocket of the gateway at `url`, which the configuration may name as a person would.
fn dialable(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let scheme = if matches!(scheme, "http" | "ws") { "ws" } else { "wss" };
    let path = if rest.contains('/') { "" } else { "/v1/connect" };
    format!("{scheme}://{rest}{path}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_redirect_names_an_address_that_can_be_dialled() {
        for (written, dialled) in [
            ("https://b.example", "wss://b.example/v1/connect"),
            ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/v1/connect"),
            ("wss://b.example/v1/connect", "wss://b.example/v1/connect"),
        ] {
            assert_eq!(super::dialable(written), dialled);
        }
    }
}
