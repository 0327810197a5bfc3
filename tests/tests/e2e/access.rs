//! Who may do what: tokens, secrets, origins, topic rights.

use crate::world::World;
use pulsegate_tests::{
    contract::{RefreshToken, Subscribe, client_frame::Frame as Up, server_frame::Frame},
    gateway::Setup,
    keys::Signer,
    wire::{self, Dial, Link, hello_again},
};
use serde_json::{Value, json};

#[tokio::test]
async fn a_token_with_any_fault_is_refused_and_an_expired_one_says_so() {
    let world = World::new().await;
    let signer = &world.setup.signer;
    let stranger = Signer::new("demo", "t1");
    let good = || signer.claims("ann").topics(&["#"]);
    let unknown_kid = Signer::new("demo", "t9");
    let faults: Vec<(&str, String, u16)> = vec![
        ("none at all", String::new(), 4401),
        ("no JWT", "certainly.not.one".into(), 4401),
        ("another's signature", stranger.token("ann"), 4401),
        ("unknown kid", unknown_kid.token("ann"), 4401),
        ("another app's issuer", good().claim("iss", json!("other")).sign(), 4401),
        ("another app's audience", good().claim("aud", json!("other")).sign(), 4401),
        ("no issuer", good().claim("iss", Value::Null).sign(), 4401),
        ("no audience", good().claim("aud", Value::Null).sign(), 4401),
        ("no subject", good().claim("sub", Value::Null).sign(), 4401),
        ("an empty subject", good().claim("sub", json!("")).sign(), 4401),
        ("a long subject", good().claim("sub", json!("x".repeat(129))).sign(), 4401),
        ("a control in the subject", good().claim("sub", json!("a\nb")).sign(), 4401),
        ("no expiry", good().claim("exp", Value::Null).sign(), 4401),
        ("valid for more than a day", good().expires_in(25 * 3600).sign(), 4401),
        ("not valid yet", good().claim("nbf", json!(pulsegate_tests::keys::unix_now() + 600)).sign(), 4401),
        ("another algorithm", good().header("alg", "HS512").sign(), 4401),
        ("no algorithm", good().header("alg", "none").sign(), 4401),
        ("expired", good().expires_in(-60).sign(), 4498),
        ("expired, and another app's", good().expires_in(-60).claim("aud", json!("x")).sign(), 4401),
        ("too long", "x".repeat(9000), 4413),
    ];
    for (fault, token, code) in faults {
        let mut link = Link::open(world.gateway.public()).await;
        let end = link.refused(&wire::hello(&token)).await;
        assert_eq!(end.code, Some(code), "{fault}");
        assert_eq!(end.closing.map(|closing| closing.code), Some(i32::from(code)), "{fault}");
    }
    let mut link = Link::open(world.gateway.public()).await;
    let mut foreign = wire::hello(&signer.token("ann"));
    foreign.app = "other".into();
    assert_eq!(link.refused(&foreign).await.code, Some(4401), "unknown app");
}

#[tokio::test]
async fn a_token_that_expires_in_session_is_announced_and_then_closed_with_4498() {
    let world = World::new().await;
    let token = world.setup.signer.claims("ann").topics(&["#"]).expires_in(3).sign();
    let mut device = world.device_with(&wire::hello(&token)).await;
    assert!(device.welcome.token_expires_ms > 0);
    let expires = device
        .link
        .take("TokenExpiring", |frame| match frame {
            Frame::TokenExpiring(expiring) => Some(expiring.expires_ms),
            _ => None,
        })
        .await;
    assert_eq!(expires, device.welcome.token_expires_ms);
    let end = device.link.end().await;
    assert_eq!(end.code, Some(4498));
    assert_eq!(end.closing.unwrap().code, 4498);
}

#[tokio::test]
async fn a_refreshed_token_keeps_the_link_and_another_user_s_is_not_permitted() {
    let world = World::new().await;
    let signer = &world.setup.signer;
    let token = signer.claims("ann").topics(&["#"]).expires_in(3).sign();
    let mut device = world.device_with(&wire::hello(&token)).await;
    device.link.subscribe(&["t"]).await;
    let refresh = |token: String| Up::RefreshToken(RefreshToken { token });
    let refused = device.link.ask(refresh(signer.token("bob"))).await;
    assert_eq!(refused.error, 403);
    let refused = device.link.ask(refresh("nonsense".into())).await;
    assert_eq!(refused.error, 401);
    assert_eq!(device.link.ask(refresh(signer.token("ann"))).await.error, 0);
    // Once another link with that same expiry is closed for it, this one's must have come and gone.
    let mut witness = world.device_with(&wire::hello(&token)).await;
    assert_eq!(witness.link.end().await.code, Some(4498));
    world.backend.to_topic("t", "still here").await;
    assert_eq!(device.text().await, "still here");
}

#[tokio::test]
async fn a_narrowed_token_ends_what_it_no_longer_grants_and_says_so_in_logs() {
    let world = World::new().await;
    let signer = &world.setup.signer;
    let wide = signer.claims("ann").topics(&["a/#", "b"]).sign();
    let mut device = world.device_with(&wire::hello(&wide)).await;
    device.link.subscribe(&["a/x", "b"]).await;
    let narrow = signer.claims("ann").topics(&["b"]).sign();
    let reply = device.link.ask(Up::RefreshToken(RefreshToken { token: narrow.clone() })).await;
    assert_eq!(reply.error, 0);
    let logs = device
        .link
        .take("Logs", |frame| match frame {
            Frame::Logs(logs) => Some(logs.clone()),
            _ => None,
        })
        .await;
    assert_eq!(logs.ended.len(), 1);
    assert_eq!((logs.ended[0].log.as_str(), logs.ended[0].why), ("topic:a/x", 403));
    world.backend.to_topic("a/x", "no more").await;
    world.backend.to_topic("b", "still").await;
    assert_eq!(device.text().await, "still");
    let again = Link::welcomed(world.gateway.public(), &{
        let mut hello = hello_again(&device.hello, &device.welcome, vec![]);
        hello.token = narrow;
        hello
    })
    .await;
    assert_eq!(again.1.topics, ["b"]);
}

#[tokio::test]
async fn topics_are_denied_by_default_and_granted_by_pattern() {
    let world = World::new().await;
    let token = world.setup.signer.claims("ann").topics(&["news/+", "chat/#", "plain"]).sign();
    let mut device = world.device_with(&wire::hello(&token)).await;
    let asked = ["news/sport", "news", "news/a/b", "chat/a/b", "chat", "plain", "other"];
    let topics = asked.map(ToString::to_string).to_vec();
    let reply = device.link.ask(Up::Subscribe(Subscribe { topics })).await;
    assert_eq!(reply.error, 0, "something was granted");
    let mut denied = reply.denied.clone();
    denied.sort();
    assert_eq!(denied, ["chat", "news", "news/a/b", "other"]);
    assert_eq!(reply.starts.len(), 3);
    let topics = vec!["other".to_string()];
    let reply = device.link.ask(Up::Subscribe(Subscribe { topics })).await;
    assert_eq!(reply.error, 403, "nothing was granted");
    let topics = vec!["bad//name".to_string()];
    let reply = device.link.ask(Up::Subscribe(Subscribe { topics })).await;
    assert_eq!(reply.error, 400);
    let topics = (0..101).map(|n| format!("chat/{n}")).collect();
    let reply = device.link.ask(Up::Subscribe(Subscribe { topics })).await;
    assert_eq!(reply.error, 413, "over 100 topics");
}

#[tokio::test]
async fn anonymous_devices_get_what_the_app_allows_and_become_a_user_once() {
    let world = World::with(Setup::new().anonymous(&["public/#"])).await;
    let mut device = world.device_with(&wire::hello("")).await;
    assert_eq!(device.welcome.user, "");
    let topics = vec!["public/a".to_string(), "private".to_string()];
    let reply = device.link.ask(Up::Subscribe(Subscribe { topics })).await;
    assert_eq!((reply.error, reply.denied), (0, vec!["private".to_string()]));
    let token = world.setup.signer.token("ann");
    let reply = device.link.ask(Up::RefreshToken(RefreshToken { token })).await;
    assert_eq!(reply.error, 0, "{}", reply.detail);
    world.backend.publish(&json!({"target": {"user": "ann"}, "body": "welcome"})).await;
    assert_eq!(device.text().await, "welcome");
    let refresh = RefreshToken { token: world.setup.signer.token("bob") };
    assert_eq!(device.link.ask(Up::RefreshToken(refresh)).await.error, 403, "once");

    // The registration has a user now: without a token it is somebody else's.
    let mut hello = hello_again(&device.hello, &device.welcome, vec![]);
    hello.token = String::new();
    let other = world.device_with(&hello).await;
    assert_ne!(other.welcome.registration_id, device.welcome.registration_id);
    assert!(other.welcome.starts.iter().all(|start| start.recovered));
}

#[tokio::test]
async fn another_user_on_the_same_device_gets_a_registration_of_their_own() {
    let world = World::new().await;
    let ann = world.subscriber("ann", &["t"]).await;
    let mut hello = hello_again(&ann.hello, &ann.welcome, vec![]);
    hello.token = world.setup.signer.token("bob");
    let bob = world.device_with(&hello).await;
    assert_ne!(bob.welcome.registration_id, ann.welcome.registration_id);
    assert_eq!(bob.welcome.user, "bob");
    assert!(bob.welcome.topics.is_empty());
}

#[tokio::test]
async fn a_wrong_secret_is_4410_and_a_deleted_registration_starts_anew() {
    let world = World::new().await;
    let device = world.subscriber("ann", &["t"]).await;
    let mut hello = hello_again(&device.hello, &device.welcome, vec![]);
    hello.registration_secret = vec![9; 32].into();
    let mut link = Link::open(world.gateway.public()).await;
    assert_eq!(link.refused(&hello).await.code, Some(4410));

    let path = format!("registrations/{}", device.id());
    let deleted = world.backend.request(reqwest::Method::DELETE, &path, None).await;
    assert!([200, 204].contains(&deleted.status), "{:?}", deleted.body);
    let mut device = device;
    assert_eq!(device.link.end().await.code, Some(4401), "a connected one is closed");
    let back = world.again(&device, vec![]).await;
    assert_ne!(back.welcome.registration_id, device.welcome.registration_id);
    assert_eq!(back.welcome.registration_secret.len(), 32);
    assert!(back.welcome.starts.iter().all(|start| !start.recovered));
}

#[tokio::test]
async fn an_origin_must_be_listed_and_no_origin_is_no_browser() {
    let world = World::with(
        Setup::new()
            .app("origins = [\"https://example.com\"]")
            .more("[[apps]]\nid = \"other\"\norigins = [\"https://other.example\"]\nanonymous = true\n"),
    )
    .await;
    let to = world.gateway.public();
    let hello = wire::hello(&world.setup.signer.token("ann"));
    for origin in ["https://evil.example", "null", "https://example.com.evil.example", "http://example.com"] {
        assert_eq!(Dial::new(to).origin(origin).open().await.err(), Some(403), "{origin}");
    }
    let mut link = Dial::new(to).origin("https://example.com").open().await.unwrap();
    link.hello(&hello).await;
    let mut foreign = Dial::new(to).origin("https://other.example").open().await.unwrap();
    assert_eq!(foreign.refused(&hello).await.code, Some(4403), "some app's, not this one's");
    Dial::new(to).open().await.unwrap().hello(&wire::hello(&world.setup.signer.token("bob"))).await;
}

#[tokio::test]
async fn a_device_publishes_only_what_its_token_grants() {
    use pulsegate_tests::contract::{NotifyBody, Publish, publish::Target};
    let world = World::new().await;
    let token = world
        .setup
        .signer
        .claims("ann")
        .topics(&["#"])
        .claim("publish", json!(["topic:chat/#", "user:bob"]))
        .sign();
    let mut ann = world.device_with(&wire::hello(&token)).await;
    let mut bob = world.subscriber("bob", &["chat/1"]).await;
    let publish = |target: Target, id: u8, text: &str| {
        Up::Publish(Publish {
            target: Some(target),
            body: Some(NotifyBody { app: "forged".into(), body: text.into(), ext: String::new() }),
            message_id: vec![id; 16].into(),
            ..Publish::default()
        })
    };
    let chat = || Target::Topic("chat/1".into());
    let first = ann.link.ask(publish(chat(), 1, "hello")).await;
    assert_eq!((first.error, first.message_id.len()), (0, 16), "{}", first.detail);
    let again = ann.link.ask(publish(chat(), 1, "hello")).await;
    assert_eq!((again.error, again.message_id), (0, first.message_id), "idempotent");
    assert_eq!(ann.link.ask(publish(chat(), 1, "other")).await.error, 409);
    assert_eq!(ann.link.ask(publish(Target::User("bob".into()), 2, "you")).await.error, 0);
    assert_eq!(ann.link.ask(publish(Target::User("cid".into()), 3, "x")).await.error, 403);
    assert_eq!(ann.link.ask(publish(Target::Topic("news".into()), 4, "x")).await.error, 403);
    let mut texts = Vec::new();
    for _ in 0..2 {
        let (delivery, message) = bob.link.message().await;
        bob.link.ack(&delivery).await;
        let body = message.body.unwrap();
        assert_eq!(body.app, "demo", "overwritten");
        texts.push(body.body);
    }
    texts.sort();
    assert_eq!(texts, ["hello", "you"]);
}

#[tokio::test]
async fn server_keys_open_only_what_their_scope_says() {
    use pulsegate_tests::{keys::ServerKey, publisher::Publisher};
    use reqwest::Method;
    let read = ServerKey::new("demo", "reader", &["read"]);
    let publish = ServerKey::new("demo", "writer", &["publish"]);
    let world = World::with(Setup::new().more(&read.block()).more(&publish.block())).await;
    // More keys come after the tokens of the app: still the same app's.
    let reader = Publisher::new(&world.gateway, &read);
    let writer = Publisher::new(&world.gateway, &publish);
    let message = json!({"target": {"topic": "t"}, "body": "x"});
    assert_eq!(reader.post(&message).await.problem().0, 403);
    let id = writer.publish(&message).await;
    assert_eq!(reader.status(&id).await["state"], "accepted");
    let asked = writer.request(Method::GET, &format!("messages/{id}"), None).await;
    assert_eq!(asked.problem().0, 403);
    let asked = writer.request(Method::DELETE, "registrations/x", None).await;
    assert_eq!(asked.problem().0, 403);

    let forged = ServerKey::new("demo", "k1", &["publish"]);
    let url = world.gateway.url();
    let good = world.setup.key.bearer();
    for (app, bearer) in [
        ("demo", forged.bearer()),
        ("other", good.clone()),
        ("demo", good.replace("_k1_", "_k2_")),
        ("demo", "x".into()),
    ] {
        let answer = Publisher::at(&url, app, &bearer).post(&message).await;
        assert_eq!(answer.problem(), (401, "unauthorized"), "{app} {bearer}");
    }
}
