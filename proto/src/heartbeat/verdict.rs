//! What the end of a link says of the silence before it, judged when the next link is welcomed.

use super::belief::Evidence;

/// Reopened within this, the path was there all along, milliseconds.
const SOON_MS: u64 = 4_000;
/// nginx and load balancers end an idle link by EOF without a close frame; sooner than after this
/// silence it was something else, seconds.
const IDLE_S: f64 = 15.0;

/// How a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// With a close frame, or by our own wish.
    Closed,
    /// EOF without a close frame.
    Eof,
    /// A reset.
    Reset,
    /// Nothing came; `probed`: a Probe of ours was out and unanswered.
    TimedOut {
        /// See above.
        probed: bool,
    },
}

/// The end of a link, as it was seen here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End {
    /// How.
    pub how: How,
    /// Silence before it, seconds.
    pub silence_s: f64,
    /// The silence that was asked for, seconds.
    pub planned_s: f64,
    /// The machine slept, or timers came late.
    pub slept: bool,
}

/// What is known when the next link is welcomed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reopened {
    /// How long after the end, milliseconds.
    pub after_ms: u64,
    /// The network key is the one of the link that ended.
    pub same_network: bool,
    /// `LastSeen.gateway_lived`.
    pub gateway_lived: bool,
    /// `LastSeen.beat_unanswered`; it covers an unacknowledged Deliver too.
    pub beat_unanswered: bool,
    /// The gateway closed it, by `LastSeen.cause`.
    pub gateway_closed: bool,
}

/// Judges. `None`: void, it says nothing of idling.
#[must_use]
pub fn judge(end: &End, reopened: &Reopened) -> Option<Evidence> {
    let void = !reopened.same_network
        || !reopened.gateway_lived
        || reopened.gateway_closed
        || end.slept
        || matches!(end.how, How::Closed | How::TimedOut { probed: false });
    if void {
        return None;
    }
    let idle = match end.how {
        How::Reset => true,
        How::Eof => end.silence_s >= IDLE_S,
        How::TimedOut { .. } | How::Closed => false,
    };
    let strong = reopened.after_ms < SOON_MS && (reopened.beat_unanswered || idle);
    Some(if strong { Evidence::Strong } else { Evidence::Weak })
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: End =
        End { how: How::TimedOut { probed: true }, silence_s: 300.0, planned_s: 285.0, slept: false };
    const REOPENED: Reopened = Reopened {
        after_ms: 400,
        same_network: true,
        gateway_lived: true,
        beat_unanswered: true,
        gateway_closed: false,
    };

    #[test]
    fn a_beat_that_was_lost_on_a_path_that_reopened_at_once_is_strong() {
        assert_eq!(judge(&END, &REOPENED), Some(Evidence::Strong));
    }

    #[test]
    fn what_has_another_reason_says_nothing() {
        for reopened in [
            Reopened { same_network: false, ..REOPENED },
            Reopened { gateway_lived: false, ..REOPENED },
            Reopened { gateway_closed: true, ..REOPENED },
        ] {
            assert_eq!(judge(&END, &reopened), None, "{reopened:?}");
        }
        for end in [
            End { slept: true, ..END },
            End { how: How::Closed, ..END },
            End { how: How::TimedOut { probed: false }, ..END },
        ] {
            assert_eq!(judge(&end, &REOPENED), None, "{end:?}");
        }
    }

    #[test]
    fn doubt_is_weak() {
        assert_eq!(judge(&END, &Reopened { after_ms: 4_000, ..REOPENED }), Some(Evidence::Weak));
        assert_eq!(judge(&END, &Reopened { beat_unanswered: false, ..REOPENED }), Some(Evidence::Weak));
    }

    #[test]
    fn a_reset_and_an_idle_eof_need_no_lost_beat() {
        let unasked = Reopened { beat_unanswered: false, ..REOPENED };
        assert_eq!(judge(&End { how: How::Reset, ..END }, &unasked), Some(Evidence::Strong));
        let eof = End { how: How::Eof, silence_s: 60.0, ..END };
        assert_eq!(judge(&eof, &unasked), Some(Evidence::Strong));
        assert_eq!(judge(&End { silence_s: 14.9, ..eof }, &unasked), Some(Evidence::Weak));
    }
}
