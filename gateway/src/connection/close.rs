//! How tungstenite's complaints become what a session judges, and how a connection ends.

use pulsegate_proto::frame::Cause;
use pulsegate_proto::session::server::Input;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};

/// How long the peer gets to answer our close frame and to hang up. A live peer needs a round trip.
pub(super) const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// Beyond this a length is no message that is a little too large, but nonsense or an attack: 1009 of RFC 6455.
/// tungstenite's own default for one frame.
const ABSURD_BYTES: usize = 16 << 20;

/// What reading failed with, for the session.
pub(super) fn failed(error: &Error) -> Input {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { size, .. }) if *size <= ABSURD_BYTES => {
            Input::Oversized
        }
        Error::Capacity(_) => Input::BadSocketFrame { code: 1009 },
        Error::Utf8(_) => Input::BadSocketFrame { code: 1007 },
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Input::SocketClosed(Cause::Eof),
        Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Input::SocketClosed(Cause::Eof)
        }
        Error::Io(_) | Error::Tls(_) | Error::ConnectionClosed | Error::AlreadyClosed => {
            Input::SocketClosed(Cause::Reset)
        }
        _ => Input::BadSocketFrame { code: 1002 },
    }
}

/// Whether a link that ended like this died, instead of being left or closed: nobody said goodbye, or its device had
/// to open a newer one because this one was silent.
pub(super) fn is_death(cause: Cause, unanswered: bool) -> bool {
    match cause {
        Cause::Unknown | Cause::Reset | Cause::TimedOut | Cause::Eof => true,
        Cause::Replaced => unanswered,
        Cause::ClientClosed | Cause::GatewayClosed => false,
    }
}

/// The label of a cause in the metrics.
pub(super) fn label(cause: Cause) -> &'static str {
    match cause {
        Cause::Unknown => "unknown",
        Cause::ClientClosed => "client_closed",
        Cause::Reset => "reset",
        Cause::TimedOut => "timed_out",
        Cause::GatewayClosed => "gateway_closed",
        Cause::Replaced => "replaced",
        Cause::Eof => "eof",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_dies_where_nobody_said_goodbye() {
        for cause in [Cause::Unknown, Cause::Reset, Cause::TimedOut, Cause::Eof] {
            assert!(is_death(cause, false) && is_death(cause, true), "{cause:?}");
        }
        assert!(is_death(Cause::Replaced, true), "the device came back because this link was silent");
        assert!(!is_death(Cause::Replaced, false), "it was moved");
        assert!(!is_death(Cause::ClientClosed, true) && !is_death(Cause::GatewayClosed, true));
    }

    #[test]
    fn each_fault_has_its_code() {
        let code = |error: Error| match failed(&error) {
            Input::BadSocketFrame { code } => code,
            Input::Oversized => 4413,
            Input::SocketClosed(Cause::Eof) => 1,
            Input::SocketClosed(Cause::Reset) => 2,
            other => panic!("{other:?}"),
        };
        let long = |size| Error::Capacity(CapacityError::MessageTooLong { size, max_size: 1 });
        assert_eq!(code(long(65_537)), 4413);
        assert_eq!(code(long(usize::MAX)), 1009);
        assert_eq!(code(Error::Utf8("x".into())), 1007);
        assert_eq!(code(Error::Protocol(ProtocolError::UnmaskedFrameFromClient)), 1002);
        assert_eq!(code(Error::Protocol(ProtocolError::NonZeroReservedBits)), 1002);
        assert_eq!(code(Error::Protocol(ProtocolError::ControlFrameTooBig)), 1002);
        assert_eq!(code(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), 1);
        assert_eq!(code(Error::Io(std::io::ErrorKind::ConnectionReset.into())), 2);
    }
}
