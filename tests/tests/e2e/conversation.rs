//! The main conversation: publish, deliver, ack, status; and every way it can go differently.

use crate::world::World;
use pulsegate_tests::{
    contract::{Receipt, ReceiptReport, Stage, client_frame::Frame as Up, deliver::What},
    wire::id_text,
};
use serde_json::json;

#[tokio::test]
async fn a_published_message_is_delivered_acked_and_counted_at_every_stage() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["news/sport"]).await;
    let id = world
        .backend
        .publish(&json!({
            "target": {"topic": "news/sport"},
            "notification": {"title": "Goal", "body": "1:0", "url": "https://example.com/m/1",
                "icon": "/i.png", "tag": "m1", "actions": [{"action": "open", "title": "Open"}]},
            "body": "any text", "ext": {"statics": {"taskId": "42"}},
            "ttl_s": 3600, "urgency": "high", "collapse_key": "m1",
        }))
        .await;

    let (delivery, message) = device.link.message().await;
    assert_eq!(delivery.log, "topic:news/sport");
    assert!(delivery.seq > 0);
    assert_eq!(id_text(&message.id), id);
    let body = message.body.clone().unwrap();
    assert_eq!((body.app.as_str(), body.body.as_str()), ("demo", "any text"));
    assert_eq!(body.ext, r#"{"statics": {"taskId": "42"}}"#.replace(": ", ":"), "the publisher's bytes");
    let shown = message.notification.clone().unwrap();
    assert_eq!((shown.title.as_str(), shown.body.as_str(), shown.tag.as_str()), ("Goal", "1:0", "m1"));
    assert_eq!((shown.url.as_str(), shown.icon.as_str()), ("https://example.com/m/1", "/i.png"));
    assert_eq!(shown.actions[0].action, "open");
    assert_eq!(message.urgency, 3, "high");
    assert_eq!(message.collapse_key, "m1");
    assert_eq!(message.expires_ms - message.published_ms, 3_600_000);

    world.backend.funnel_reaches(&id, "sent", 1).await;
    device.link.ack(&delivery).await;
    world.backend.funnel_reaches(&id, "received", 1).await;
    for (stage, name) in
        [(Stage::Displayed, "displayed"), (Stage::Handled, "handled"), (Stage::Clicked, "clicked")]
    {
        // Twice: a receipt counts once a device and message.
        for _ in 0..2 {
            let receipt = Receipt {
                message_id: message.id.clone(),
                stage: stage.into(),
                at_ms: message.published_ms,
                action: String::new(),
            };
            device.link.send(Up::Receipts(ReceiptReport { receipts: vec![receipt] })).await;
        }
        device.link.probe().await;
        world.backend.funnel_reaches(&id, name, 1).await;
    }
    let status = world.backend.status(&id).await;
    let count = |stage: &str| status["funnel"][stage].as_u64();
    for stage in ["targeted", "sent", "received", "handled", "displayed", "clicked"] {
        assert_eq!(count(stage), Some(1), "{stage} in {status}");
    }
    assert_eq!(count("dismissed"), Some(0));
}

#[tokio::test]
async fn a_device_that_was_away_gets_everything_in_order_and_a_fresh_one_starts_at_the_head() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    device.link.probe().await;
    let away = device;
    let Some(cursor) = away.welcome.starts.first().cloned() else { panic!("no log") };
    assert!(cursor.epoch != 0);
    let away = {
        let mut away = away;
        away.link.send_message(tokio_tungstenite::tungstenite::Message::Close(None)).await;
        away.link.end().await;
        away
    };
    for number in 0..5 {
        world.backend.to_topic("t", &number.to_string()).await;
    }
    let mut back = world.again(&away, vec![]).await;
    assert!(back.welcome.registration_secret.is_empty(), "the secret is shown once");
    assert_eq!(back.welcome.registration_id, away.welcome.registration_id);
    assert_eq!(back.welcome.topics, ["t"], "subscriptions are durable");
    assert!(back.welcome.starts.iter().all(|start| start.recovered));
    for number in 0..5 {
        assert_eq!(back.text().await, number.to_string());
    }
    let mut fresh = world.subscriber("bob", &["t"]).await;
    world.backend.to_topic("t", "later").await;
    assert_eq!(fresh.text().await, "later", "nothing from before the subscription");
}

#[tokio::test]
async fn a_ttl_of_zero_reaches_who_is_connected_and_is_never_stored() {
    let world = World::new().await;
    let mut here = world.subscriber("ann", &["t"]).await;
    let mut away = world.subscriber("bob", &["t"]).await;
    away.link.send_message(tokio_tungstenite::tungstenite::Message::Close(None)).await;
    away.link.end().await;

    let id = world.backend.publish(&json!({"target": {"topic": "t"}, "body": "now", "ttl_s": 0})).await;
    let (delivery, message) = here.link.message().await;
    assert_eq!(delivery.seq, 0, "not stored");
    assert_eq!(message.body.unwrap().body, "now");
    let answer = world.backend.request(reqwest::Method::GET, &format!("messages/{id}"), None).await;
    assert_eq!(answer.problem().0, 404);

    world.backend.to_topic("t", "kept").await;
    assert_eq!(here.text().await, "kept");
    let mut back = world.again(&away, vec![]).await;
    assert_eq!(back.text().await, "kept", "the one with ttl 0 is gone for who was away");
}

#[tokio::test]
async fn a_ttl_that_ended_takes_the_message_away_without_a_gap() {
    let world = World::new().await;
    let mut away = world.subscriber("ann", &["t"]).await;
    away.link.send_message(tokio_tungstenite::tungstenite::Message::Close(None)).await;
    away.link.end().await;
    let short = json!({"target": {"topic": "t"}, "body": "short", "ttl_s": 1});
    let id = world.backend.publish(&short).await;
    world.backend.to_topic("t", "long").await;
    world.backend.funnel_reaches(&id, "expired", 1).await;
    let mut back = world.again(&away, vec![]).await;
    assert!(back.welcome.starts.iter().all(|start| start.recovered));
    assert_eq!(back.text().await, "long");
}

#[tokio::test]
async fn a_newer_message_with_the_same_collapse_key_hides_the_older_from_who_was_away() {
    let world = World::new().await;
    let mut away = world.subscriber("ann", &["t"]).await;
    away.link.send_message(tokio_tungstenite::tungstenite::Message::Close(None)).await;
    away.link.end().await;
    for (body, key) in [("score 1:0", "score"), ("other", ""), ("score 2:0", "score"), ("end", "")] {
        let message = json!({"target": {"topic": "t"}, "body": body, "collapse_key": key});
        world.backend.publish(&message).await;
    }
    let mut back = world.again(&away, vec![]).await;
    for wanted in ["other", "score 2:0", "end"] {
        assert_eq!(back.text().await, wanted);
    }
}

#[tokio::test]
async fn a_recall_reaches_who_has_the_message_now_or_when_back_and_spares_who_never_had_it() {
    let world = World::new().await;
    let mut here = world.subscriber("ann", &["t"]).await;
    let mut seen = world.subscriber("bob", &["t"]).await;
    let mut never = world.subscriber("cid", &["t"]).await;
    never.link.send_message(tokio_tungstenite::tungstenite::Message::Close(None)).await;
    never.link.end().await;

    let message = json!({"target": {"topic": "t"}, "body": "wrong",
        "notification": {"title": "Wrong", "tag": "w"}});
    let id = world.backend.publish(&message).await;
    for device in [&mut here, &mut seen] {
        let (delivery, _) = device.link.message().await;
        device.link.ack(&delivery).await;
    }
    world.backend.funnel_reaches(&id, "received", 2).await;
    seen.link.send_message(tokio_tungstenite::tungstenite::Message::Close(None)).await;
    seen.link.end().await;
    assert!([200, 202, 204].contains(&world.backend.recall(&id).await));
    world.backend.to_topic("t", "after").await;

    let mut seen = world.again(&seen, vec![]).await;
    for device in [&mut here, &mut seen] {
        let recall = device.link.deliver().await;
        let Some(What::Recall(what)) = &recall.what else { panic!("no recall: {recall:?}") };
        assert_eq!((id_text(&what.message_id), what.tag.as_str()), (id.clone(), "w"));
        device.link.ack(&recall).await;
        assert_eq!(device.text().await, "after");
    }
    let mut never = world.again(&never, vec![]).await;
    assert_eq!(never.text().await, "after", "neither the message nor its recall");
    let status = world.backend.status(&id).await;
    assert_eq!(status["state"], "recalled", "{status}");
    assert_eq!(world.backend.recall("0190a3f0-0000-7000-8000-000000000000").await, 404);
}

#[tokio::test]
async fn receipts_come_over_http_too_with_the_registration_s_own_secret() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use prost::Message as _;
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    let id = world.backend.to_topic("t", "x").await;
    let (_, message) = device.link.message().await;
    let report = ReceiptReport {
        receipts: [Stage::Received, Stage::Displayed, Stage::Dismissed]
            .map(|stage| Receipt {
                message_id: message.id.clone(),
                stage: stage.into(),
                at_ms: message.published_ms,
                action: String::new(),
            })
            .to_vec(),
    };
    let send = |secret: String| {
        reqwest::Client::new()
            .post(format!("{}/v1/apps/demo/receipts", world.gateway.url()))
            .header("authorization", format!("Registration {}.{secret}", device.id()))
            .header("content-type", "application/x-protobuf")
            .body(report.encode_to_vec())
            .send()
    };
    let wrong = send(URL_SAFE_NO_PAD.encode([7; 32])).await.unwrap();
    assert_eq!(wrong.status(), 401);
    let right = send(URL_SAFE_NO_PAD.encode(&device.welcome.registration_secret)).await.unwrap();
    assert_eq!(right.status(), 204);
    for stage in ["received", "displayed", "dismissed"] {
        world.backend.funnel_reaches(&id, stage, 1).await;
    }
}

#[tokio::test]
async fn nobody_gets_more_than_the_window_before_acking() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    let window = u64::from(device.welcome.window);
    assert!(window > 0 && device.welcome.ack_every > 0 && device.welcome.ack_within_ms > 0);
    let lines: Vec<_> =
        (0..window + 10).map(|n| json!({"target": {"topic": "t"}, "body": n.to_string()})).collect();
    for answer in world.backend.batch(&lines).await {
        assert_eq!(answer["state"], "accepted", "{answer}");
    }
    let mut last = None;
    for number in 0..window {
        let (delivery, message) = device.link.message().await;
        assert_eq!(message.body.unwrap().body, number.to_string());
        last = Some(delivery);
    }
    // A live message takes no place in the window and overtakes nothing that was sent: if the
    // gateway had sent more than the window, that would have come first.
    world.backend.publish(&json!({"target": {"topic": "t"}, "body": "live", "ttl_s": 0})).await;
    let (delivery, message) = device.link.message().await;
    assert_eq!((delivery.seq, message.body.unwrap().body.as_str()), (0, "live"));
    device.link.ack(&last.unwrap()).await;
    for number in window..window + 10 {
        let (_, message) = device.link.message().await;
        assert_eq!(message.body.unwrap().body, number.to_string());
    }
}
