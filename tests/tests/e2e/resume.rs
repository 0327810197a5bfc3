//! Coming back: cursors that are right, old, ahead, or of another store.

use crate::world::World;
use pulsegate_tests::{
    contract::{Ack, Cursor, Gap, client_frame::Frame as Up, gap::Reason, server_frame::Frame},
    wire::{self, Link, cursor},
};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

fn gap(frame: &Frame) -> Option<Gap> {
    match frame {
        Frame::Gap(gap) => Some(gap.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn a_cursor_of_a_wiped_store_is_told_a_gap_once_and_delivery_goes_on() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    world.backend.to_topic("t", "lost with the store").await;
    let (delivery, _) = device.link.message().await;
    let World { setup, gateway, .. } = world;
    gateway.kill9().await;
    std::fs::remove_dir_all(setup.data_dir()).unwrap();
    let world = World::with(setup).await;

    // The new store knows no such registration: a new one is made, nothing is recovered.
    let mut back = world.again(&device, vec![cursor(&delivery)]).await;
    assert_ne!(back.welcome.registration_id, device.welcome.registration_id);
    assert_eq!(back.welcome.registration_secret.len(), 32);
    assert!(back.welcome.starts.iter().all(|start| !start.recovered), "{:?}", back.welcome);
    assert!(back.welcome.starts.iter().all(|start| start.epoch != delivery.epoch));
    back.link.subscribe(&["t"]).await;
    world.backend.to_topic("t", "goes on").await;
    assert_eq!(back.text().await, "goes on");

    // The registration is known again, the cursor still is of the old store: a Gap says so.
    back.link.send_message(Message::Close(None)).await;
    back.link.end().await;
    world.backend.to_topic("t", "meanwhile").await;
    let mut back = world.again(&back, vec![cursor(&delivery)]).await;
    let start = back.welcome.starts.iter().find(|start| start.log == "topic:t").cloned().unwrap();
    assert!(!start.recovered);
    let told = back.link.take("a Gap", gap).await;
    assert_eq!((told.log.as_str(), told.reason()), ("topic:t", Reason::EpochChanged));
    assert_eq!(back.text().await, "meanwhile");
    world.backend.to_topic("t", "again").await;
    assert_eq!(back.text().await, "again");
    let more = back.link.passed_over();
    let gaps = more.iter().filter_map(gap).filter(|gap| gap.log == "topic:t").count();
    assert_eq!(gaps, 0, "exactly one Gap: {more:?}");
}

#[tokio::test]
async fn a_cursor_ahead_of_the_store_is_told_a_gap() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    let one = world.backend.to_topic("t", "one").await;
    let (delivery, _) = device.link.message().await;
    device.link.ack(&delivery).await;
    device.link.probe().await;
    // The gateway writes acks in groups: only a written one tells where to go on.
    world.backend.funnel_reaches(&one, "received", 1).await;
    device.link.send_message(Message::Close(None)).await;
    device.link.end().await;
    let ahead = Cursor { seq: delivery.seq + 1_000_000_000_000, ..cursor(&delivery) };
    let mut back = world.again(&device, vec![ahead]).await;
    world.backend.to_topic("t", "two").await;
    let told = back.link.take("a Gap", gap).await;
    assert_eq!((told.log.as_str(), told.reason()), ("topic:t", Reason::CursorAhead));
    assert_eq!(back.text().await, "two");
}

#[tokio::test]
async fn a_device_whose_storage_was_rolled_back_gets_again_what_it_lost() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    for number in 0..10 {
        world.backend.to_topic("t", &number.to_string()).await;
    }
    let mut third = None;
    for number in 0..10 {
        let (delivery, _) = device.link.message().await;
        device.link.ack(&delivery).await;
        if number == 2 {
            third = Some(cursor(&delivery));
        }
    }
    device.link.probe().await;
    device.link.send_message(Message::Close(None)).await;
    device.link.end().await;
    // The gateway has seen ten acks; the device's disk remembers three.
    let mut back = world.again(&device, third.as_slice().to_vec()).await;
    let start = back.welcome.starts.iter().find(|start| start.log == "topic:t").cloned().unwrap();
    assert_eq!((start.recovered, start.seq), (true, third.unwrap().seq));
    for number in 3..10 {
        assert_eq!(back.text().await, number.to_string());
    }
}

#[tokio::test]
async fn acks_are_remembered_over_a_restart_and_unacked_is_sent_again() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    for number in 0..4 {
        world.backend.to_topic("t", &number.to_string()).await;
    }
    for _ in 0..2 {
        device.text().await;
    }
    device.link.probe().await;
    device.link.send_message(Message::Close(None)).await;
    device.link.end().await;
    let World { setup, gateway, .. } = world;
    gateway.stop().await;
    let world = World::with(setup).await;
    let mut back = world.again(&device, vec![]).await;
    assert_ne!(back.welcome.boot_id, device.welcome.boot_id);
    for number in 2..4 {
        assert_eq!(back.text().await, number.to_string());
    }
}

#[tokio::test]
async fn after_a_kill_nothing_accepted_is_lost_and_the_epoch_stays() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    world.backend.to_topic("t", "before").await;
    let (before, _) = device.link.message().await;
    world.backend.to_topic("t", "accepted").await;
    let world = world.kill_and_restart().await;
    let mut back = world.again(&device, vec![cursor(&before)]).await;
    let (after, message) = back.link.message().await;
    assert_eq!(message.body.unwrap().body, "accepted");
    assert_eq!(after.epoch, before.epoch);
    assert!(after.seq > before.seq);
}

#[tokio::test]
async fn an_ack_of_the_future_moves_nothing_and_answers_invalid_if_asked() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    world.backend.to_topic("t", "one").await;
    let (delivery, _) = device.link.message().await;
    let future = Cursor { seq: delivery.seq + 1_000_000, ..cursor(&delivery) };
    let foreign = Cursor { epoch: delivery.epoch + 1, ..cursor(&delivery) };
    for nonsense in [future, foreign] {
        let reply = device.link.ask(Up::Ack(Ack { cursors: vec![nonsense] })).await;
        assert_eq!(reply.error, 400);
    }
    device.link.send_message(Message::Close(None)).await;
    device.link.end().await;
    let mut back = world.again(&device, vec![]).await;
    assert_eq!(back.text().await, "one", "it was never acked");
}

#[tokio::test]
async fn skipped_entries_reach_the_device_as_advance_before_a_close() {
    let world = World::new().await;
    let mut ann = world.device("ann").await;
    let message = json!({"target": {"everyone": true, "exclude": {"users": ["ann"]}}, "body": "x"});
    let mut other = world.device("bob").await;
    world.backend.publish(&message).await;
    let (skipped, _) = other.link.message().await;
    world.gateway.terminate();
    let advance = ann
        .link
        .take("an Advance", |frame| match frame {
            Frame::Advance(advance) => Some(advance.clone()),
            _ => None,
        })
        .await;
    let all = advance.cursors.iter().find(|cursor| cursor.log == "all").cloned().unwrap();
    assert!(all.seq >= skipped.seq);
}

#[tokio::test]
async fn a_new_subscription_is_read_from_its_head_and_told_so_in_the_reply() {
    let world = World::new().await;
    let mut first = world.subscriber("ann", &["t"]).await;
    world.backend.to_topic("t", "early").await;
    let (early, _) = first.link.message().await;
    let (mut link, _) =
        Link::welcomed(world.gateway.public(), &wire::hello(&world.setup.signer.token("bob"))).await;
    let starts = link.subscribe(&["t"]).await;
    assert_eq!(starts.len(), 1);
    assert_eq!((starts[0].log.as_str(), starts[0].epoch), ("topic:t", early.epoch));
    assert!(starts[0].seq >= early.seq);
    world.backend.to_topic("t", "late").await;
    let (late, message) = link.message().await;
    assert!(late.seq > starts[0].seq);
    assert_eq!(message.body.unwrap().body, "late");
}
