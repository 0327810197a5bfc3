//! A fixed silence: the policy that learns nothing.

use crate::limits;
use core::time::Duration;

/// The client's choice of silences.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    silence_s: u32,
}

impl Heartbeat {
    /// Always the same silence, seconds; 0: the default of 45. Clamped like the gateway clamps it.
    #[must_use]
    pub fn fixed(silence_s: u32) -> Self {
        let wanted = match silence_s {
            0 => limits::SILENCE_DEFAULT,
            s => Duration::from_secs(u64::from(s)),
        };
        let silence = wanted.clamp(limits::SILENCE_MIN, limits::SILENCE_MAX);
        Self { silence_s: u32::try_from(silence.as_secs()).unwrap_or(u32::MAX) }
    }

    /// What Hello asks for, seconds. Hello's request is number 0.
    #[must_use]
    pub fn wanted(&self) -> u32 {
        self.silence_s
    }

    /// A Beat came: `silence_s` and `silence_no` of the BeatReply; `(0, _)` leaves all as it is.
    #[must_use]
    pub fn beat(&mut self, _silence_ms: u32, _silence_no: u32) -> (u32, u32) {
        (0, 0)
    }

    /// The silence after which a Beat should have come.
    #[must_use]
    pub fn silence(&self) -> Duration {
        Duration::from_secs(u64::from(self.silence_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_silence_is_clamped_and_kept() {
        assert_eq!(Heartbeat::fixed(0).wanted(), 45);
        assert_eq!(Heartbeat::fixed(1).wanted(), 15);
        assert_eq!(Heartbeat::fixed(9999).wanted(), 1800);
        let mut heartbeat = Heartbeat::fixed(30);
        assert_eq!(heartbeat.beat(30_000, 0), (0, 0));
        assert_eq!(heartbeat.silence(), Duration::from_secs(30));
    }
}
