//! A disk that is full, that fails to sync, that flips bits: what is said, and what is kept.
#![allow(clippy::unwrap_used)] // a fault that is not survived should fail there

use pulsegate_routing::conformance::{Device, Fault, FaultyTables, World};
use pulsegate_routing::store::EmbeddedStore;
use pulsegate_routing::store::embedded::{Table, Tables};
use pulsegate_routing::{GapReason, PublishError, Store, StoreError};
use std::sync::Arc;

fn on(tables: &Arc<FaultyTables>) -> impl FnOnce(Arc<dyn pulsegate_routing::Clock>) -> Store {
    let tables: Arc<dyn Tables> = tables.clone();
    move |clock| Store::Embedded(Arc::new(EmbeddedStore::on_tables(tables, clock).unwrap()))
}

async fn world() -> (World, Arc<FaultyTables>, Device) {
    let tables = Arc::new(FaultyTables::new());
    let mut world = World::new(on(&tables)).await;
    let device = world.subscriber(&["news"]).await;
    (world, tables, device)
}

async fn refused(world: &mut World) -> StoreError {
    let draft = world.to_topic("news");
    match world.router.publish(&world.app, draft).await {
        Err(PublishError::Store(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_heals_by_itself() {
    let (mut world, tables, mut device) = world().await;
    let before = world.say("news").await;
    tables.fail(Fault::NoRoom);
    assert_eq!(refused(&mut world).await, StoreError::Full);
    assert_eq!(world.router.ready(), Err(StoreError::Full));
    assert!(world.router.stats().full);
    tables.fail(Fault::None);
    let after = world.say("news").await;
    assert_eq!(world.router.ready(), Ok(()));
    assert_eq!(device.take_all(&world).await, [before, after], "nothing else was accepted");
}

#[tokio::test]
async fn room_that_runs_out_in_the_middle_is_never_a_false_answer() {
    let (mut world, tables, mut device) = world().await;
    tables.fail(Fault::TornAndLost);
    assert_eq!(refused(&mut world).await, StoreError::Full);
    tables.fail(Fault::TornAndKept);
    let kept = world.say("news").await;
    tables.fail(Fault::Stuck);
    let draft = world.to_topic("news");
    let unknown = draft.id;
    let outcome = world.router.publish(&world.app, draft).await;
    let said = matches!(outcome, Err(PublishError::Store(StoreError::OutcomeUnknown(_))));
    assert!(said, "{outcome:?}");
    assert_eq!(refused(&mut world).await, StoreError::Full);
    world.heard.take();
    tables.fail(Fault::None);
    let after = world.say("news").await;
    assert_eq!(device.take_all(&world).await, [kept, unknown, after]);
    // Who was parked is woken for what turned out to be there.
    let heard = world.hear().await;
    assert_eq!(heard.len(), 2, "{heard:?}");
}

#[tokio::test]
async fn a_failed_sync_makes_the_store_read_only_until_restart() {
    let (mut world, tables, mut device) = world().await;
    let before = world.say("news").await;
    tables.fail(Fault::Sync);
    // Its own bytes may be on disk: only what comes after it is refused for certain.
    assert!(matches!(refused(&mut world).await, StoreError::OutcomeUnknown(_)));
    tables.fail(Fault::None);
    assert!(matches!(refused(&mut world).await, StoreError::ReadOnly(_)));
    assert!(matches!(world.router.ready(), Err(StoreError::ReadOnly(_))));
    assert!(world.router.stats().read_only);
    assert_eq!(device.read(&world).await, [before], "reading goes on");
    assert!(device.connect(&mut world).await.is_err());
}

#[tokio::test]
async fn every_flipped_bit_of_an_entry_is_a_gap_and_never_a_wrong_payload() {
    let (mut world, tables, device) = world().await;
    let mut said = Vec::new();
    for _ in 0..3 {
        said.push(world.say("news").await);
    }
    let keys = tables.keys(Table::Entry);
    assert_eq!(keys.len(), 3);
    for bit in 0..256 {
        tables.flip(Table::Entry, &keys[1], bit);
        let mut reader = device.clone();
        let got = reader.read(&world).await;
        assert_eq!(got, [said[0], said[2]], "bit {bit}");
        assert_eq!(reader.gaps.len(), 1, "bit {bit}: told once");
        assert_eq!(reader.gaps[0].reason, GapReason::Corrupt);
        tables.flip(Table::Entry, &keys[1], bit);
    }
    assert_eq!(world.router.stats().corrupt_entries, 1, "counted once an entry");
    let mut reader = device.clone();
    assert_eq!(reader.read(&world).await, said);
}

#[tokio::test]
async fn an_entry_under_the_key_of_another_is_seen() {
    let (mut world, tables, mut device) = world().await;
    let first = world.say("news").await;
    world.say("news").await;
    let keys = tables.keys(Table::Entry);
    let moved = tables.get(Table::Entry, &keys[0]).unwrap().unwrap();
    let write = pulsegate_routing::store::embedded::Write {
        table: Table::Entry,
        key: keys[1].clone(),
        value: Some(moved.to_vec()),
    };
    tables.commit(vec![write]).unwrap();
    assert_eq!(device.read(&world).await, [first]);
    assert_eq!(device.gaps.len(), 1);
}

#[tokio::test]
async fn a_block_that_cannot_be_read_is_a_gap_up_to_what_can() {
    let (mut world, tables, device) = world().await;
    let mut said = Vec::new();
    for _ in 0..5 {
        said.push(world.say("news").await);
    }
    let keys = tables.keys(Table::Entry);
    tables.make_unreadable(&keys[1]);
    tables.make_unreadable(&keys[2]);
    let mut reader = device.clone();
    assert_eq!(reader.read(&world).await, [said[0], said[3], said[4]]);
    assert_eq!(reader.gaps.len(), 1);
    tables.make_unreadable(&keys[4]);
    let mut reader = device.clone();
    assert_eq!(reader.read(&world).await, [said[0]]);
    assert_eq!(reader.gaps.len(), 1);
    assert_eq!(reader.read(&world).await, []);
    assert_eq!(reader.gaps.len(), 1, "exactly once");
}

#[tokio::test]
async fn a_log_whose_end_cannot_be_read_after_a_restart_is_a_gap_and_never_an_empty_log() {
    let (mut world, tables, mut device) = world().await;
    for _ in 0..3 {
        world.say("news").await;
    }
    for key in tables.keys(Table::Entry) {
        tables.make_unreadable(&key);
    }
    world.restart(on(&tables)).await;
    let log = device.logs.keys().find(|log| log.name().to_string() == "topic:news").unwrap().clone();
    assert_eq!(world.router.last(&log), world.router.head(), "nobody may take it for read");
    device.connect(&mut world).await.unwrap();
    assert_eq!(device.take_all(&world).await, []);
    assert_eq!(device.gaps.len(), 1, "{:?}", device.gaps);
    assert_eq!(device.gaps[0].reason, GapReason::Corrupt);
    let later = world.say("news").await;
    assert_eq!(device.take_all(&world).await, [later], "and goes on");
    assert_eq!(device.gaps.len(), 1, "told once");
}

#[tokio::test]
async fn a_restart_finds_what_was_and_numbers_only_grow() {
    let (mut world, tables, mut device) = world().await;
    let before = world.say("news").await;
    let (epoch, head) = (world.router.epoch(), world.router.head());
    // The clock went back an hour while the machine was off.
    world.clock.set(pulsegate_proto::time::UnixMs(World::START.0 - 3_600_000));
    world.restart(on(&tables)).await;
    assert_eq!((world.router.epoch(), world.router.head()), (epoch, head));
    let after = world.say("news").await;
    assert!(world.router.head() > head);
    device.connect(&mut world).await.unwrap();
    assert_eq!(device.take_all(&world).await, [before, after]);
    assert_eq!(device.gaps, []);
}
