//! A process that publishes is killed with SIGKILL again and again; whatever it was told is
//! accepted is there afterwards, once, in order.
#![allow(clippy::unwrap_used)] // a child that cannot be started should fail there

use pulsegate_proto::id::MessageId;
use pulsegate_routing::conformance::{World, topic};
use pulsegate_routing::{EmbeddedSettings, EntryKind, Fsync, Log, LogKey, ReaderView, Store};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Tells the child where to publish.
const DIR: &str = "PULSEGATE_TEST_KILL_DIR";
/// A data directory of this name is synced now and then.
const LAZY: &str = "lazy";
const ROUNDS: u64 = 12;
const PUBLISHERS: u64 = 8;

async fn world(path: &Path) -> World {
    let mut settings = EmbeddedSettings::new(path);
    if path.ends_with(LAZY) {
        settings.fsync = Fsync::Every(std::time::Duration::from_secs(3600));
    }
    World::new(|clock| Store::embedded(settings, clock).unwrap()).await
}

/// Publishes with ids of its own round until it is killed, or `most` each; says each id that was
/// accepted.
async fn publish(path: &Path, round: u64, most: u64) {
    let world = world(path).await;
    let world = std::sync::Arc::new(world);
    let mut tasks = Vec::new();
    for publisher in 0..PUBLISHERS {
        let world = world.clone();
        tasks.push(tokio::spawn(async move {
            for n in 0..most {
                let mut id = [0; 16];
                id[..8].copy_from_slice(&(round << 32 | publisher).to_be_bytes());
                id[8..].copy_from_slice(&n.to_be_bytes());
                let id = MessageId(id);
                let draft = pulsegate_routing::Draft::new(
                    id,
                    World::START,
                    pulsegate_routing::Target::Topic(topic("news")),
                    bytes::Bytes::from(id.to_string()),
                );
                world.router.publish(&world.app, draft).await.unwrap();
                let mut out = std::io::stdout();
                writeln!(out, "accepted {id}").unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// Every message of the log, in order.
async fn all(world: &World) -> Vec<MessageId> {
    let log = LogKey::new(&world.app, Log::Topic(topic("news")));
    let reader = ReaderView {
        registration: pulsegate_proto::id::RegistrationId::parse("r").unwrap(),
        user: None,
        tags: Vec::new().into(),
        began: 0,
        had: 0,
    };
    let (mut after, mut found) = (0, Vec::new());
    loop {
        let batch = world.router.read(&log, after, &reader, 1000, usize::MAX).await.unwrap();
        assert_eq!(batch.gap, None);
        for entry in &batch.entries {
            assert!(entry.seq > after);
            after = entry.seq;
            let EntryKind::Message { id, body } = &entry.kind else { panic!("{entry:?}") };
            assert_eq!(body[..], *id.to_string().as_bytes());
            found.push(*id);
        }
        if batch.end {
            return found;
        }
    }
}

/// Also what the killed process runs: then it knows its directory and does not end by itself.
#[tokio::test]
async fn what_eight_publishers_publish_is_there() {
    if let Ok(dir) = std::env::var(DIR) {
        let (dir, round) = dir.rsplit_once('#').unwrap();
        publish(Path::new(dir), round.parse().unwrap(), u64::MAX).await;
    }
    let dir = tempfile::tempdir().unwrap();
    publish(dir.path(), 0, 5).await;
    let found = all(&world(dir.path()).await).await;
    assert_eq!(found.len() as u64, PUBLISHERS * 5);
    assert_eq!(found.iter().collect::<HashSet<_>>().len(), found.len());
}

#[tokio::test]
async fn nothing_accepted_is_lost_or_doubled_when_the_process_is_killed() {
    let accepted = killed_again_and_again("data").await;
    writeln!(std::io::stderr(), "{ROUNDS} kills, {accepted} accepted, none lost, none doubled").unwrap();
}

/// The system has what a killed process wrote, synced or not.
#[tokio::test]
async fn a_killed_process_loses_nothing_either_where_the_disk_is_synced_now_and_then() {
    let accepted = killed_again_and_again(LAZY).await;
    writeln!(std::io::stderr(), "{ROUNDS} kills, {accepted} accepted, none lost, none doubled").unwrap();
}

/// Answers how many messages were accepted.
async fn killed_again_and_again(name: &str) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    let mut accepted = Vec::new();
    for round in 1..=ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "what_eight_publishers_publish_is_there", "--nocapture"])
            .env(DIR, format!("{}#{round}", path.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A different moment each time, a few dozen publishes in.
        let moment = 5 + (round * 37) % 90;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        for line in &mut lines {
            let line = line.unwrap();
            let Some(at) = line.find("accepted ") else { continue };
            accepted.push(MessageId::parse(&line[at + 9..]).unwrap());
            heard += 1;
            if heard == moment {
                child.kill().unwrap();
                break;
            }
        }
        assert_eq!(heard, moment, "round {round}: the child ended by itself");
        child.wait().unwrap();
        // What it said before it died and was not read yet; its last line may be torn.
        for line in lines.map_while(Result::ok) {
            let id = line.strip_prefix("accepted ").and_then(|id| MessageId::parse(id).ok());
            accepted.extend(id);
        }
        let found = all(&world(&path).await).await;
        let once: HashSet<_> = found.iter().copied().collect();
        assert_eq!(once.len(), found.len(), "round {round}: doubled");
        let lost = accepted.iter().filter(|id| !once.contains(id)).count();
        assert_eq!(lost, 0, "round {round}: lost of {}", accepted.len());
    }
    accepted.len()
}
