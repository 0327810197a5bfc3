//! Each world does what its name says, shown with a client that always asks for the same silence.

use pulsegate_tests::{
    nat::{Lab, Mapping, Plan},
    until,
};
use std::time::Instant;

/// The time-out of these worlds, seconds.
const TIMEOUT: u32 = 60;
/// A silence that they bear, and one that they do not.
const SHORT: u16 = 40;
const LONG: u16 = 100;

/// Waits until the router has forgotten the connection.
async fn forgotten(lab: &Lab) {
    until("the mapping to expire", || async { (lab.wires.mappings() == 0).then_some(()) }).await;
}

#[test]
fn a_silence_under_the_time_out_is_borne_by_every_world() {
    let world = |mapping| {
        Plan::nat(mapping, TIMEOUT).lay(async |lab| {
            let device = lab.subscriber(lab.options().silence(SHORT.into())).await;
            lab.pass(130).await;
            assert_eq!(lab.wires.mappings(), 1, "{mapping:?}");
            lab.backend.to_topic("t", "through").await;
            let view = device.shows(1).await;
            assert_eq!((view.welcomes, view.last_text.as_str()), (1, "through"), "{mapping:?}");
        });
    };
    std::thread::scope(|scope| {
        for mapping in [Mapping::Strict, Mapping::Loose, Mapping::Reset] {
            scope.spawn(move || world(mapping));
        }
    });
}

#[test]
fn what_is_pushed_into_an_expired_mapping_of_a_strict_nat_is_lost_with_its_link() {
    Plan::nat(Mapping::Strict, TIMEOUT).lay(async |lab| {
        let begun = Instant::now();
        let device = lab.subscriber(lab.options().silence(LONG.into())).await;
        forgotten(&lab).await;
        lab.backend.to_topic("t", "into the void").await;
        let view = device.shows(1).await;
        assert_eq!(view.welcomes, 2, "it came over the next link");
        assert!(begun.elapsed() >= lab.wall(LONG.into()), "not before the watchdog: {:?}", begun.elapsed());
    });
}

#[test]
fn a_loose_nat_is_opened_again_by_the_client_and_hides_that_it_was_shut() {
    Plan::nat(Mapping::Loose, TIMEOUT).lay(async |lab| {
        let begun = Instant::now();
        let device = lab.subscriber(lab.options().silence(LONG.into())).await;
        forgotten(&lab).await;
        until("the mapping to be there again", || async { (lab.wires.mappings() > 0).then_some(()) }).await;
        assert!(begun.elapsed() >= lab.wall(LONG.into()), "by the probe: {:?}", begun.elapsed());
        lab.backend.to_topic("t", "through").await;
        let view = device.shows(1).await;
        assert_eq!(view.welcomes, 1, "the link lives, as if nothing had been");
    });
}

#[test]
fn a_firewall_that_resets_tells_the_gateway_at_once_and_the_client_when_it_speaks() {
    Plan::nat(Mapping::Reset, TIMEOUT).lay(async |lab| {
        let device = lab.subscriber(lab.options().silence(LONG.into())).await;
        forgotten(&lab).await;
        lab.backend.to_topic("t", "into the void").await;
        lab.gateway.metric_reaches("pulsegate_connections", |open| open == 0.0).await;
        assert_eq!(device.view().welcomes, 1);
        assert_eq!(device.shows(1).await.welcomes, 2);
    });
}

#[test]
fn a_proxy_ends_an_idle_link_at_its_time_out() {
    Plan::proxy(TIMEOUT).lay(async |lab| {
        let begun = Instant::now();
        let device = lab.subscriber(lab.options().silence(LONG.into())).await;
        let subscribed = Instant::now();
        device.wait("the end of the first link", |view| view.welcomes == 2).await;
        assert!(begun.elapsed() >= lab.wall(TIMEOUT), "{:?}", begun.elapsed());
        assert!(
            subscribed.elapsed() < lab.wall(LONG.into()),
            "found out, not told: {:?}",
            subscribed.elapsed()
        );
    });
}

#[test]
fn a_router_that_forgets_everything_strands_a_link_that_is_not_idle() {
    Plan::nat(Mapping::Strict, TIMEOUT).lay(async |lab| {
        let device = lab.subscriber(lab.options().silence(SHORT.into())).await;
        lab.wires.forget();
        assert_eq!(lab.wires.mappings(), 0);
        lab.backend.to_topic("t", "into the void").await;
        assert_eq!(device.shows(1).await.welcomes, 2);
    });
}
