//! The runs that print their counts: kills, a network that misbehaves, a long absence.

#![allow(clippy::unwrap_used, reason = "a test whose preparation fails should fail right there")]

use pulsegate_tests::{
    chaos::kill::{Plan, run},
    device::{Device, Options},
    gateway::{Gateway, Setup},
    keys::Signer,
    process,
    proxy::{Proxy, Weather},
    publisher::Publisher,
};
use serde_json::json;
use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

fn options(gateway: SocketAddr, signer: &Signer) -> Options {
    let signer = signer.clone();
    Options::new(gateway, move || signer.token("ann"))
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_under_load_lose_nothing_double_nothing_and_keep_order() {
    let report = run(Plan::default()).await;
    eprintln!("{report}");
    report.verdict.assert_clean();
    assert!(report.retries > 0, "no kill met a publish: nothing was tested");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_away_for_10_000_messages_gets_them_in_order_with_flat_memory_on_both_sides() {
    const MESSAGES: u64 = 10_000;
    let setup = Setup::new().unlimited();
    let gateway = Gateway::start(&setup).await;
    let backend = Publisher::new(&gateway, &setup.key);
    let mut options = options(gateway.public(), &setup.signer);
    options.keep_shown = false;
    let device = Device::subscribed(&options, &["t"]).await;
    let storage = device.crash().await;
    let mut accepted = Vec::new();
    for batch in 0..MESSAGES / 1000 {
        let lines: Vec<_> = (batch * 1000..(batch + 1) * 1000)
            .map(|number| json!({"target": {"topic": "t"}, "body": format!("{number} {}", "x".repeat(1000))}))
            .collect();
        for answer in backend.batch(&lines).await {
            accepted.push(answer["id"].as_str().unwrap().to_string());
        }
    }
    let mib = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
    let measure = || (process::resident(gateway.pid()), process::resident(process::me()));
    let before = measure();
    let begun = std::time::Instant::now();
    let device = Device::start(&options, storage);
    let mut most = before;
    for part in 1..=20 {
        device.shows(MESSAGES * part / 20).await;
        let now = measure();
        most = (most.0.max(now.0), most.1.max(now.1));
    }
    let took = begun.elapsed();
    let shown: Vec<String> = device.storage().held().shown.into_iter().map(|shown| shown.id).collect();
    assert_eq!(shown, accepted, "all of them, once, in order");
    let growth = (most.0 - before.0, most.1 - before.1);
    eprintln!(
        "away for {MESSAGES} messages of 1 KB: caught up in {:.1} s · gateway {:.1} MiB, grew {:.1} · device {:.1} MiB, grew {:.1}",
        took.as_secs_f64(),
        mib(before.0),
        mib(growth.0),
        mib(before.1),
        mib(growth.1),
    );
    // All of it is over 10 MiB: flat is a window of it, an outbox, and what the allocators keep.
    assert!(growth.0 < 8 << 20, "the gateway grew by {:.1} MiB", mib(growth.0));
    assert!(growth.1 < 8 << 20, "the device grew by {:.1} MiB", mib(growth.1));
    let whole: BTreeSet<&String> = accepted.iter().collect();
    assert_eq!(whole.len() as u64, MESSAGES);
}

#[tokio::test(flavor = "multi_thread")]
async fn cuts_half_closes_and_silent_deaths_of_the_network_lose_nothing_and_double_nothing() {
    let setup = Setup::new().unlimited();
    let gateway = Gateway::start(&setup).await;
    let backend = Publisher::new(&gateway, &setup.key);
    let proxy = Proxy::start(gateway.public()).await;
    let device = Device::subscribed(&options(proxy.address(), &setup.signer).silence(15), &["t"]).await;
    let mut accepted = Vec::new();
    for round in 0..12 {
        for number in 0..20 {
            accepted.push(backend.to_topic("t", &format!("{round} {number}")).await);
            if number == 10 {
                match round % 4 {
                    0 => proxy.cut(),
                    1 => proxy.half_close(),
                    2 => {
                        proxy.strand();
                        device.online();
                    }
                    _ => proxy.weather(Weather {
                        delay: Duration::from_millis(30),
                        throttle: 20_000,
                        ..Weather::default()
                    }),
                }
            }
        }
        device.online();
        device.shows(accepted.len() as u64).await;
        proxy.weather(Weather::default());
    }
    let view = device.view();
    let shown: Vec<String> = view.shown.into_iter().map(|shown| shown.id).collect();
    assert_eq!(shown, accepted);
    eprintln!(
        "bad network: {} messages over {} connections, {} welcomes",
        accepted.len(),
        proxy.opened(),
        view.welcomes
    );
    assert!(view.welcomes > 6, "the links were cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blackhole_that_heals_loses_nothing_and_doubles_nothing() {
    let setup = Setup::new();
    let gateway = Gateway::start(&setup).await;
    let backend = Publisher::new(&gateway, &setup.key);
    let proxy = Proxy::start(gateway.public()).await;
    let device = Device::subscribed(&options(proxy.address(), &setup.signer), &["t"]).await;
    backend.to_topic("t", "before").await;
    device.shows(1).await;
    proxy.weather(Weather { blackhole: true, ..Weather::default() });
    let mut accepted = Vec::new();
    for number in 0..10 {
        accepted.push(backend.to_topic("t", &number.to_string()).await);
    }
    proxy.weather(Weather::default());
    let view = device.shows(11).await;
    let shown: Vec<String> = view.shown.into_iter().skip(1).map(|shown| shown.id).collect();
    assert_eq!(shown, accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_on_a_restored_backup_shows_again_only_what_it_lost() {
    let setup = Setup::new();
    let gateway = Gateway::start(&setup).await;
    let backend = Publisher::new(&gateway, &setup.key);
    let options = options(gateway.public(), &setup.signer);
    let device = Device::subscribed(&options, &["t"]).await;
    for number in 0..5 {
        backend.to_topic("t", &number.to_string()).await;
    }
    device.shows(5).await;
    let backup = device.storage().backup();
    let mut lost = Vec::new();
    for number in 5..9 {
        lost.push(backend.to_topic("t", &number.to_string()).await);
    }
    device.shows(9).await;
    drop(device.crash().await);
    // Its generation is older than the one that ruled: the session must find its way.
    let back = Device::start(&options, backup);
    lost.push(backend.to_topic("t", "new").await);
    let view = back.shows(5).await;
    let shown: Vec<String> = view.shown.into_iter().map(|shown| shown.id).collect();
    assert_eq!(shown, lost);
    assert_eq!(view.wipes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_server_is_met_as_new_and_the_device_goes_on() {
    let setup = Setup::new();
    let gateway = Gateway::start(&setup).await;
    let backend = Publisher::new(&gateway, &setup.key);
    let options = options(gateway.public(), &setup.signer);
    let device = Device::subscribed(&options, &["t"]).await;
    backend.to_topic("t", "before").await;
    let registration = device.shows(1).await.registration;
    gateway.kill9().await;
    std::fs::remove_dir_all(setup.data_dir()).unwrap();
    let gateway = Gateway::start(&setup).await;
    device.online();
    device.wait("another registration", |view| view.registration != registration).await;
    device.subscribe(&["t"]).await;
    pulsegate_tests::until("the device to hear again", || async {
        let backend = Publisher::new(&gateway, &setup.key);
        backend.to_topic("t", "after").await;
        (device.view().last_text == "after").then_some(())
    })
    .await;
    assert!(device.view().wipes >= 1, "messages of another registration are wiped first");
    assert!(device.storage().held().registration.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_replaced_and_the_device_comes_back_by_itself() {
    let setup = Setup::new();
    let gateway = Gateway::start(&setup).await;
    let backend = Publisher::new(&gateway, &setup.key);
    let signer = setup.signer.clone();
    let options =
        Options::new(gateway.public(), move || signer.claims("ann").topics(&["#"]).expires_in(2).sign());
    let device = Device::subscribed(&options, &["t"]).await;
    let until = std::time::Instant::now() + Duration::from_secs(10);
    let mut count = 0;
    while std::time::Instant::now() < until {
        backend.to_topic("t", "x").await;
        count += 1;
        device.shows(count).await;
    }
    let view = device.view();
    assert!(view.faults.is_empty(), "{view:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_holders_of_one_storage_show_each_message_once() {
    let setup = Setup::new();
    let gateway = Gateway::start(&setup).await;
    let backend = Publisher::new(&gateway, &setup.key);
    let options = options(gateway.public(), &setup.signer);
    let first = Device::subscribed(&options, &["t"]).await;
    for number in 0..5 {
        backend.to_topic("t", &number.to_string()).await;
    }
    first.shows(5).await;
    // A second holder takes over: a new generation, the same storage.
    let second = Device::start(&options, first.storage().clone());
    second.connected().await;
    first
        .wait("the first to be replaced", |view| {
            view.state != pulsegate_proto::session::client::State::Connected
        })
        .await;
    for number in 5..10 {
        backend.to_topic("t", &number.to_string()).await;
    }
    second.shows(5).await;
    let shown = first.storage().held().shown;
    let ids: BTreeSet<&String> = shown.iter().map(|shown| &shown.id).collect();
    assert_eq!((shown.len(), ids.len()), (10, 10));
}
