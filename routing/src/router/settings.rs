//! What can be set.

use core::time::Duration;
use pulsegate_proto::limits;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What can be set.
#[derive(Clone, Debug)]
pub struct RouterSettings {
    /// Longest time-to-live of a message, and the one where none is asked for.
    pub retention: Duration,
    /// Entries of an app's `all` log a second (`everyone_per_second`); 0: no limit.
    pub everyone_per_second: u32,
    /// Unexpired entries of an app's `all` log; 0: no limit.
    pub everyone_entries: u64,
    /// A registration with a user that was not seen for so long is forgotten; 0: never.
    pub registration_idle: Duration,
    /// The same for one without a user; 0: never.
    pub anonymous_idle: Duration,
    /// The status of a message can be asked for so long after its end.
    pub status_kept: Duration,
    /// Cursors and counts of a device are written at most this often.
    pub cursor_write: Duration,
    /// Run expiry, schedules and cursor writes by a task of the router's own, every second. Tests
    /// with their own clock turn it off and call [`crate::Router::tick`].
    pub background: bool,
}

impl Default for RouterSettings {
    fn default() -> Self {
        Self {
            retention: 7 * DAY,
            everyone_per_second: 5,
            everyone_entries: limits::EVERYONE_ENTRIES,
            registration_idle: 60 * DAY,
            anonymous_idle: 7 * DAY,
            status_kept: 7 * DAY,
            cursor_write: limits::CURSOR_WRITE,
            background: true,
        }
    }
}
