//! The policies that are compared.

use super::world::{DAY, Network};
use crate::heartbeat::{Caps, Conditions, End, Ladder, Reopened, Stepped};

/// Of the ladder and of the oracle.
const CAPS: Caps = Caps::by_day(580);

/// Who decides how long silence may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Always the same, seconds; the gateway beats.
    Fixed(u16),
    /// The original design; the client pings.
    Stepped,
    /// The default.
    Ladder,
    /// Knows the time-out: what could be had at best under the same caps.
    Oracle,
    /// A cheat: never beats at all, and so costs no beat.
    Never,
}

impl Policy {
    /// All of the table.
    pub const ALL: &'static [Self] = &[
        Self::Oracle,
        Self::Ladder,
        Self::Stepped,
        Self::Fixed(25),
        Self::Fixed(30),
        Self::Fixed(60),
        Self::Fixed(120),
        Self::Never,
    ];

    /// Its name in the table.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Fixed(seconds) => format!("fixed-{seconds}"),
            Self::Stepped => "stepped".into(),
            Self::Ladder => "ladder".into(),
            Self::Oracle => "oracle".into(),
            Self::Never => "never".into(),
        }
    }
}

/// A policy at work for one client.
#[derive(Clone, Debug)]
pub(super) enum Mind {
    Fixed(f64),
    Stepped(Stepped),
    Ladder(Ladder),
    Oracle,
}

impl Mind {
    pub(super) fn new(policy: Policy) -> Self {
        match policy {
            Policy::Fixed(seconds) => Self::Fixed(f64::from(seconds)),
            Policy::Stepped => Self::Stepped(Stepped::default()),
            Policy::Ladder => Self::Ladder(Ladder::new(Vec::new())),
            Policy::Oracle => Self::Oracle,
            Policy::Never => Self::Fixed(f64::INFINITY),
        }
    }

    /// Whether the gateway breaks the silence; false: a timer of the client does.
    pub(super) fn gateway_first(&self) -> bool {
        !matches!(self, Self::Stepped(_))
    }

    /// Whether evidence changes nothing: many beats may be counted at once.
    pub(super) fn learns(&self) -> bool {
        matches!(self, Self::Stepped(_) | Self::Ladder(_))
    }

    /// Silence wanted, seconds. Only the oracle looks at the network.
    pub(super) fn silence(&self, conditions: Conditions, network: &Network, now: f64) -> f64 {
        match self {
            Self::Fixed(seconds) => *seconds,
            Self::Stepped(stepped) => f64::from(stepped.interval()),
            Self::Ladder(ladder) => f64::from(ladder.wish(&CAPS, conditions)),
            Self::Oracle => {
                let cap = match conditions {
                    Conditions { visible: true, .. } => CAPS.visible_s,
                    Conditions { night: true, .. } => CAPS.night_s,
                    Conditions { .. } => CAPS.day_s,
                };
                f64::from(cap).min(network.timeout(now) - 1.0)
            }
        }
    }

    pub(super) fn welcomed(&mut self, network: usize, now: f64) {
        if let Self::Ladder(ladder) = self {
            _ = ladder.welcome(&network.to_string(), day(now));
        }
    }

    /// A beat or a delivery came after this silence.
    pub(super) fn survived(&mut self, gap: f64, now: f64) {
        if let Self::Ladder(ladder) = self {
            ladder.survived(gap, day(now));
        }
    }

    /// A ping of the client's own was answered.
    pub(super) fn answered(&mut self) {
        if let Self::Stepped(stepped) = self {
            _ = stepped.succeeded();
        }
    }

    /// A ping of the client's own was not, or the link ended under it.
    pub(super) fn unanswered(&mut self) {
        if let Self::Stepped(stepped) = self {
            stepped.failed();
        }
    }

    pub(super) fn lapsed(&mut self, planned: f64) {
        if let Self::Ladder(ladder) = self {
            ladder.lapsed(planned);
        }
    }

    pub(super) fn ended(&mut self, end: &End, reopened: &Reopened) {
        if let Self::Ladder(ladder) = self {
            _ = ladder.ended(end, reopened);
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
fn day(now: f64) -> u32 {
    (now / DAY) as u32
}
