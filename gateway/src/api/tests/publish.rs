use super::*;
use serde_json::json;

fn to_topic(more: Value) -> String {
    let mut message = json!({ "target": { "topic": "news/sport" } });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message.to_string()
}

#[tokio::test]
async fn the_contracts_example_is_accepted() {
    let world = World::new().await;
    let body = r#"{ "target": { "topic": "news/sport" },
      "notification": { "title": "Goal", "body": "1:0", "url": "https://example.com/m/1", "icon": "…", "tag": "m1", "actions": [] },
      "body": "any text the app wants", "ext": { "statics": { "taskId": "42" } },
      "ttl_s": 3600, "urgency": "high", "collapse_key": "m1" }"#;
    let answer = world.publish(body).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let accepted = answer.json();
    assert_eq!(accepted["state"], "accepted");
    let id = accepted["id"].as_str().unwrap().to_owned();
    assert_eq!((id.len(), &id[14..15]), (36, "7"), "a UUIDv7");

    let status = world.send("GET", &format!("/v1/apps/demo/messages/{id}"), "").await;
    assert_eq!(status.status, 200);
    let status = status.json();
    assert_eq!((&status["id"], &status["state"]), (&json!(id), &json!("accepted")));
    for stage in [
        "accepted",
        "targeted",
        "sent",
        "received",
        "handled",
        "displayed",
        "clicked",
        "dismissed",
        "expired",
        "recalled",
    ] {
        assert!(status["funnel"][stage].is_u64(), "{stage} in {status}");
    }
    assert_eq!(status["funnel"]["accepted"], 1);
}

#[tokio::test]
async fn every_kind_of_target_is_taken() {
    let world = World::with("[limits]\neveryone_per_second = 0").await;
    let device = world.device(Some("ann")).await.registration.to_string();
    for target in [
        json!({ "registration": device }),
        json!({ "registrations": [device, device] }),
        json!({ "user": "ann" }),
        json!({ "users": ["ann", "bob"] }),
        json!({ "topic": "a" }),
        json!({ "tags": "vip and zh and not muted" }),
        json!({ "everyone": true }),
        json!({ "everyone": true, "exclude": { "registrations": [device], "users": ["bob"] } }),
        json!({ "topic": "a", "registration": null }),
    ] {
        let answer = world.publish(&json!({ "target": target }).to_string()).await;
        assert_eq!(answer.status, 202, "{target}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let world = World::new().await;
    let known = world.device(None).await.registration.to_string();
    let long = "x".repeat(129);
    let thousand: Vec<String> = (0..1001).map(|i| format!("u{i}")).collect();
    for (body, code, field) in [
        (json!({}), "invalid_field", "target"),
        (json!({ "target": "all" }), "invalid_field", "target"),
        (json!({ "target": {} }), "invalid_field", "target"),
        (json!({ "target": { "topic": "a", "user": "b" } }), "invalid_field", "target"),
        (json!({ "target": { "topic": "a", "everyone": true } }), "invalid_field", "target"),
        (json!({ "target": { "everyone": false } }), "invalid_field", "target.everyone"),
        (json!({ "target": { "topic": "a//b" } }), "invalid_field", "target.topic"),
        (json!({ "target": { "topic": long } }), "invalid_field", "target.topic"),
        (json!({ "target": { "user": "" } }), "invalid_field", "target.user"),
        (json!({ "target": { "users": ["a", 1] } }), "invalid_field", "target.users"),
        (json!({ "target": { "users": ["a", "b\u{1}"] } }), "invalid_field", "target.users[1]"),
        (json!({ "target": { "users": thousand } }), "invalid_field", "target.users"),
        (json!({ "target": { "tags": "vip and" } }), "invalid_field", "target.tags"),
        (json!({ "target": { "tags": "(vip" } }), "invalid_field", "target.tags"),
        (json!({ "target": { "topics": "a" } }), "unknown_field", "target.topics"),
        (
            json!({ "target": { "topic": "a", "exclude": { "tags": "x" } } }),
            "unknown_field",
            "target.exclude.tags",
        ),
        (json!({ "target": { "registration": "no body" } }), "unknown_registration", "target.registration"),
        (json!({ "target": { "registration": "nobody" } }), "unknown_registration", "target.registration"),
        (
            json!({ "target": { "registrations": [known, "nobody"] } }),
            "unknown_registration",
            "target.registrations[1]",
        ),
    ] {
        let answer = world.publish(&body.to_string()).await;
        answer.is_problem(422, code, Some(field));
    }
    for (more, code, field) in [
        (json!({ "colour": 1 }), "unknown_field", "colour"),
        (json!({ "idempotency_key": "x" }), "unknown_field", "idempotency_key"),
        (json!({ "body": 1 }), "invalid_field", "body"),
        (json!({ "ext": "text" }), "invalid_field", "ext"),
        (json!({ "ext": [1] }), "invalid_field", "ext"),
        (json!({ "ttl_s": -1 }), "invalid_field", "ttl_s"),
        (json!({ "ttl_s": 1.5 }), "invalid_field", "ttl_s"),
        (json!({ "ttl_s": "60" }), "invalid_field", "ttl_s"),
        (json!({ "urgency": "extreme" }), "invalid_field", "urgency"),
        (json!({ "collapse_key": "x".repeat(129) }), "invalid_field", "collapse_key"),
        (json!({ "deliver_at": "tomorrow" }), "invalid_field", "deliver_at"),
        (json!({ "deliver_at": "2099-01-01T00:00:00Z" }), "invalid_field", "deliver_at"),
        (json!({ "deliver_at": 1 }), "invalid_field", "deliver_at"),
        (json!({ "notification": {} }), "invalid_field", "notification.title"),
        (json!({ "notification": "x" }), "invalid_field", "notification"),
        (json!({ "notification": { "title": "t", "sound": "x" } }), "unknown_field", "notification.sound"),
        (json!({ "notification": { "title": "t", "silent": 1 } }), "invalid_field", "notification.silent"),
        (json!({ "notification": { "title": "t", "dir": "up" } }), "invalid_field", "notification.dir"),
        (
            json!({ "notification": { "title": "t", "url": "JavaScript:alert(1)" } }),
            "invalid_field",
            "notification.url",
        ),
        (
            json!({ "notification": { "title": "t", "actions": [{ "action": "a" }] } }),
            "invalid_field",
            "notification.actions[0].title",
        ),
        (
            json!({ "notification": { "title": "t", "actions": [{ "action": "a", "title": "A", "x": 1 }] } }),
            "unknown_field",
            "notification.actions[0].x",
        ),
    ] {
        let answer = world.publish(&to_topic(more)).await;
        answer.is_problem(422, code, Some(field));
    }
    let soon = super::super::time::format(pulsegate_proto::time::UnixMs(crate::clock::now().0 + 60_000));
    let now_or_never = world.publish(&to_topic(json!({ "deliver_at": soon, "ttl_s": 0 }))).await;
    now_or_never.is_problem(422, "invalid_field", Some("deliver_at"));
    let scheduled = world.publish(&to_topic(json!({ "deliver_at": soon }))).await;
    assert_eq!(scheduled.status, 202, "{}", scheduled.text());
}

#[tokio::test]
async fn what_is_no_json_is_malformed() {
    let world = World::new().await;
    for body in ["", "{", "target=x", "{\"target\":{\"topic\":\"a\"}} trailing"] {
        world.publish(body).await.is_problem(400, "malformed", None);
    }
    world.publish("[]").await.is_problem(422, "invalid_field", Some(""));
    let packed = [("authorization", KEY), ("content-encoding", "gzip")];
    for path in ["/v1/apps/demo/messages", "/v1/apps/demo/messages:batch"] {
        world.ask(request("POST", path, &packed, "x")).await.is_problem(415, "unsupported_media_type", None);
    }
    world.send("GET", "/v1/apps/demo/users/%ff", "").await.is_problem(400, "malformed", None);
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read_or_after_it_is_encoded() {
    let world = World::with("[limits]\nrequest_body_bytes = 200000").await;
    let body = to_topic(json!({ "body": "x".repeat(48 * 1024) }));
    world.publish(&body).await.is_problem(413, "too_large", None);
    let fits = to_topic(json!({ "body": "x".repeat(48 * 1024 - 200) }));
    assert_eq!(world.publish(&fits).await.status, 202);
    let body = to_topic(json!({ "body": "x".repeat(200_000) }));
    world.publish(&body).await.is_problem(413, "too_large", None);
    let mut chunked = request("POST", "/v1/apps/demo/messages", &[("authorization", KEY)], "");
    *chunked.body_mut() = Body::from_stream(futures_util::stream::iter(
        (0..300).map(|_| Ok::<_, std::convert::Infallible>(vec![b' '; 1000])),
    ));
    world.ask(chunked).await.is_problem(413, "too_large", None);
    let announced = request(
        "POST",
        "/v1/apps/demo/messages",
        &[("authorization", KEY), ("content-length", "900000")],
        "",
    );
    world.ask(announced).await.is_problem(413, "too_large", None);
}

#[tokio::test]
async fn an_idempotency_key_publishes_once() {
    let world = World::new().await;
    let keyed = |key: &str, body: &str| {
        let headers = [("authorization", KEY), ("idempotency-key", key)];
        request("POST", "/v1/apps/demo/messages", &headers, body)
    };
    let body = to_topic(json!({ "body": "once", "ttl_s": 60 }));
    let first = world.ask(keyed("order-1", &body)).await.json()["id"].clone();
    let spaced = body.replace(':', " : ");
    for again in [&body, &spaced] {
        let answer = world.ask(keyed("order-1", again)).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["id"]), (202, &first));
    }
    assert_ne!(world.ask(keyed("order-2", &body)).await.json()["id"], first);
    assert_ne!(world.publish(&body).await.json()["id"], first);
    for other in [
        to_topic(json!({ "body": "twice", "ttl_s": 60 })),
        to_topic(json!({ "body": "once", "ttl_s": 61 })),
        json!({ "target": { "topic": "else" }, "body": "once", "ttl_s": 60 }).to_string(),
        to_topic(json!({ "body": "once", "ttl_s": 60, "ext": {} })),
    ] {
        let answer = world.ask(keyed("order-1", &other)).await;
        answer.is_problem(422, "key_reused", None);
    }
    let others_app = [("authorization", FOREIGN_KEY), ("idempotency-key", "order-1")];
    let elsewhere = world.ask(request("POST", "/v1/apps/other/messages", &others_app, &body)).await;
    assert_eq!(elsewhere.status, 202, "keys belong to the app");
    assert_ne!(elsewhere.json()["id"], first);
    for wrong in ["", &"x".repeat(256)] {
        world.ask(keyed(wrong, &body)).await.is_problem(400, "malformed", Some("Idempotency-Key"));
    }
}

#[tokio::test]
async fn a_recalled_message_says_so_and_what_never_was_is_not_found() {
    let world = World::new().await;
    let id = world.publish(&to_topic(json!({}))).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/apps/demo/messages/{id}");
    let recalled = world.send("DELETE", &path, "").await;
    assert_eq!((recalled.status.as_u16(), recalled.body.len()), (204, 0));
    assert_eq!(world.send("GET", &path, "").await.json()["state"], "recalled");
    let foreign = path.replace("/demo/", "/other/");
    for (method, path) in [
        ("GET", "/v1/apps/demo/messages/0192f3a0-0000-7000-8000-000000000000"),
        ("DELETE", "/v1/apps/demo/messages/0192f3a0-0000-7000-8000-000000000000"),
        ("GET", "/v1/apps/demo/messages/42"),
    ] {
        world.send(method, path, "").await.is_problem(404, "not_found", None);
    }
    let theirs = world.ask(request("GET", &foreign, &[("authorization", FOREIGN_KEY)], "")).await;
    theirs.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn a_message_for_now_or_never_has_no_status() {
    let world = World::new().await;
    let answer = world.publish(&to_topic(json!({ "ttl_s": 0 }))).await;
    assert_eq!(answer.status, 202);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let status = world.send("GET", &format!("/v1/apps/demo/messages/{id}"), "").await;
    status.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn an_app_that_publishes_too_fast_is_told_when_to_come_back() {
    let world = World::with("[limits]\npublishes_per_second = 2").await;
    let body = to_topic(json!({}));
    assert_eq!(world.publish(&body).await.status, 202);
    assert_eq!(world.publish(&body).await.status, 202);
    let third = world.publish(&body).await;
    third.is_problem(429, "rate_limited", None);
    assert_eq!(third.header("retry-after"), "1");
    assert_eq!(third.json()["retry_after_s"], 1);
    let other = request("POST", "/v1/apps/other/messages", &[("authorization", FOREIGN_KEY)], &body);
    assert_eq!(world.ask(other).await.status, 202, "one app's haste is not another's");
}

#[tokio::test]
async fn everyone_has_a_rate_and_a_bound_of_its_own() {
    let clock = Arc::new(ManualClock::new(crate::clock::now()));
    let text = format!("[limits]\neveryone_per_second = 3\neveryone_entries = 4\n{}", file());
    let config = from_text(&text, "test", &[]).unwrap();
    let world = World::at(config, clock.clone()).await;
    let body = json!({ "target": { "everyone": true } }).to_string();
    for _ in 0..3 {
        assert_eq!(world.publish(&body).await.status, 202);
    }
    let fourth = world.publish(&body).await;
    fourth.is_problem(429, "rate_limited", None);
    assert!(fourth.header("retry-after").parse::<u32>().unwrap() >= 1);
    clock.advance(std::time::Duration::from_secs(2));
    assert_eq!(world.publish(&body).await.status, 202);
    world.publish(&body).await.is_problem(507, "full", None);
}

#[tokio::test]
async fn a_target_is_counted_without_publishing() {
    let world = World::new().await;
    for user in ["ann", "ann", "bob"] {
        world.device(Some(user)).await;
    }
    let count = |target: Value| json!({ "target": target }).to_string();
    for (target, devices) in [
        (json!({ "user": "ann" }), 2),
        (json!({ "users": ["ann", "bob", "cyd"] }), 3),
        (json!({ "everyone": true }), 3),
        (json!({ "topic": "nobody/here" }), 0),
    ] {
        let answer = world.send("POST", "/v1/apps/demo/audience:count", &count(target.clone())).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["count"]), (200, &json!(devices)), "{target}");
    }
    let path = "/v1/apps/demo/audience:count";
    world.send("POST", path, "{}").await.is_problem(422, "invalid_field", Some("target"));
    let more = json!({ "target": { "everyone": true }, "body": "x" }).to_string();
    world.send("POST", path, &more).await.is_problem(422, "unknown_field", Some("body"));
}

#[tokio::test]
async fn a_trace_tells_the_hops_and_why_not_further() {
    let world = World::new().await;
    world.device(Some("ann")).await;
    let body = json!({ "target": { "user": "ann" } }).to_string();
    let id = world.publish(&body).await.json()["id"].as_str().unwrap().to_owned();
    let trace = world.send("GET", &format!("/v1/apps/demo/messages/{id}/trace"), "").await.json();
    let hops = trace["hops"].as_array().unwrap();
    let hop = |name: &str| hops.iter().find(|hop| hop["hop"] == name).unwrap();
    assert_eq!(hop("accepted")["count"], 1);
    assert_eq!(hop("targeted")["count"], 1);
    assert_eq!(hop("sent")["count"], 0);
    assert!(hop("sent")["why"].as_str().unwrap().starts_with("1 not:"), "{trace}");
}

#[tokio::test]
async fn a_refused_body_is_read_on_while_the_refusal_is_on_its_way() {
    let world = World::new().await;
    let read = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (done, all_read) = tokio::sync::oneshot::channel::<()>();
    let (counter, mut done) = (Arc::clone(&read), Some(done));
    let sending = futures_util::stream::poll_fn(move |_| {
        let n = counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let chunk = (n < 100).then(|| Ok::<_, std::convert::Infallible>(vec![b' '; 10_000]));
        if chunk.is_none()
            && let Some(done) = done.take()
        {
            done.send(()).unwrap();
        }
        std::task::Poll::Ready(chunk)
    });
    let mut ask = request("POST", "/v1/apps/demo/messages", &[], "");
    *ask.body_mut() = Body::from_stream(sending);
    world.ask(ask).await.is_problem(401, "unauthorized", None);
    all_read.await.unwrap();
    assert_eq!(read.load(std::sync::atomic::Ordering::SeqCst), 101);
}
