//! How long silence may last: the client decides, the gateway beats.
//!
//! Why in that direction, and how the default policy learns, is told in `docs/HEARTBEAT.md`.

mod belief;
mod ladder;
mod memory;
mod policy;
mod stepped;
mod verdict;

pub use belief::{Belief, COUNT, Evidence, RUNGS};
pub use ladder::{Caps, Conditions, Ladder, NETWORKS, Network};
pub use policy::{Heartbeat, Policy};
pub use stepped::Stepped;
pub use verdict::{End, How, Reopened, judge};

/// Something that was learnt of the path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Learnt {
    /// It lives through silence of so many seconds.
    Survived {
        /// Them.
        gap_s: f64,
    },
    /// A beat was sent and never came, though the link lives: the mapping had lapsed, and a Probe made it
    /// anew.
    Lapsed {
        /// The silence that was asked for, seconds.
        planned_s: f64,
    },
    /// A link ended.
    Ended {
        /// How.
        end: End,
        /// What that says; `None`: nothing.
        evidence: Option<Evidence>,
    },
}
