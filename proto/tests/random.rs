//! Random conversations over bad links: whatever happens, every accepted message is stored once, in
//! the order of its log, and a healed link delivers everything in bounded time. The simulation
//! itself asserts that no ack runs ahead of storage, that nothing is stored twice and that the
//! window is kept.

#![allow(clippy::unwrap_used)] // a simulation that lost its way should fail there

use core::time::Duration;
use pulsegate_proto::frame::Endpoint;
use pulsegate_proto::harness::{Sim, Weather};
use pulsegate_proto::id::{LogName, MessageId, Topic};
use pulsegate_proto::session::client::Input;
use pulsegate_proto::session::server::{Input as Told, Settings};
use std::collections::BTreeMap;

/// A deterministic choice for the script of a run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

const TOPICS: [&str; 3] = ["a", "b", "c"];

/// What each device must have, per log, in order.
type Expected = BTreeMap<(usize, String), Vec<MessageId>>;

fn expect(expected: &mut Expected, devices: impl Iterator<Item = usize>, log: &str, id: MessageId) {
    for device in devices {
        expected.entry((device, log.to_owned())).or_default().push(id);
    }
}

fn settings(window: u32) -> Settings {
    Settings { window, ack_every: window.div_ceil(2), advance_every: 16, ..Settings::default() }
}

/// Devices that are connected and subscribed before anything is published.
fn ready(seed: u64, weather: Weather, window: u32, devices: usize) -> Sim {
    let mut sim = Sim::new(seed, Weather::FAIR, settings(window));
    for device in 0..devices {
        sim.device((device % 3 != 2).then_some(if device % 3 == 0 { "ann" } else { "bob" }));
        sim.subscribe(device, &TOPICS);
    }
    sim.run_for(Duration::from_secs(2));
    assert!((0..devices).all(|device| sim.connected(device)));
    sim.set_weather(weather);
    sim
}

/// One random thing is published.
fn publish(sim: &mut Sim, dice: &mut Dice, expected: &mut Expected, devices: usize) {
    match dice.below(6) {
        0 => {
            let id = sim.publish("all", "to all");
            expect(expected, 0..devices, "all", id);
        }
        1 => {
            let id = sim.publish_to_even("all", "to even");
            expect(expected, (0..devices).filter(|d| d % 2 == 0), "all", id);
        }
        2 => {
            let id = sim.publish("user:ann", "to ann");
            expect(expected, (0..devices).filter(|d| d % 3 == 0), "user:ann", id);
        }
        3 => {
            let device = usize::try_from(dice.below(devices as u64)).unwrap();
            let id = sim.publish_to(device, "to one").unwrap();
            expect(expected, core::iter::once(device), "device", id);
        }
        _ => {
            let log = format!("topic:{}", TOPICS[usize::try_from(dice.below(3)).unwrap()]);
            let id = sim.publish(&log, "to a topic");
            expect(expected, 0..devices, &log, id);
        }
    }
}

/// What a device holds of a log, in order.
fn held(sim: &Sim, device: usize, log: &LogName) -> Vec<MessageId> {
    let inbox = &sim.of(device).storage.inbox;
    inbox.iter().filter(|(of, _, _)| of == log).map(|(_, _, id)| *id).collect()
}

fn complete(sim: &Sim, expected: &Expected) -> bool {
    expected.iter().all(|((device, log), ids)| held(sim, *device, &LogName::parse(log).unwrap()) == *ids)
}

fn assert_complete(sim: &Sim, expected: &Expected, seed: u64) {
    for ((device, log), ids) in expected {
        let held = held(sim, *device, &LogName::parse(log).unwrap());
        assert_eq!(held, *ids, "seed {seed}: device {device}, {log}\n{}", tail(sim));
    }
}

fn tail(sim: &Sim) -> String {
    let text = sim.transcript();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

#[test]
fn devices_that_are_moved_again_and_again_lose_and_double_nothing() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let mut expected = Expected::new();
        let weather = if seed % 2 == 0 { Weather::FAIR } else { Weather::FOUL };
        let mut sim = ready(seed, weather, 1 + u32::try_from(dice.below(16)).unwrap(), 5);
        for step in 0..200 {
            publish(&mut sim, &mut dice, &mut expected, 5);
            if step % 8 == 0 {
                // To one address or to a choice of two; all lead to the same store.
                let urls = ["wss://b.example/v1/connect", "wss://c.example/v1/connect"];
                let endpoint =
                    |url: &&str| Endpoint { url: (*url).to_owned(), weight: 1, region: String::new() };
                let some = 1 + usize::try_from(dice.below(2)).unwrap();
                let endpoints = urls[..some].iter().map(endpoint).collect();
                let after_ms = u32::try_from(dice.below(500)).unwrap();
                sim.tell_gateway(&Told::Redirect { endpoints, after_ms, reason: "drain".to_owned() });
            }
            sim.run_for(Duration::from_millis(dice.below(200)));
        }
        sim.set_weather(Weather::FAIR);
        let healed = (0..300).any(|_| {
            sim.run_for(Duration::from_secs(1));
            complete(&sim, &expected)
        });
        assert!(healed || complete(&sim, &expected), "seed {seed}\n{}", tail(&sim));
        assert_complete(&sim, &expected, seed);
        // A link that died silently is found by its silence, and the gateway holds it for a while longer.
        sim.run_for(Duration::from_secs(200));
        for device in 0..5 {
            assert_eq!(
                (sim.connected(device), sim.sockets(device)),
                (true, 1),
                "seed {seed}: one link in the end\n{}",
                tail(&sim)
            );
        }
    }
}

#[test]
fn every_accepted_message_is_stored_once_and_in_order_over_links_that_break() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let mut expected = Expected::new();
        let mut sim = ready(seed, Weather::FOUL, 1 + u32::try_from(dice.below(16)).unwrap(), 5);
        for _ in 0..150 {
            publish(&mut sim, &mut dice, &mut expected, 5);
            sim.run_for(Duration::from_millis(dice.below(400)));
        }
        sim.set_weather(Weather::FAIR);
        sim.run_until(Duration::from_secs(600), |sim| complete(sim, &expected));
        assert_complete(&sim, &expected, seed);
    }
}

#[test]
fn a_killed_browser_or_gateway_loses_and_doubles_nothing() {
    for seed in 100..150 {
        let mut dice = Dice(seed);
        let mut expected = Expected::new();
        let mut sim = ready(seed, Weather::FOUL, 8, 4);
        for _ in 0..120 {
            publish(&mut sim, &mut dice, &mut expected, 4);
            let device = usize::try_from(dice.below(4)).unwrap();
            match dice.below(12) {
                0 => sim.kill(device),
                1 => sim.cut(device, dice.below(2) == 0),
                2 => {
                    sim.gateway_down();
                    sim.run_for(Duration::from_millis(dice.below(2000)));
                    sim.gateway_up();
                }
                _ => {}
            }
            sim.run_for(Duration::from_millis(dice.below(500)));
            for device in 0..4 {
                if !sim.of(device).storage.inbox.is_empty() && dice.below(3) == 0 {
                    revive_if_dead(&mut sim, device);
                }
            }
        }
        (0..4).for_each(|device| revive_if_dead(&mut sim, device));
        sim.set_weather(Weather::FAIR);
        sim.run_until(Duration::from_secs(600), |sim| complete(sim, &expected));
        assert_complete(&sim, &expected, seed);
    }
}

fn revive_if_dead(sim: &mut Sim, device: usize) {
    if !sim.is_alive(device) {
        sim.revive(device);
    }
}

#[test]
fn a_device_whose_storage_was_rolled_back_gets_again_what_it_lost() {
    for seed in 200..220 {
        let mut dice = Dice(seed);
        let mut expected = Expected::new();
        let mut sim = ready(seed, Weather::FAIR, 8, 3);
        for _ in 0..30 {
            publish(&mut sim, &mut dice, &mut expected, 3);
            sim.run_for(Duration::from_millis(dice.below(100)));
        }
        let backup = sim.of(0).storage.clone();
        for _ in 0..30 {
            publish(&mut sim, &mut dice, &mut expected, 3);
            sim.run_for(Duration::from_millis(dice.below(100)));
        }
        sim.run_for(Duration::from_secs(10));
        sim.kill(0);
        sim.roll_back(0, backup);
        sim.revive(0);
        sim.run_until(Duration::from_secs(60), |sim| complete(sim, &expected));
        assert_complete(&sim, &expected, seed);
    }
}

#[test]
fn a_healed_link_delivers_a_long_absence_in_bounded_time() {
    let mut expected = Expected::new();
    let mut dice = Dice(1);
    let mut sim = ready(1, Weather::FAIR, 64, 1);
    sim.kill(0);
    for _ in 0..2000 {
        publish(&mut sim, &mut dice, &mut expected, 1);
    }
    sim.revive(0);
    // 2,000 messages in windows of 64: a round trip and some work for each half.
    let healed = sim.run_until(Duration::from_secs(10), |sim| complete(sim, &expected));
    assert!(healed, "{}", tail(&sim));
}

#[test]
fn a_wiped_store_is_told_as_a_gap_and_delivery_goes_on() {
    let mut sim = ready(5, Weather::FAIR, 8, 2);
    sim.publish("topic:a", "before");
    sim.run_for(Duration::from_secs(5));
    sim.wipe_store();
    sim.run_for(Duration::from_secs(1));
    sim.gateway_up();
    assert!(sim.run_until(Duration::from_secs(60), |sim| (0..2).all(|device| sim.connected(device))));
    sim.run_for(Duration::from_secs(1));
    let id = sim.publish("topic:a", "after");
    sim.run_for(Duration::from_secs(5));
    for device in 0..2 {
        let log = LogName::Topic(Topic::parse("a").unwrap());
        assert_eq!(held(&sim, device, &log), [id], "{}", tail(&sim));
        assert_eq!(sim.of(device).storage.wipes, 1, "another registration: the inbox is wiped");
    }
}

#[test]
fn wishes_made_while_away_reach_the_gateway() {
    for seed in 300..330 {
        let mut dice = Dice(seed);
        let mut sim = Sim::new(seed, Weather::FOUL, settings(8));
        sim.device(Some("ann"));
        for topic in ["x1", "x2", "x3", "x4"] {
            sim.subscribe(0, &[topic]);
            sim.run_for(Duration::from_millis(dice.below(1000)));
        }
        sim.tell(0, Input::Unsubscribe(vec![Topic::parse("x2").unwrap()]));
        sim.run_for(Duration::from_millis(dice.below(3000)));
        sim.set_weather(Weather::FAIR);
        sim.run_for(Duration::from_secs(200));
        let mut expected = Expected::new();
        for topic in ["x1", "x2", "x3", "x4"] {
            let log = format!("topic:{topic}");
            let id = sim.publish(&log, "hello");
            expected.insert((0, log), if topic == "x2" { Vec::new() } else { vec![id] });
        }
        sim.run_until(Duration::from_secs(30), |sim| complete(sim, &expected));
        assert_complete(&sim, &expected, seed);
    }
}
