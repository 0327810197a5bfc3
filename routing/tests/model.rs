//! Random operations, with restarts and crashes, on the embedded store and on the naive one: what
//! devices get, what publishers are told and what is counted must be the same.
#![allow(clippy::unwrap_used)] // the model breaks loudly

use core::time::Duration;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};
use pulsegate_proto::id::{MessageId, Tag};
use pulsegate_routing::conformance::{Device, World, topic, user};
use pulsegate_routing::{
    Draft, EmbeddedSettings, Expression, Idempotency, KeyScope, Log, LogKey, MessageStatus, ReaderView,
    Store, Target,
};
use std::path::{Path, PathBuf};

const TOPICS: [&str; 3] = ["a", "b/c", "b/d"];
const USERS: [Option<&str>; 3] = [None, Some("ann"), Some("bob")];
const TAGS: [&str; 2] = ["vip", "zh"];
const EXPRESSIONS: [&str; 3] = ["vip", "not vip", "vip and not zh"];
const DEVICES: usize = 4;

#[derive(Clone, Debug)]
struct Publish {
    target: u8,
    which: u8,
    ttl: Option<u8>,
    collapse: Option<u8>,
    exclude: Option<u8>,
    key: Option<u8>,
    later: Option<u8>,
}

#[derive(Clone, Debug)]
enum Op {
    Publish(Publish),
    Recall(u8),
    Read(u8, u8),
    TakeAll(u8),
    Subscribe(u8, u8),
    Unsubscribe(u8, u8),
    Tag(u8, u8),
    Reconnect(u8),
    Disconnect(u8),
    RollBack(u8),
    Pass(u8),
    Trim(u8),
    Restart { crash: bool },
}

fn publish() -> impl Strategy<Value = Publish> {
    let rarely = |most: u8| proptest::option::weighted(0.25, 0..most);
    (0..5u8, any::<u8>(), rarely(30), rarely(2), rarely(4), rarely(3), rarely(20)).prop_map(
        |(target, which, ttl, collapse, exclude, key, later)| Publish {
            target,
            which,
            ttl,
            collapse,
            exclude,
            key,
            later,
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let device = 0..DEVICES as u8;
    prop_oneof![
        8 => publish().prop_map(Op::Publish),
        2 => any::<u8>().prop_map(Op::Recall),
        3 => (device.clone(), 1..4u8).prop_map(|(d, n)| Op::Read(d, n)),
        4 => device.clone().prop_map(Op::TakeAll),
        3 => (device.clone(), 0..3u8).prop_map(|(d, t)| Op::Subscribe(d, t)),
        1 => (device.clone(), 0..3u8).prop_map(|(d, t)| Op::Unsubscribe(d, t)),
        2 => (device.clone(), 0..4u8).prop_map(|(d, t)| Op::Tag(d, t)),
        2 => device.clone().prop_map(Op::Reconnect),
        1 => device.clone().prop_map(Op::Disconnect),
        1 => device.prop_map(Op::RollBack),
        2 => (1..40u8).prop_map(Op::Pass),
        1 => (0..3u8).prop_map(Op::Trim),
        1 => any::<bool>().prop_map(|crash| Op::Restart { crash }),
    ]
}

/// One of the two sides: the same operations, whatever the store.
struct Side {
    world: World,
    devices: Vec<Device>,
    messages: Vec<MessageId>,
    /// Cursors as they were some operations ago.
    older: Vec<Device>,
}

impl Side {
    async fn new(mut world: World) -> Self {
        let mut devices = Vec::new();
        for n in 0..DEVICES {
            devices.push(world.device(USERS[n % USERS.len()]).await);
        }
        Self { world, older: devices.clone(), devices, messages: Vec::new() }
    }

    fn draft(&mut self, ask: &Publish) -> Draft {
        let which = usize::from(ask.which);
        let target = match ask.target {
            0 => Target::Topic(topic(TOPICS[which % 3])),
            1 => Target::Users(vec![user("ann"), user("bob")][..1 + which % 2].to_vec()),
            2 => Target::Everyone,
            3 => Target::Tags(Expression::parse(EXPRESSIONS[which % 3]).unwrap()),
            _ => {
                let some = self.devices[..1 + which % DEVICES].iter();
                Target::Registrations(some.map(|device| device.id.clone()).collect())
            }
        };
        let mut draft = self.world.draft(target);
        draft.ttl = ask.ttl.map(|seconds| Duration::from_secs(u64::from(seconds)));
        draft.collapse_key = ask.collapse.map(|n| format!("k{n}"));
        match ask.exclude {
            Some(0) => draft.exclude.users = vec![user("ann")],
            Some(n) => draft.exclude.registrations = vec![self.devices[usize::from(n)].id.clone()],
            None => {}
        }
        draft.idempotency =
            ask.key.map(|n| Idempotency { scope: KeyScope::App, key: vec![n], hash: [ask.target; 32] });
        if draft.ttl != Some(Duration::ZERO) {
            let later = |seconds| Duration::from_secs(u64::from(seconds));
            draft.deliver_at = ask.later.map(|n| draft.published.saturating_add(later(n)));
        }
        draft
    }

    /// Does it; answers what was seen of it.
    async fn apply(&mut self, op: &Op) -> String {
        let at = |n: &u8| usize::from(*n);
        match op {
            Op::Publish(ask) => {
                let draft = self.draft(ask);
                self.messages.push(draft.id);
                format!("{:?}", self.world.router.publish(&self.world.app, draft).await)
            }
            Op::Recall(n) => {
                let Some(id) = self.messages.get(at(n) % self.messages.len().max(1)) else {
                    return String::new();
                };
                format!("{:?}", self.world.router.recall(&self.world.app, *id).await)
            }
            Op::Read(n, max) => {
                let device = &mut self.devices[at(n)];
                let logs: Vec<LogKey> = device.logs.keys().cloned().collect();
                for log in logs {
                    device.read_some(&self.world, &log, at(max)).await;
                }
                seen(device)
            }
            Op::TakeAll(n) => {
                let device = &mut self.devices[at(n)];
                self.older[at(n)] = device.clone();
                format!("{:?}", device.take_all(&self.world).await)
            }
            Op::Subscribe(n, t) => {
                let device = &mut self.devices[at(n)];
                let topics = vec![topic(TOPICS[at(t)])];
                let started = self.world.router.subscribe(&device.session, topics).await;
                if let Ok(started) = &started {
                    for start in started {
                        device.stored.remove(&start.log);
                        device.logs.insert(start.log.clone(), start.clone());
                    }
                }
                format!("{:?}", started.map(|started| started.len()))
            }
            Op::Unsubscribe(n, t) => {
                let device = &mut self.devices[at(n)];
                let topics = vec![topic(TOPICS[at(t)])];
                let log = LogKey::new(&self.world.app, Log::Topic(topics[0].clone()));
                let ended = self.world.router.unsubscribe(&device.session, topics).await;
                if ended.is_ok() {
                    device.logs.remove(&log);
                    device.stored.remove(&log);
                }
                format!("{ended:?}")
            }
            Op::Tag(n, t) => {
                let device = &mut self.devices[at(n)];
                let tag = vec![Tag::parse(TAGS[at(t) % 2]).unwrap()];
                let (add, remove) = if *t < 2 { (tag, Vec::new()) } else { (Vec::new(), tag) };
                let tags = self.world.router.set_tags(&device.session, add, remove).await;
                if let Ok(tags) = &tags {
                    device.tags.clone_from(tags);
                }
                format!("{tags:?}")
            }
            Op::Reconnect(n) => self.reconnect(at(n)).await,
            Op::Disconnect(n) => {
                self.devices[at(n)].disconnect(&self.world).await;
                String::new()
            }
            Op::RollBack(n) => {
                // Only while it means something: the cursors of an older life of the device do.
                let (older, device) = (&self.older[at(n)], &mut self.devices[at(n)]);
                let known = |log: &LogKey| device.logs.contains_key(log);
                let stored = older.stored.iter().filter(|(log, _)| known(log));
                device.stored = stored.map(|(log, position)| (log.clone(), *position)).collect();
                self.reconnect(at(n)).await
            }
            Op::Pass(seconds) => {
                self.world.pass(Duration::from_secs(u64::from(*seconds))).await;
                String::new()
            }
            Op::Trim(t) => {
                let log = LogKey::new(&self.world.app, Log::Topic(topic(TOPICS[at(t)])));
                // The last entry that is there: where a log ends whose entries are all expired is the
                // store's own affair.
                let everything = ReaderView {
                    registration: self.devices[0].id.clone(),
                    user: None,
                    tags: Vec::new().into(),
                    began: 0,
                    had: 0,
                };
                let read = self.world.router.read(&log, 0, &everything, 1000, usize::MAX).await;
                if let Some(last) = read.unwrap().entries.last() {
                    self.world.router.trim(&log, last.seq).await.unwrap();
                }
                String::new()
            }
            Op::Restart { .. } => unreachable!("done by the caller"),
        }
    }

    async fn reconnect(&mut self, n: usize) -> String {
        let device = &mut self.devices[n];
        let before = device.id.clone();
        device.connect(&mut self.world).await.unwrap();
        assert_eq!(device.id, before, "nobody is forgotten within the model's time");
        seen(device)
    }

    async fn statuses(&self) -> Vec<Option<MessageStatus>> {
        let mut statuses = Vec::new();
        for id in &self.messages {
            statuses.push(self.world.router.message(&self.world.app, *id).await.unwrap());
        }
        statuses
    }
}

fn seen(device: &Device) -> String {
    let gaps: Vec<_> = device.gaps.iter().map(|gap| gap.reason).collect();
    format!("{:?} {:?} {gaps:?}", device.got, device.recalled)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            // A file may be renamed or deleted in the moment by the engine's own threads.
            let _gone = std::fs::copy(entry.path(), target);
        }
    }
}

async fn run(ops: Vec<Op>) {
    let dir = tempfile::tempdir().unwrap();
    let mut path: PathBuf = dir.path().join("0");
    let embedded = |path: &Path| {
        let settings = EmbeddedSettings::new(path);
        move |clock| Store::embedded(settings, clock).unwrap()
    };
    let mut real = Side::new(World::new(embedded(&path)).await).await;
    let mut memory = None;
    let world = World::new(|clock| {
        let store = Store::memory(clock);
        memory = Some(store.clone());
        store
    });
    let mut naive = Side::new(world.await).await;
    let memory = memory.unwrap();
    for (step, op) in ops.iter().enumerate() {
        if let Op::Restart { crash } = op {
            for side in [&real, &naive] {
                side.world.router.flush().await.unwrap();
            }
            if *crash {
                // As power would leave it: what is on disk at this moment, nothing closed.
                let next = dir.path().join(format!("{}", step + 1));
                copy(&path, &next);
                path = next;
            } else {
                real.world.router.shutdown().await.unwrap();
            }
            real.world.restart(embedded(&path)).await;
            naive.world.restart(|_| memory.clone()).await;
            for n in 0..DEVICES {
                assert_eq!(real.reconnect(n).await, naive.reconnect(n).await, "step {step}: {op:?}");
            }
            continue;
        }
        let (is, should) = (real.apply(op).await, naive.apply(op).await);
        assert_eq!(is, should, "step {step}: {op:?}");
    }
    for n in 0..DEVICES {
        real.reconnect(n).await;
        naive.reconnect(n).await;
        let (real_device, naive_device) = (&mut real.devices[n], &mut naive.devices[n]);
        real_device.take_all(&real.world).await;
        naive_device.take_all(&naive.world).await;
        assert_eq!(seen(real_device), seen(naive_device), "device {n} in the end");
    }
    assert_eq!(real.statuses().await, naive.statuses().await);
}

proptest! {
    #![proptest_config(Config {
        cases: 16,
        max_shrink_iters: 60,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Config::default()
    })]

    #[test]
    fn the_embedded_store_behaves_like_the_naive_one(
        ops in proptest::collection::vec(op(), 10..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(ops));
    }
}
