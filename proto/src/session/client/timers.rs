//! The timers of a client's session.

use super::Why;
use crate::session::timers;

pub(super) type Timers = timers::Timers<Why, { Why::ALL_WHY.len() }>;

impl Why {
    const ALL_WHY: [Self; 8] = [
        Self::Reconnect,
        Self::Connect,
        Self::Ack,
        Self::Watch,
        Self::Probe,
        Self::Token,
        Self::Wish,
        Self::Move,
    ];
}

impl timers::Reason for Why {
    const ALL: &'static [Self] = &Self::ALL_WHY;

    fn index(self) -> usize {
        self as usize
    }
}
