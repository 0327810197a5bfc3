//! Counts: the funnel, receipts, audiences, limits on everyone.

use super::world::{World, tag, topic, user};
use crate::{Exclude, Expression, Funnel, PublishError, ReceiptIn, ReceiptStage, Target};
use core::time::Duration;
use pulsegate_proto::id::{Mark, Marks};

/// Whatever is sent again.
pub async fn the_funnel_counts_each_device_once(world: &mut World) {
    let mut first = world.subscriber(&["news"]).await;
    let mut second = world.subscriber(&["news"]).await;
    world.subscriber(&["news"]).await;
    let id = world.say("news").await;
    let published = Funnel { accepted: 1, targeted: 3, ..Funnel::default() };
    assert_eq!(world.funnel(id).await, published);
    assert_eq!(first.take_all(world).await, [id]);
    assert_eq!(second.read(world).await, [id]);
    let seen = Funnel { sent: 2, received: 1, ..published };
    assert_eq!(world.funnel(id).await, seen);
    // The same link and a new one, stored or not: each device counts once a stage.
    first.ack(world, &[id]);
    for device in [&mut first, &mut second] {
        device.disconnect(world).await;
        device.stored.clear();
        device.connect(world).await.unwrap();
        device.take_all(world).await;
    }
    let rewound = Funnel { sent: 2, received: 2, ..published };
    assert_eq!(world.funnel(id).await, rewound);
    assert_eq!(world.funnel(id).await, rewound);
    // An ack that goes back moves nothing.
    let log = second.logs.keys().find(|log| world.router.last(log) > 0).unwrap().clone();
    let next = world.say("news").await;
    assert_eq!(second.take_all(world).await, [next]);
    let mark = Mark { seq: 1, message: Some(id) };
    let notes = world.router.notes(&second.session);
    world.router.acked(&notes, &log, 1, vec![Marks::one(mark)]);
    second.disconnect(world).await;
    second.stored.clear();
    second.connect(world).await.unwrap();
    assert_eq!(second.read(world).await, []);
}

fn receipt(message: pulsegate_proto::id::MessageId, stage: ReceiptStage) -> ReceiptIn {
    ReceiptIn { message, stage }
}

/// A device id is no licence to count.
pub async fn receipts_count_once_and_only_for_what_could_be_read(world: &mut World) {
    let mut reader = world.subscriber(&["news"]).await;
    let stranger = world.device(Some("ann")).await;
    let early = world.say("news").await;
    let late = world.subscriber(&["news"]).await;
    assert_eq!(reader.take_all(world).await, [early]);
    let stages = [
        ReceiptStage::Received,
        ReceiptStage::Displayed,
        ReceiptStage::Clicked,
        ReceiptStage::Dismissed,
        ReceiptStage::Handled,
    ];
    let all: Vec<_> = stages.iter().map(|stage| receipt(early, *stage)).collect();
    let (router, app) = (&world.router, &world.app);
    let counted = |id| {
        let all = all.clone();
        async move { router.receipts(app, id, all).await.unwrap() }
    };
    assert_eq!(counted(&stranger.id).await, 0);
    assert_eq!(counted(&late.id).await, 0, "it came after the message");
    assert_eq!(counted(&reader.id).await, 4, "received was counted by the ack");
    assert_eq!(counted(&reader.id).await, 0);
    let twice = vec![receipt(early, ReceiptStage::Clicked); 2];
    assert_eq!(router.receipts(&world.app, &reader.id, twice).await, Ok(0));
    let funnel = world.funnel(early).await;
    assert_eq!((funnel.received, funnel.displayed, funnel.clicked), (1, 1, 1));
    assert_eq!((funnel.dismissed, funnel.handled), (1, 1));
    // Received over HTTP first, and then acked: once.
    let second = world.say("news").await;
    let by_push = vec![receipt(second, ReceiptStage::Received)];
    assert_eq!(world.router.receipts(&world.app, &reader.id, by_push).await, Ok(1));
    assert_eq!(reader.take_all(world).await, [second]);
    assert_eq!(world.funnel(second).await.received, 1);
    let unknown = world.id();
    let unknown = vec![receipt(unknown, ReceiptStage::Clicked)];
    assert_eq!(world.router.receipts(&world.app, &reader.id, unknown).await, Ok(0));
}

/// A crash loses the acks of some seconds, not the counts.
pub async fn a_device_that_stored_beyond_its_acks_is_counted_when_it_comes_back(world: &mut World) {
    let mut device = world.subscriber(&["news"]).await;
    let ids = [world.say("news").await, world.say("news").await];
    // What it read and stored, its gateway never heard of.
    let log = device.logs.keys().find(|log| world.router.last(log) > 0).unwrap().clone();
    let seq = world.router.last(&log);
    let at = pulsegate_proto::id::Position { epoch: world.router.epoch(), seq };
    device.stored.insert(log, at);
    device.connect(world).await.unwrap();
    assert_eq!(device.take_all(world).await, []);
    for id in ids {
        let funnel = world.funnel(id).await;
        assert_eq!((funnel.sent, funnel.received), (1, 1));
    }
    device.disconnect(world).await;
    device.stored.clear();
    device.connect(world).await.unwrap();
    assert_eq!(device.take_all(world).await, []);
    assert_eq!(world.funnel(ids[0]).await.received, 1);
}

/// Beyond it 429, and then 507.
pub async fn everyone_is_limited_by_the_second_and_in_all(world: &mut World) {
    world.router.set_everyone_per_second(5);
    for _ in 0..5 {
        let draft = world.draft(Target::Everyone);
        world.publish(draft).await;
    }
    let draft = world.draft(Target::Tags(Expression::parse("vip").unwrap()));
    let refused = world.router.publish(&world.app, draft).await;
    let wait = Duration::from_millis(200);
    assert_eq!(refused, Err(PublishError::RateLimited { retry_after: wait }));
    world.clock.advance(wait);
    let draft = world.draft(Target::Everyone);
    world.publish(draft).await;
    world.say("news").await;

    world.router.set_everyone_per_second(0);
    let mut short = world.draft(Target::Everyone);
    short.ttl = Some(Duration::from_secs(10));
    let recalled = world.publish(short).await;
    let most = 40;
    world.router.set_everyone_entries(most);
    for _ in 7..most {
        let draft = world.draft(Target::Everyone);
        world.publish(draft).await;
    }
    let draft = world.draft(Target::Everyone);
    let refused = world.router.publish(&world.app, draft).await;
    assert_eq!(refused, Err(PublishError::TooManyEveryone));
    world.say("news").await;
    world.router.recall(&world.app, recalled).await.unwrap();
    let draft = world.draft(Target::Everyone);
    let refused = world.router.publish(&world.app, draft).await;
    assert_eq!(refused, Err(PublishError::TooManyEveryone), "a recall is an entry, too");
    world.router.set_everyone_entries(0);
    let mut brief = world.draft(Target::Everyone);
    brief.ttl = Some(Duration::from_secs(10));
    world.publish(brief).await;
    world.router.set_everyone_entries(most);
    world.pass(Duration::from_secs(12)).await;
    let draft = world.draft(Target::Everyone);
    world.publish(draft).await;
    let draft = world.draft(Target::Everyone);
    let refused = world.router.publish(&world.app, draft).await;
    assert_eq!(refused, Err(PublishError::TooManyEveryone));
}

/// A dry run.
pub async fn audiences_are_counted_without_publishing(world: &mut World) {
    let ann = world.device(Some("ann")).await;
    let mut second = world.device(Some("ann")).await;
    second.subscribe(world, &["news"]).await;
    let bob = world.device(Some("bob")).await;
    world.router.set_tags(&bob.session, vec![tag("vip")], Vec::new()).await.unwrap();
    let nobody = Exclude::default();
    let without = Exclude { registrations: vec![second.id.clone()], users: vec![user("bob")] };
    let vip = |text| Target::Tags(Expression::parse(text).unwrap());
    let table = [
        (Target::Registrations(vec![ann.id.clone(), bob.id.clone()]), 2, 1),
        (Target::Users(vec![user("ann"), user("bob"), user("nobody")]), 3, 1),
        (Target::Topic(topic("news")), 1, 0),
        (Target::Topic(topic("other")), 0, 0),
        (Target::Everyone, 3, 1),
        (vip("vip"), 1, 0),
        (vip("not vip"), 2, 1),
    ];
    for (target, all, some) in table {
        let router = &world.router;
        let count = router.count_audience(&world.app, &target, &nobody).await.unwrap();
        assert_eq!((count.count, count.estimate), (all, false), "{target:?}");
        let count = router.count_audience(&world.app, &target, &without).await.unwrap();
        assert_eq!(count.count, some, "{target:?}");
    }
    assert_eq!(world.router.stats().publishes, 0);
}
