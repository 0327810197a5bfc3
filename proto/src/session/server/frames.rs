//! Frames of the client: judged, counted, handed to the machine they belong to.

use super::{Counted, Effect, Op, Phase, ServerSession};
use crate::frame::{
    ClientEnvelope, ClientFrame, ClientFrameError, CloseCode, ErrorCode, ServerFrame, decode_client,
};
use crate::limits;
use bytes::Bytes;

impl ServerSession {
    /// One binary message.
    pub(super) fn frame(&mut self, bytes: Bytes) {
        if !self.frames.admit(self.now, self.settings.frames_per_second) {
            self.effects.push_back(Effect::Count(Counted::RateLimited));
            return self.too_many("too many frames a second");
        }
        if let Phase::Admitting(admitting) = &mut self.phase {
            if !admitting.hold(bytes) {
                self.too_many("too much before Welcome");
            }
            return;
        }
        self.read_frame(&bytes);
    }

    pub(super) fn read_frame(&mut self, bytes: &[u8]) {
        let before_hello = matches!(self.phase, Phase::Hello);
        if before_hello && bytes.len() > limits::HELLO_BYTES {
            return self.close(CloseCode::FrameTooLarge, "a Hello is over 32 KiB");
        }
        match decode_client(bytes) {
            Err(ClientFrameError::Close(error)) => self.close(error.close_code(), error.detail),
            Ok(envelope) if before_hello => self.first_frame(envelope, bytes.len()),
            Err(ClientFrameError::Refuse { .. }) if before_hello => {
                self.close(CloseCode::ProtocolViolation, "the first frame is no Hello");
            }
            Err(ClientFrameError::Refuse { request_id, error, detail }) => {
                self.hear();
                self.reply(request_id, error, detail);
            }
            Ok(envelope) => self.live_frame(envelope),
        }
    }

    /// A frame after Welcome.
    pub(super) fn live_frame(&mut self, envelope: ClientEnvelope) {
        let request = envelope.request_id;
        let Some(frame) = envelope.frame else {
            self.hear();
            self.effects.push_back(Effect::Count(Counted::UnknownFrame));
            return self.reply(request, ErrorCode::Unimplemented, "an unknown kind of frame");
        };
        if let ClientFrame::Probe { nonce } = frame {
            self.probe(nonce);
            return self.reply(request, ErrorCode::Ok, "");
        }
        self.hear();
        match frame {
            ClientFrame::Hello(_) => {
                self.close(CloseCode::ProtocolViolation, "a second Hello on one link");
            }
            ClientFrame::BeatReply { silence_s, silence_no } => {
                if self.beat.wish(silence_s, silence_no) {
                    self.count_silence();
                }
                self.arm_beat();
                self.reply(request, ErrorCode::Ok, "");
            }
            ClientFrame::Ack(cursors) => self.ack(request, &cursors),
            ClientFrame::Probe { .. } => {}
            ClientFrame::Receipts(receipts) => self.commit(request, Op::Receipts(receipts)),
            ClientFrame::Activity(activity) => self.commit(request, Op::Activity(activity)),
            ClientFrame::Subscribe(topics) => self.commit(request, Op::Subscribe(topics)),
            ClientFrame::Unsubscribe(topics) => self.commit(request, Op::Unsubscribe(topics)),
            ClientFrame::SetTags { add, remove } => {
                self.commit(request, Op::SetTags { add, remove });
            }
            ClientFrame::RefreshToken(token) => self.commit(request, Op::Refresh(token)),
            ClientFrame::Publish(publish) => self.commit(request, Op::Publish(publish)),
            ClientFrame::SetWebPush(web_push) => self.commit(request, Op::WebPush(web_push)),
            ClientFrame::Forget => self.commit(request, Op::Forget),
        }
    }

    pub(super) fn probe(&mut self, nonce: u32) {
        let (heard_ms_ago, beat_sent_ms_ago) = self.beat.probed(self.now);
        self.hear();
        self.send(ServerFrame::ProbeReply { nonce, heard_ms_ago, beat_sent_ms_ago });
    }

    pub(super) fn control_frame(&mut self) {
        let allowed = self.settings.control_frames_per_second;
        if self.controls.admit(self.now, allowed) {
            self.beat.pinged(self.now);
        } else {
            self.effects.push_back(Effect::Count(Counted::RateLimited));
            self.too_many("too many control frames a second");
        }
    }

    pub(super) fn count_silence(&mut self) {
        let seconds = self.beat.silence().as_secs();
        self.effects.push_back(Effect::Count(Counted::Silence(seconds)));
    }

    pub(super) fn hear(&mut self) {
        self.beat.heard(self.now);
    }
}
