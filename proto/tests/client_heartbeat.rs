//! The client's heartbeat on the virtual clock: what it asks for, what it takes for evidence, and how it
//! finds a dead path.

#![allow(clippy::unwrap_used)] // wrong steps should fail there

mod kit;

use core::time::Duration;
use kit::phone::*;
use pulsegate_proto::frame::{
    Activity, Cause, ClientFrame, CloseCode, HeartbeatKind, HeartbeatPolicy, LastSeen, ServerFrame, Welcome,
};
use pulsegate_proto::heartbeat::{Caps, Evidence, How, Learnt, Policy};
use pulsegate_proto::id::RegistrationId;
use pulsegate_proto::session::client::{Config, Effect, Identity, Input, State};

/// It is eight in the morning, UTC, on the tests' clock; here it is noon.
const NOON: i32 = 240;
const LIVED: LastSeen =
    LastSeen { heard_ms_ago: 0, beat_unanswered: false, cause: Cause::Unknown, gateway_lived: true };
const UNANSWERED: LastSeen = LastSeen { beat_unanswered: true, ..LIVED };

fn at_home(last_seen: Option<LastSeen>) -> Welcome {
    Welcome { network_key: "home".to_owned(), last_seen, ..welcome("r1", &[("device", 10)]) }
}

/// A hidden device at noon that remembers `heartbeat`, its socket open.
fn says_hello(heartbeat: Vec<u8>, policy: Option<Policy>) -> Phone {
    let mut phone = Phone::new(Config { heartbeat: policy, ..config(false) });
    let identity = Identity { offset_min: NOON, heartbeat, ..known() };
    phone.input(Input::Identity(Box::new(identity))).input(Input::IdentitySaved);
    phone.open();
    phone
}

/// The same, welcomed; what it did is taken.
fn ladder() -> Phone {
    let mut phone = says_hello(Vec::new(), None);
    phone.frame(ServerFrame::Welcome(Box::new(at_home(None))));
    phone.stored().take();
    phone
}

fn beat(phone: &mut Phone, silence_s: u32, silence_no: u32) {
    phone.frame(ServerFrame::Beat { silence_ms: silence_s * 1000, silence_no });
}

fn answer(phone: &mut Phone, nonce: u32, beat_sent_ms_ago: u32) {
    phone.frame(ServerFrame::ProbeReply { nonce, heard_ms_ago: 0, beat_sent_ms_ago });
}

fn look(phone: &mut Phone, visible: bool) {
    let activity = Activity { visible_tabs: visible.into(), hidden_tabs: (!visible).into(), frozen: false };
    phone.input(Input::Activity(activity));
}

/// Comes back after a lost link, `after_ms` later, and is told this of it.
fn back(phone: &mut Phone, after_ms: u64, told: Welcome) -> Vec<Learnt> {
    while !phone.connecting() {
        phone.millis(10);
    }
    phone.millis(after_ms).open();
    if !matches!(sent(&phone.effects).last().and_then(|it| it.frame.as_ref()), Some(ClientFrame::Hello(_))) {
        // A second link beside one in doubt: whichever answers is believed.
        answer(phone, 0, 0);
    }
    phone.frame(ServerFrame::Welcome(Box::new(told)));
    learnt(phone)
}

fn learnt(phone: &mut Phone) -> Vec<Learnt> {
    let learnt = |effect: Effect| match effect {
        Effect::Learnt(learnt) => Some(learnt),
        _ => None,
    };
    phone.take().into_iter().filter_map(learnt).collect()
}

fn kept(phone: &mut Phone) -> Option<Vec<u8>> {
    let kept = |effect: Effect| match effect {
        Effect::KeepHeartbeat(bytes) => Some(bytes),
        _ => None,
    };
    phone.take().into_iter().filter_map(kept).next_back()
}

fn verdict(learnt: &[Learnt]) -> Option<Evidence> {
    match learnt {
        [Learnt::Ended { evidence, .. }] => *evidence,
        other => panic!("{other:?}"),
    }
}

/// The machine sleeps: no timer comes.
fn sleep(phone: &mut Phone, seconds: u64) {
    phone.now = phone.now + Duration::from_secs(seconds);
}

fn probes(said: &[ClientFrame]) -> usize {
    said.iter().filter(|frame| matches!(frame, ClientFrame::Probe { .. })).count()
}

fn belief(phone: &Phone) -> [f64; 16] {
    *phone.session.heartbeat().belief().unwrap().weights()
}

#[test]
fn hello_asks_for_what_is_worth_a_try_before_anything_is_known() {
    assert_eq!(says_hello(Vec::new(), None).hello().silence_s, 230);
    assert_eq!(says_hello(Vec::new(), Some(Policy::Fixed(30))).hello().silence_s, 30);
    assert_eq!(says_hello(Vec::new(), Some(Policy::Stepped)).hello().silence_s, 268);
    let prompt = Policy::Ladder(Caps::by_day(60));
    assert_eq!(says_hello(Vec::new(), Some(prompt)).hello().silence_s, 55);
}

#[test]
fn a_beat_in_time_is_a_survival_and_its_answer_asks_for_more() {
    let mut phone = ladder();
    phone.seconds(230);
    beat(&mut phone, 230, 0);
    let effects = phone.take();
    assert!(effects.iter().any(|it| matches!(it, Effect::Learnt(Learnt::Survived { gap_s: 230.0 }))));
    let said = sent(&effects).pop().unwrap().frame;
    assert_eq!(said, Some(ClientFrame::BeatReply { silence_s: 580, silence_no: 1 }));
    phone.seconds(580);
    beat(&mut phone, 580, 1);
    assert_eq!(phone.said(), [ClientFrame::BeatReply { silence_s: 0, silence_no: 0 }], "nothing to change");
}

#[test]
fn a_beat_of_an_older_request_proves_nothing() {
    let mut phone = ladder();
    phone.seconds(230);
    beat(&mut phone, 230, 0);
    phone.seconds(230).take();
    beat(&mut phone, 230, 0);
    assert_eq!(learnt(&mut phone), []);
}

#[test]
fn a_beat_that_comes_late_was_sent_again_and_proves_nothing() {
    let mut phone = ladder();
    sleep(&mut phone, 236);
    beat(&mut phone, 230, 0);
    assert_eq!(learnt(&mut phone), [], "too late");
    phone.seconds(10).input(Input::Wish { wish: 1, what: tags() }).seconds(1);
    beat(&mut phone, 220, 1);
    assert_eq!(learnt(&mut phone), [], "a frame of ours had opened the way for it");
}

fn tags() -> pulsegate_proto::session::client::Wish {
    pulsegate_proto::session::client::Wish::set_tags(&[], &[])
}

#[test]
fn a_delivery_proves_the_silence_before_it() {
    let mut phone = ladder();
    phone.seconds(100).deliver("device", 11);
    assert_eq!(learnt(&mut phone), [Learnt::Survived { gap_s: 100.0 }]);
    phone.seconds(1).deliver("device", 12);
    assert_eq!(learnt(&mut phone), [], "a second proves nothing");
}

#[test]
fn a_probe_s_answer_tells_a_lost_beat_from_one_that_was_not_due() {
    let mut phone = ladder();
    assert_eq!(probes(&phone.seconds(235).said()), 1);
    let before = belief(&phone);
    answer(&mut phone, 1, 0);
    assert_eq!((learnt(&mut phone), belief(&phone)), (Vec::new(), before), "none was due");
    assert_eq!(probes(&phone.seconds(235).said()), 1);
    beat(&mut phone, 230, 0);
    assert_eq!(learnt(&mut phone), [], "it came behind our Probe");
    answer(&mut phone, 2, 4_100);
    let effects = phone.take();
    assert!(effects.iter().any(|it| matches!(it, Effect::Learnt(Learnt::Lapsed { planned_s: 230.0 }))));
    let asked = sent(&effects).pop().unwrap().frame;
    let Some(ClientFrame::BeatReply { silence_s, silence_no: 1 }) = asked else { panic!("{asked:?}") };
    assert!(silence_s < 230, "and the wish is told at once: {silence_s}");
}

#[test]
fn a_beat_that_crossed_the_probe_was_not_lost() {
    let mut phone = ladder();
    phone.seconds(200).input(Input::Visible).take();
    answer(&mut phone, 1, 40);
    assert_eq!(learnt(&mut phone), []);
}

#[test]
fn a_proxy_that_closes_an_idle_link_is_strong_evidence() {
    let mut phone = ladder();
    phone.seconds(60).lose();
    let verdicts = back(&mut phone, 100, at_home(Some(LIVED)));
    let [Learnt::Ended { end, evidence }] = verdicts[..] else { panic!("{verdicts:?}") };
    assert_eq!((end.how, end.silence_s, evidence), (How::Eof, 60.0, Some(Evidence::Strong)));
    let safe = phone.session.heartbeat().belief().unwrap().safe();
    assert!(safe[3] > 0.9 && safe[4] < 0.6, "that speaks against 70, not against 55: {safe:?}");
}

#[test]
fn a_link_that_ends_under_our_probe_was_reset() {
    let mut phone = ladder();
    phone.seconds(235).lose();
    let verdicts = back(&mut phone, 0, at_home(Some(LIVED)));
    let [Learnt::Ended { end, evidence }] = verdicts[..] else { panic!("{verdicts:?}") };
    assert_eq!((end.how, end.planned_s, evidence), (How::Reset, 230.0, Some(Evidence::Strong)));
}

#[test]
fn an_unanswered_probe_is_strong_if_a_beat_was_lost_and_weak_if_none_was() {
    for (seen, evidence) in [(UNANSWERED, Evidence::Strong), (LIVED, Evidence::Weak)] {
        let mut phone = ladder();
        phone.seconds(243);
        assert_eq!(verdict(&back(&mut phone, 0, at_home(Some(seen)))), Some(evidence));
    }
}

#[test]
fn who_finds_the_path_dead_before_the_beat_was_due_knows_of_that_silence_only() {
    let mut phone = ladder();
    phone.seconds(100).input(Input::Visible).seconds(3);
    let verdicts = back(&mut phone, 0, at_home(Some(UNANSWERED)));
    let [Learnt::Ended { end, .. }] = verdicts[..] else { panic!("{verdicts:?}") };
    assert!(end.planned_s < 103.0, "{end:?}");
}

#[test]
fn a_death_with_another_reason_says_nothing() {
    let dead = |told: Welcome| {
        let mut phone = ladder();
        let before = belief(&phone);
        phone.seconds(243);
        let evidence = verdict(&back(&mut phone, 0, told));
        assert!(evidence.is_some() || belief(&phone) == before);
        evidence
    };
    assert_eq!(dead(at_home(Some(UNANSWERED))), Some(Evidence::Strong), "or else this proves nothing");
    assert_eq!(dead(at_home(Some(LastSeen { gateway_lived: false, ..UNANSWERED }))), None);
    assert_eq!(dead(at_home(Some(LastSeen { cause: Cause::GatewayClosed, ..UNANSWERED }))), None);
    let train = Welcome { network_key: "train".to_owned(), ..at_home(Some(UNANSWERED)) };
    assert_eq!(dead(train), None);
    assert_eq!(dead(at_home(None)), Some(Evidence::Weak), "nobody knows");
}

#[test]
fn a_link_closed_in_words_says_nothing() {
    let mut phone = ladder();
    phone.seconds(10).closing(CloseCode::Draining);
    assert_eq!(verdict(&back(&mut phone, 0, at_home(Some(LIVED)))), None);
}

#[test]
fn a_path_that_comes_back_late_was_down_for_another_reason() {
    let mut phone = ladder();
    phone.seconds(60).lose();
    assert_eq!(verdict(&back(&mut phone, 4_000, at_home(Some(LIVED)))), Some(Evidence::Weak));
}

#[test]
fn a_signal_of_the_network_voids_the_silence_it_falls_into() {
    for signal in [Input::Online, Input::Offline, Input::NetworkChanged] {
        let mut phone = ladder();
        phone.seconds(225).input(signal).seconds(3);
        assert_eq!(verdict(&back(&mut phone, 0, at_home(Some(UNANSWERED)))), None);
    }
    let mut phone = ladder();
    phone.seconds(225).input(Input::NetworkChanged).take();
    answer(&mut phone, 1, 5_000);
    assert_eq!(learnt(&mut phone), [], "a beat that another network lost");
}

#[test]
fn a_night_s_sleep_costs_one_probe_and_no_belief() {
    for visible in [false, true] {
        let mut phone = ladder();
        look(&mut phone, visible);
        phone.take();
        let before = belief(&phone);
        sleep(&mut phone, 8 * 3600);
        phone.input(Input::Elapsed);
        assert_eq!(probes(&phone.said()), 1, "at once");
        phone.millis(2499);
        assert_eq!(phone.session.state(), State::Connected);
        phone.millis(1);
        assert_eq!(verdict(&back(&mut phone, 0, at_home(Some(UNANSWERED)))), None);
        assert_eq!(belief(&phone), before);
    }
}

#[test]
fn a_path_that_outlived_the_sleep_answers_and_nothing_else_happens() {
    let mut phone = ladder();
    let before = belief(&phone);
    sleep(&mut phone, 8 * 3600);
    // What waited in the socket since before the sleep comes first.
    beat(&mut phone, 230, 0);
    assert_eq!(probes(&phone.said()), 1, "what waited proves nothing of now");
    answer(&mut phone, 1, 28_000_000);
    assert_eq!((learnt(&mut phone), belief(&phone)), (Vec::new(), before));
    assert_eq!(phone.seconds(100).said(), []);
    assert_eq!(phone.session.state(), State::Connected);
}

#[test]
fn who_slept_while_a_probe_was_out_asks_again() {
    let mut phone = ladder();
    phone.seconds(235).take();
    sleep(&mut phone, 3600);
    assert_eq!(probes(&phone.input(Input::Elapsed).said()), 1);
    assert_eq!(phone.millis(2499).session.state(), State::Connected);
}

#[test]
fn a_watchdog_that_comes_a_little_late_lets_the_queue_go_first() {
    let mut phone = ladder();
    let before = belief(&phone);
    sleep(&mut phone, 250);
    assert_eq!(phone.input(Input::Elapsed).said(), []);
    beat(&mut phone, 230, 0);
    assert_eq!(probes(&phone.seconds(5).said()), 0, "it was there all the time");
    assert_eq!(belief(&phone), before, "and was not in time");
    let mut phone = ladder();
    sleep(&mut phone, 250);
    phone.input(Input::Elapsed);
    sleep(&mut phone, 60);
    assert_eq!(probes(&phone.input(Input::Elapsed).said()), 1, "once, on whatever grid timers come");
}

#[test]
fn a_person_who_looks_lowers_the_silence_at_once() {
    let mut phone = ladder();
    phone.seconds(100).deliver("device", 11);
    phone.stored().seconds(2).take();
    look(&mut phone, true);
    let said = phone.said();
    let Some(ClientFrame::BeatReply { silence_s, .. }) =
        said.iter().find(|frame| matches!(frame, ClientFrame::BeatReply { .. }))
    else {
        panic!("{said:?}")
    };
    assert!(*silence_s <= 115, "{silence_s}");
    look(&mut phone, false);
    assert!(phone.session.heartbeat().asked() > 115);
}

#[test]
fn while_a_person_looks_grace_and_probe_are_shorter() {
    let mut phone = ladder();
    look(&mut phone, true);
    let asked = u64::from(phone.session.heartbeat().asked());
    assert_eq!(asked, 55);
    phone.take();
    assert_eq!(probes(&phone.millis(asked * 1000 + 1_999).said()), 0);
    assert_eq!(probes(&phone.millis(1).said()), 1);
    phone.millis(3_999);
    assert_eq!(phone.session.state(), State::Connected);
    phone.millis(1);
    assert!(phone.connecting());
}

#[test]
fn whoever_opens_a_tab_on_a_dead_path_has_another_link_within_five_seconds() {
    let mut phone = ladder();
    phone.seconds(200).take();
    look(&mut phone, true);
    phone.millis(2_500);
    assert!(phone.connecting(), "half of that is left to open it");
    let mut phone = ladder();
    look(&mut phone, true);
    phone.seconds(20).take();
    look(&mut phone, true);
    assert_eq!(probes(&phone.said()), 0, "nobody came");
}

#[test]
fn a_probe_that_is_out_must_hurry_when_a_person_looks() {
    let mut phone = ladder();
    phone.seconds(235).take();
    phone.input(Input::Visible);
    assert_eq!(probes(&phone.said()), 0, "one at a time");
    phone.millis(2_500);
    assert!(phone.connecting(), "and not after the eight seconds of a hidden tab");
}

#[test]
fn at_night_silence_may_last_longer() {
    let mut phone = ladder();
    phone.seconds(230);
    beat(&mut phone, 230, 0);
    // From noon until after half past eleven.
    for _ in 0..80 {
        let heartbeat = phone.session.heartbeat();
        let (asked, no) = (heartbeat.asked(), heartbeat.number());
        phone.seconds(asked.into());
        beat(&mut phone, asked.into(), no);
    }
    assert_eq!(
        phone.session.heartbeat().asked(),
        880,
        "a cap of 1,180, under which more was not worth a try"
    );
}

#[test]
fn the_gateway_s_recommendation_is_followed_after_the_welcome() {
    let recommended = HeartbeatPolicy {
        kind: HeartbeatKind::Fixed,
        min_s: 60,
        max_s: 60,
        visible_max_s: 60,
        night_max_s: 60,
        night_from_min: 0,
        night_to_min: 0,
    };
    let mut phone = says_hello(Vec::new(), None);
    phone.take();
    phone.frame(ServerFrame::Welcome(Box::new(Welcome { heartbeat: recommended, ..at_home(None) })));
    assert_eq!(phone.said(), [ClientFrame::BeatReply { silence_s: 60, silence_no: 1 }]);
}

#[test]
fn the_old_link_is_kept_until_one_of_the_two_answers_a_probe() {
    let in_doubt = || {
        let mut phone = ladder();
        let old = phone.socket;
        phone.seconds(243);
        assert!(phone.connecting() && phone.session.state() == State::Connected);
        assert_eq!(probes(&phone.open().said()), 2, "one on each, and no Hello");
        (phone, old)
    };
    let (mut phone, old) = in_doubt();
    phone.frame_on(old, message("device", 11, 11));
    assert_eq!(phone.store().entries.len(), 1, "what comes on the old one counts");
    phone.frame_on(old, ServerFrame::ProbeReply { nonce: 1, heard_ms_ago: 0, beat_sent_ms_ago: 0 });
    assert!(matches!(phone.take()[..], [Effect::CloseSocket { socket }] if socket != old));
    assert_eq!(learnt(&mut phone), [], "no death");
    let (mut phone, old) = in_doubt();
    answer(&mut phone, 0, 0);
    assert!(phone.hello().last_link.unwrap().timed_out, "the Hello is the switch");
    phone.frame(ServerFrame::Welcome(Box::new(at_home(Some(UNANSWERED)))));
    let effects = phone.take();
    assert!(effects.iter().any(|it| matches!(it, Effect::CloseSocket { socket } if *socket == old)));
    assert!(effects.iter().any(|it| matches!(it, Effect::Learnt(Learnt::Ended { .. }))));
}

#[test]
fn what_is_kept_is_known_at_the_next_start() {
    let mut phone = ladder();
    phone.seconds(230);
    beat(&mut phone, 230, 0);
    phone.seconds(580);
    beat(&mut phone, 580, 1);
    phone.seconds(1).lose();
    phone.take();
    back(&mut phone, 0, at_home(Some(LIVED)));
    phone.seconds(1).lose();
    phone.take();
    while !phone.connecting() {
        phone.millis(10);
    }
    phone.open();
    phone.frame(ServerFrame::Welcome(Box::new(at_home(Some(LIVED)))));
    let bytes = kept(&mut phone).unwrap();
    assert_eq!(says_hello(bytes, None).hello().silence_s, 580);
    assert_eq!(says_hello(vec![9; 40], None).hello().silence_s, 230, "what is no memory is none");
}

#[test]
fn a_wish_that_changes_is_kept() {
    let mut phone = ladder();
    phone.seconds(230);
    beat(&mut phone, 230, 0);
    let bytes = kept(&mut phone).unwrap();
    assert_eq!(says_hello(bytes, None).hello().silence_s, 580);
}

#[test]
fn what_ends_with_its_link_keeps_nothing() {
    let mut phone = Phone::new(Config { ephemeral: true, heartbeat: None, ..config(false) });
    phone.input(Input::Identity(Box::new(nothing()))).open();
    let mut told = at_home(None);
    told.secret = vec![1; 32];
    phone.frame(ServerFrame::Welcome(Box::new(told)));
    assert!(RegistrationId::parse("r1").is_ok() && phone.session.state() == State::Connected);
    assert_eq!(kept(&mut phone), None);
}
