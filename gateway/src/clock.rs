//! The one place that reads the wall clock.

use pulsegate_proto::time::UnixMs;

/// Now, in Unix milliseconds.
#[must_use]
pub fn now() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
