//! The configuration as sessions and the router take it.

use crate::config::{Config, HeartbeatKind};
use pulsegate_proto::frame::{self, HeartbeatPolicy};
use pulsegate_proto::limits;
use pulsegate_proto::session::server::Settings;
use pulsegate_routing::RouterSettings;
use std::time::Duration;

/// A limit of zero stands for none: longer than any process lives.
const NONE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What a session is told.
pub(super) fn session(config: &Config) -> Settings {
    let window = config.limits.window.max(1);
    Settings {
        window,
        ack_every: (window / 2).max(1),
        heartbeat: heartbeat(config.heartbeat.policy),
        frames_per_second: config.limits.frames_per_second,
        control_frames_per_second: match config.limits.control_frames_per_second {
            // Counted even where frames are not: a flood of pings buys nothing anybody could want.
            0 => limits::CONTROL_FRAMES_PER_SECOND,
            some => some,
        },
        hello_within: if config.limits.hello.is_zero() { NONE } else { config.limits.hello },
        ..Settings::default()
    }
}

/// The numbers of HEARTBEAT: seconds, and minutes after local midnight.
fn heartbeat(kind: HeartbeatKind) -> HeartbeatPolicy {
    let (kind, min_s, max_s) = match kind {
        // From the lowest rung to the balanced cap of the day.
        HeartbeatKind::Ladder => (frame::HeartbeatKind::Ladder, 20, 580),
        // The original design starts at 180 and never asks for more than 890.
        HeartbeatKind::Stepped => (frame::HeartbeatKind::Stepped, 180, 890),
        HeartbeatKind::Fixed => {
            let fixed = u32::try_from(limits::SILENCE_DEFAULT.as_secs()).unwrap_or(u32::MAX);
            (frame::HeartbeatKind::Fixed, fixed, fixed)
        }
    };
    HeartbeatPolicy {
        kind,
        min_s,
        max_s,
        visible_max_s: max_s.min(115),
        night_max_s: max_s.max(1180),
        night_from_min: 23 * 60 + 30,
        night_to_min: 7 * 60,
    }
}

/// What the router is told.
pub(super) fn router(config: &Config) -> RouterSettings {
    RouterSettings {
        retention: config.store.retention,
        everyone_per_second: config.limits.everyone_per_second,
        everyone_entries: config.limits.everyone_entries,
        registration_idle: config.limits.registration_idle,
        anonymous_idle: config.limits.anonymous_idle,
        ..RouterSettings::default()
    }
}
