//! Two links of one device: takeover, the older generation, the older link.

use crate::world::World;
use pulsegate_tests::{
    contract::{Subscribe, client_frame::Frame as Up, server_frame::Frame},
    wire::{Link, hello_again},
};
use serde_json::json;

#[tokio::test]
async fn a_newer_link_takes_over_and_the_older_delivers_no_more_but_still_acks() {
    let world = World::new().await;
    let mut old = world.subscriber("ann", &["t"]).await;
    world.backend.to_topic("t", "one").await;
    let (one, _) = old.link.message().await;

    let mut new = world.again(&old, vec![]).await;
    let (again, message) = new.link.message().await;
    assert_eq!((again.seq, message.body.unwrap().body.as_str()), (one.seq, "one"), "not acked yet");
    old.link.ack(&one).await;
    let topics = vec!["u".to_string()];
    let refused = old.link.ask(Up::Subscribe(Subscribe { topics })).await;
    assert_eq!(refused.error, 409, "the session is no longer in the row");
    world.backend.to_topic("t", "two").await;
    new.link.ack(&again).await;
    assert_eq!(new.text().await, "two");

    let end = old.link.end().await;
    assert_eq!(end.code, Some(4409));
    let delivered = old.link.passed_over().iter().any(|frame| matches!(frame, Frame::Deliver(_)));
    assert!(!delivered, "the older link delivers nothing more");
    world.backend.to_topic("t", "three").await;
    assert_eq!(new.text().await, "three", "its late goodbye takes nothing from the newer one");
}

#[tokio::test]
async fn a_newer_generation_closes_the_older_at_once_and_names_the_ruling_one() {
    let world = World::new().await;
    let mut old = world.subscriber("ann", &["t"]).await;
    let mut hello = hello_again(&old.hello, &old.welcome, vec![]);
    hello.generation += 10;
    hello.link = 1;
    let mut new = world.device_with(&hello).await;
    let end = old.link.end().await;
    assert_eq!(end.code, Some(4409));
    assert_eq!(end.closing.unwrap().generation, hello.generation);
    world.backend.to_topic("t", "x").await;
    assert_eq!(new.text().await, "x");
}

#[tokio::test]
async fn a_hello_that_is_not_newer_is_refused_with_the_ruling_generation() {
    let world = World::new().await;
    let mut ruling = world.subscriber("ann", &["t"]).await;
    let again = hello_again(&ruling.hello, &ruling.welcome, vec![]);
    for (generation, link) in
        [(ruling.hello.generation, ruling.hello.link), (ruling.hello.generation - 1, 99)]
    {
        let mut hello = again.clone();
        (hello.generation, hello.link) = (generation, link);
        let mut late = Link::open(world.gateway.public()).await;
        let end = late.refused(&hello).await;
        assert_eq!(end.code, Some(4409));
        assert_eq!(end.closing.unwrap().generation, ruling.hello.generation);
    }
    // Link 0 counts as the newest.
    let mut hello = again;
    hello.link = 0;
    let mut newest = world.device_with(&hello).await;
    world.backend.to_topic("t", "x").await;
    assert_eq!(newest.text().await, "x");
    assert_eq!(ruling.link.end().await.code, Some(4409));
}

#[tokio::test]
async fn an_ephemeral_registration_ends_with_its_link() {
    let world = World::new().await;
    let mut hello = pulsegate_tests::wire::hello(&world.setup.signer.token("ann"));
    hello.ephemeral = true;
    let mut device = world.device_with(&hello).await;
    device.link.subscribe(&["t"]).await;
    world.backend.to_topic("t", "x").await;
    assert_eq!(device.text().await, "x");
    let path = format!("registrations/{}", device.id());
    let id = device.id().to_string();
    device.link.send_message(tokio_tungstenite::tungstenite::Message::Close(None)).await;
    device.link.end().await;
    pulsegate_tests::until("the registration to end", || async {
        let answer = world.backend.request(reqwest::Method::GET, &path, None).await;
        (answer.status == 404).then_some(())
    })
    .await;
    let answer = world.backend.post(&json!({"target": {"registration": id}, "body": "x"})).await;
    assert_eq!(answer.problem().0, 422, "an unknown registration as target");
}

#[tokio::test]
async fn forget_is_replied_then_closed_and_the_registration_is_gone() {
    use pulsegate_tests::contract::Forget;
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    assert_eq!(device.link.ask(Up::Forget(Forget {})).await.error, 0);
    assert_eq!(device.link.end().await.code, Some(4401));
    let back = world.again(&device, vec![]).await;
    assert_ne!(back.welcome.registration_id, device.welcome.registration_id);
    assert!(back.welcome.topics.is_empty());
    assert!(back.welcome.starts.iter().all(|start| !start.recovered));
}
