//! The end of a node, and what it reads again while it runs.

use crate::device::{Device, Raw, again, configuration, hello, node, publish};
use pulsegate_gateway::config::Engine;
use pulsegate_gateway::node::{Node, NodeOptions, StartError};
use pulsegate_proto::frame::{Cause, CloseCode, ServerFrame};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_drain_tells_everybody_when_to_come_back_and_then_ends() {
    let node = node("[limits]\ndrain_per_second = 0").await;
    let mut devices = Vec::new();
    for _ in 0..5 {
        devices.push(Device::welcomed(&node, hello()).await.0);
    }
    let address = node.public_addr();
    let draining = tokio::spawn(node.drain());
    for device in &mut devices {
        let (closing, code) = device.closed().await;
        let closing = closing.unwrap();
        assert_eq!((closing.code, code), (CloseCode::Draining, 4503));
        assert!(closing.reconnect_after_ms > 0);
    }
    drop(devices);
    tokio::time::timeout(crate::device::SOON, draining).await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn where_there_are_other_gateways_they_are_named_first() {
    let node = node("[gateways]\nurls = [\"https://b.example\"]").await;
    let (mut device, _) = Device::welcomed(&node, hello()).await;
    let draining = tokio::spawn(node.drain());
    match device.next().await {
        ServerFrame::Redirect(redirect) => {
            assert_eq!(redirect.endpoints[0].url, "wss://b.example/v1/connect")
        }
        other => panic!("{other:?}"),
    }
    device.socket.close(None).await.unwrap();
    device.closed().await;
    drop(device);
    tokio::time::timeout(crate::device::SOON, draining).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_drain_is_never_faster_than_its_pace_and_a_tenth_in_any_second() {
    const PACE: u64 = 200;
    const LINKS: u64 = 3 * PACE;
    let limits = "drain_per_second = 200\nhandshakes_per_second = 0\nregistrations_per_minute = 0";
    let node = node(&format!("[gateways]\nurls = [\"https://b.example\"]\n[limits]\n{limits}")).await;
    let mut devices = Vec::new();
    for _ in 0..LINKS {
        devices.push(Device::welcomed(&node, hello()).await.0);
    }
    let metrics = std::sync::Arc::clone(&node.state().metrics);
    let draining = tokio::spawn(node.drain());
    // What was counted first when: each number was read between the two times.
    let mut seen: Vec<(Instant, u64, Instant)> = Vec::new();
    while seen.last().is_none_or(|(_, moved, _)| *moved < LINKS) {
        let before = Instant::now();
        let moved = metrics.moved_so_far();
        if seen.last().is_none_or(|(_, last, _)| *last < moved) {
            seen.push((before, moved, Instant::now()));
        }
        tokio::task::yield_now().await;
    }
    for (at, (from, before, _)) in seen.iter().enumerate() {
        for (_, after, to) in &seen[at..] {
            let within = to.duration_since(*from) <= Duration::from_secs(1);
            assert!(!within || after - before <= PACE * 11 / 10, "{before} to {after} within a second");
        }
    }
    for device in &mut devices {
        assert!(matches!(device.next().await, ServerFrame::Redirect(_)));
    }
    drop(devices);
    tokio::time::timeout(crate::device::SOON, draining).await.unwrap().unwrap();
}

#[tokio::test]
async fn nobody_is_admitted_while_the_node_drains() {
    let node = node("").await;
    node.state().begin_drain();
    let mut late = Device::dial(node.public_addr()).await;
    late.send(pulsegate_proto::frame::ClientFrame::Hello(Box::new(hello()))).await;
    let (closing, code) = late.closed().await;
    assert_eq!((closing.unwrap().code, code), (CloseCode::Draining, 4503));
}

#[tokio::test]
async fn what_was_acked_and_what_was_not_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let start = async || {
        let mut config = configuration("");
        config.store.engine = Engine::Embedded;
        config.data_dir = dir.path().join("data");
        Node::start(config, NodeOptions::default()).await
    };
    let node = start().await.unwrap();
    let (mut device, welcome) = Device::welcomed(&node, hello()).await;
    device.subscribe(&["news"]).await;
    publish(&node, "news", "one").await;
    publish(&node, "news", "two").await;
    let (_, at, _) = device.delivery().await;
    device.ack("topic:news", at).await;
    assert!(matches!(start().await, Err(StartError::Store(pulsegate_routing::OpenError::Locked { .. }))));
    let draining = tokio::spawn(node.drain());
    device.closed().await;
    drop(device);
    tokio::time::timeout(crate::device::SOON, draining).await.unwrap().unwrap();

    let node = start().await.unwrap();
    let (mut device, back) = Device::welcomed(&node, again(&welcome, 2, 1)).await;
    assert_eq!((&back.registration, &back.network_key), (&welcome.registration, &welcome.network_key));
    assert_ne!(back.boot, welcome.boot);
    assert!(!back.last_seen.unwrap().gateway_lived);
    assert_eq!(device.delivery().await.2, "two");
}

/// A node whose store is in `folder`, so that another one can be started on it after its end.
async fn on_disk(folder: &std::path::Path) -> Node {
    let mut config = configuration("");
    config.store.engine = Engine::Embedded;
    config.data_dir = folder.join("data");
    Node::start(config, NodeOptions::default()).await.unwrap()
}

#[tokio::test]
async fn how_a_link_ended_is_known_after_a_restart_and_that_its_gateway_did_not_live() {
    let dir = tempfile::tempdir().unwrap();
    let node = on_disk(dir.path()).await;
    let (mut device, welcome) = Device::welcomed(&node, hello()).await;
    device.subscribe(&["news"]).await;
    publish(&node, "news", "one").await;
    device.delivery().await;
    drop(device);
    while node.state().hub.connections() > 0 {
        tokio::task::yield_now().await;
    }
    node.drain().await;

    let node = on_disk(dir.path()).await;
    let (_device, back) = Device::welcomed(&node, again(&welcome, 2, 1)).await;
    let seen = back.last_seen.unwrap();
    assert_eq!((seen.cause, seen.beat_unanswered, seen.gateway_lived), (Cause::Eof, true, false));
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = configuration("");
    config.listen = taken.local_addr().unwrap();
    match Node::start(config, NodeOptions::default()).await {
        Err(error @ StartError::Listen { .. }) => {
            let text = error.to_string();
            assert!(
                text.contains("listen") && text.contains(&taken.local_addr().unwrap().to_string()),
                "{text}"
            );
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two listeners on one address"),
    }
}

#[tokio::test]
async fn limits_and_apps_are_read_again_while_running() {
    let reload = || Ok(configuration("[limits]\nwindow = 3"));
    let node = Node::start(configuration(""), NodeOptions { reload: Some(Box::new(reload)) }).await.unwrap();
    let (_device, welcome) = Device::welcomed(&node, hello()).await;
    assert_eq!(welcome.window, 64);
    node.reload();
    let (_device, welcome) = Device::welcomed(&node, hello()).await;
    assert_eq!(welcome.window, 3);
    let mut raw = Raw::dial(node.public_addr()).await;
    raw.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200 "));
}
