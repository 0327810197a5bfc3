//! Messages: targets, idempotency, collapse, recall, schedules.

use super::world::{Heard, World, tag, topic, user};
use crate::{
    Draft, Exclude, Expression, Idempotency, KeyScope, Log, LogKey, MessageState, PublishError, Target,
};
use bytes::Bytes;
use core::time::Duration;
use pulsegate_proto::id::RegistrationId;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// One entry a message, whatever the number of subscribers.
pub async fn a_topic_message_reaches_every_subscriber_once_and_in_order(world: &mut World) {
    let mut devices = Vec::new();
    for _ in 0..3 {
        devices.push(world.subscriber(&["news"]).await);
    }
    let mut other = world.subscriber(&["sport"]).await;
    world.hear().await;
    let entries = world.router.stats().entries;
    let mut said = Vec::new();
    for _ in 0..5 {
        said.push(world.say("news").await);
    }
    assert_eq!(world.router.stats().entries - entries, 5);
    for device in &mut devices {
        assert_eq!(device.read(world).await, said);
        assert_eq!(device.read(world).await, []);
    }
    assert_eq!(other.read(world).await, []);
    let heard: usize = world
        .hear()
        .await
        .iter()
        .map(|heard| match heard {
            Heard::Appended(log, seqs) => {
                assert_eq!(log.log, Log::Topic(topic("news")));
                seqs.len()
            }
            other => panic!("{other:?}"),
        })
        .sum();
    assert_eq!(heard, 5);
}

/// Not from the beginning of the log, and not from the first read.
pub async fn a_subscription_is_read_from_the_head_of_its_commit(world: &mut World) {
    world.say("news").await;
    let mut device = world.subscriber(&["news"]).await;
    let after = world.say("news").await;
    assert_eq!(device.read(world).await, [after]);
    device.subscribe(world, &["news"]).await;
    assert_eq!(device.read(world).await, []);
}

/// Lists name each device once.
pub async fn a_list_is_normalised_and_an_unknown_device_refused(world: &mut World) {
    let mut ann = world.device(Some("ann")).await;
    let mut bob = world.device(Some("bob")).await;
    let twice = vec![ann.id.clone(), bob.id.clone(), ann.id.clone()];
    let draft = world.draft(Target::Registrations(twice));
    let id = world.publish(draft).await;
    assert_eq!(world.funnel(id).await.targeted, 2);
    assert_eq!(ann.read(world).await, [id]);
    assert_eq!(bob.read(world).await, [id]);

    let unknown = RegistrationId::parse("nobody").unwrap();
    let list = vec![ann.id.clone(), unknown.clone()];
    let draft = world.draft(Target::Registrations(list));
    let refused = world.router.publish(&world.app, draft).await;
    assert_eq!(refused, Err(PublishError::UnknownRegistration(unknown)));
    assert_eq!(ann.read(world).await, []);

    let draft = world.draft(Target::Users(vec![user("bob"), user("ann"), user("bob")]));
    let id = world.publish(draft).await;
    assert_eq!(ann.read(world).await, [id]);
    assert_eq!(bob.read(world).await, [id]);
    for target in [
        Target::Users(Vec::new()),
        Target::Registrations(Vec::new()),
        Target::Users((0..1001).map(|n| user(&format!("u{n}"))).collect()),
    ] {
        let draft = world.draft(target);
        let refused = world.router.publish(&world.app, draft).await;
        assert!(matches!(refused, Err(PublishError::InvalidTarget(_))), "{refused:?}");
    }
}

/// Whatever names them.
pub async fn excludes_hold_in_every_kind_of_target(world: &mut World) {
    let mut ann = world.device(Some("ann")).await;
    let mut second = world.device(Some("ann")).await;
    let mut bob = world.device(Some("bob")).await;
    for device in [&mut ann, &mut second, &mut bob] {
        device.subscribe(world, &["news"]).await;
    }
    let targets = [
        Target::Registrations(vec![ann.id.clone(), second.id.clone(), bob.id.clone()]),
        Target::Users(vec![user("ann"), user("bob")]),
        Target::Topic(topic("news")),
        Target::Everyone,
        Target::Tags(Expression::parse("not muted").unwrap()),
    ];
    for target in targets {
        let mut draft = world.draft(target.clone());
        draft.exclude.registrations = vec![second.id.clone()];
        let first = world.router.publish(&world.app, draft).await.unwrap();
        assert_eq!(first.targeted, 2, "{target:?}");
        let mut draft = world.draft(target.clone());
        draft.exclude.users = vec![user("ann")];
        let then = world.router.publish(&world.app, draft).await.unwrap();
        assert_eq!(then.targeted, 1, "{target:?}");
        assert_eq!(ann.read(world).await, [first.id], "{target:?}");
        assert_eq!(second.read(world).await, [], "{target:?}");
        assert_eq!(bob.read(world).await, [first.id, then.id], "{target:?}");
    }
    for target in [Target::Users(vec![user("bob")]), Target::Registrations(vec![bob.id.clone()])] {
        let mut draft = world.draft(target.clone());
        draft.exclude = Exclude { registrations: Vec::new(), users: vec![user("bob")] };
        let nobody = world.router.publish(&world.app, draft).await.unwrap();
        assert_eq!(nobody.targeted, 0, "{target:?}");
        assert_eq!(bob.read(world).await, [], "{target:?}");
        let status = world.router.message(&world.app, nobody.id).await.unwrap();
        assert!(status.is_some(), "{target:?}");
    }
}

/// Not those it had when the message was published.
pub async fn tags_are_looked_at_when_the_entry_is_passed(world: &mut World) {
    let mut early = world.device(None).await;
    let mut late = world.device(None).await;
    let vip = Target::Tags(Expression::parse("vip and not muted").unwrap());
    early.tags = world.router.set_tags(&early.session, vec![tag("vip")], Vec::new()).await.unwrap();
    let draft = world.draft(vip.clone());
    let id = world.publish(draft).await;
    assert_eq!(late.read(world).await, []);
    late.tags = world.router.set_tags(&late.session, vec![tag("vip")], Vec::new()).await.unwrap();
    assert_eq!(late.read(world).await, [], "passed before it had the tag");
    assert_eq!(early.read(world).await, [id]);
    let draft = world.draft(vip);
    let then = world.publish(draft).await;
    early.tags = world.router.set_tags(&early.session, vec![tag("muted")], Vec::new()).await.unwrap();
    assert_eq!(early.tags, [tag("muted"), tag("vip")]);
    assert_eq!(early.read(world).await, []);
    assert_eq!(late.read(world).await, [then]);
}

fn keyed(mut draft: Draft, scope: KeyScope, key: &str, body: u8) -> Draft {
    let key = key.as_bytes().to_vec();
    draft.idempotency = Some(Idempotency { scope, key, hash: [body; 32] });
    draft
}

/// Promise 4.
pub async fn an_idempotency_key_publishes_once_for_a_day(world: &mut World) {
    let mut device = world.subscriber(&["news"]).await;
    let draft = keyed(world.to_topic("news"), KeyScope::App, "k", 1);
    let first = world.router.publish(&world.app, draft).await.unwrap();
    assert!(!first.replayed);
    for _ in 0..2 {
        let draft = keyed(world.to_topic("news"), KeyScope::App, "k", 1);
        let again = world.router.publish(&world.app, draft).await.unwrap();
        assert_eq!((again.id, again.replayed), (first.id, true));
    }
    let draft = keyed(world.to_topic("news"), KeyScope::App, "k", 2);
    let refused = world.router.publish(&world.app, draft).await;
    assert_eq!(refused, Err(PublishError::KeyReused));
    assert_eq!(device.read(world).await, [first.id]);

    world.pass(24 * HOUR - SECOND).await;
    let draft = keyed(world.to_topic("news"), KeyScope::App, "k", 1);
    assert!(world.router.publish(&world.app, draft).await.unwrap().replayed);
    world.pass(2 * SECOND).await;
    let draft = keyed(world.to_topic("news"), KeyScope::App, "k", 2);
    assert!(!world.router.publish(&world.app, draft).await.unwrap().replayed);

    // Both at once: the second waits for the first and is its repetition.
    let one = keyed(world.to_topic("news"), KeyScope::App, "both", 1);
    let two = keyed(world.to_topic("news"), KeyScope::App, "both", 1);
    let router = &world.router;
    let (one, two) = tokio::join!(router.publish(&world.app, one), router.publish(&world.app, two));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.id, two.id);
    assert!(one.replayed != two.replayed);

    // Without being stored, too.
    let mut draft = keyed(world.to_topic("news"), KeyScope::App, "live", 1);
    draft.ttl = Some(Duration::ZERO);
    let again = draft.clone();
    assert!(!world.router.publish(&world.app, draft).await.unwrap().replayed);
    world.hear().await;
    assert!(world.router.publish(&world.app, again).await.unwrap().replayed);
    assert_eq!(world.hear().await, []);
}

/// Scopes.
pub async fn keys_of_the_app_and_of_a_device_never_meet(world: &mut World) {
    let ann = world.device(None).await;
    let bob = world.device(None).await;
    let scopes =
        [KeyScope::App, KeyScope::Registration(ann.id.clone()), KeyScope::Registration(bob.id.clone())];
    for scope in scopes {
        let draft = keyed(world.to_topic("news"), scope.clone(), "k", 1);
        assert!(!world.router.publish(&world.app, draft).await.unwrap().replayed);
        let draft = keyed(world.to_topic("news"), scope, "k", 1);
        assert!(world.router.publish(&world.app, draft).await.unwrap().replayed);
    }
}

/// Of the same log.
pub async fn a_newer_collapse_key_hides_the_older_one(world: &mut World) {
    let mut device = world.subscriber(&["news", "sport"]).await;
    let collapsing = |mut draft: Draft| {
        draft.collapse_key = Some(String::from("score"));
        draft
    };
    let mut sent = Vec::new();
    for name in ["news", "sport", "news", "news"] {
        let draft = collapsing(world.to_topic(name));
        sent.push(world.publish(draft).await);
    }
    let plain = world.say("news").await;
    assert_eq!(device.take_all(world).await, [sent[3], plain, sent[1]]);
    let draft = collapsing(world.to_topic("news"));
    let next = world.publish(draft).await;
    assert_eq!(device.take_all(world).await, [next]);
    let removed = world.hear().await.into_iter().filter(|h| matches!(h, Heard::Removed(..)));
    assert_eq!(removed.count(), 3);
}

/// Also after the newer one has expired.
pub async fn a_collapse_with_a_predicate_hides_for_whom_it_is_and_for_good(world: &mut World) {
    let mut ann = world.device(Some("ann")).await;
    let mut bob = world.device(Some("bob")).await;
    for device in [&mut ann, &mut bob] {
        device.subscribe(world, &["news"]).await;
    }
    let mut older = world.to_topic("news");
    older.collapse_key = Some(String::from("k"));
    let older = world.publish(older).await;
    let mut newer = world.to_topic("news");
    newer.collapse_key = Some(String::from("k"));
    newer.exclude.users = vec![user("bob")];
    newer.ttl = Some(10 * SECOND);
    let newer = world.publish(newer).await;
    let mut ann_now = ann.clone();
    assert_eq!(ann_now.read(world).await, [newer]);
    assert_eq!(bob.read(world).await, [older]);
    world.pass(20 * SECOND).await;
    assert_eq!(ann.read(world).await, [], "hidden for good");

    // The same predicate again: the older of the two goes, whoever reads.
    for _ in 0..3 {
        let mut draft = world.to_topic("news");
        draft.collapse_key = Some(String::from("k"));
        draft.exclude.users = vec![user("bob")];
        let last = world.publish(draft).await;
        let mut reader = ann.clone();
        assert_eq!(reader.read(world).await, [last]);
    }
    assert_eq!(bob.read(world).await, []);
}

/// Also on a device that was away.
pub async fn a_recall_reaches_who_had_the_message_and_nobody_else(world: &mut World) {
    let mut had = world.subscriber(&["news"]).await;
    let mut stored = world.subscriber(&["news"]).await;
    let mut away = world.subscriber(&["news"]).await;
    away.disconnect(world).await;
    let mut draft = world.to_topic("news");
    draft.notification_tag = String::from("t");
    let id = world.publish(draft).await;
    let kept = world.say("news").await;
    assert_eq!(had.read(world).await, [id, kept]);
    assert_eq!(stored.take_all(world).await, [id, kept]);
    stored.disconnect(world).await;
    world.hear().await;
    world.router.recall(&world.app, id).await.unwrap();
    world.router.recall(&world.app, id).await.unwrap();
    let heard = world.hear().await;
    assert!(matches!(heard[..], [Heard::Removed(..), Heard::Appended(..)]), "{heard:?}");

    assert_eq!(had.read(world).await, []);
    assert_eq!(had.recalled, [id]);
    stored.connect(world).await.unwrap();
    assert_eq!(stored.read(world).await, []);
    assert_eq!(stored.recalled, [id]);
    away.connect(world).await.unwrap();
    let log = LogKey::new(&world.app, Log::Topic(topic("news")));
    while !away.read_some(world, &log, 1).await {}
    assert_eq!(away.got, [kept]);
    assert_eq!(away.recalled, [], "it never had it");
    let status = world.router.message(&world.app, id).await.unwrap().unwrap();
    assert_eq!(status.state, MessageState::Recalled);
    assert_eq!(status.funnel.recalled, 3);
    let unknown = world.id();
    assert!(world.router.recall(&world.app, unknown).await.is_err());
}

/// Each of its logs.
pub async fn a_recall_of_many_logs_reaches_each(world: &mut World) {
    let mut ann = world.device(Some("ann")).await;
    let mut bob = world.device(Some("bob")).await;
    let draft = world.draft(Target::Users(vec![user("ann"), user("bob")]));
    let id = world.publish(draft).await;
    assert_eq!(ann.read(world).await, [id]);
    world.router.recall(&world.app, id).await.unwrap();
    assert_eq!(ann.read(world).await, []);
    assert_eq!(bob.read(world).await, []);
    assert_eq!(ann.recalled, [id]);
    assert_eq!(bob.recalled, []);
}

/// RFC 8030.
pub async fn time_to_live_zero_is_handed_over_and_never_stored(world: &mut World) {
    let mut device = world.subscriber(&["news"]).await;
    world.hear().await;
    let mut draft = world.to_topic("news");
    draft.ttl = Some(Duration::ZERO);
    let accepted = world.router.publish(&world.app, draft).await.unwrap();
    assert_eq!(accepted.targeted, 1);
    let log = LogKey::new(&world.app, Log::Topic(topic("news")));
    assert_eq!(world.hear().await, [Heard::Live(log.clone(), accepted.id)]);
    assert_eq!(device.read(world).await, []);
    assert_eq!(world.router.last(&log), 0);
    assert_eq!(world.router.message(&world.app, accepted.id).await.unwrap(), None);
}

/// Its time-to-live counts from then.
pub async fn a_scheduled_message_comes_when_it_is_due_and_once(world: &mut World) {
    let mut device = world.subscriber(&["news"]).await;
    let mut draft = world.to_topic("news");
    draft.deliver_at = Some(World::START.saturating_add(HOUR));
    draft.ttl = Some(HOUR);
    let id = world.publish(draft.clone()).await;
    let status = world.router.message(&world.app, id).await.unwrap().unwrap();
    assert_eq!(status.state, MessageState::Scheduled);
    world.pass(HOUR - SECOND).await;
    assert_eq!(device.read(world).await, []);
    world.pass(SECOND).await;
    world.pass(SECOND).await;
    assert_eq!(device.read(world).await, [id]);
    let status = world.router.message(&world.app, id).await.unwrap().unwrap();
    assert_eq!((status.state, status.funnel.targeted), (MessageState::Accepted, 1));
    world.pass(HOUR - 2 * SECOND).await;
    let mut late = device.clone();
    late.got.clear();
    world.pass(2 * SECOND).await;
    let status = world.router.message(&world.app, id).await.unwrap().unwrap();
    assert_eq!(status.state, MessageState::Expired);

    let day = 24 * HOUR;
    let mut far = world.to_topic("news");
    far.deliver_at = Some(World::START.saturating_add(100 * day));
    let refused = world.router.publish(&world.app, far).await;
    assert!(matches!(refused, Err(PublishError::InvalidDeliverAt(_))), "{refused:?}");
    let mut past = world.to_topic("news");
    past.deliver_at = Some(World::START);
    let id = world.publish(past).await;
    assert_eq!(device.read(world).await, [id], "what was due is published at once");
}

/// Neither the message nor a recall of it.
pub async fn a_recalled_schedule_never_comes(world: &mut World) {
    let mut device = world.subscriber(&["news"]).await;
    let mut draft = world.to_topic("news");
    draft.deliver_at = Some(World::START.saturating_add(HOUR));
    let id = world.publish(draft).await;
    world.router.recall(&world.app, id).await.unwrap();
    world.pass(2 * HOUR).await;
    assert_eq!(device.read(world).await, []);
    assert_eq!(device.recalled, []);
}

/// A bad line leaves the others alone.
pub async fn a_batch_answers_each_line_in_order(world: &mut World) {
    let mut device = world.subscriber(&["news"]).await;
    let mut drafts = Vec::new();
    for n in 0..20 {
        let draft = match n {
            5 => world.draft(Target::Users(Vec::new())),
            7 | 8 => keyed(world.to_topic("news"), KeyScope::App, "same", 1),
            9 => keyed(world.to_topic("news"), KeyScope::App, "same", 2),
            _ => world.to_topic("news"),
        };
        drafts.push(draft);
    }
    let ids: Vec<_> = drafts.iter().map(|draft| draft.id).collect();
    let answers = world.router.publish_batch(&world.app, drafts).await;
    assert_eq!(answers.len(), 20);
    let mut expected = Vec::new();
    for (n, answer) in answers.into_iter().enumerate() {
        match n {
            5 => assert!(matches!(answer, Err(PublishError::InvalidTarget(_)))),
            8 => assert_eq!(answer.unwrap().id, ids[7]),
            9 => assert_eq!(answer, Err(PublishError::KeyReused)),
            _ => {
                assert_eq!(answer.unwrap().id, ids[n]);
                expected.push(ids[n]);
            }
        }
    }
    assert_eq!(device.read(world).await, expected);
}

/// The id of another message is refused, not overwritten.
pub async fn a_message_id_is_used_once(world: &mut World) {
    let draft = world.to_topic("news");
    let again = draft.clone();
    let id = world.publish(draft).await;
    let refused = world.router.publish(&world.app, again).await;
    assert_eq!(refused, Err(PublishError::DuplicateId(id)));
}

/// Where they are stored once.
pub async fn long_bodies_to_many_logs_arrive_whole(world: &mut World) {
    let ann = world.device(Some("ann")).await;
    let bob = world.device(Some("bob")).await;
    let mut draft = world.draft(Target::Users(vec![user("ann"), user("bob")]));
    let body = Bytes::from(vec![9; 40_000]);
    draft.body = body.clone();
    world.publish(draft).await;
    for device in [ann, bob] {
        let log = LogKey::new(&world.app, Log::User(device.user.clone().unwrap()));
        let start = &device.logs[&log];
        let view = device.view(start);
        let batch = world.router.read(&log, start.at.seq, &view, 10, 1).await.unwrap();
        let crate::EntryKind::Message { body: read, .. } = &batch.entries[0].kind else {
            panic!("{batch:?}")
        };
        assert_eq!(*read, body);
    }
}
