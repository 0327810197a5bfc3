//! What was wrong with a peer's bytes, sorted by blame.

use super::{CloseCode, ErrorCode};
use core::fmt;

/// Bytes that are no frame, or a frame that breaks the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// Whose fault and what kind.
    pub kind: FrameErrorKind,
    /// What exactly, for a log line or `Closing.reason`.
    pub detail: &'static str,
}

/// Whose fault and what kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameErrorKind {
    /// No protobuf of ours.
    Malformed,
    /// A frame, but with something in it that cannot be.
    Violation,
    /// Over a limit of bytes.
    TooLarge,
    /// A Hello that names an app which cannot exist.
    UnknownApp,
    /// A Hello that names a registration which cannot exist.
    UnknownRegistration,
}

impl FrameError {
    pub(crate) const fn new(kind: FrameErrorKind, detail: &'static str) -> Self {
        Self { kind, detail }
    }

    /// The code a gateway closes with. A registration that cannot exist is answered like one with a
    /// wrong secret: it makes a client with a damaged store come back as new.
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self.kind {
            FrameErrorKind::Malformed | FrameErrorKind::Violation => CloseCode::ProtocolViolation,
            FrameErrorKind::TooLarge => CloseCode::FrameTooLarge,
            FrameErrorKind::UnknownApp => CloseCode::Unauthenticated,
            FrameErrorKind::UnknownRegistration => CloseCode::RegistrationInvalid,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail)
    }
}

impl core::error::Error for FrameError {}

/// Why a client's frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFrameError {
    /// The link must close.
    Close(FrameError),
    /// A well-formed frame that asks for something senseless: answered if it carries a request id,
    /// ignored if not; the link stays.
    Refuse {
        /// The frame's; 0: nobody waits for an answer.
        request_id: u32,
        /// `Invalid` or `TooLarge`.
        error: ErrorCode,
        /// What exactly.
        detail: &'static str,
    },
}
