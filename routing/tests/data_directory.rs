//! The data directory: every way in which it can be unusable has its own answer; export, import
//! and new epochs; a disk that really is full.
#![allow(clippy::unwrap_used)] // a directory that cannot be prepared should fail there

use core::time::Duration;
use pulsegate_routing::conformance::World;
use pulsegate_routing::store::{ArchiveError, export, import, new_epoch};
use pulsegate_routing::{
    EmbeddedSettings, Fsync, GapReason, ManualClock, OpenError, PublishError, Store, StoreError,
};
use std::path::Path;
use std::sync::Arc;

fn open(path: &Path) -> Result<Store, OpenError> {
    Store::embedded(EmbeddedSettings::new(path), Arc::new(ManualClock::new(World::START)))
}

fn embedded(path: &Path) -> impl FnOnce(Arc<dyn pulsegate_routing::Clock>) -> Store {
    let settings = EmbeddedSettings::new(path);
    move |clock| Store::embedded(settings, clock).unwrap()
}

fn refused(path: &Path) -> OpenError {
    match open(path) {
        Err(error) => error,
        Ok(_) => panic!("{} was opened", path.display()),
    }
}

#[test]
fn a_directory_that_is_missing_is_made_but_not_its_parent() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir.path().join("data")).unwrap());
    assert!(dir.path().join("data").is_dir());
    let error = refused(&dir.path().join("not/mounted"));
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("not/mounted"), "{error}");
    let settings = EmbeddedSettings { create: false, ..EmbeddedSettings::new(dir.path().join("other")) };
    let strict = Store::embedded(settings, Arc::new(ManualClock::new(World::START)));
    assert!(matches!(strict, Err(OpenError::Missing { .. })));
}

#[test]
fn a_file_is_not_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(refused(&file), OpenError::NotADirectory { .. }));
}

#[test]
fn a_second_holder_is_told_who_the_first_is() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    let error = refused(dir.path());
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    let exported = export(dir.path(), &mut Vec::new());
    assert!(matches!(exported, Err(ArchiveError::Open(OpenError::Locked { .. }))));
    drop(first);
    drop(open(dir.path()).unwrap());
}

#[test]
fn a_directory_that_cannot_be_written_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    drop(open(&path).unwrap());
    // Root writes wherever it likes, but not on what is mounted for reading only.
    let mount = Mount::new(&["--bind", &path.to_string_lossy()], &path);
    let error = match mount {
        Some(mount) => {
            mount.run(&["-o", "remount,bind,ro"]);
            refused(&path)
        }
        None => {
            let mut mode = std::fs::metadata(&path).unwrap().permissions();
            mode.set_readonly(true);
            std::fs::set_permissions(&path, mode).unwrap();
            std::fs::remove_file(path.join("pulsegate.lock")).unwrap_err();
            refused(&path)
        }
    };
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error}");
}

#[test]
fn another_format_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    drop(open(dir.path()).unwrap());
    export(dir.path(), &mut out).unwrap();
    let line = b"pulsegate export 1\n";
    assert_eq!(&out[..line.len()], line);
    out[line.len() - 2] = b'2';
    let other = tempfile::tempdir().unwrap();
    let imported = import(other.path(), &mut &out[..]);
    assert!(matches!(imported, Err(ArchiveError::Damaged(_))), "{imported:?}");
}

#[tokio::test]
async fn an_export_brings_all_back_in_another_place_with_a_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let mut world = World::new(embedded(&from)).await;
    let mut device = world.subscriber(&["news"]).await;
    let first = world.say("news").await;
    assert_eq!(device.take_all(&world).await, [first]);
    device.disconnect(&world).await;
    let second = world.say("news").await;
    let epoch = world.router.epoch();
    world.router.shutdown().await.unwrap();

    let mut out = Vec::new();
    let exported = export(&from, &mut out).unwrap();
    assert!(exported.rows > 5 && exported.damaged == 0, "{exported:?}");
    assert!(matches!(import(&from, &mut &out[..]), Err(ArchiveError::NotEmpty)));
    for cut in [0, 10, out.len() / 2, out.len() - 1] {
        assert!(import(&to, &mut &out[..cut]).is_err(), "cut at {cut}");
        assert!(!to.join("tables").exists(), "half an import is no store");
    }
    let mut flipped = out.clone();
    flipped[out.len() / 2] ^= 4;
    assert!(import(&to, &mut &flipped[..]).is_err());
    assert_eq!(import(&to, &mut &out[..]).unwrap(), exported);

    world.restart(embedded(&to)).await;
    assert_ne!(world.router.epoch(), epoch);
    device.connect(&mut world).await.unwrap();
    assert!(device.gaps.iter().all(|gap| gap.reason == GapReason::EpochChanged));
    assert!(!device.gaps.is_empty());
    assert_eq!(device.take_all(&world).await, [second], "goes on at the gateway's own cursor");
}

#[tokio::test]
async fn a_new_epoch_is_told_to_every_device_and_keeps_the_messages() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(embedded(dir.path())).await;
    let mut device = world.subscriber(&["news"]).await;
    let first = world.say("news").await;
    assert_eq!(device.take_all(&world).await, [first]);
    device.disconnect(&world).await;
    let second = world.say("news").await;
    let epoch = world.router.epoch();
    world.router.shutdown().await.unwrap();
    let new = new_epoch(dir.path()).unwrap();
    assert_ne!(new, epoch);
    world.restart(embedded(dir.path())).await;
    assert_eq!(world.router.epoch(), new);
    let connected = device.connect(&mut world).await.unwrap();
    assert!(connected.starts.iter().all(|start| start.gap.is_some()));
    assert_eq!(device.take_all(&world).await, [second]);
}

fn synced_now_and_then(path: &Path) -> impl FnOnce(Arc<dyn pulsegate_routing::Clock>) -> Store {
    let fsync = Fsync::Every(Duration::from_millis(5));
    let settings = EmbeddedSettings { fsync, ..EmbeddedSettings::new(path) };
    move |clock| Store::embedded(settings, clock).unwrap()
}

#[tokio::test]
async fn a_machine_that_went_down_between_two_syncs_changes_the_epoch_and_every_device_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(synced_now_and_then(dir.path())).await;
    let mut device = world.subscriber(&["news"]).await;
    let first = world.say("news").await;
    assert_eq!(device.take_all(&world).await, [first]);
    device.disconnect(&world).await;
    let epoch = world.router.epoch();

    // As a process that was killed leaves it: the boot is the same, and nothing was lost.
    let mark = dir.path().join("unsynced");
    let this_boot = std::fs::read(&mark).unwrap();
    world.router.shutdown().await.unwrap();
    assert!(!mark.exists(), "a clean end leaves nothing to sync");
    std::fs::write(&mark, this_boot).unwrap();
    world.restart(synced_now_and_then(dir.path())).await;
    assert_eq!(world.router.epoch(), epoch);

    // As another boot finds it. What was not lost is kept.
    world.router.shutdown().await.unwrap();
    std::fs::write(&mark, "another boot").unwrap();
    world.restart(embedded(dir.path())).await;
    assert_ne!(world.router.epoch(), epoch);
    assert!(!mark.exists(), "from now on each commit is synced");
    let connected = device.connect(&mut world).await.unwrap();
    assert!(connected.starts.iter().all(|start| start.gap.is_some()), "{connected:?}");
    let epoch = world.router.epoch();
    world.router.shutdown().await.unwrap();
    world.restart(embedded(dir.path())).await;
    assert_eq!(world.router.epoch(), epoch, "told once");
}

#[tokio::test]
async fn what_was_accepted_reaches_the_disk_within_the_interval_in_far_fewer_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(synced_now_and_then(dir.path())).await;
    let before = world.router.stats().syncs;
    for _ in 0..200 {
        world.say("news").await;
    }
    let commits = world.router.stats().commits;
    tokio::task::spawn_blocking({
        let router = world.router.clone();
        move || {
            while router.stats().syncs == before {
                std::thread::yield_now();
            }
        }
    })
    .await
    .unwrap();
    let stats = world.router.stats();
    assert!(commits >= 200 && stats.syncs < commits, "{stats:?}");
}

#[tokio::test]
async fn a_new_epoch_is_told_once_to_a_device_that_names_no_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(embedded(dir.path())).await;
    let mut device = world.subscriber(&["news"]).await;
    device.disconnect(&world).await;
    let said = world.say("news").await;
    world.router.shutdown().await.unwrap();
    new_epoch(dir.path()).unwrap();
    world.restart(embedded(dir.path())).await;
    device.stored.clear();
    let connected = device.connect(&mut world).await.unwrap();
    let reasons: Vec<_> =
        connected.starts.iter().map(|start| start.gap.as_ref().map(|gap| gap.reason)).collect();
    assert!(reasons.iter().all(|reason| *reason == Some(GapReason::EpochChanged)), "{reasons:?}");
    assert_eq!(device.take_all(&world).await, [said], "goes on where it began to read");
    device.disconnect(&world).await;
    device.stored.clear();
    let connected = device.connect(&mut world).await.unwrap();
    assert!(connected.starts.iter().all(|start| start.recovered));
}

#[tokio::test]
async fn a_flipped_bit_in_the_journal_is_refused_or_told_but_never_silent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    let mut world = World::new(embedded(&path)).await;
    let mut device = world.subscriber(&["news"]).await;
    let mut said = Vec::new();
    for _ in 0..50 {
        said.push(world.say("news").await);
    }
    // As a crash leaves it: the journal is all there is.
    let journal = std::fs::read(path.join("tables/0.jnl")).unwrap();
    let end = journal.iter().rposition(|byte| *byte != 0).unwrap();
    drop(world.router.clone());
    for at in [end / 3, end / 2, end / 2 + 1, end / 2 + 2, end / 2 + 3, 2 * end / 3] {
        let copy = dir.path().join(format!("flipped-{at}"));
        copy_all(&path, &copy);
        let mut flipped = journal.clone();
        flipped[at] ^= 0x10;
        std::fs::write(copy.join("tables/0.jnl"), &flipped).unwrap();
        match open(&copy) {
            Err(error) => assert!(matches!(error, OpenError::Corrupt { .. }), "{error}"),
            Ok(store) => {
                let mut again = World::new(|_| store).await;
                let mut reader = device.clone();
                reader.stored.clone_from(&device.logs.iter().map(|(l, s)| (l.clone(), s.at)).collect());
                reader.connect(&mut again).await.unwrap();
                let got = reader.read(&again).await;
                let told = !reader.gaps.is_empty();
                assert!(got == said || told, "byte {at}: {} of 50 and no gap", got.len());
                assert!(got.iter().all(|id| said.contains(id)));
            }
        }
    }
    assert_eq!(device.read(&world).await, said);
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Something mounted, for as long as this lives. Only root can.
struct Mount(std::path::PathBuf);

impl Mount {
    fn new(what: &[&str], on: &Path) -> Option<Self> {
        let mounted = std::process::Command::new("mount").args(what).arg(on).output();
        mounted.is_ok_and(|out| out.status.success()).then(|| Self(on.to_owned()))
    }

    fn run(&self, what: &[&str]) {
        let status = std::process::Command::new("mount").args(what).arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _left = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_disk_that_is_really_full_refuses_and_heals_when_room_returns() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::new(&["-t", "tmpfs", "-o", "size=24m", "tmpfs"], dir.path()) else {
        // Without the right to mount, `faults.rs` has the same by tables that fail.
        return;
    };
    let path = dir.path().join("data");
    let mut world = World::new(embedded(&path)).await;
    let mut device = world.subscriber(&["news"]).await;
    let mut accepted = Vec::new();
    let body = bytes::Bytes::from((0..40_000u32).map(|n| ((n * n) >> 7) as u8).collect::<Vec<_>>());
    let refused = loop {
        let mut draft = world.to_topic("news");
        let id = draft.id;
        draft.body = body.clone();
        match world.router.publish(&world.app, draft).await {
            Ok(_) => accepted.push(id),
            Err(error) => break error,
        }
        assert!(accepted.len() < 2000, "24 MB hold less");
    };
    assert_eq!(refused, PublishError::Store(StoreError::Full));
    assert_eq!(world.router.ready(), Err(StoreError::Full));
    // The other way: somebody else fills the disk to its last byte.
    let filler = dir.path().join("filler");
    let filled = std::fs::write(&filler, vec![1; 32 << 20]);
    assert!(filled.is_err());
    let draft = world.to_topic("news");
    let refused = world.router.publish(&world.app, draft).await;
    assert!(matches!(refused, Err(PublishError::Store(_))), "{refused:?}");
    std::fs::remove_file(&filler).unwrap();
    // What has ended makes room, by itself.
    let log = device.logs.keys().find(|log| world.router.last(log) > 0).unwrap().clone();
    let view = device.view(&device.logs[&log]);
    let first = device.logs[&log].at.seq;
    let batch = world.router.read(&log, first, &view, 5000, usize::MAX).await.unwrap();
    let got: Vec<_> = batch.entries.iter().filter_map(|entry| entry.message()).collect();
    assert_eq!(got, accepted, "every accepted one, and no other");
    world.router.shutdown().await.unwrap();
    let _mount_grown = std::process::Command::new("mount")
        .args(["-o", "remount,size=256m"])
        .arg(dir.path())
        .status()
        .unwrap();
    world.restart(embedded(&path)).await;
    device.connect(&mut world).await.unwrap();
    let after = world.say("news").await;
    world.pass(Duration::from_secs(8 * 24 * 3600)).await;
    assert!(world.router.message(&world.app, after).await.is_ok());
    world.router.shutdown().await.unwrap();
}

/// Files of the file system on which `path` lies.
fn files(path: &Path) -> String {
    let df = std::process::Command::new("df").arg("--output=iused").arg(path).output().unwrap();
    let text = String::from_utf8(df.stdout).unwrap();
    text.lines().last().unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_background_write_that_fails_costs_nothing_accepted_and_heals_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let tmpfs = ["-t", "tmpfs", "-o", "size=256m,nr_inodes=1000", "tmpfs"];
    let Some(mount) = Mount::new(&tmpfs, dir.path()) else {
        // Without the right to mount, `faults.rs` has the same by tables that fail.
        return;
    };
    let path = dir.path().join("data");
    let mut world = World::new(embedded(&path)).await;
    let mut device = world.subscriber(&["news"]).await;
    // Bytes are plenty, but no file can be made: what is in memory cannot be written out, and the
    // engine refuses all writes until it is opened anew.
    mount.run(&["-o", &format!("remount,nr_inodes={}", files(dir.path()))]);
    let body = bytes::Bytes::from((0..40_000u32).map(|n| ((n * n) >> 7) as u8).collect::<Vec<_>>());
    let mut accepted = Vec::new();
    for _ in 0..900 {
        let mut draft = world.to_topic("news");
        let id = draft.id;
        draft.body = body.clone();
        match world.router.publish(&world.app, draft).await {
            Ok(_) => accepted.push(id),
            Err(PublishError::Store(StoreError::Full | StoreError::Unavailable(_))) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert!(world.router.stats().reopened > 0, "36 MB do not fit into memory");
    assert!(!world.router.stats().read_only);
    mount.run(&["-o", "remount,nr_inodes=1000"]);
    let mut draft = world.to_topic("news");
    draft.body = body.clone();
    accepted.push(world.publish(draft).await);
    assert_eq!(world.router.ready(), Ok(()));
    let log = device.logs.keys().find(|log| world.router.last(log) > 0).unwrap().clone();
    let (mut after, mut got) = (device.logs[&log].at.seq, Vec::new());
    loop {
        let view = device.view(&device.logs[&log]);
        let batch = world.router.read(&log, after, &view, 500, usize::MAX).await.unwrap();
        got.extend(batch.entries.iter().filter_map(|entry| entry.message()));
        after = batch.passed;
        if batch.end {
            break;
        }
    }
    assert_eq!(got, accepted, "every accepted one, and no other");
    world.router.shutdown().await.unwrap();
    world.restart(embedded(&path)).await;
    device.connect(&mut world).await.unwrap();
    assert_eq!(device.gaps, []);
    world.router.shutdown().await.unwrap();
}
