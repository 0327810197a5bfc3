//! What one connection may cost.

use crate::device::{Device, Raw, app, draft, hello, node, publish, topic};
use crate::request::HANDSHAKE;
use pulsegate_proto::frame::{ClientFrame, CloseCode};
use pulsegate_routing::Target;

#[tokio::test]
async fn a_flood_of_pings_is_told_4529() {
    let node = node("[limits]\nframes_per_second = 0").await;
    let mut raw = Raw::upgraded(node.public_addr()).await;
    for _ in 0..40 {
        raw.frame(0x89, b"x").await;
    }
    let (closing, code) = raw.closed().await;
    assert_eq!((closing.unwrap().code, code), (CloseCode::TooManyRequests, 4529));
}

#[tokio::test]
async fn a_flood_of_frames_is_told_4529() {
    let node = node("[limits]\nframes_per_second = 5").await;
    let (mut device, _) = Device::welcomed(&node, hello()).await;
    for nonce in 0..40 {
        device.send(ClientFrame::Probe { nonce }).await;
    }
    let (closing, code) = device.closed().await;
    assert_eq!((closing.unwrap().code, code), (CloseCode::TooManyRequests, 4529));
}

#[tokio::test]
async fn a_stuck_socket_costs_its_own_bound_and_nobody_else() {
    let node = node("[limits]\noutbox_bytes = 65536\nwindow = 1000").await;
    let (mut stuck, _) = Device::welcomed(&node, hello()).await;
    let (mut lively, _) = Device::welcomed(&node, hello()).await;
    stuck.subscribe(&["news"]).await;
    lively.subscribe(&["news"]).await;
    let text = "x".repeat(40_000);
    // Far more than two kernels buffer between them.
    for n in 0..400 {
        node.state().router.publish(&app(), draft(Target::Topic(topic("news")), &text)).await.unwrap();
        let (_, at, body) = lively.delivery().await;
        assert_eq!(body.len(), text.len(), "{n}");
        if n % 10 == 0 {
            lively.ack("topic:news", at).await;
        }
    }
    let metrics = node.state().metrics.encode(&[]);
    let waiting: u64 = metrics
        .lines()
        .find_map(|line| line.strip_prefix("pulsegate_outbox_bytes "))
        .and_then(|value| value.parse().ok())
        .unwrap();
    assert!(waiting > 0, "the stuck one is stuck");
    assert!(waiting < 65_536 + 50_000, "one bound and one message: {waiting}");
    // It takes up again where it was.
    for _ in 0..400 {
        assert_eq!(stuck.delivery().await.2.len(), text.len());
    }
}

#[tokio::test]
async fn strangers_together_hold_no_more_than_they_may() {
    let node = node("[limits]\nunauthenticated_bytes = 32768").await;
    let (mut known, _) = Device::welcomed(&node, hello()).await;
    let before = node.state().hub.gate.budget.free();
    // Most of a Hello, and then nothing: two of them fill the budget.
    let mut strangers = Vec::new();
    for _ in 0..2 {
        let mut raw = Raw::upgraded(node.public_addr()).await;
        raw.write(&[0x82, 0xfe, 0x60, 0x00, 0, 0, 0, 0]).await;
        raw.write(&[0x0a; 12_000]).await;
        strangers.push(raw);
    }
    let waiting = async {
        while node.state().hub.gate.budget.free() > before - 2 * 12_000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::device::SOON, waiting).await.unwrap();
    let mut last = strangers.pop().unwrap();
    last.write(&[0x0a; 8_000]).await;
    let (closing, code) = last.closed().await;
    assert_eq!((closing.unwrap().code, code), (CloseCode::TooManyRequests, 4529));
    drop(strangers);
    drop(last);
    assert!(known.is_quiet().await, "who is known is not touched");
    let (mut next, _) = Device::welcomed(&node, hello()).await;
    next.subscribe(&["news"]).await;
    publish(&node, "news", "room again").await;
    assert_eq!(next.delivery().await.2, "room again");
    drop(next);
    drop(known);
    let free = async {
        while node.state().hub.gate.budget.free() < 32_768 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::device::SOON, free).await.expect("everything comes back");
}

#[tokio::test]
async fn a_request_that_never_upgrades_gives_its_room_back() {
    let node = node("").await;
    let before = node.state().hub.gate.budget.free();
    let mut raw = Raw::dial(node.public_addr()).await;
    raw.write(HANDSHAKE.replace("Sec-WebSocket-Key", "X-Key").as_bytes()).await;
    raw.head().await;
    drop(raw);
    let free = async {
        while node.state().hub.gate.budget.free() < before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::device::SOON, free).await.unwrap();
}
