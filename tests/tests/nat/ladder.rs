//! The ladder on real paths: where it settles, what that costs, and what does not move it.

use pulsegate_proto::heartbeat::{Belief, Caps, Evidence, Learnt, Policy};
use pulsegate_tests::{
    device::{Device, View},
    nat::{Death, Lab, Mapping, Plan, at_rest, foresee, largest, verdicts},
};
use std::time::{Duration, Instant};

/// The cap of a client that nobody looks at by day, seconds.
const DAY: u16 = Caps::by_day(580).day_s;
/// The time-out of the routers, seconds: 55 is the largest rung under it, with room for a slow machine.
const TIMEOUT: u32 = 70;
/// A whole climb takes ten minutes of the ends' time, a tenth of that on the wall.
const CLIMB: Duration = Duration::from_secs(150);

/// How often so long a silence was survived.
fn survived(view: &View, rung_s: u16) -> usize {
    let borne =
        |learnt: &&Learnt| matches!(learnt, Learnt::Survived { gap_s } if *gap_s + 0.5 >= rung_s.into());
    view.learnt.iter().filter(borne).count()
}

/// It asks for the rung on which it stands, will try nothing higher, and has just survived it.
fn rests(view: &View, cap_s: u16) -> bool {
    let rung_s = view.belief.as_ref().and_then(|belief| at_rest(belief, cap_s));
    let proven = |rung_s: u16| matches!(view.learnt.last(), Some(Learnt::Survived { gap_s }) if *gap_s + 0.5 >= rung_s.into());
    rung_s.is_some_and(|rung_s| view.silence_s == rung_s && proven(rung_s))
}

/// Lets a device climb from `belief` until it rests; asserts that it rests on the largest rung under the time-out and
/// lost no more links on the way than the belief predicts. The rung.
async fn climbs(device: &Device, belief: Belief, cap_s: u16, timeout_s: u32, death: Death) -> u16 {
    let before = device.view().learnt.len();
    let wanted = largest(cap_s, timeout_s);
    let settled = |view: &View| view.learnt.len() > before && view.silence_s == wanted && rests(view, cap_s);
    let view = device.wait_within(CLIMB, "the ladder to rest on the largest rung", settled).await;
    let learnt = &view.learnt[before..];
    let verdicts = verdicts(learnt);
    let predicted = foresee(belief, cap_s, timeout_s, death, &verdicts);
    assert_eq!(predicted.rung_s, wanted, "the belief's own prediction");
    assert!(verdicts.len() <= predicted.deaths, "{predicted:?}: {learnt:?}");
    // On a busy machine a path may be back later than within four seconds of ours, which are 0.4 of the wall's.
    let doubtful = verdicts.iter().filter(|verdict| **verdict == Evidence::Weak).count();
    assert!(2 * doubtful <= verdicts.len(), "mostly doubt: {learnt:?}");
    wanted
}

/// The device survives its rung once more without asking for another.
async fn stays(device: &Device, rung_s: u16) {
    let before = survived(&device.view(), rung_s);
    let view = device.wait("the rung to be survived again", |view| survived(view, rung_s) > before).await;
    assert_eq!(view.silence_s, rung_s);
}

#[test]
fn behind_a_strict_nat_it_settles_and_keeps_its_rung_over_restarts_and_outages() {
    Plan::nat(Mapping::Strict, TIMEOUT).lay(async |lab| {
        let device = lab.subscriber(lab.options()).await;
        let rung = climbs(&device, Belief::default(), DAY, TIMEOUT, Death::Lapses).await;

        let welcomes = device.view().welcomes;
        let lab = lab.restart().await;
        let view = device.wait("the restarted gateway", |view| view.welcomes > welcomes).await;
        assert_eq!(view.silence_s, rung, "a restart says nothing of the path: {:?}", view.learnt.last());
        stays(&device, rung).await;

        let welcomes = device.view().welcomes;
        lab.wires.cable(false);
        lab.pass(120).await;
        lab.wires.cable(true);
        device.online();
        let view = device.wait("the network to be back", |view| view.welcomes > welcomes).await;
        assert_eq!(view.silence_s, rung, "an outage says little of the path: {:?}", view.learnt.last());
        stays(&device, rung).await;
        lab.backend.to_topic("t", "after all").await;
        assert_eq!(device.shows(1).await.last_text, "after all");
    });
}

#[test]
fn a_loose_nat_that_fools_a_pinging_client_does_not_fool_it() {
    Plan::nat(Mapping::Loose, TIMEOUT).lay(async |lab| {
        let device = lab.subscriber(lab.options()).await;
        let rung = climbs(&device, Belief::default(), DAY, TIMEOUT, Death::Lapses).await;
        let view = device.view();
        let never = |learnt: &Learnt| matches!(learnt, Learnt::Survived { gap_s } if *gap_s > TIMEOUT.into());
        assert!(!view.learnt.iter().any(never), "a beat that came late is no survival: {:?}", view.learnt);
        stays(&device, rung).await;
    });
}

#[test]
fn a_firewall_that_resets_is_understood_as_a_death_of_idling() {
    Plan::nat(Mapping::Reset, TIMEOUT).lay(async |lab| {
        let device = lab.subscriber(lab.options()).await;
        let rung = climbs(&device, Belief::default(), DAY, TIMEOUT, Death::Lapses).await;
        stays(&device, rung).await;
    });
}

#[test]
fn behind_a_proxy_that_ends_idle_links_at_60_s_it_settles_on_55() {
    const IDLE: u32 = 60;
    // Between 55 and 60 there is little room: half as fast.
    Plan::proxy(IDLE).at_speed(5).lay(async |lab| {
        let device = lab.subscriber(lab.options()).await;
        let rung = climbs(&device, Belief::default(), DAY, IDLE, Death::Ends).await;
        assert_eq!(rung, 55);
        stays(&device, rung).await;
    });
}

/// A cap under which the climb is short.
const SHORT: Caps = Caps::by_day(115);

async fn capped(lab: &Lab) -> Device {
    lab.subscriber(lab.options().heartbeat(Policy::Ladder(SHORT))).await
}

#[test]
fn a_mapping_dropped_under_a_live_link_costs_one_link_no_message_and_not_the_rung() {
    const PATIENT: u32 = 140;
    Plan::nat(Mapping::Strict, PATIENT).lay(async |lab| {
        let device = capped(&lab).await;
        let rung = climbs(&device, Belief::default(), SHORT.day_s, PATIENT, Death::Lapses).await;
        let before = device.view();
        lab.wires.forget();
        lab.backend.to_topic("t", "into the void").await;
        let view = device.shows(1).await;
        assert_eq!((view.welcomes, view.last_text.as_str()), (before.welcomes + 1, "into the void"));
        device
            .wait_within(CLIMB, "the rung again", |view| view.silence_s == rung && rests(view, SHORT.day_s))
            .await;
        let learnt = device.view().learnt;
        assert!(verdicts(&learnt[before.learnt.len()..]).len() <= 1, "one link: {learnt:?}");
    });
}

#[test]
fn a_time_out_that_falls_under_the_rung_is_learnt_anew() {
    Plan::nat(Mapping::Strict, 140).lay(async |lab| {
        let device = capped(&lab).await;
        assert_eq!(climbs(&device, Belief::default(), SHORT.day_s, 140, Death::Lapses).await, 115);
        lab.wires.timeout(TIMEOUT);
        // It holds from the next packet on.
        lab.backend.to_topic("t", "a packet").await;
        device.shows(1).await;
        let known = device.view().belief.unwrap();
        assert_eq!(climbs(&device, known, SHORT.day_s, TIMEOUT, Death::Lapses).await, 55);
    });
}

#[test]
fn a_person_who_looks_at_a_device_whose_path_died_finds_a_live_connection_within_5_s() {
    Plan::nat(Mapping::Strict, 7_200).at_speed(1).lay(async |lab| {
        let device = lab.subscriber(lab.options()).await;
        // Who heard something within the last 15 s takes the path for alive.
        lab.pass(20).await;
        lab.wires.forget();
        lab.backend.to_topic("t", "into the void").await;
        let looked = Instant::now();
        device.visible(true);
        let view = device.shows(1).await;
        assert!(looked.elapsed() < Duration::from_secs(5), "{:?}", looked.elapsed());
        assert_eq!(view.welcomes, 2, "over a new link");
    });
}
