//! The disk: read-only, full, failing, damaged; and a clock that jumps.

use crate::world::{Device, World};
use pulsegate_tests::{
    contract::server_frame::Frame,
    gateway::{Gateway, Setup},
    patiently,
    publisher::Publisher,
    random::Random,
    until, wire,
};
use serde_json::json;
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_read_only_data_directory_is_named_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    // Root writes through permissions; a read-only mount stops root too.
    let mount = Tmpfs::mount(&data, "size=1m,ro");
    if mount.is_none() {
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o555)).unwrap();
    }
    if std::fs::write(data.join("probe"), "x").is_ok() {
        eprintln!("SKIPPED: root without mounts cannot have a read-only directory");
        return;
    }
    let finished = Gateway::try_start(&Setup::new().data(&data)).await.unwrap_err();
    assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
    assert!(finished.stderr.contains(data.to_str().unwrap()), "{finished:?}");
}

#[tokio::test]
async fn a_full_disk_is_507_loses_nothing_accepted_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    // Room for the store's own files, little more; the ballast is what fills it up.
    let Some(mount) = Tmpfs::mount(folder.path(), "size=160m") else {
        eprintln!("SKIPPED: a full disk needs a tmpfs, and that needs root");
        return;
    };
    let world = World::with(Setup::new().data(&folder.path().join("data"))).await;
    let mut away = world.subscriber("ann", &["t"]).await;
    away.link.send_message(Message::Close(None)).await;
    away.link.end().await;
    let body = "x".repeat(40_000);
    let mut accepted = Vec::new();
    let publish = async |number: usize| {
        world.backend.post(&json!({"target": {"topic": "t"}, "body": format!("{number} {body}")})).await
    };
    for number in 0..20 {
        accepted.push(publish(number).await.accepted());
    }
    let ballast = folder.path().join("ballast");
    mount.fill(&ballast);
    let mut refused = None;
    for number in 20..5000 {
        let answer = publish(number).await;
        if answer.status == 202 {
            accepted.push(answer.accepted());
        } else {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a full disk is noticed");
    assert_eq!(refused.problem().0, 507, "{refused:?}");
    assert_eq!(publish(1).await.status, 507, "and stays full");
    std::fs::remove_file(&ballast).unwrap();
    until("room is noticed", || async {
        let answer = publish(1).await;
        if answer.status == 202 {
            return Some(answer.accepted());
        }
        assert!([503, 507].contains(&answer.status), "{answer:?}");
        None
    })
    .await;
    let last = world.backend.to_topic("t", "end").await;
    let world = world.kill_and_restart().await;
    let mut back = world.again(&away, vec![]).await;
    let mut got = Vec::new();
    while got.last() != Some(&last) {
        let (delivery, message) = back.link.message().await;
        got.push(wire::id_text(&message.id));
        back.link.ack(&delivery).await;
    }
    let kept = accepted.iter().filter(|id| got.contains(id)).count();
    assert_eq!(kept, accepted.len(), "every accepted message is there");
    assert!(got.len() <= accepted.len() + 2, "and nothing that was refused");
}

/// A library that fails syncs and moves the clock of the program it is loaded into.
struct Shim {
    library: PathBuf,
    no_sync: PathBuf,
    clock: PathBuf,
}

impl Shim {
    /// `None` where there is no C compiler.
    fn build(folder: &Path) -> Option<Self> {
        let library = folder.join("shim.so");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/shim.c"))
            .arg("-ldl")
            .output();
        if !built.is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED: faults of syncs and clocks need a C compiler (cc)");
            return None;
        }
        Some(Self { library, no_sync: folder.join("no-sync"), clock: folder.join("clock") })
    }

    async fn start(&self, setup: &Setup) -> Gateway {
        let environment = [
            ("LD_PRELOAD", self.library.as_path()),
            ("FAULT_SYNC", self.no_sync.as_path()),
            ("FAULT_CLOCK", self.clock.as_path()),
        ];
        Gateway::start_with(setup, &environment).await
    }

    /// Moves the wall clock by so many seconds from the true one.
    fn clock(&self, seconds: i64) {
        let fresh = self.clock.with_extension("new");
        std::fs::write(&fresh, seconds.to_string()).unwrap();
        std::fs::rename(fresh, &self.clock).unwrap();
    }
}

/// The world under the shim.
async fn under(shim: &Shim) -> World {
    let setup = Setup::new();
    let gateway = shim.start(&setup).await;
    let backend = Publisher::new(&gateway, &setup.key);
    World { setup, gateway, backend }
}

async fn leave(device: &mut Device) {
    device.link.send_message(Message::Close(None)).await;
    device.link.end().await;
}

#[tokio::test]
async fn a_failed_sync_is_never_a_202_and_makes_the_store_read_only_until_restart() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shim) = Shim::build(folder.path()) else { return };
    let world = under(&shim).await;
    let mut away = world.subscriber("ann", &["t"]).await;
    leave(&mut away).await;
    let mut accepted = Vec::new();
    for number in 0..5 {
        accepted.push(world.backend.to_topic("t", &number.to_string()).await);
    }
    std::fs::write(&shim.no_sync, "").unwrap();
    let message = json!({"target": {"topic": "t"}, "body": "doubtful"});
    let mut doubtful = 0;
    for _ in 0..3 {
        let answer = world.backend.post(&message).await;
        let (status, code) = answer.problem();
        assert_eq!(status, 503, "{answer:?}");
        doubtful += usize::from(code == "outcome_unknown");
    }
    std::fs::remove_file(&shim.no_sync).unwrap();
    let answer = world.backend.post(&message).await;
    assert_eq!(answer.problem().0, 503, "read-only until restart: {answer:?}");
    assert!(world.gateway.metrics().await.sum("pulsegate_store_read_only") > 0.0);
    assert_eq!(world.backend.status(&accepted[0]).await["state"], "accepted", "reading goes on");

    let world = world.kill_and_restart().await;
    accepted.push(world.backend.to_topic("t", "end").await);
    let mut back = world.again(&away, vec![]).await;
    let mut got = Vec::new();
    while got.last() != accepted.last() {
        let (delivery, message) = back.link.message().await;
        back.link.ack(&delivery).await;
        got.push(wire::id_text(&message.id));
    }
    let extra = got.len() - accepted.len();
    got.retain(|id| accepted.contains(id));
    assert_eq!(got, accepted);
    assert!(extra <= doubtful, "{extra} messages that were refused for certain");
}

#[tokio::test]
async fn a_clock_that_jumps_back_and_forth_changes_no_order_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shim) = Shim::build(folder.path()) else { return };
    let world = under(&shim).await;
    let token = world.setup.signer.claims("ann").topics(&["#"]).expires_in(20 * 3600).sign();
    let mut away = world.device_with(&wire::hello(&token)).await;
    away.link.subscribe(&["t"]).await;
    leave(&mut away).await;
    let mut here = world.device_with(&wire::hello(&token)).await;
    here.link.subscribe(&["t"]).await;
    let mut last = 0;
    let jumps = [0, -3600, 7200, -7200, 600];
    for (number, jump) in jumps.into_iter().enumerate() {
        shim.clock(jump);
        world.backend.to_topic("t", &number.to_string()).await;
        let (delivery, message) = here.link.message().await;
        here.link.ack(&delivery).await;
        assert_eq!(message.body.unwrap().body, number.to_string());
        assert!(delivery.seq > last, "{} after {last}", delivery.seq);
        last = delivery.seq;
    }
    let mut back = world.again(&away, vec![]).await;
    for number in 0..jumps.len() {
        assert_eq!(back.text().await, number.to_string());
    }
}

#[tokio::test]
async fn flipped_bits_are_a_gap_or_a_refusal_and_never_a_wrong_payload() {
    const MESSAGES: usize = 120;
    const FLIPS: u64 = 12;
    let text = |number: usize| format!("{number} {}", format!("{:08x}", number * 2_654_435_761).repeat(30));
    let world = World::new().await;
    let mut away = world.subscriber("ann", &["t"]).await;
    leave(&mut away).await;
    for number in 0..MESSAGES {
        world.backend.to_topic("t", &text(number)).await;
    }
    let World { mut setup, gateway, .. } = world;
    gateway.kill9().await;
    let whole = setup.folder().join("whole");
    std::fs::rename(setup.data_dir(), &whole).unwrap();
    let mut counts = (0, 0, 0);
    for seed in 0..FLIPS {
        let mut random = Random::new(seed);
        if seed == FLIPS / 2 {
            // The second half of the flips meets a store that was closed in peace.
            setup = setup.data(&whole);
            Gateway::start(&setup).await.stop().await;
        }
        let data = setup.folder().join(format!("data-{seed}"));
        let copied = Command::new("cp").arg("-a").arg(&whole).arg(&data).status();
        assert!(copied.unwrap().success());
        let flipped = flip(&data, &mut random);
        setup = setup.data(&data);
        let gateway = match Gateway::try_start(&setup).await {
            Ok(gateway) => gateway,
            Err(finished) => {
                assert!(!finished.stderr.is_empty() && finished.code.is_some(), "{flipped}: {finished:?}");
                counts.0 += 1;
                continue;
            }
        };
        let backend = Publisher::new(&gateway, &setup.key);
        let world = World { setup, gateway, backend };
        let mut back = world.again(&away, vec![]).await;
        if back.welcome.registration_id != away.welcome.registration_id {
            assert!(back.welcome.starts.iter().all(|start| !start.recovered), "{flipped}");
            counts.1 += 1;
        } else {
            assert_eq!(back.welcome.topics, ["t"], "{flipped}");
            let got = everything(&world, &mut back).await;
            let mut numbers = (0..MESSAGES).filter(|&number| got.contains(&text(number)));
            let in_order = got.iter().all(|one| numbers.next().is_some_and(|number| *one == text(number)));
            assert!(in_order, "{flipped}: a wrong payload, a repeat, or out of order: {got:?}");
            let gap = back.link.passed_over().iter().any(|frame| matches!(frame, Frame::Gap(_)));
            assert!(gap || got.len() == MESSAGES, "{flipped}: {} of {MESSAGES} in silence", got.len());
            counts.2 += usize::from(gap);
        }
        setup = world.setup;
        world.gateway.kill9().await;
    }
    eprintln!("{FLIPS} flips: {} refusals, {} lost registrations, {} gaps", counts.0, counts.1, counts.2);
}

/// What a device gets until it has caught up. A gap may swallow a marker that was published before the
/// damage was met: then another one is.
async fn everything(world: &World, device: &mut Device) -> Vec<String> {
    const PAUSE: Duration = Duration::from_millis(500);
    patiently("a marker behind the damage", async {
        let mut got = Vec::new();
        world.backend.to_topic("t", "end").await;
        loop {
            match tokio::time::timeout(PAUSE, device.text()).await {
                Ok(end) if end == "end" => return got,
                Ok(text) => got.push(text),
                Err(_) => drop(world.backend.to_topic("t", "end").await),
            }
        }
    })
    .await
}

/// Flips one bit of one file, somewhere in what is not empty space; says where.
fn flip(data: &Path, random: &mut Random) -> String {
    const BLOCK: usize = 4096;
    let mut files = Vec::new();
    let mut folders = vec![data.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut blocks = Vec::new();
    for path in &files {
        let bytes = std::fs::read(path).unwrap();
        let written =
            bytes.chunks(BLOCK).enumerate().filter(|(_, block)| **block != [0; BLOCK][..block.len()]);
        blocks.extend(written.map(|(number, _)| (path, number * BLOCK)));
    }
    let (path, block) = random.pick(&blocks);
    let mut bytes = std::fs::read(path).unwrap();
    let end = bytes.len().min(block + BLOCK);
    let written: Vec<usize> = (*block..end).filter(|&at| bytes[at] != 0).collect();
    let at = *random.pick(&written);
    bytes[at] ^= 1 << random.below(8);
    std::fs::write(path, bytes).unwrap();
    format!("byte {at} of {}", path.display())
}

/// A file system in memory, unmounted when dropped.
struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    /// `None` where one may not mount.
    fn mount(at: &'a Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "pulsegate-test"])
            .arg(at)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(at))
    }

    /// Fills what is left with one file.
    fn fill(&self, with: &Path) {
        use std::io::Write;
        let mut file = std::fs::File::create(with).unwrap();
        let block = vec![1; 64 * 1024];
        while file.write_all(&block).is_ok() {}
        assert!(with.starts_with(self.0));
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).output();
    }
}
