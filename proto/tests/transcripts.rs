//! The main conversations, as text: each is played on a virtual clock and compared with its file in
//! `tests/transcripts/`. `->` is the client, `<-` the gateway, `#` the device, times in seconds.
//!
//! After a wanted change, write them anew with `UPDATE_TRANSCRIPTS=1 cargo test -p pulsegate-proto`
//! and read the difference.

#![allow(clippy::unwrap_used)] // a missing or unreadable transcript should fail its test

use core::time::Duration;
use pulsegate_proto::frame::{Endpoint, encode_deliver, encode_message};
use pulsegate_proto::frame::{Message, NotifyBody, Urgency};
use pulsegate_proto::harness::{Sim, Weather};
use pulsegate_proto::id::{LogName, MessageId, Position, Topic};
use pulsegate_proto::session::client::Input;
use pulsegate_proto::session::server::{Input as Told, Settings};
use pulsegate_proto::time::UnixMs;

fn sim() -> Sim {
    with(Settings::default())
}

fn with(settings: Settings) -> Sim {
    Sim::new(1, Weather::FAIR, settings)
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn check(name: &str, sim: &Sim) {
    let path = format!("{}/tests/transcripts/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let played = sim.transcript();
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        std::fs::write(&path, &played).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == played, "{path} differs; played:\n{played}");
}

#[test]
fn a_first_connect_registers_subscribes_and_receives() {
    let mut sim = sim();
    let device = sim.device(Some("ann"));
    sim.subscribe(device, &["news/sport", "secret/plans"]);
    sim.run_for(seconds(1));
    sim.publish("topic:news/sport", "goal");
    sim.run_for(seconds(3));
    check("first-connect", &sim);
}

#[test]
fn a_resume_goes_on_at_what_the_client_stored() {
    let mut sim = sim();
    let device = sim.device(Some("ann"));
    sim.subscribe(device, &["news"]);
    sim.run_for(seconds(1));
    sim.publish("topic:news", "one");
    sim.run_for(seconds(3));
    sim.remark("the connection breaks");
    sim.cut(device, false);
    sim.publish("topic:news", "two, while away");
    sim.run_for(seconds(5));
    check("resume", &sim);
}

#[test]
fn what_retention_dropped_is_told_as_a_gap() {
    let mut sim = sim();
    let device = sim.device(Some("ann"));
    sim.subscribe(device, &["news"]);
    sim.run_for(seconds(1));
    sim.kill(device);
    sim.remark("the device is away; two messages come, retention drops them, a third comes");
    sim.publish("topic:news", "one");
    sim.publish("topic:news", "two");
    sim.trim("topic:news");
    sim.publish("topic:news", "three");
    sim.revive(device);
    sim.run_for(seconds(3));
    check("gap", &sim);
}

#[test]
fn a_full_window_waits_for_the_ack() {
    let mut sim = with(Settings { window: 4, ack_every: 2, ..Settings::default() });
    let device = sim.device(Some("ann"));
    sim.subscribe(device, &["news"]);
    sim.run_for(seconds(1));
    sim.remark("the tabs are far behind: acks are held");
    sim.tell(device, Input::BackPressure(true));
    for n in 1..=7 {
        sim.publish("topic:news", &format!("message {n}"));
    }
    sim.run_for(seconds(5));
    sim.remark("the tabs have caught up");
    sim.tell(device, Input::BackPressure(false));
    sim.run_for(seconds(3));
    check("window", &sim);
}

#[test]
fn skipped_entries_are_told_with_a_beat() {
    let mut sim = sim();
    let even = sim.device(Some("ann"));
    let odd = sim.device(Some("bob"));
    sim.run_for(seconds(1));
    sim.publish_to_even("all", "for even devices");
    sim.run_for(seconds(50));
    assert_eq!(sim.of(even).storage.inbox.len(), 1);
    assert!(sim.of(odd).storage.inbox.is_empty());
    check("advance", &sim);
}

#[test]
fn a_token_is_refreshed_before_it_expires() {
    let mut sim = sim();
    let device = sim.device(Some("ann;300"));
    sim.run_for(seconds(1));
    sim.set_token(device, "ann;600");
    sim.run_for(seconds(310));
    sim.remark("the app has no newer token: it expires");
    sim.run_for(seconds(290));
    sim.set_token(device, "ann;900");
    sim.run_for(seconds(20));
    assert!(sim.connected(device));
    check("token", &sim);
}

#[test]
fn a_takeover_ends_the_older_holder() {
    let mut sim = sim();
    let old = sim.device(Some("ann"));
    sim.run_for(seconds(1));
    sim.remark("another holder of the same storage takes over, a second later");
    let young = sim.device(Some("ann"));
    sim.kill(young);
    let storage = sim.of(old).storage.clone();
    sim.roll_back(young, storage);
    sim.run_for(seconds(1));
    sim.revive(young);
    sim.run_for(Duration::from_millis(100));
    sim.remark("the older holder no longer has the browser's lock and stays away");
    sim.tell(old, Input::Stop);
    sim.run_for(seconds(3));
    assert!(sim.connected(young) && !sim.connected(old));
    check("takeover", &sim);
}

#[test]
fn a_redirect_is_welcomed_elsewhere_before_the_old_link_goes() {
    let mut sim = sim();
    let device = sim.device(Some("ann"));
    sim.run_for(seconds(1));
    let endpoints =
        vec![Endpoint { url: "wss://b.example/v1/connect".to_owned(), weight: 1, region: String::new() }];
    sim.tell_gateway(&Told::Redirect { endpoints, after_ms: 2000, reason: "drain".to_owned() });
    sim.run_for(seconds(1));
    sim.publish("all", "on the old link");
    sim.run_for(seconds(4));
    sim.publish("all", "on the new link");
    sim.run_for(seconds(12));
    assert_eq!((sim.sockets(device), sim.open_links()), (1, 1));
    check("redirect", &sim);
}

#[test]
fn a_drained_client_comes_back_no_earlier_than_told() {
    let mut sim = sim();
    let device = sim.device(Some("ann"));
    sim.run_for(seconds(1));
    sim.tell_gateway(&Told::Drain { reconnect_after_ms: 5000 });
    sim.run_for(seconds(10));
    assert!(sim.connected(device));
    check("drain", &sim);
}

#[test]
fn a_recall_takes_back_what_was_shown_and_what_was_not_yet_sent() {
    let mut sim = sim();
    let here = sim.device(Some("ann"));
    let away = sim.device(Some("bob"));
    for device in [here, away] {
        sim.subscribe(device, &["news"]);
    }
    sim.run_for(seconds(1));
    sim.kill(away);
    sim.remark("device 1 is away");
    let id = sim.publish("topic:news", "a mistake");
    sim.run_for(seconds(3));
    sim.recall("topic:news", id);
    sim.run_for(seconds(3));
    sim.remark("device 1 returns");
    sim.revive(away);
    sim.run_for(seconds(3));
    for device in [here, away] {
        assert!(sim.of(device).storage.inbox.is_empty());
    }
    assert!(sim.of(away).storage.recalls.is_empty(), "it never had the message");
    check("recall", &sim);
}

#[test]
fn a_forget_is_kept_until_it_is_confirmed() {
    let mut sim = sim();
    let device = sim.device(Some("ann"));
    sim.run_for(seconds(1));
    sim.remark("the gateway is down when the app logs out, and the browser is closed");
    sim.gateway_down();
    sim.run_for(seconds(1));
    sim.tell(device, Input::Forget);
    sim.run_for(seconds(1));
    sim.kill(device);
    sim.gateway_up();
    sim.remark("the browser is opened again");
    sim.revive(device);
    sim.run_for(seconds(5));
    assert!(sim.registration(device).is_none());
    check("forget", &sim);
}

#[test]
fn an_ephemeral_device_is_new_on_each_link() {
    let mut sim = sim();
    let device = sim.ephemeral_device();
    sim.subscribe(device, &["news"]);
    sim.run_for(seconds(1));
    sim.cut(device, false);
    sim.run_for(seconds(5));
    sim.publish("topic:news", "hello");
    sim.run_for(seconds(3));
    check("ephemeral", &sim);
}

#[test]
fn a_silent_path_is_found_dead_by_a_probe() {
    let mut sim = sim();
    let device = sim.device(Some("ann"));
    sim.run_for(seconds(1));
    sim.remark("the path swallows everything from here on");
    sim.cut(device, true);
    sim.run_for(seconds(70));
    assert!(sim.connected(device));
    check("silent-path", &sim);
}

#[test]
fn a_message_with_no_time_to_live_passes_outside_the_order() {
    let mut sim = sim();
    let device = sim.device(Some("ann"));
    sim.subscribe(device, &["news"]);
    sim.run_for(seconds(1));
    let log = LogName::Topic(Topic::parse("news").unwrap());
    let message = encode_message(Message {
        id: MessageId([9; 16]),
        body: NotifyBody { app: "demo".to_owned(), body: "now or never".to_owned(), ext: String::new() },
        notification: None,
        published: UnixMs(1),
        expires: UnixMs(1),
        urgency: Urgency::High,
        collapse_key: String::new(),
    });
    let frame = encode_deliver(&log, Position { epoch: 7, seq: 0 }, &message);
    sim.publish_live("topic:news", &frame);
    sim.run_for(seconds(5));
    assert_eq!(sim.of(device).storage.inbox.len(), 1);
    check("ttl-0", &sim);
}

#[test]
fn the_backend_ends_a_subscription_and_deletes_a_registration() {
    let mut sim = sim();
    let device = sim.device(Some("ann"));
    sim.subscribe(device, &["news"]);
    sim.run_for(seconds(1));
    sim.end_topic(device, "news");
    sim.run_for(seconds(1));
    sim.remark("DELETE of the registration; getToken gives another token");
    sim.set_token(device, "ann;90000");
    sim.delete(device);
    sim.run_for(seconds(5));
    assert!(sim.connected(device));
    check("backend", &sim);
}
