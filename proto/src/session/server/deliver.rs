//! Entries of the logs: asked for when there is room, sent in order, skipped ones told as Advance.

use super::hello::start;
use super::{Batch, Counted, Effect, Live, Phase, ServerSession, Slot, Started, Why};
use crate::frame::{ErrorCode, ServerFrame};
use crate::id::LogName;
use bytes::Bytes;
use core::time::Duration;

/// A failed read is asked again after this: a store in trouble is not helped by haste.
const READ_AGAIN: Duration = Duration::from_secs(1);

impl ServerSession {
    pub(super) fn available(&mut self, slot: Slot) {
        if let Some(live) = self.delivering() {
            live.logs.wake(slot);
            self.pump();
        }
    }

    /// Asks for the next read, if one makes sense.
    pub(super) fn pump(&mut self) {
        let waiting = self.timers.is_set(Why::ReadAgain);
        let Some(live) = self.delivering() else {
            return;
        };
        let max = live.window.room();
        if waiting || live.full || max == 0 {
            return;
        }
        if let Some((slot, after)) = live.logs.next_read() {
            self.effects.push_back(Effect::Read { slot, after, max });
        }
    }

    pub(super) fn entries(&mut self, slot: Slot, batch: Batch) {
        let Phase::Live(live) = &mut self.phase else {
            return;
        };
        let wanted = live.logs.read_back(slot);
        if wanted && !live.older {
            self.deliver(slot, batch);
        }
        self.pump();
    }

    fn deliver(&mut self, slot: Slot, batch: Batch) {
        let Phase::Live(live) = &mut self.phase else {
            return;
        };
        let Live { logs, window, .. } = &mut **live;
        let Some(place) = logs.place(slot) else {
            return;
        };
        let mut spoke = false;
        if let Some(gap) = batch.gap
            && (gap.epoch != place.epoch || gap.resume > place.read)
        {
            place.epoch = gap.epoch;
            place.told = gap.resume;
            place.read = gap.resume;
            place.skipped = 0;
            spoke = true;
            self.effects.push_back(Effect::Count(Counted::Gap));
            let frame = crate::frame::encode_server(ServerFrame::Gap(gap));
            self.effects.push_back(Effect::Send(frame));
        }
        let mut cut = false;
        if let Some(run) = batch.entries {
            let begin = run.marks().partition_point(|mark| mark.seq <= place.read);
            let room = usize::try_from(window.room()).unwrap_or(usize::MAX);
            let end = begin.saturating_add(room).min(run.marks().len());
            cut = end < run.marks().len();
            if let Some(run) = run.part(begin..end) {
                window.sent(slot, run.shared_marks());
                place.told = run.last();
                place.read = run.last();
                place.skipped = 0;
                self.beat.asked();
                spoke = true;
                self.effects.push_back(Effect::Deliver { slot, run });
            }
        }
        let mut advance = None;
        if !cut {
            place.read = place.read.max(batch.passed);
            place.skipped = place.skipped.saturating_add(batch.skipped);
            if place.skipped >= self.settings.advance_every {
                advance = place.advance();
            }
        }
        if spoke {
            self.beat.spoke(self.now);
        }
        if cut || !batch.end {
            logs.wake(slot);
        } else {
            self.park(slot);
        }
        if let Some(cursor) = advance {
            self.send(ServerFrame::Advance(vec![cursor]));
        }
    }

    pub(super) fn read_failed(&mut self, slot: Slot) {
        let Phase::Live(live) = &mut self.phase else {
            return;
        };
        if live.logs.read_back(slot) && !live.older {
            live.logs.wake(slot);
            self.timers.set(Why::ReadAgain, self.now + READ_AGAIN);
        } else {
            self.pump();
        }
    }

    /// An entry that is not stored: now or never.
    pub(super) fn live(&mut self, slot: Slot, frame: Bytes) {
        let Some(live) = self.delivering() else {
            return;
        };
        if live.logs.place(slot).is_none() {
            return;
        }
        if live.full {
            self.effects.push_back(Effect::Count(Counted::LiveDropped));
            return;
        }
        self.beat.spoke(self.now);
        self.effects.push_back(Effect::Send(frame));
    }

    pub(super) fn outbox(&mut self, full: bool) {
        if let Phase::Live(live) = &mut self.phase {
            live.full = full;
            self.pump();
        }
    }

    pub(super) fn logs_changed(&mut self, started: Vec<Started>, ended: Vec<(LogName, ErrorCode)>) {
        let Some(live) = self.delivering() else {
            return;
        };
        let started: Vec<Started> =
            started.into_iter().filter(|it| live.logs.find(&it.log).is_none()).collect();
        let ended: Vec<(LogName, ErrorCode)> =
            ended.into_iter().filter(|(log, _)| self.detach(log)).collect();
        if started.is_empty() && ended.is_empty() {
            return;
        }
        self.send(ServerFrame::Logs { started: started.iter().map(start).collect(), ended });
        self.attach(started);
        self.pump();
    }

    /// Reads a log no more; false: it was not read.
    pub(super) fn detach(&mut self, log: &LogName) -> bool {
        let Phase::Live(live) = &mut self.phase else {
            return false;
        };
        let Some(slot) = live.logs.detach(log) else {
            return false;
        };
        live.window.forget(slot);
        self.effects.push_back(Effect::Detach { slot });
        true
    }

    /// Tells every place the client does not know of yet.
    pub(super) fn advance(&mut self) {
        let Some(live) = self.delivering() else {
            return;
        };
        let cursors = live.logs.advances();
        if !cursors.is_empty() {
            self.send(ServerFrame::Advance(cursors));
        }
    }

    /// The link, if entries go out on it.
    fn delivering(&mut self) -> Option<&mut Live> {
        match &mut self.phase {
            Phase::Live(live) if !live.older => Some(live),
            _ => None,
        }
    }
}
