//! The publish API: idempotency, batches, and problem documents.

use crate::world::World;
use pulsegate_tests::gateway::Setup;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn one_idempotency_key_is_one_message_over_a_kill_and_another_body_is_refused() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    let message = json!({"target": {"topic": "t"}, "body": "once"});
    let key = Some("order-7");
    let first = world.backend.try_publish(&message, key).await.unwrap().accepted();
    let second = world.backend.try_publish(&message, key).await.unwrap().accepted();
    assert_eq!(first, second);
    let world = world.kill_and_restart().await;
    let third = world.backend.try_publish(&message, key).await.unwrap().accepted();
    assert_eq!(first, third, "kept over a kill");
    let other = json!({"target": {"topic": "t"}, "body": "another"});
    let refused = world.backend.try_publish(&other, key).await.unwrap();
    assert_eq!(refused.problem(), (422, "key_reused"));
    world.backend.to_topic("t", "end").await;
    device = world.again(&device, vec![]).await;
    assert_eq!(device.text().await, "once");
    assert_eq!(device.text().await, "end");
}

#[tokio::test]
async fn publishes_in_flight_with_one_key_are_one_message() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    let message = json!({"target": {"topic": "t"}, "body": "once"});
    let tries = (0..16).map(|_| world.backend.try_publish(&message, Some("k")));
    let ids: std::collections::BTreeSet<String> =
        futures_util::future::join_all(tries).await.into_iter().map(|one| one.unwrap().accepted()).collect();
    assert_eq!(ids.len(), 1);
    world.backend.to_topic("t", "end").await;
    assert_eq!(device.text().await, "once");
    assert_eq!(device.text().await, "end");
}

#[tokio::test]
async fn a_batch_answers_line_by_line_and_takes_the_good_ones_in_order() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    let good = |body: &str| json!({"target": {"topic": "t"}, "body": body});
    let mut keyed = good("keyed");
    keyed["idempotency_key"] = json!("b1");
    let lines = [
        good("one"),
        json!({"target": {}}),
        keyed.clone(),
        good("two"),
        keyed,
        json!({"targt": 1}),
        good("three"),
    ];
    let answers = world.backend.batch(&lines).await;
    assert_eq!(answers.len(), lines.len());
    let accepted: Vec<bool> = answers.iter().map(|answer| answer["state"] == "accepted").collect();
    assert_eq!(accepted, [true, false, true, true, true, false, true]);
    assert_eq!(answers[2]["id"], answers[4]["id"], "the same key");
    for bad in [&answers[1], &answers[5]] {
        assert!(bad["code"].is_string() && bad["status"].as_u64() >= Some(400), "{bad}");
    }
    for text in ["one", "keyed", "two", "three"] {
        assert_eq!(device.text().await, text);
    }
    let text = format!("{}\nnot json\n{}\n", good("four"), good("five"));
    let (status, answer) = world.backend.batch_text(text, &[]).await;
    assert_eq!((status, answer.lines().count()), (200, 3), "{answer}");
    assert_eq!(device.text().await, "four");
    assert_eq!(device.text().await, "five");
    let header = [("idempotency-key", "x")];
    let (status, _) = world.backend.batch_text(format!("{}\n", good("x")), &header).await;
    assert_eq!(status, 400, "the header belongs to one message");
}

#[tokio::test]
async fn every_bad_publish_has_its_problem_document_that_names_the_field() {
    let world = World::new().await;
    let with = |name: &str, value: Value| {
        let mut message = json!({"target": {"topic": "t"}, "body": "x"});
        message[name] = value;
        message
    };
    let ids: Vec<String> = (0..1001).map(|n| format!("r{n}")).collect();
    let cases: Vec<(Value, &[u16], &str)> = vec![
        (with("targte", json!(1)), &[422], "targte"),
        (with("target", json!({})), &[400, 422], "target"),
        (with("target", json!({"topic": "t", "user": "u"})), &[400, 422], "target"),
        (with("target", json!({"topic": "a//b"})), &[400, 422], "target"),
        (with("target", json!({"topic": "x".repeat(129)})), &[400, 422], "target"),
        (with("target", json!({"topic": "a/#"})), &[400, 422], "target"),
        (with("target", json!({"planet": "mars"})), &[400, 422], "planet"),
        (with("target", json!({"everyone": false})), &[400, 422], "target"),
        (with("target", json!({"registration": "none-such"})), &[422], "registration"),
        (with("target", json!({"registrations": ids})), &[400, 413, 422], "registrations"),
        (with("ttl_s", json!(-1)), &[400, 422], "ttl_s"),
        (with("ttl_s", json!("soon")), &[400, 422], "ttl_s"),
        (with("urgency", json!("extreme")), &[400, 422], "urgency"),
        (with("notification", json!({"title": "x", "titel": "y"})), &[422], "titel"),
        (with("ext", json!("no object")), &[400, 422], "ext"),
        (with("deliver_at", json!("tomorrow")), &[400, 422], "deliver_at"),
    ];
    for (message, statuses, field) in cases {
        let answer = world.backend.post(&message).await;
        let (status, code) = answer.problem();
        assert!(statuses.contains(&status) && !code.is_empty(), "{field}: {answer:?}");
        assert!(answer.body.to_string().contains(field), "{field} is named: {answer:?}");
    }
    let large = world.backend.post(&with("body", json!("x".repeat(49 * 1024)))).await;
    assert_eq!(large.problem().0, 413);
    let not_json =
        world.backend.try_request(Method::POST, "messages", &[], Some(b"{".to_vec())).await.unwrap();
    assert_eq!(not_json.problem().0, 400);
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep = format!("{{\"target\":{{\"topic\":\"t\"}},\"ext\":{deep}}}");
    let deep = world.backend.try_request(Method::POST, "messages", &[], Some(deep.into())).await.unwrap();
    assert!([400, 413, 422].contains(&deep.problem().0), "{deep:?}");
    let long_key = "k".repeat(256);
    let key = world.backend.try_publish(&with("body", json!("x")), Some(&long_key)).await.unwrap();
    assert!([400, 422].contains(&key.problem().0));
    let unknown =
        world.backend.request(Method::GET, "messages/0190a3f0-0000-7000-8000-000000000000", None).await;
    assert_eq!(unknown.problem().0, 404);
    let nowhere = world.backend.request(Method::GET, "nothing/here", None).await;
    assert_eq!(nowhere.problem().0, 404);
}

#[tokio::test]
async fn the_largest_message_arrives_whole() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    let body = "ä".repeat(23 * 1024);
    world.backend.to_topic("t", &body).await;
    assert_eq!(device.text().await, body);
    assert!(device.welcome.max_frame_bytes >= 64 * 1024);
}

#[tokio::test]
async fn rates_of_publishing_and_of_everyone_are_429_with_retry_after() {
    let setup = Setup::new().limit("publishes_per_second", "5").limit("everyone_per_second", "1");
    let world = World::with(setup).await;
    let refused = async |message: &Value| {
        for _ in 0..1000 {
            let answer = world.backend.post(message).await;
            if answer.status != 202 {
                return answer;
            }
        }
        panic!("a thousand publishes were all accepted");
    };
    for target in [json!({"everyone": true}), json!({"topic": "t"})] {
        let answer = refused(&json!({"target": target, "body": "x"})).await;
        assert_eq!(answer.problem().0, 429);
        assert!(answer.retry_after >= Some(1), "{answer:?}");
    }
}
