//! Several links of one device.

use crate::device::{Device, again, hello, node, publish};
use pulsegate_gateway::node::Node;
use pulsegate_proto::frame::{Cause, ClientFrame, CloseCode, ErrorCode, Welcome};

#[tokio::test]
async fn a_larger_generation_takes_over_at_once() {
    let node = node("").await;
    let (mut old, welcome) = Device::welcomed(&node, hello()).await;
    old.subscribe(&["news"]).await;
    let (mut new, back) = Device::welcomed(&node, again(&welcome, 5, 1)).await;
    assert_eq!(back.registration, welcome.registration);
    let (closing, code) = old.closed().await;
    let closing = closing.unwrap();
    assert_eq!((closing.code, closing.generation, code), (CloseCode::Replaced, 5, 4409));
    publish(&node, "news", "to the new one").await;
    assert_eq!(new.delivery().await.2, "to the new one");
}

#[tokio::test]
async fn a_pair_that_is_not_larger_is_refused_with_the_one_that_rules() {
    let node = node("").await;
    let (_ruling, welcome) = Device::welcomed(&node, again_hello(7, 3)).await;
    for (generation, link) in [(7, 3), (7, 2), (6, 9)] {
        let mut late = Device::dial(node.public_addr()).await;
        late.send(ClientFrame::Hello(Box::new(again(&welcome, generation, link)))).await;
        let (closing, code) = late.closed().await;
        let closing = closing.unwrap();
        assert_eq!((closing.code, closing.generation, code), (CloseCode::Replaced, 7, 4409));
    }
    let (_newest, _) = Device::welcomed(&node, again(&welcome, 7, 0)).await;
}

fn again_hello(generation: u64, link: u64) -> pulsegate_proto::frame::Hello {
    pulsegate_proto::frame::Hello { generation, link, ..hello() }
}

#[tokio::test]
async fn an_older_link_of_the_same_generation_delivers_no_more_and_may_change_nothing() {
    let node = node("").await;
    let (mut old, welcome) = Device::welcomed(&node, hello()).await;
    old.subscribe(&["news"]).await;
    let (mut new, back) = Device::welcomed(&node, again(&welcome, 1, 2)).await;
    publish(&node, "news", "once").await;
    assert_eq!(new.delivery().await.2, "once");
    assert!(old.is_quiet().await, "it delivers nothing and still answers");
    assert_eq!(old.subscribe(&["more"]).await.error, ErrorCode::Conflict);
    assert_eq!(old.ask(ClientFrame::Forget).await.error, ErrorCode::Conflict);
    let seen = back.last_seen.unwrap();
    assert!(seen.gateway_lived);
    assert_eq!(seen.cause, Cause::Unknown, "it lasts still");
    assert!(seen.heard_ms_ago < 5_000, "the open link was asked: {seen:?}");
}

#[tokio::test]
async fn a_device_hears_how_its_previous_link_ended() {
    let node = node("").await;
    let (mut device, welcome) = Device::welcomed(&node, hello()).await;
    device.socket.close(None).await.unwrap();
    device.closed().await;
    wait_until_gone(&node).await;
    let (device, back) = Device::welcomed(&node, again(&welcome, 1, 2)).await;
    let seen = back.last_seen.unwrap();
    assert_eq!((seen.cause, seen.gateway_lived, seen.beat_unanswered), (Cause::ClientClosed, true, false));
    drop(device);
    wait_until_gone(&node).await;
    let (_device, back) = Device::welcomed(&node, again(&welcome, 1, 3)).await;
    assert_eq!(back.last_seen.unwrap().cause, Cause::Eof);
}

#[tokio::test]
async fn a_delivery_that_was_not_acked_is_told_as_unanswered_and_counted_as_a_death() {
    let node = node("").await;
    let (mut device, welcome) = Device::welcomed(&node, hello()).await;
    device.subscribe(&["news"]).await;
    publish(&node, "news", "into the dark").await;
    device.delivery().await;
    // The path died; the node does not know yet.
    let (second, back) = Device::welcomed(&node, again(&welcome, 1, 2)).await;
    let seen = back.last_seen.unwrap();
    assert_eq!((seen.cause, seen.gateway_lived, seen.beat_unanswered), (Cause::Unknown, true, true));
    drop((device, second));
    wait_until_gone(&node).await;
    let text = node.state().metrics.encode(&[]);
    let line = "pulsegate_deaths_total{cause=\"eof\",unanswered=\"yes\"} ";
    assert!(text.lines().any(|have| have.starts_with(line)), "{line} in\n{text}");
}

#[tokio::test]
async fn a_device_behind_a_trusted_proxy_has_the_network_the_proxy_names() {
    let behind = node("trusted_proxies = [\"127.0.0.1\"]").await;
    let on = async |node: &Node, welcome: Option<&Welcome>, address: &str, link: u64| {
        let mut device = Device::dial_with(node.public_addr(), &[("x-forwarded-for", address)]).await;
        device.greet(welcome.map_or_else(hello, |welcome| again(welcome, 1, link))).await
    };
    let home = on(&behind, None, "203.0.113.7", 1).await;
    let same = on(&behind, Some(&home), "203.0.113.200", 2).await;
    assert_eq!((&same.registration, &same.network_key), (&home.registration, &home.network_key));
    let train = on(&behind, Some(&home), "198.51.100.7", 3).await;
    assert_eq!(train.registration, home.registration);
    assert_ne!(train.network_key, home.network_key);
    assert!(!train.network_key.contains("198"), "it names nobody");

    let open = node("").await;
    let home = on(&open, None, "203.0.113.7", 1).await;
    let lie = on(&open, Some(&home), "198.51.100.7", 2).await;
    assert_eq!(lie.network_key, home.network_key, "from a stranger the header is no more than words");
}

async fn wait_until_gone(node: &Node) {
    let gone = async {
        while node.state().hub.connections() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::device::SOON, gone).await.unwrap();
}

#[tokio::test]
async fn an_ephemeral_registration_ends_with_its_link() {
    let node = node("").await;
    let ephemeral = pulsegate_proto::frame::Hello { ephemeral: true, ..hello() };
    let (mut device, welcome) = Device::welcomed(&node, ephemeral).await;
    device.subscribe(&["news"]).await;
    publish(&node, "news", "here").await;
    assert_eq!(device.delivery().await.2, "here");
    drop(device);
    wait_until_gone(&node).await;
    let (_device, back) = Device::welcomed(&node, again(&welcome, 2, 1)).await;
    assert_ne!(back.registration, welcome.registration);
    assert!(back.topics.is_empty());
}
