//! Registrations: links, users, subscriptions, tags.

use super::world::{Heard, World, tag, topic, user};
use crate::{ChangeError, ConnectRefused, Grants, LinkEnd, Log, LogKey, MadeBy, Target, WebPush};
use pulsegate_proto::id::{LogName, Pattern, Position};

/// The larger pair takes the row; the other link is told.
pub async fn the_pair_of_generation_and_link_orders_hellos(world: &mut World) {
    let mut device = world.device(None).await;
    let first = device.session.session.clone();
    for (generation, link, refused) in [(1, 1, true), (0, 9, true), (1, 2, false), (1, 2, true)] {
        let mut ask = device.ask(world);
        (ask.generation, ask.link) = (generation, link);
        let outcome = device.connect_as(world, ask).await;
        if refused {
            assert_eq!(outcome.unwrap_err(), ConnectRefused::Replaced { generation: 1 });
        } else {
            outcome.unwrap();
        }
    }
    let second = device.session.session.clone();
    assert_eq!(world.hear().await, [Heard::Superseded(first, 1, true)]);
    let mut ask = device.ask(world);
    (ask.generation, ask.link) = (5, 1);
    let connected = device.connect_as(world, ask).await.unwrap();
    assert_eq!(connected.superseded.unwrap().session, second);
    assert_eq!(world.hear().await, [Heard::Superseded(second, 5, false)]);
    let mut ask = device.ask(world);
    (ask.generation, ask.link) = (4, 99);
    let outcome = device.connect_as(world, ask).await;
    assert_eq!(outcome.unwrap_err(), ConnectRefused::Replaced { generation: 5 });
    // Link 0 counts as the newest of its generation.
    for link in [2, 3] {
        let mut ask = device.ask(world);
        (ask.generation, ask.link) = (5, 0);
        assert_eq!(device.connect_as(world, ask).await.unwrap().link, link);
    }
}

/// Subscribe, SetTags and Forget commit only while the session is in the row.
pub async fn a_superseded_link_changes_nothing(world: &mut World) {
    let mut device = world.device(None).await;
    let old = device.session.clone();
    device.connect(world).await.unwrap();
    let router = &world.router;
    let subscribed = router.subscribe(&old, vec![topic("news")]).await;
    assert_eq!(subscribed, Err(ChangeError::Conflict));
    let tagged = router.set_tags(&old, vec![tag("vip")], Vec::new()).await;
    assert_eq!(tagged, Err(ChangeError::Conflict));
    assert_eq!(router.forget(&old).await, Err(ChangeError::Conflict));
    assert_eq!(router.narrow(&old, &Grants::default()).await, Err(ChangeError::Conflict));
    let push = WebPush { endpoint: String::from("https://x"), p256dh: vec![1], auth: vec![2] };
    assert_eq!(router.set_web_push(&old, Some(push.clone())).await, Err(ChangeError::Conflict));
    // But its acks are taken.
    let mut older = device.clone();
    older.session = old;
    let draft = world.draft(Target::Registrations(vec![device.id.clone()]));
    let id = world.publish(draft).await;
    assert_eq!(older.take_all(world).await, [id]);
    assert_eq!(world.funnel(id).await.received, 1);

    let router = &world.router;
    router.set_web_push(&device.session, Some(push.clone())).await.unwrap();
    let info = router.registration(&world.app, &device.id).await.unwrap().unwrap();
    assert_eq!((info.tags.len(), info.subscriptions.len()), (0, 0));
    assert_eq!((info.web_push, info.session), (Some(push), Some(device.session.session.clone())));
    router.forget(&device.session).await.unwrap();
    assert_eq!(router.registration(&world.app, &device.id).await.unwrap(), None);
    assert_eq!(router.forget(&device.session).await, Err(ChangeError::NotFound));
}

/// Removed by (id, session).
pub async fn a_late_goodbye_leaves_the_newer_link_alone(world: &mut World) {
    let mut device = world.device(None).await;
    let old = device.clone();
    device.connect(world).await.unwrap();
    old.disconnect(world).await;
    let info = world.router.registration(&world.app, &device.id).await.unwrap().unwrap();
    assert_eq!(info.session, Some(device.session.session.clone()));
    device.subscribe(world, &["news"]).await;
    device.disconnect(world).await;
    let last = device.session.session.clone();
    let connected = device.connect(world).await.unwrap();
    let seen = connected.last_seen.unwrap();
    assert_eq!((seen.session, seen.end), (last, LinkEnd::Eof));
    assert_eq!(connected.superseded, None);
    assert_eq!(connected.topics, [topic("news")]);
}

/// A stolen id alone is useless; a lost registration is told.
pub async fn a_wrong_secret_is_refused_and_an_unknown_id_begins_anew(world: &mut World) {
    let mut device = world.subscriber(&["news"]).await;
    let missed = world.say("news").await;
    for wrong in [vec![0; 32], Vec::new(), device.secret[..31].to_vec()] {
        let mut ask = device.ask(world);
        ask.registration = Some((device.id.clone(), wrong));
        let refused = device.connect_as(world, ask).await;
        assert_eq!(refused.unwrap_err(), ConnectRefused::WrongSecret);
    }
    let router = &world.router;
    let right = router.check_secret(&world.app, &device.id, &device.secret).await.unwrap();
    assert_eq!(right, Some(true));
    assert_eq!(router.check_secret(&world.app, &device.id, b"x").await.unwrap(), Some(false));

    router.delete_registration(&world.app, &device.id).await.unwrap();
    let heard = world.hear().await;
    assert!(heard.contains(&Heard::Deleted(device.id.clone())), "{heard:?}");
    let gone = world.router.delete_registration(&world.app, &device.id).await;
    assert_eq!(gone, Err(ChangeError::NotFound));
    let old = device.id.clone();
    let connected = device.connect(world).await.unwrap();
    assert_ne!(connected.registration, old);
    assert!(connected.secret.is_some());
    assert!(connected.starts.iter().all(|start| !start.recovered && start.gap.is_some()));
    assert!(connected.topics.is_empty());
    assert!(!device.read(world).await.contains(&missed));
    let none = world.router.check_secret(&world.app, &old, &device.secret).await.unwrap();
    assert_eq!(none, None);
}

/// For life.
pub async fn a_registration_belongs_to_one_user(world: &mut World) {
    let ann = world.device(Some("ann")).await;
    for other in [Some("bob"), None] {
        let mut device = ann.clone();
        device.user = other.map(user);
        let connected = device.connect(world).await.unwrap();
        assert_ne!(connected.registration, ann.id);
        assert_eq!(connected.user, other.map(user));
        assert!(connected.starts.iter().all(|start| start.recovered));
    }
    let adopted = world.router.adopt_user(&ann.session, user("bob")).await;
    assert_eq!(adopted, Err(ChangeError::NotPermitted));
    assert_eq!(world.router.adopt_user(&ann.session, user("ann")).await, Ok(None));
}

/// At Hello or with a new token.
pub async fn an_anonymous_registration_becomes_a_user_once(world: &mut World) {
    let draft = world.draft(Target::Users(vec![user("ann")]));
    world.publish(draft).await;
    let mut by_hello = world.device(None).await;
    by_hello.subscribe(world, &["news"]).await;
    let id = by_hello.id.clone();
    by_hello.user = Some(user("ann"));
    let connected = by_hello.connect(world).await.unwrap();
    assert_eq!((connected.registration, connected.user), (id, Some(user("ann"))));
    assert_eq!(connected.starts.len(), 4);
    assert!(connected.starts.iter().all(|start| start.recovered));

    let mut by_token = world.device(None).await;
    let adopted = world.router.adopt_user(&by_token.session, user("ann")).await;
    let start = adopted.unwrap().unwrap();
    by_token.logs.insert(start.log.clone(), start);
    by_token.user = Some(user("ann"));
    let draft = world.draft(Target::Users(vec![user("ann")]));
    let id = world.publish(draft).await;
    assert_eq!(world.funnel(id).await.targeted, 2);
    assert_eq!(by_hello.read(world).await, [id]);
    assert_eq!(by_token.read(world).await, [id]);
    let devices = world.router.user(&world.app, &user("ann")).await.unwrap();
    assert_eq!(devices.len(), 2);
}

/// Nothing of that frame is taken.
pub async fn topics_beyond_the_limit_are_refused_whole(world: &mut World) {
    let mut device = world.device(None).await;
    let names: Vec<String> = (0..101).map(|n| format!("t/{n}")).collect();
    let topics =
        |range: core::ops::Range<usize>| names[range].iter().map(|name| topic(name)).collect::<Vec<_>>();
    let refused = world.router.subscribe(&device.session, topics(0..101)).await;
    assert!(matches!(refused, Err(ChangeError::TooLarge { .. })), "{refused:?}");
    let started = world.router.subscribe(&device.session, topics(0..100)).await.unwrap();
    assert_eq!(started.len(), 100);
    assert_eq!(world.router.subscribe(&device.session, topics(0..100)).await, Ok(Vec::new()));
    let refused = world.router.subscribe(&device.session, topics(100..101)).await;
    assert!(matches!(refused, Err(ChangeError::TooLarge { .. })), "{refused:?}");
    let ended = world.router.unsubscribe(&device.session, topics(0..2)).await.unwrap();
    assert_eq!(ended.len(), 2);
    assert_eq!(device.connect(world).await.unwrap().starts.len(), 2 + 98);
    let tags: Vec<_> = (0..65).map(|n| tag(&format!("t{n}"))).collect();
    let refused = world.router.set_tags(&device.session, tags, Vec::new()).await;
    assert!(matches!(refused, Err(ChangeError::TooLarge { .. })), "{refused:?}");
}

/// At refresh, and at the next Hello.
pub async fn a_narrower_grant_ends_what_the_device_made_only(world: &mut World) {
    let mut device = world.subscriber(&["a/1", "a/2", "b/1", "b/2"]).await;
    let backend = topic("b/2");
    world.router.put_topic(&world.app, &device.id, backend.clone()).await.unwrap();
    let only = |pattern: &str| Grants { topics: vec![Pattern::parse(pattern).unwrap()], tags: Vec::new() };
    let ended = world.router.narrow(&device.session, &only("a/#")).await.unwrap();
    assert_eq!(ended, [LogName::Topic(topic("b/1"))]);
    let mut ask = device.ask(world);
    ask.grants = only("a/1");
    let connected = device.connect_as(world, ask).await.unwrap();
    assert_eq!(connected.topics, [topic("a/1"), backend]);
    let draft = world.to_topic("a/2");
    assert_eq!(world.router.publish(&world.app, draft).await.unwrap().targeted, 0);
}

/// To the device's link; what the link asked for itself is answered, not told.
pub async fn the_backend_s_changes_are_told(world: &mut World) {
    let device = world.subscriber(&["mine"]).await;
    world.hear().await;
    let (app, id) = (world.app.clone(), device.id.clone());
    let router = &world.router;
    router.put_topic(&app, &id, topic("news")).await.unwrap();
    router.put_topic(&app, &id, topic("news")).await.unwrap();
    router.put_topic(&app, &id, topic("mine")).await.unwrap();
    router.delete_topic(&app, &id, &topic("mine")).await.unwrap();
    router.delete_topic(&app, &id, &topic("mine")).await.unwrap();
    let info = router.patch_tags(&app, &id, vec![tag("vip")], vec![tag("x")]).await.unwrap();
    assert_eq!(info.tags, [tag("vip")]);
    assert_eq!(info.subscriptions.len(), 1);
    assert_eq!(info.subscriptions[0].made_by, MadeBy::Backend);
    let (news, mine) = (LogName::Topic(topic("news")), LogName::Topic(topic("mine")));
    assert_eq!(
        world.hear().await,
        [
            Heard::LogsChanged(id.clone(), vec![news], Vec::new()),
            Heard::LogsChanged(id.clone(), Vec::new(), vec![mine]),
            Heard::TagsChanged(id.clone(), vec![tag("vip")]),
        ]
    );
    let unknown = device.id.clone();
    device.disconnect(world).await;
    world.router.delete_registration(&app, &unknown).await.unwrap();
    let put = world.router.put_topic(&app, &unknown, topic("news")).await;
    assert_eq!(put, Err(ChangeError::NotFound));
}

/// Each key begins with the app.
pub async fn apps_never_meet(world: &mut World) {
    let mut here = world.device(Some("ann")).await;
    here.subscribe(world, &["news"]).await;
    let first = world.app.clone();
    let id = world.say("news").await;
    world.app = pulsegate_proto::id::AppId::parse("demo2").unwrap();
    assert_eq!(world.router.message(&world.app, id).await.unwrap(), None);
    assert_eq!(world.router.registration(&world.app, &here.id).await.unwrap(), None);
    assert!(world.router.recall(&world.app, id).await.is_err());
    let mut there = world.device(Some("ann")).await;
    there.subscribe(world, &["news"]).await;
    let everyone = world.draft(Target::Everyone);
    let everyone = world.publish(everyone).await;
    let other = [world.say("news").await, everyone];
    assert_eq!(there.read(world).await, other);
    let registrations = world.router.registrations(&world.app, None, 10).await.unwrap();
    assert_eq!(registrations.len(), 1);
    world.app = first;
    assert_eq!(here.read(world).await, [id]);
    let stolen = LogKey::new(&there.session.app, Log::Topic(topic("news")));
    assert_eq!(
        there.logs[&stolen].at,
        Position { epoch: world.router.epoch(), seq: world.router.last(&stolen) }
    );
}
