//! The timers of a gateway's session.

use super::Why;
use crate::session::timers;

pub(super) type Timers = timers::Timers<Why, { Why::ALL_WHY.len() }>;

impl Why {
    const ALL_WHY: [Self; 7] = [
        Self::Hello,
        Self::Beat,
        Self::Silent,
        Self::TokenExpiring,
        Self::TokenExpired,
        Self::OlderLink,
        Self::ReadAgain,
    ];
}

impl timers::Reason for Why {
    const ALL: &'static [Self] = &Self::ALL_WHY;

    fn index(self) -> usize {
        self as usize
    }
}
