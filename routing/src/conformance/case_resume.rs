//! Cursors: where a device that comes back goes on.

use super::world::{World, topic};
use crate::{GapReason, Log, LogKey};
use pulsegate_proto::id::{Cursor, LogName, Position};

/// Also where its storage was rolled back.
pub async fn resume_starts_at_the_cursor_of_the_client(world: &mut World) {
    let mut device = world.subscriber(&["news"]).await;
    let first = world.say("news").await;
    assert_eq!(device.take_all(world).await, [first]);
    let rolled_back = device.stored.clone();
    let second = world.say("news").await;
    assert_eq!(device.take_all(world).await, [second]);
    device.disconnect(world).await;
    let third = world.say("news").await;
    device.connect(world).await.unwrap();
    assert_eq!(device.read(world).await, [third]);
    // A power cut took what it had stored last: it gets it again.
    device.disconnect(world).await;
    device.stored = rolled_back;
    let connected = device.connect(world).await.unwrap();
    assert!(connected.starts.iter().all(|start| start.recovered));
    assert_eq!(device.read(world).await, [second, third]);
    assert_eq!(device.gaps, []);
}

/// Written at acks and at disconnect.
pub async fn a_client_that_names_no_cursor_resumes_at_the_gateways(world: &mut World) {
    let mut device = world.subscriber(&["news"]).await;
    let first = world.say("news").await;
    assert_eq!(device.take_all(world).await, [first]);
    let second = world.say("news").await;
    assert_eq!(device.read(world).await, [second]);
    device.disconnect(world).await;
    device.stored.clear();
    device.connect(world).await.unwrap();
    assert_eq!(device.take_all(world).await, [second], "sent, but not acked");
    device.disconnect(world).await;
    device.stored.clear();
    device.connect(world).await.unwrap();
    assert_eq!(device.read(world).await, []);
    assert_eq!(device.gaps, []);
}

/// Promise 6: never silence; delivery goes on at the gateway's own cursor.
pub async fn a_cursor_that_means_nothing_gets_a_gap(world: &mut World) {
    let log = LogKey::new(&world.app, Log::Topic(topic("news")));
    let mut device = world.subscriber(&["news"]).await;
    let first = world.say("news").await;
    assert_eq!(device.take_all(world).await, [first]);
    let at = device.stored[&log];
    device.disconnect(world).await;
    let second = world.say("news").await;
    let nonsense = [
        (Position { epoch: at.epoch + 1, seq: at.seq }, GapReason::EpochChanged),
        (Position { epoch: at.epoch, seq: world.router.head() + 1 }, GapReason::CursorAhead),
        (Position { epoch: at.epoch, seq: u64::MAX }, GapReason::CursorAhead),
    ];
    for (cursor, reason) in nonsense {
        device.stored.insert(log.clone(), cursor);
        let connected = device.connect(world).await.unwrap();
        for start in &connected.starts {
            if start.log == log {
                let gap = start.gap.unwrap();
                assert_eq!((start.recovered, gap.reason), (false, reason));
                assert_eq!((gap.resume, start.at), (at.seq, at));
            } else {
                assert!(start.recovered, "{start:?}");
            }
        }
        assert_eq!(device.read(world).await, [second]);
        device.disconnect(world).await;
    }
    // A log it does not read.
    let mut ask = device.ask(world);
    let name = LogName::Topic(topic("other"));
    ask.cursors = vec![Cursor { log: name, at: Position { epoch: 1, seq: 1 } }];
    let connected = device.connect_as(world, ask).await.unwrap();
    assert!(connected.starts.iter().all(|start| start.recovered));
}

/// A device never reads what was said before it came.
pub async fn a_cursor_below_the_subscription_starts_at_the_subscription(world: &mut World) {
    let before = world.say("news").await;
    let mut device = world.subscriber(&["news"]).await;
    let log = LogKey::new(&world.app, Log::Topic(topic("news")));
    let epoch = world.router.epoch();
    device.stored.insert(log.clone(), Position { epoch, seq: 1 });
    device.disconnect(world).await;
    device.connect(world).await.unwrap();
    assert!(!device.read(world).await.contains(&before));
    assert_eq!(device.logs[&log].at.seq, device.logs[&log].began);
    // Unsubscribed and subscribed again, it begins anew.
    world.router.unsubscribe(&device.session, vec![topic("news")]).await.unwrap();
    device.logs.remove(&log);
    let between = world.say("news").await;
    device.subscribe(world, &["news"]).await;
    let after = world.say("news").await;
    let got = device.read(world).await;
    assert!(!got.contains(&between));
    assert_eq!(got, [after]);
}

/// For a device away for long, with flat memory.
pub async fn reads_are_bounded_and_go_on_where_they_stopped(world: &mut World) {
    let mut device = world.subscriber(&["news"]).await;
    let log = LogKey::new(&world.app, Log::Topic(topic("news")));
    let mut said = Vec::new();
    let mut drafts = Vec::new();
    for _ in 0..300 {
        drafts.push(world.to_topic("news"));
    }
    for answer in world.router.publish_batch(&world.app, drafts).await {
        said.push(answer.unwrap().id);
    }
    assert!(!device.read_some(world, &log, 7).await);
    assert_eq!(device.got, said[..7]);
    while !device.read_some(world, &log, 7).await {}
    assert_eq!(device.got, said);
    // By bytes: one at a time, but never none.
    let start = &device.logs[&log];
    let view = device.view(start);
    let batch = world.router.read(&log, start.began, &view, 64, 1).await.unwrap();
    assert!((1..=2).contains(&batch.entries.len()), "{}", batch.entries.len());
    // Entries for others are passed in bounded steps.
    let mut other = world.device(Some("bob")).await;
    let mut drafts = Vec::new();
    for _ in 0..1500 {
        let mut draft = world.draft(crate::Target::Everyone);
        draft.exclude.registrations = vec![other.id.clone()];
        drafts.push(draft);
    }
    let answers = world.router.publish_batch(&world.app, drafts).await;
    assert!(answers.iter().all(Result::is_ok));
    let all = LogKey::new(&world.app, Log::All);
    let start = other.logs[&all].clone();
    let view = other.view(&start);
    let batch = world.router.read(&all, start.at.seq, &view, 64, 1 << 20).await.unwrap();
    assert!(!batch.end && batch.entries.is_empty());
    assert!((1024..1500).contains(&batch.skipped), "{}", batch.skipped);
    assert!(batch.passed > start.at.seq);
    assert_eq!(other.read(world).await, []);
    assert_eq!(other.logs[&all].at.seq, world.router.last(&all));
}
