//! Acks: cumulative, per log, and only for what this link was told.

use super::{Counted, Effect, Phase, ServerSession};
use crate::frame::ErrorCode;
use crate::id::Cursor;

impl ServerSession {
    /// Takes each cursor that this link was told of. One ahead of that moves nothing, is counted,
    /// and makes the answer INVALID; the others of its frame count all the same.
    pub(super) fn ack(&mut self, request: u32, cursors: &[Cursor]) {
        let mut ahead = false;
        for cursor in cursors {
            let Phase::Live(live) = &mut self.phase else {
                return;
            };
            let slot = live.logs.find(&cursor.log);
            let place = slot.and_then(|slot| Some((slot, live.logs.place(slot)?)));
            let Some((slot, place)) =
                place.filter(|(_, place)| place.epoch == cursor.at.epoch && cursor.at.seq <= place.told)
            else {
                ahead = true;
                self.effects.push_back(Effect::Count(Counted::AckAhead));
                continue;
            };
            if cursor.at.seq > place.acked {
                place.acked = cursor.at.seq;
                let received = live.window.acked(slot, cursor.at.seq);
                self.effects.push_back(Effect::Acked { slot, seq: cursor.at.seq, received });
            }
        }
        if ahead {
            self.reply(request, ErrorCode::Invalid, "an ack for what was not sent on this link");
        } else {
            self.reply(request, ErrorCode::Ok, "");
        }
        self.pump();
    }
}
