//! Whole WebSocket frames: what a server sends is unmasked, so the same bytes serve every reader.

use bytes::{BufMut, Bytes, BytesMut};
use pulsegate_proto::frame::{encode_deliver, encode_recall};
use pulsegate_proto::id::{LogName, Position};
use pulsegate_routing::{Entry, EntryKind};

/// FIN and opcode 2 (RFC 6455, section 5.2).
const FINAL_BINARY: u8 = 0x82;
/// The longest header of an unmasked frame.
const HEADER_MAX: usize = 10;

/// What an encoded Beat begins with: field 2 of ServerFrame, length-delimited.
pub const BEAT: u8 = 2 << 3 | 2;

/// One binary message in one frame.
#[must_use]
pub fn binary(payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEADER_MAX + payload.len());
    frame.put_u8(FINAL_BINARY);
    match payload.len() {
        short @ 0..=125 => frame.put_u8(short as u8),
        middle @ 126..=0xffff => {
            frame.put_u8(126);
            frame.put_u16(middle as u16);
        }
        long => {
            frame.put_u8(127);
            frame.put_u64(long as u64);
        }
    }
    frame.put_slice(payload);
    frame.freeze()
}

/// The frame that delivers `entry` of `log`.
#[must_use]
pub fn entry(log: &LogName, entry: &Entry) -> Bytes {
    binary(&payload(log, entry))
}

/// The message that delivers `entry` of `log`, without a frame around it.
#[must_use]
pub fn payload(log: &LogName, entry: &Entry) -> Bytes {
    let at = Position { epoch: entry.epoch, seq: entry.seq };
    match &entry.kind {
        EntryKind::Message { body, .. } => encode_deliver(log, at, body),
        EntryKind::Recall { message, tag, .. } => encode_recall(log, at, *message, tag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulsegate_proto::frame::{ServerFrame, encode_server};

    #[test]
    fn a_beat_is_known_by_its_first_byte() {
        assert_eq!(encode_server(ServerFrame::Beat { silence_ms: 1, silence_no: 1 })[0], BEAT);
        assert_ne!(encode_server(ServerFrame::Advance(Vec::new()))[0], BEAT);
    }

    #[test]
    fn lengths_take_the_shortest_form() {
        for (length, header) in [
            (0usize, vec![0x82, 0]),
            (125, vec![0x82, 125]),
            (126, vec![0x82, 126, 0, 126]),
            (0xffff, vec![0x82, 126, 0xff, 0xff]),
            (0x1_0000, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = binary(&vec![7; length]);
            assert_eq!(frame[..header.len()], header, "{length}");
            assert_eq!(frame.len(), header.len() + length);
        }
    }
}
