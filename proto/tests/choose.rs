//! Choosing a gateway: a race up to the first answered Probe, on a virtual clock.

#![allow(clippy::unwrap_used)] // wrong steps should fail here

mod kit;

use core::time::Duration;
use kit::phone::*;
use pulsegate_proto::choose::{ANSWER_MS, STAGGER_MS, WELCOME_MS};
use pulsegate_proto::frame::{
    ClientFrame, CloseCode, Closing, Endpoint, Redirect, ServerFrame, Welcome, decode_client,
};
use pulsegate_proto::reconnect::Backoff;
use pulsegate_proto::session::client::{Effect, Input, Socket, State};
use std::collections::BTreeMap;

const GATEWAYS: [&str; 3] = ["wss://a/", "wss://b/", "wss://c/"];

fn list(phone: &mut Phone, urls: &[&str]) {
    for url in urls {
        phone.input(Input::Gateway { url: (*url).to_owned(), weight: 1 });
    }
    phone.input(Input::Gateways { ttl_s: 300 });
}

/// A device that knows these gateways and is about to dial.
fn about_to_dial(seed: u64, urls: &[&str]) -> Phone {
    let mut phone = Phone::new(pulsegate_proto::session::client::Config { seed, ..config(false) });
    phone.input(Input::Identity(Box::new(known())));
    assert!(phone.take().iter().any(|effect| matches!(effect, Effect::NeedGateways)));
    list(&mut phone, urls);
    phone.input(Input::IdentitySaved);
    phone
}

/// What was dialled, in order; other effects stay.
fn dialled(phone: &mut Phone) -> Vec<(Socket, String)> {
    let mut dialled = Vec::new();
    phone.effects.retain(|effect| match effect {
        Effect::Connect { socket, url } => {
            dialled.push((*socket, url.clone().unwrap_or_default()));
            false
        }
        _ => true,
    });
    dialled
}

fn closes(phone: &Phone, wanted: Socket) -> bool {
    let closed = |effect: &Effect| matches!(effect, Effect::CloseSocket { socket } if *socket == wanted);
    phone.effects.iter().any(closed)
}

/// On which sockets a Hello was said; all effects are taken.
fn hellos(phone: &mut Phone) -> Vec<Socket> {
    let hello = |effect: Effect| match effect {
        Effect::Send { socket, bytes } => {
            matches!(decode_client(&bytes).unwrap().frame, Some(ClientFrame::Hello(_))).then_some(socket)
        }
        _ => None,
    };
    phone.take().into_iter().filter_map(hello).collect()
}

/// A candidate's Probe, or the first of a link.
fn answer(phone: &mut Phone, socket: Socket) {
    phone.frame_on(socket, ServerFrame::ProbeReply { nonce: 1, heard_ms_ago: 0, beat_sent_ms_ago: 0 });
}

fn welcome_from(phone: &mut Phone, socket: Socket, network: &str) {
    let network_key = network.to_owned();
    let welcome = Welcome { network_key, ..welcome("r1", &[("device", 10), ("topic:a", 20)]) };
    phone.frame_on(socket, ServerFrame::Welcome(Box::new(welcome)));
    assert_eq!(phone.session.state(), State::Connected);
}

/// Opens and answers.
fn win(phone: &mut Phone, socket: Socket) {
    phone.input(Input::Open { socket });
    answer(phone, socket);
}

#[test]
fn the_next_gateway_is_dialled_after_a_quarter_of_a_second_or_at_once_when_one_fails() {
    let mut phone = about_to_dial(1, &GATEWAYS);
    let first = dialled(&mut phone);
    assert_eq!(first.len(), 1);
    assert!(dialled(phone.millis(STAGGER_MS - 1)).is_empty());
    let second = dialled(phone.millis(1));
    assert_eq!(second.len(), 1);
    let failed = Input::SocketClosed { socket: second[0].0, code: 1006 };
    let third = dialled(phone.input(failed));
    assert_eq!(third.len(), 1, "at once");
    let mut urls = [first[0].1.as_str(), &second[0].1, &third[0].1];
    urls.sort_unstable();
    assert_eq!(urls, GATEWAYS);
    let configured = dialled(phone.millis(STAGGER_MS));
    assert_eq!(configured[0].1, "", "whoever is listed, the configured one is there at last");
}

#[test]
fn the_first_answered_probe_gets_the_hello_and_the_others_are_closed() {
    let mut phone = about_to_dial(1, &GATEWAYS);
    phone.millis(STAGGER_MS * 2);
    let dialled = dialled(&mut phone);
    let [first, second, third] = [0, 1, 2].map(|at: usize| dialled[at].0);
    phone.take();
    for socket in [third, first] {
        phone.input(Input::Open { socket });
    }
    assert!(phone.said().iter().all(|frame| matches!(frame, ClientFrame::Probe { .. })));
    answer(&mut phone, first);
    assert!(closes(&phone, second) && closes(&phone, third) && !closes(&phone, first));
    assert_eq!(hellos(&mut phone), [first]);
    answer(&mut phone, third);
    assert!(hellos(&mut phone).is_empty(), "too late");
    welcome_from(&mut phone, first, "home");
    assert!(dialled_later(&mut phone).is_empty());
}

fn dialled_later(phone: &mut Phone) -> Vec<(Socket, String)> {
    dialled(phone.seconds(20))
}

#[test]
fn no_welcome_in_four_seconds_is_the_turn_of_the_next() {
    let mut phone = about_to_dial(1, &GATEWAYS);
    let (slow, url) = dialled(&mut phone).remove(0);
    win(&mut phone, slow);
    assert_eq!(hellos(&mut phone), [slow]);
    assert!(dialled(phone.millis(WELCOME_MS - 1)).is_empty());
    let next = dialled(phone.millis(1));
    assert!(closes(&phone, slow));
    assert_eq!(next.len(), 1);
    assert_ne!(next[0].1, url);
    phone.take();
    win(&mut phone, next[0].0);
    assert_eq!(hellos(&mut phone), [next[0].0]);
    welcome_from(&mut phone, next[0].0, "home");
}

#[test]
fn who_is_overloaded_is_left_for_the_next_and_where_all_are_the_wish_of_the_last_is_kept() {
    let mut phone = about_to_dial(1, &GATEWAYS);
    for turn in 0..4 {
        let mut now = dialled(&mut phone);
        assert_eq!(now.len(), 1, "turn {turn}");
        let socket = now.remove(0).0;
        if turn < 3 {
            win(&mut phone, socket);
        } else {
            phone.input(Input::Open { socket });
        }
        let closing = Closing {
            code: CloseCode::TooManyRequests,
            reason: String::new(),
            reconnect_after_ms: 30_000,
            generation: 0,
        };
        phone.frame_on(socket, ServerFrame::Closing(closing));
    }
    assert!(dialled(phone.millis(29_999)).is_empty(), "no signal undercuts it");
    assert!(!dialled(phone.seconds(2)).is_empty(), "all anew, within the jitter of a first attempt");
}

#[test]
fn the_winner_is_dialled_first_on_its_network_until_it_fails() {
    let mut phone = about_to_dial(3, &GATEWAYS);
    let first = dialled(&mut phone).remove(0);
    phone.input(Input::SocketClosed { socket: first.0, code: 1006 });
    let winner = dialled(&mut phone).remove(0);
    win(&mut phone, winner.0);
    welcome_from(&mut phone, winner.0, "home");
    for _ in 0..5 {
        let socket = phone.socket;
        phone.seconds(20).input(Input::SocketClosed { socket, code: 1006 });
        phone.reconnect();
        let again = dialled(&mut phone).remove(0);
        assert_eq!(again.1, winner.1);
        win(&mut phone, again.0);
        welcome_from(&mut phone, again.0, "home");
        phone.take();
    }
    let socket = phone.socket;
    phone.input(Input::SocketClosed { socket, code: 1006 });
    phone.reconnect();
    let failing = dialled(&mut phone).remove(0);
    let next = dialled(phone.input(Input::SocketClosed { socket: failing.0, code: 1006 })).remove(0);
    assert_ne!(next.1, winner.1);
    win(&mut phone, next.0);
    welcome_from(&mut phone, next.0, "home");
    let socket = phone.socket;
    phone.input(Input::SocketClosed { socket, code: 1006 });
    phone.reconnect();
    assert_eq!(dialled(&mut phone).remove(0).1, next.1, "that one won last");
}

/// A device welcomed by the gateway of its choice.
fn settled() -> (Phone, Socket, String) {
    let mut phone = about_to_dial(1, &GATEWAYS);
    let (socket, url) = dialled(&mut phone).remove(0);
    win(&mut phone, socket);
    welcome_from(&mut phone, socket, "home");
    phone.take();
    (phone, socket, url)
}

#[test]
fn another_network_is_a_new_look_that_moves_to_who_is_nearer_now() {
    let (mut phone, old, url) = settled();
    phone.input(Input::NetworkChanged).millis(STAGGER_MS * 3);
    let candidates = dialled(&mut phone);
    assert_eq!(candidates.len(), 4, "three and the configured one");
    phone.take();
    let nearer = candidates.iter().find(|candidate| candidate.1 != url).unwrap().0;
    win(&mut phone, nearer);
    assert!(!closes(&phone, old), "the old link serves until the new one is welcomed");
    assert_eq!(hellos(&mut phone), [nearer]);
    welcome_from(&mut phone, nearer, "train");
    assert!(closes(&phone, old));
}

#[test]
fn a_link_that_lives_on_another_network_stays_where_its_gateway_is_still_the_nearest() {
    let (mut phone, old, url) = settled();
    phone.input(Input::NetworkChanged).millis(STAGGER_MS * 3);
    answer(&mut phone, old);
    let candidates = dialled(&mut phone);
    let same = candidates.iter().find(|candidate| candidate.1 == url).unwrap().0;
    win(&mut phone, same);
    assert!(candidates.iter().all(|candidate| closes(&phone, candidate.0)) && !closes(&phone, old));
    assert!(hellos(&mut phone).is_empty());
    assert_eq!(phone.session.state(), State::Connected);
}

#[test]
fn a_network_that_turns_out_to_be_another_is_a_new_look_too() {
    let (mut phone, old, url) = settled();
    phone.input(Input::SocketClosed { socket: old, code: 1006 });
    phone.reconnect();
    let (again, same) = dialled(&mut phone).remove(0);
    assert_eq!(same, url, "as far as anybody knew");
    win(&mut phone, again);
    welcome_from(&mut phone, again, "train");
    phone.millis(STAGGER_MS * 3);
    assert_eq!(dialled(&mut phone).len(), 4);
}

#[test]
fn one_gateway_alone_is_neither_raced_nor_probed_and_its_list_is_asked_for_once() {
    let mut phone = about_to_dial(1, &[""]);
    for _ in 0..20 {
        phone.reconnect();
        let only = dialled(&mut phone);
        assert_eq!(only.len(), 1);
        assert_eq!(only[0].1, "");
        phone.open();
        assert_eq!(hellos(&mut phone), [only[0].0], "no Probe before it");
        welcome_from(&mut phone, only[0].0, "home");
        phone.seconds(40).take();
        phone.lose();
        assert!(!phone.effects.iter().any(|effect| matches!(effect, Effect::NeedGateways)));
    }
}

#[test]
fn a_list_that_comes_late_joins_the_race() {
    let mut phone = Phone::new(config(false));
    phone.input(Input::Identity(Box::new(known()))).input(Input::IdentitySaved);
    assert_eq!(dialled(&mut phone)[0].1, "", "the list is not waited for");
    list(&mut phone, &GATEWAYS);
    phone.millis(ANSWER_MS);
    let mut joined: Vec<_> = dialled(&mut phone).into_iter().map(|(_, url)| url).collect();
    joined.sort();
    assert_eq!(joined, GATEWAYS);
}

#[test]
fn a_redirect_to_several_is_a_race_among_them() {
    let (mut phone, old, _) = settled();
    let endpoint = |url: &str| Endpoint { url: url.to_owned(), weight: 1, region: String::new() };
    let endpoints = vec![endpoint("wss://x/"), endpoint("wss://y/")];
    phone.frame_on(old, ServerFrame::Redirect(Redirect { endpoints, after_ms: 500, reason: String::new() }));
    assert!(dialled(phone.millis(499)).is_empty());
    phone.millis(1 + STAGGER_MS);
    let candidates = dialled(&mut phone);
    assert_eq!(candidates.len(), 2);
    phone.take();
    win(&mut phone, candidates[1].0);
    assert_eq!(hellos(&mut phone), [candidates[1].0]);
    welcome_from(&mut phone, candidates[1].0, "home");
    assert!(closes(&phone, old));
}

#[test]
fn weights_are_shares_of_first_attempts() {
    let mut first: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..4000 {
        let mut phone = Phone::new(pulsegate_proto::session::client::Config { seed, ..config(false) });
        phone.input(Input::Identity(Box::new(known())));
        for (url, weight) in [("wss://a/", 3), ("wss://b/", 1)] {
            phone.input(Input::Gateway { url: url.to_owned(), weight });
        }
        phone.input(Input::Gateways { ttl_s: 300 }).input(Input::IdentitySaved);
        *first.entry(dialled(&mut phone).remove(0).1).or_default() += 1;
    }
    assert!((2850..3150).contains(&first["wss://a/"]), "{first:?}");
}

/// How a gateway of the random worlds behaves; `None`: it never does.
struct Manner {
    opens_ms: Option<u64>,
    answers_ms: Option<u64>,
    welcomes_ms: Option<u64>,
}

#[test]
fn whatever_the_others_do_a_gateway_that_works_is_found_in_time() {
    for seed in 0..2000 {
        let mut random = Backoff::new(seed);
        let mut some = |most: u64| (random.choose(3) > 0).then(|| random.choose(most));
        let mut manners: BTreeMap<String, Manner> = BTreeMap::new();
        for url in GATEWAYS {
            let manner = Manner { opens_ms: some(3000), answers_ms: some(1000), welcomes_ms: some(6000) };
            manners.insert(url.to_owned(), manner);
        }
        // One of them works, and the configured one refuses.
        let good = Manner { opens_ms: Some(60), answers_ms: Some(30), welcomes_ms: Some(40) };
        manners.insert(GATEWAYS[usize::try_from(seed % 3).unwrap()].to_owned(), good);
        let mut phone = about_to_dial(seed, &GATEWAYS);
        let begun = phone.now;
        let took = found_within(&mut phone, &manners);
        assert!(took.is_some(), "seed {seed}: nobody in {:?}", phone.now.saturating_since(begun));
        // Two others before it: each dialled 250 ms apart, each may hold up the Hello for 4 s.
        let most = 2 * (STAGGER_MS + WELCOME_MS) + 3 * STAGGER_MS + 130;
        assert!(took.unwrap().as_millis() <= u128::from(most), "seed {seed}: {took:?}");
    }
}

/// Plays the gateways until somebody welcomes; how long that took.
fn found_within(phone: &mut Phone, manners: &BTreeMap<String, Manner>) -> Option<Duration> {
    let begun = phone.now;
    let mut to_come: Vec<(u64, Socket, u8)> = Vec::new();
    let mut urls: BTreeMap<Socket, String> = BTreeMap::new();
    for ms in 0..20_000u64 {
        for effect in phone.take() {
            match effect {
                Effect::Connect { socket, url } => {
                    let url = url.unwrap_or_default();
                    match manners.get(&url).map(|manner| manner.opens_ms) {
                        Some(Some(after)) => to_come.push((ms + after, socket, 0)),
                        Some(None) => {}
                        None => to_come.push((ms + 1, socket, 3)),
                    }
                    urls.insert(socket, url);
                }
                Effect::Send { socket, bytes } => {
                    let manner = &manners[&urls[&socket]];
                    let (after, what) = match decode_client(&bytes).unwrap().frame {
                        Some(ClientFrame::Probe { .. }) => (manner.answers_ms, 1),
                        Some(ClientFrame::Hello(_)) => (manner.welcomes_ms, 2),
                        _ => continue,
                    };
                    to_come.extend(after.map(|after| (ms + after, socket, what)));
                }
                Effect::CloseSocket { socket } => to_come.retain(|(_, other, _)| *other != socket),
                _ => {}
            }
        }
        let due: Vec<_> = to_come.extract_if(.., |(at, ..)| *at <= ms).collect();
        for (_, socket, what) in due {
            match what {
                0 => _ = phone.input(Input::Open { socket }),
                1 => answer(phone, socket),
                2 => {
                    welcome_from(phone, socket, "home");
                    return Some(phone.now.saturating_since(begun));
                }
                _ => _ = phone.input(Input::SocketClosed { socket, code: 1006 }),
            }
        }
        phone.millis(1);
    }
    None
}
