//! What ends: time-to-live, retention, idle registrations; and what is dropped before its time.

use super::world::{Heard, World, topic};
use crate::{GapInfo, GapReason, Log, LogKey, MessageState};
use core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Counted within seconds, forgotten after a while, and no gap.
pub async fn a_message_ends_with_its_time_to_live(world: &mut World) {
    let mut quick = world.subscriber(&["news"]).await;
    let mut slow = world.subscriber(&["news"]).await;
    let mut draft = world.to_topic("news");
    draft.ttl = Some(10 * SECOND);
    let id = world.publish(draft).await;
    let lasting = world.say("news").await;
    assert_eq!(quick.take_all(world).await, [id, lasting]);
    world.clock.advance(10 * SECOND);
    let status = world.router.message(&world.app, id).await.unwrap().unwrap();
    assert_eq!((status.state, status.funnel.expired), (MessageState::Expired, 1));
    assert_eq!(slow.take_all(world).await, [lasting], "before the scan, too");
    world.pass(SECOND).await;
    let status = world.router.message(&world.app, id).await.unwrap().unwrap();
    assert_eq!((status.state, status.funnel.expired), (MessageState::Expired, 1));
    assert_eq!(status.funnel.received, 1);
    assert_eq!(world.router.stats().expired_messages, 1);
    assert_eq!(slow.gaps, []);
    world.router.recall(&world.app, id).await.unwrap();
    assert_eq!(quick.read(world).await, []);
    assert_eq!(quick.recalled, [], "nothing is left to recall");
    world.pass(7 * DAY).await;
    world.pass(2 * SECOND).await;
    assert_eq!(world.router.message(&world.app, id).await.unwrap(), None);
}

/// Longest, and where none is asked for.
pub async fn retention_caps_the_time_to_live(world: &mut World) {
    let mut draft = world.to_topic("news");
    draft.ttl = Some(400 * DAY);
    let capped = world.publish(draft).await;
    let none = world.say("news").await;
    let retention = world.router.settings().retention;
    for id in [capped, none] {
        let status = world.router.message(&world.app, id).await.unwrap().unwrap();
        assert_eq!(status.expires, World::START.saturating_add(retention));
    }
}

/// Anonymous ones sooner.
pub async fn idle_registrations_are_forgotten_and_connected_ones_are_not(world: &mut World) {
    let anonymous = world.device(None).await;
    let named = world.device(Some("ann")).await;
    let connected = world.device(None).await;
    anonymous.disconnect(world).await;
    named.disconnect(world).await;
    world.hear().await;
    world.pass(7 * DAY - 5 * SECOND).await;
    assert!(world.router.registration(&world.app, &anonymous.id).await.unwrap().is_some());
    world.pass(10 * SECOND).await;
    assert_eq!(world.router.registration(&world.app, &anonymous.id).await.unwrap(), None);
    assert_eq!(world.hear().await, [Heard::Deleted(anonymous.id.clone())]);
    for device in [&named, &connected] {
        assert!(world.router.registration(&world.app, &device.id).await.unwrap().is_some());
    }
    world.pass(54 * DAY).await;
    assert_eq!(world.router.registration(&world.app, &named.id).await.unwrap(), None);
    assert!(world.router.registration(&world.app, &connected.id).await.unwrap().is_some());
    connected.disconnect(world).await;
    world.pass(7 * DAY - 5 * SECOND).await;
    assert!(world.router.registration(&world.app, &connected.id).await.unwrap().is_some());
    world.pass(10 * SECOND).await;
    assert_eq!(world.router.registration(&world.app, &connected.id).await.unwrap(), None);
    assert_eq!(world.router.user(&world.app, &super::user("ann")).await.unwrap(), []);
    world.router.set_idle(Duration::ZERO, Duration::ZERO);
    let kept = world.device(None).await;
    kept.disconnect(world).await;
    world.pass(4000 * DAY).await;
    assert!(world.router.registration(&world.app, &kept.id).await.unwrap().is_some());
}

/// With its subscriptions.
pub async fn an_ephemeral_registration_dies_with_its_link(world: &mut World) {
    let mut ask = world.ask(None);
    ask.ephemeral = true;
    let mut device = world.device(None).await;
    device.connect_as(world, ask).await.unwrap();
    device.subscribe(world, &["news"]).await;
    let id = world.say("news").await;
    assert_eq!(device.read(world).await, [id]);
    device.disconnect(world).await;
    assert_eq!(world.router.registration(&world.app, &device.id).await.unwrap(), None);
    let draft = world.to_topic("news");
    assert_eq!(world.router.publish(&world.app, draft).await.unwrap().targeted, 0);
    let returned = device.connect(world).await.unwrap();
    assert!(returned.secret.is_some(), "a new registration");
}

/// Promise 2: never silence.
pub async fn trimming_unexpired_entries_is_told_as_a_gap(world: &mut World) {
    let log = LogKey::new(&world.app, Log::Topic(topic("news")));
    let mut here = world.subscriber(&["news"]).await;
    let mut away = world.subscriber(&["news"]).await;
    let mut ahead = world.subscriber(&["news"]).await;
    away.disconnect(world).await;
    let dropped = [world.say("news").await, world.say("news").await];
    assert_eq!(ahead.take_all(world).await, dropped);
    let through = world.router.last(&log);
    let kept = world.say("news").await;
    world.hear().await;
    assert_eq!(world.router.trim(&log, through).await.unwrap(), 2);
    let gap = GapInfo { after: 0, resume: through, reason: GapReason::Retention };
    assert_eq!(world.hear().await, [Heard::Trimmed(log.clone(), gap)]);
    assert_eq!(world.router.stats().trimmed_entries, 2);

    let began = here.logs[&log].began;
    assert_eq!(here.read(world).await, [kept]);
    let told = GapInfo { after: began, resume: through, reason: GapReason::Retention };
    assert_eq!(here.gaps, [told]);
    assert_eq!(here.read(world).await, []);
    assert_eq!(here.gaps.len(), 1, "exactly once");
    assert_eq!(ahead.take_all(world).await, [kept]);
    assert_eq!(ahead.gaps, [], "it had them");

    let connected = away.connect(world).await.unwrap();
    let start = connected.starts.iter().find(|start| start.log == log).unwrap();
    assert_eq!((start.recovered, start.gap.map(|gap| gap.resume)), (false, Some(through)));
    assert_eq!(away.read(world).await, [kept]);
    assert_eq!(away.gaps.len(), 1, "exactly once");
}
