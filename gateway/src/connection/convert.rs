//! Between the words of routing and the words of the protocol.

use pulsegate_proto::frame::{Cause, Gap, GapReason, LastSeen};
use pulsegate_proto::id::{Epoch, LogName};
use pulsegate_proto::session::server::Started;
use pulsegate_proto::time::UnixMs;
use pulsegate_routing::{self as routing, GapInfo, LastSeenRecord, LinkEnd, StartInfo};

pub(super) fn started(start: &StartInfo) -> Started {
    let log = start.log.name();
    let gap = start.gap.map(|info| gap(log.clone(), start.at.epoch, info));
    Started { log, at: start.at, recovered: start.recovered, gap }
}

pub(super) fn gap(log: LogName, epoch: Epoch, info: GapInfo) -> Gap {
    let reason = match info.reason {
        routing::GapReason::Retention => GapReason::Retention,
        routing::GapReason::EpochChanged => GapReason::EpochChanged,
        routing::GapReason::CursorAhead => GapReason::CursorAhead,
        routing::GapReason::Corrupt => GapReason::Corrupt,
    };
    Gap { log, epoch, after: info.after, resume: info.resume, reason }
}

pub(super) fn link_end(cause: Cause) -> LinkEnd {
    match cause {
        Cause::Unknown => LinkEnd::Unknown,
        Cause::ClientClosed => LinkEnd::ClientClosed,
        Cause::Reset => LinkEnd::Reset,
        Cause::TimedOut => LinkEnd::TimedOut,
        Cause::GatewayClosed => LinkEnd::GatewayClosed,
        Cause::Replaced => LinkEnd::Replaced,
        Cause::Eof => LinkEnd::Eof,
    }
}

/// What the device is told of its previous link; `boot` is this process.
pub(super) fn last_seen(record: &LastSeenRecord, boot: &str, now: UnixMs) -> LastSeen {
    let cause = match record.end {
        LinkEnd::Unknown => Cause::Unknown,
        LinkEnd::ClientClosed => Cause::ClientClosed,
        LinkEnd::Reset => Cause::Reset,
        LinkEnd::TimedOut => Cause::TimedOut,
        LinkEnd::GatewayClosed => Cause::GatewayClosed,
        LinkEnd::Replaced => Cause::Replaced,
        LinkEnd::Eof => Cause::Eof,
    };
    LastSeen {
        heard_ms_ago: u64::try_from(now.0.saturating_sub(record.heard.0)).unwrap_or(0),
        beat_unanswered: record.unanswered,
        cause,
        gateway_lived: record.boot == boot,
    }
}
