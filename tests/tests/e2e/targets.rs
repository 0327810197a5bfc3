//! Who gets a message: every kind of target, and what is taken out of it.

use crate::world::{Device, World};
use pulsegate_tests::{gateway::Setup, wire};
use serde_json::{Value, json};

/// Publishes `message` and then a marker to each device's own log kind, so that what must not come
/// would have come first.
async fn texts(world: &World, device: &mut Device, target: Value) -> Vec<String> {
    world.backend.publish(&json!({"target": target, "body": "marker"})).await;
    let mut texts = Vec::new();
    loop {
        match device.text().await {
            marker if marker == "marker" => return texts,
            text => texts.push(text),
        }
    }
}

#[tokio::test]
async fn a_registration_gets_its_own_and_nobody_else_does() {
    let world = World::new().await;
    let mut ann = world.device("ann").await;
    let mut other = world.device("ann").await;
    let to = |id: &str| json!({"registration": id});
    world.backend.publish(&json!({"target": to(ann.id()), "body": "one"})).await;
    world.backend.publish(&json!({"target": {"registrations": [ann.id(), ann.id()]}, "body": "two"})).await;
    let both = json!({"registrations": [ann.id(), other.id()]});
    world.backend.publish(&json!({"target": both, "body": "both"})).await;
    let (ann_s, others) = (to(ann.id()), to(other.id()));
    assert_eq!(texts(&world, &mut ann, ann_s).await, ["one", "two", "both"], "a list is normalised");
    assert_eq!(texts(&world, &mut other, others).await, ["both"]);
}

#[tokio::test]
async fn a_user_s_message_reaches_all_devices_of_the_user_in_one_log() {
    let world = World::new().await;
    let mut phone = world.device("ann").await;
    let mut desk = world.device("ann").await;
    let mut bob = world.device("bob").await;
    let id = world.backend.publish(&json!({"target": {"user": "ann"}, "body": "hi"})).await;
    let users = json!({"users": ["bob", "ann", "bob", "nobody-yet"]});
    world.backend.publish(&json!({"target": users, "body": "all of you"})).await;
    let (delivery, message) = phone.link.message().await;
    assert_eq!(delivery.log, "user:ann");
    assert_eq!(wire::id_text(&message.id), id);
    phone.link.ack(&delivery).await;
    assert_eq!(phone.text().await, "all of you");
    assert_eq!(texts(&world, &mut desk, json!({"user": "ann"})).await, ["hi", "all of you"]);
    assert_eq!(texts(&world, &mut bob, json!({"user": "bob"})).await, ["all of you"]);
    let status = world.backend.funnel_reaches(&id, "sent", 2).await;
    assert_eq!(status["funnel"]["targeted"], 2, "{status}");
}

#[tokio::test]
async fn a_device_in_several_matching_topics_meets_a_message_in_its_one_log() {
    let world = World::new().await;
    let mut ann = world.subscriber("ann", &["a", "a/b"]).await;
    world.backend.to_topic("a/b", "deep").await;
    world.backend.to_topic("a", "flat").await;
    let mut logs = Vec::new();
    for _ in 0..2 {
        let (delivery, message) = ann.link.message().await;
        ann.link.ack(&delivery).await;
        logs.push((delivery.log, message.body.unwrap().body));
    }
    logs.sort();
    let wanted = [("topic:a", "flat"), ("topic:a/b", "deep")];
    assert_eq!(logs, wanted.map(|(log, text)| (log.to_string(), text.to_string())));
    assert_eq!(ann.link.unsubscribe(&["a"]).await.error, 0);
    world.backend.to_topic("a", "unheard").await;
    assert_eq!(texts(&world, &mut ann, json!({"topic": "a/b"})).await, Vec::<String>::new());
}

#[tokio::test]
async fn everyone_means_everyone_but_the_excluded() {
    let world = World::with(Setup::new().anonymous(&["public/#"])).await;
    let mut ann = world.device("ann").await;
    let mut bob = world.device("bob").await;
    let mut nobody = world.device_with(&wire::hello("")).await;
    let to_all =
        |body: &str, exclude: Value| json!({"target": {"everyone": true, "exclude": exclude}, "body": body});
    world.backend.publish(&to_all("all", json!({}))).await;
    world.backend.publish(&to_all("no ann", json!({"users": ["ann"]}))).await;
    world.backend.publish(&to_all("no bob", json!({"registrations": [bob.id()]}))).await;
    world.backend.publish(&json!({"target": {"everyone": true}, "body": "end"})).await;
    for (device, wanted) in [
        (&mut ann, vec!["all", "no bob", "end"]),
        (&mut bob, vec!["all", "no ann", "end"]),
        (&mut nobody, vec!["all", "no ann", "no bob", "end"]),
    ] {
        for text in wanted {
            let (delivery, message) = device.link.message().await;
            assert_eq!(delivery.log, "all");
            device.link.ack(&delivery).await;
            assert_eq!(message.body.unwrap().body, text);
        }
    }
}

#[tokio::test]
async fn excludes_hold_for_topics_and_users_and_for_who_was_away() {
    let world = World::new().await;
    let mut ann = world.subscriber("ann", &["t"]).await;
    let mut bob = world.subscriber("bob", &["t"]).await;
    let mut twin = world.device("bob").await;
    let message = json!({"target": {"topic": "t", "exclude": {"users": ["ann"]}}, "body": "no ann"});
    world.backend.publish(&message).await;
    assert_eq!(texts(&world, &mut ann, json!({"topic": "t"})).await, Vec::<String>::new());
    assert_eq!(bob.text().await, "no ann");
    let exclude = json!({"registrations": [bob.id()]});
    let message = json!({"target": {"user": "bob", "exclude": exclude}, "body": "the other"});
    world.backend.publish(&message).await;
    assert_eq!(twin.text().await, "the other");
    assert_eq!(bob.text().await, "marker");
    assert_eq!(texts(&world, &mut bob, json!({"user": "bob"})).await, Vec::<String>::new());
}

#[tokio::test]
async fn tag_expressions_are_decided_by_the_tags_a_device_has() {
    let world = World::new().await;
    let token =
        |user: &str| world.setup.signer.claims(user).claim("tags", json!(["vip", "zh", "muted"])).sign();
    let mut vip = world.device_with(&wire::hello(&token("ann"))).await;
    let mut muted = world.device_with(&wire::hello(&token("bob"))).await;
    assert_eq!(vip.link.set_tags(&["vip", "zh"], &[]).await.error, 0);
    assert_eq!(muted.link.set_tags(&["vip", "zh", "muted"], &[]).await.error, 0);
    let refused = vip.link.set_tags(&["zh", "admin"], &["vip"]).await;
    assert_eq!(refused.error, 403, "one tag that is not granted refuses all");
    let tagged = json!({"target": {"tags": "vip and zh and not muted"}, "body": "for vips"});
    world.backend.publish(&tagged).await;
    world
        .backend
        .publish(&json!({"target": {"tags": "(muted or x) and vip"}, "body": "for the muted"}))
        .await;
    let end = json!({"everyone": true});
    assert_eq!(texts(&world, &mut vip, end.clone()).await, ["for vips"]);
    assert_eq!(texts(&world, &mut muted, end).await, ["for the muted"]);
}

#[tokio::test]
async fn a_backend_counts_an_audience_and_looks_at_registrations_and_users() {
    use reqwest::Method;
    let world = World::new().await;
    let ann = world.subscriber("ann", &["t"]).await;
    let _bob = world.subscriber("bob", &["t"]).await;
    let count = async |target: Value| {
        let asked = json!({"target": target});
        let answer = world.backend.request(Method::POST, "audience:count", Some(&asked)).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.body["count"].as_u64().unwrap()
    };
    assert_eq!(count(json!({"topic": "t"})).await, 2);
    assert_eq!(count(json!({"user": "ann"})).await, 1);
    assert_eq!(count(json!({"everyone": true})).await, 2);
    let user = world.backend.request(Method::GET, "users/ann", None).await;
    assert_eq!(user.status, 200, "{:?}", user.body);
    assert_eq!(user.body["online"], true, "{:?}", user.body);
    let path = format!("registrations/{}", ann.id());
    let registration = world.backend.request(Method::GET, &path, None).await;
    assert_eq!(registration.status, 200, "{:?}", registration.body);
    let list = world.backend.request(Method::GET, "registrations", None).await;
    assert_eq!(list.status, 200);
    assert!(list.body.to_string().contains(ann.id()), "{:?}", list.body);
    let unknown = world.backend.request(Method::GET, "registrations/none-such", None).await;
    assert_eq!(unknown.problem().0, 404);
}

#[tokio::test]
async fn a_backend_subscribes_a_device_and_ends_it_and_the_device_is_told() {
    use pulsegate_tests::contract::server_frame::Frame;
    use reqwest::Method;
    let world = World::new().await;
    // Its token grants no topic at all: what the backend makes does not need one.
    let token = world.setup.signer.claims("ann").sign();
    let mut ann = world.device_with(&wire::hello(&token)).await;
    let path = format!("registrations/{}/topics/orders/42", ann.id());
    let made = world.backend.request(Method::PUT, &path, None).await;
    assert!([200, 201, 204].contains(&made.status), "{:?}", made.body);
    let logs = |frame: &Frame| match frame {
        Frame::Logs(logs) => Some(logs.clone()),
        _ => None,
    };
    let started = ann.link.take("Logs", logs).await;
    assert_eq!(started.started[0].log, "topic:orders/42");
    world.backend.to_topic("orders/42", "shipped").await;
    assert_eq!(ann.text().await, "shipped");
    let ended = world.backend.request(Method::DELETE, &path, None).await;
    assert!([200, 204].contains(&ended.status), "{:?}", ended.body);
    let ended = ann.link.take("Logs", logs).await;
    assert_eq!((ended.ended[0].log.as_str(), ended.ended[0].why), ("topic:orders/42", 0));
}
