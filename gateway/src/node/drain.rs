//! Moving everybody elsewhere, at a pace the others can take.

use crate::hub::Mail;
use crate::state::AppState;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// Links are told in groups about this far apart; further where the pace is less than one in this time.
const STEP: Duration = Duration::from_millis(100);
/// A drain is over after this long, whatever the pace: who stops a process does not wait for ever (systemd: 90 s).
const TELLING: Duration = Duration::from_secs(60);
/// After a Redirect a device dials, is welcomed elsewhere, and closes its old link itself. Who has not by then is
/// closed.
const MOVING: Duration = Duration::from_secs(10);
/// What closing handshakes and the last rows of the registry get.
const LEAVING: Duration = Duration::from_secs(10);
/// Where there is nowhere else to go, devices come back to this address: not at once, and spread over so many
/// milliseconds.
const BACK_MS: std::ops::Range<u32> = 1_000..5_000;

/// Tells every welcomed link to go, and waits, within bounds, until all are gone.
pub(super) async fn everybody(state: &Arc<AppState>) {
    let (elsewhere, per_second) = {
        let config = state.config.load();
        let asked = state.drain_per_second.get().copied();
        (!config.gateways.others.is_empty(), asked.unwrap_or(config.limits.drain_per_second))
    };
    let links = state.hub.everybody();
    let (group, apart) = pace(links.len(), per_second);
    let mut steps = interval(apart);
    // A step that comes late moves those after it: catching up would be a crowd at the others' door.
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for (step, links) in links.chunks(group).enumerate() {
        steps.tick().await;
        for (n, link) in links.iter().enumerate() {
            let spread = u32::try_from(n * apart.as_millis() as usize / links.len()).unwrap_or(0);
            link.post(if elsewhere {
                Mail::Redirect { after_ms: spread }
            } else {
                Mail::Drain { reconnect_after_ms: back(step, spread) }
            });
            state.metrics.moved();
        }
    }
    if elsewhere && gone(state, MOVING).await {
        return;
    }
    // Also who came in between: nobody new is admitted any more.
    for link in state.hub.everybody() {
        link.post(Mail::Drain { reconnect_after_ms: back(0, 0) });
    }
    gone(state, LEAVING).await;
}

/// How many links one step tells, and how far apart the steps are.
fn pace(links: usize, per_second: u32) -> (usize, Duration) {
    if per_second == 0 {
        return (links.max(1), STEP);
    }
    let bounded = u32::try_from(links.div_ceil(TELLING.as_secs() as usize)).unwrap_or(u32::MAX);
    let rate = per_second.max(bounded);
    let group = rate.div_ceil(1000 / STEP.as_millis() as u32);
    (group as usize, Duration::from_secs(1) * group / rate)
}

/// When a link that is closed in `step` should come back. The steps are spread over time already; a number that
/// walks through the range, coprime to it, spreads the links of one step.
fn back(step: usize, spread: u32) -> u32 {
    let width = BACK_MS.end - BACK_MS.start;
    let walk = u32::try_from(step % 1000).unwrap_or(0) * 373 + spread * 37;
    BACK_MS.start + walk % width
}

/// Waits until no socket is left. False: some still are.
async fn gone(state: &AppState, within: Duration) -> bool {
    let end = Instant::now() + within;
    while state.hub.connections() > 0 {
        if Instant::now() >= end {
            return false;
        }
        sleep(Duration::from_millis(20)).await;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_kept_unless_the_drain_would_take_too_long() {
        let ms = Duration::from_millis;
        assert_eq!(pace(10_000, 500), (50, ms(100)), "500 a second");
        assert_eq!(pace(10_000, 1), (17, Duration::from_secs(17) / 167), "a minute at most");
        assert_eq!(pace(10_000, 0), (10_000, ms(100)), "no limit");
        assert_eq!(pace(0, 500), (50, ms(100)));
        assert_eq!(pace(0, 0), (1, ms(100)));
        assert_eq!(pace(20, 5), (1, ms(200)), "5 a second");
        assert_eq!(pace(3, 1), (1, ms(1000)));
        assert_eq!(pace(100, 15), (2, Duration::from_secs(2) / 15), "15 a second");
    }

    #[test]
    fn devices_come_back_spread_out() {
        let mut times: Vec<_> = (0..100).flat_map(|step| (0..10).map(move |n| back(step, n * 10))).collect();
        assert!(times.iter().all(|t| BACK_MS.contains(t)));
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > 500, "{}", times.len());
    }
}
