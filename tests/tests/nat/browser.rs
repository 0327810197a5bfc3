//! The same with a real browser behind the router.

use pulsegate_proto::heartbeat::{Belief, Caps};
use pulsegate_tests::{
    nat::{Browser, Death, Lab, Mapping, Plan, foresee, largest},
    patiently, until_within,
};
use std::time::{Duration, Instant};

/// The time-out of the routers that are climbed, seconds.
const TIMEOUT: u32 = 70;
/// A whole climb takes ten minutes of the ends' time, a tenth of that on the wall.
const CLIMB: Duration = Duration::from_secs(150);
/// The cap of a page that nobody looks at by day, seconds.
const DAY: u16 = Caps::by_day(580).day_s;

/// What the gateway has counted: requests for a silence, the sum of the silences, beats.
async fn counted(lab: &Lab) -> (usize, usize, usize) {
    let metrics = lab.gateway.metrics().await;
    let read = |name: &str| metrics.sum(&format!("pulsegate_{name}")) as usize;
    (read("silence_seconds_count"), read("silence_seconds_sum"), read("beats_total"))
}

fn settles(mapping: Mapping) {
    Plan::nat(mapping, TIMEOUT).with_pages().lay(async |lab| {
        let mut browser = Browser::start(&lab).await;
        browser.does("tab").await;
        assert_eq!(browser.does("tell").await["tier"], "shared-worker");
        browser.does("hide").await;
        let (mut requests, mut beats) = (0, 0);
        until_within(CLIMB, "a silence that is borne again and again", async || {
            let (now, _, beaten) = counted(&lab).await;
            if now > requests {
                (requests, beats) = (now, beaten);
            }
            (beaten >= beats + 3).then_some(())
        })
        .await;
        // One for the page that was looked at; and each Hello repeats the last wish before it learns that it was wrong.
        let predicted = foresee(Belief::default(), DAY, TIMEOUT, Death::Lapses, &[]);
        // On a busy machine a path may be back too late for a clear verdict, and cost one link more: twice at most.
        let most = 1 + predicted.wishes + predicted.deaths + 2 * 2;
        assert!(requests <= most, "{requests} requests, {predicted:?}");
        assert!(requests > 2, "it tried what the path does not bear: {requests} requests");

        // The gateway's books begin anew: now they say what the one Hello after a restart asks for.
        let lab = lab.restart().await;
        lab.gateway.metric_reaches("pulsegate_silence_seconds_count", |requests| requests > 0.0).await;
        let (requests, sum, _) = counted(&lab).await;
        assert_eq!(sum, requests * usize::from(largest(DAY, TIMEOUT)), "the rung, and kept");
        lab.backend.to_topic("t", "through").await;
        patiently("a message", browser.hears("through")).await;
        browser.close().await;
    });
}

#[test]
fn a_hidden_page_behind_a_strict_nat_settles_on_the_largest_rung() {
    settles(Mapping::Strict);
}

#[test]
fn a_hidden_page_behind_a_loose_nat_is_not_fooled() {
    settles(Mapping::Loose);
}

#[test]
fn a_person_who_comes_back_to_a_tab_whose_path_died_has_a_live_connection_within_5_s() {
    Plan::nat(Mapping::Strict, 7_200).at_speed(1).with_pages().lay(async |lab| {
        let mut browser = Browser::start(&lab).await;
        browser.does("tab").await;
        assert_eq!(browser.does("tell").await["tier"], "shared-worker");
        browser.does("hide").await;
        // Who heard something within the last 15 s takes the path for alive.
        lab.pass(20).await;
        lab.wires.forget();
        lab.backend.to_topic("t", "into the void").await;
        let looked = Instant::now();
        browser.does("look").await;
        patiently("what was published meanwhile", browser.hears("into the void")).await;
        assert!(looked.elapsed() < Duration::from_secs(5), "{:?}", looked.elapsed());
        browser.close().await;
    });
}
