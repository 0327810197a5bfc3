//! How long silence may last: the client decides, the gateway beats.
//!
//! Why in that direction, and how the default policy learns, is told in `docs/HEARTBEAT.md`.

mod belief;
mod fixed;
mod ladder;
mod stepped;
mod verdict;

pub use belief::{Belief, COUNT, Evidence, RUNGS};
pub use fixed::Heartbeat;
pub use ladder::{Caps, Conditions, Ladder, NETWORKS, Network};
pub use stepped::Stepped;
pub use verdict::{End, How, Reopened, judge};
