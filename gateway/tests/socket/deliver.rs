//! From a publish to the ack: live, behind, in order, within the window, and never stored.

use crate::device::{Device, again, app, draft, hello, log, node, publish, topic};
use pulsegate_proto::frame::{
    ClientFrame, DeviceTarget, ErrorCode, NotifyBody, Publish, Receipt, ServerFrame, Stage,
};
use pulsegate_proto::id::{Cursor, LogName, MessageId, Position, RegistrationId};
use pulsegate_proto::time::UnixMs;
use pulsegate_routing::Target;
use std::time::Duration;

#[tokio::test]
async fn a_message_is_delivered_acked_and_counted_and_the_cursor_moves() {
    let node = node("").await;
    let (mut device, welcome) = Device::welcomed(&node, hello()).await;
    assert_eq!(device.subscribe(&["news/sport"]).await.error, ErrorCode::Ok);
    let id = publish(&node, "news/sport", "goal").await;
    let (from, at, text) = device.delivery().await;
    assert_eq!((from, text.as_str()), (log("topic:news/sport"), "goal"));
    device.ack("topic:news/sport", at).await;
    let receipt = Receipt { message: id, stage: Stage::Displayed, at: UnixMs(1), action: String::new() };
    assert_eq!(device.ask(ClientFrame::Receipts(vec![receipt])).await.error, ErrorCode::Ok);
    drop(device);

    // The gateway's own cursor: a device that names none goes on behind what it acked.
    let (mut device, back) = Device::welcomed(&node, again(&welcome, 2, 1)).await;
    let start = back.starts.iter().find(|start| start.log == log("topic:news/sport")).unwrap();
    assert_eq!((start.at, start.recovered), (at, true));
    assert!(device.is_quiet().await, "nothing comes twice");
    let status = node.state().router.message(&app(), id).await.unwrap().unwrap();
    assert_eq!((status.funnel.sent, status.funnel.received, status.funnel.displayed), (1, 1, 1));
}

#[tokio::test]
async fn every_kind_of_target_reaches_the_device() {
    let node = node("").await;
    let (mut device, welcome) = Device::welcomed(&node, hello()).await;
    let id = RegistrationId::parse(&welcome.registration).unwrap();
    let router = &node.state().router;
    router.publish(&app(), draft(Target::Registrations(vec![id]), "to you")).await.unwrap();
    assert_eq!(device.delivery().await.2, "to you");
    router.publish(&app(), draft(Target::Everyone, "to all")).await.unwrap();
    let (from, _, text) = device.delivery().await;
    assert_eq!((from, text.as_str()), (LogName::All, "to all"));
}

#[tokio::test]
async fn a_device_that_was_away_gets_everything_in_order() {
    let node = node("").await;
    let (mut device, welcome) = Device::welcomed(&node, hello()).await;
    device.subscribe(&["news"]).await;
    publish(&node, "news", "seen").await;
    let (_, seen, _) = device.delivery().await;
    device.ack("topic:news", seen).await;
    assert!(device.is_quiet().await);
    drop(device);
    for n in 0..300 {
        publish(&node, "news", &n.to_string()).await;
    }
    let mut hello = again(&welcome, 2, 1);
    hello.cursors = vec![Cursor { log: log("topic:news"), at: seen }];
    let (mut device, _) = Device::welcomed(&node, hello).await;
    let mut last = seen.seq;
    for n in 0..300 {
        let (_, at, text) = device.delivery().await;
        assert_eq!(text, n.to_string());
        assert!(at.seq > last);
        last = at.seq;
        if n % 20 == 0 {
            device.ack("topic:news", at).await;
        }
    }
    // Live again, from the tail.
    device.ack("topic:news", Position { seq: last, ..seen }).await;
    publish(&node, "news", "live").await;
    assert_eq!(device.delivery().await.2, "live");
}

#[tokio::test]
async fn the_window_holds_until_an_ack_comes() {
    let node = node("[limits]\nwindow = 4").await;
    let (mut device, welcome) = Device::welcomed(&node, hello()).await;
    assert_eq!((welcome.window, welcome.ack_every), (4, 2));
    device.subscribe(&["news"]).await;
    for n in 0..10 {
        publish(&node, "news", &n.to_string()).await;
    }
    let mut at = Position::default();
    for n in 0..4 {
        let (_, here, text) = device.delivery().await;
        assert_eq!(text, n.to_string());
        at = here;
    }
    assert!(device.is_quiet().await, "a full window");
    device.ack("topic:news", at).await;
    for n in 4..8 {
        assert_eq!(device.delivery().await.2, n.to_string());
    }
    assert!(device.is_quiet().await);
}

#[tokio::test]
async fn the_tail_and_the_store_give_identical_bytes() {
    let node = node("").await;
    let (mut one, _) = Device::welcomed(&node, hello()).await;
    let (mut two, welcome) = Device::welcomed(&node, hello()).await;
    one.subscribe(&["news"]).await;
    two.subscribe(&["news"]).await;
    for n in 0..5 {
        publish(&node, "news", &n.to_string()).await;
    }
    let mut live = Vec::new();
    for _ in 0..5 {
        let message = one.message().await;
        assert_eq!(message, two.message().await, "every reader gets the same");
        live.push(message);
    }
    drop(two);
    // Nothing was acked: a later link reads all of it again, from the store.
    let (mut two, _) = Device::welcomed(&node, again(&welcome, 2, 1)).await;
    for message in live {
        assert_eq!(two.message().await, message);
    }
}

#[tokio::test]
async fn now_or_never_reaches_who_is_here_and_nobody_later() {
    let node = node("").await;
    let (mut device, _) = Device::welcomed(&node, hello()).await;
    device.subscribe(&["news"]).await;
    let mut live = draft(Target::Topic(topic("news")), "now");
    live.ttl = Some(Duration::ZERO);
    node.state().router.publish(&app(), live).await.unwrap();
    let (_, at, text) = device.delivery().await;
    assert_eq!((at.seq, text.as_str()), (0, "now"));
    let (mut late, _) = Device::welcomed(&node, hello()).await;
    late.subscribe(&["news"]).await;
    assert!(late.is_quiet().await);
    // Outside the order and the window: what is stored goes on undisturbed.
    publish(&node, "news", "stored").await;
    assert_eq!(device.delivery().await.2, "stored");
}

#[tokio::test]
async fn what_was_taken_back_is_not_delivered_and_is_taken_back_where_it_was() {
    let node = node("[limits]\nwindow = 1").await;
    let (mut device, _) = Device::welcomed(&node, hello()).await;
    device.subscribe(&["news"]).await;
    let first = publish(&node, "news", "first").await;
    let (_, at, _) = device.delivery().await;
    let second = publish(&node, "news", "second").await;
    let router = &node.state().router;
    router.recall(&app(), second).await.unwrap();
    router.recall(&app(), first).await.unwrap();
    device.ack("topic:news", at).await;
    match device.next().await {
        ServerFrame::Deliver(deliver) => match deliver.what {
            pulsegate_proto::frame::What::Recall { message, .. } => assert_eq!(message, first),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
    let (_, at) = (0, at);
    device.ack("topic:news", at).await;
    assert!(device.is_quiet().await, "the second never came, so nothing takes it back");
}

#[tokio::test]
async fn an_ack_of_the_future_moves_nothing_and_is_answered() {
    let node = node("").await;
    let (mut device, welcome) = Device::welcomed(&node, hello()).await;
    device.subscribe(&["news"]).await;
    publish(&node, "news", "one").await;
    let (_, at, _) = device.delivery().await;
    let ahead = Cursor { log: log("topic:news"), at: Position { seq: at.seq + 1_000_000, ..at } };
    assert_eq!(device.ask(ClientFrame::Ack(vec![ahead])).await.error, ErrorCode::Invalid);
    drop(device);
    let (mut device, _) = Device::welcomed(&node, again(&welcome, 2, 1)).await;
    assert_eq!(device.delivery().await.2, "one", "nothing was skipped");
}

#[tokio::test]
async fn what_is_not_granted_is_denied() {
    let node = node("").await;
    let (mut device, _) = Device::welcomed(&node, hello()).await;
    let publish = Publish {
        target: DeviceTarget::Topic(topic("news")),
        body: NotifyBody::default(),
        notification: None,
        ttl_s: None,
        message_id: MessageId([3; 16]),
    };
    let reply = device.ask(ClientFrame::Publish(Box::new(publish))).await;
    assert_eq!(reply.error, ErrorCode::NotPermitted);
    let tags = ClientFrame::SetTags {
        add: vec![pulsegate_proto::id::Tag::parse("vip").unwrap()],
        remove: Vec::new(),
    };
    assert_eq!(device.ask(tags).await.error, ErrorCode::NotPermitted);
    let many: Vec<String> = (0..101).map(|n| format!("t{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(device.subscribe(&many).await.error, ErrorCode::TooLarge);
    assert_eq!(device.subscribe(&many[..100]).await.error, ErrorCode::Ok);
    assert_eq!(device.subscribe(&["one-more"]).await.error, ErrorCode::TooLarge);
}

#[tokio::test]
async fn unsubscribed_topics_are_delivered_no_more() {
    let node = node("").await;
    let (mut device, _) = Device::welcomed(&node, hello()).await;
    device.subscribe(&["a", "b"]).await;
    let reply = device.ask(ClientFrame::Unsubscribe(vec![topic("a")])).await;
    assert_eq!(reply.error, ErrorCode::Ok);
    publish(&node, "a", "gone").await;
    publish(&node, "b", "here").await;
    assert_eq!(device.delivery().await.2, "here");
}
