//! Protobuf's wire format by hand: the few rules a browser needs, in a few hundred bytes of wasm.
//!
//! prost instantiates a merge loop a message type; over the client's direction that weighs more than
//! the rest of the session (`docs/decisions/0030-hand-written-client-codec.md`). The gateway's side
//! speaks through prost, and tests hold the two against each other.
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use crate::frame::{FrameError, FrameErrorKind};
use core::cell::Cell;

/// The value of a field.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    /// A varint.
    Number(u64),
    /// Text, bytes or an embedded message.
    Bytes(&'a [u8]),
    /// Of a wire type no field of ours has: fine in an unknown field, wrong in a known one.
    Other,
}

/// What went wrong, if anything did: looked at once, at the end of a frame.
///
/// A reader that returned early would drop half-built values at each field; that alone weighed more
/// than the reading.
#[derive(Default)]
pub(super) struct Faults(Cell<Option<FrameError>>);

impl Faults {
    /// Notes a fault; the first one counts.
    pub(super) fn note(&self, error: FrameError) {
        self.0.set(Some(self.0.get().unwrap_or(error)));
    }

    /// The first fault.
    pub(super) fn first(&self) -> Option<FrameError> {
        self.0.get()
    }

    #[inline(never)]
    fn malformed(&self) {
        self.note(FrameError::new(FrameErrorKind::Malformed, "not a ServerFrame"));
    }

    /// The fields of this message.
    pub(super) fn fields<'a>(&'a self, bytes: &'a [u8]) -> Fields<'a> {
        Fields { bytes, faults: self }
    }
}

/// The fields of a message, in order of appearance; after a fault there are none.
pub(super) struct Fields<'a> {
    /// What was not read yet.
    pub(super) bytes: &'a [u8],
    pub(super) faults: &'a Faults,
}

impl<'a> Fields<'a> {
    #[inline(never)]
    pub(super) fn next(&mut self) -> Option<(u32, Value<'a>)> {
        if self.bytes.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.bytes = &[];
            self.faults.malformed();
        }
        field
    }

    fn read(&mut self) -> Option<(u32, Value<'a>)> {
        let key = u32::try_from(self.varint()?).ok().filter(|key| *key >= 8)?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            // Groups went out with proto2.
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(usize::try_from(length).ok()?)?;
        self.bytes = rest;
        Some(taken)
    }

    #[inline(never)]
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0u64;
        let mut shift = 0;
        while let Some((byte, rest)) = self.bytes.split_first() {
            self.bytes = rest;
            // The tenth byte holds the last of 64 bits.
            if shift == 63 && *byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Some(number);
            }
            shift += 7;
        }
        None
    }

    #[inline(never)]
    pub(super) fn number(&self, value: Value<'a>) -> u64 {
        match value {
            Value::Number(number) => number,
            Value::Bytes(_) | Value::Other => {
                self.faults.malformed();
                0
            }
        }
    }

    #[inline(never)]
    pub(super) fn bytes(&self, value: Value<'a>) -> &'a [u8] {
        match value {
            Value::Bytes(bytes) => bytes,
            Value::Number(_) | Value::Other => {
                self.faults.malformed();
                &[]
            }
        }
    }

    #[inline(never)]
    pub(super) fn text(&self, value: Value<'a>) -> &'a str {
        core::str::from_utf8(self.bytes(value)).unwrap_or_else(|_| {
            self.faults.malformed();
            ""
        })
    }

    /// Replaces `text`.
    #[inline(never)]
    pub(super) fn text_into(&self, text: &mut String, value: Value<'a>) {
        text.clear();
        text.push_str(self.text(value));
    }
}

/// A message being written.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    #[inline(never)]
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A number; the default, zero, is left out.
    #[inline(never)]
    pub(super) fn number(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.present(field, number);
        }
    }

    /// A number that is there even if it is zero.
    #[inline(never)]
    pub(super) fn present(&mut self, field: u32, number: u64) {
        self.varint(u64::from(field << 3));
        self.varint(number);
    }

    /// Text or bytes; the default, empty, is left out.
    #[inline(never)]
    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.element(field, bytes);
        }
    }

    /// Text or bytes that are there even if they are empty: an element of a list.
    #[inline(never)]
    pub(super) fn element(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from((field << 3) | 2));
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Begins an embedded message; hand the mark to [`Writer::end`].
    pub(super) fn begin(&mut self, field: u32) -> usize {
        self.varint(u64::from((field << 3) | 2));
        self.0.len()
    }

    /// Ends the embedded message that began at `mark`: its length is only known now.
    #[inline(never)]
    pub(super) fn end(&mut self, mark: usize) {
        let length = self.0.len() - mark;
        self.varint(length as u64);
        // The length was written behind the message; it belongs in front.
        let written = self.0.len() - mark - length;
        self.0[mark..].rotate_right(written);
    }
}
