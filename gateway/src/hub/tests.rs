//! Boards, rings and links as a connection sees them.

#![allow(clippy::unwrap_used)] // names of the tests are literals, places are taken before they are used

use super::*;
use crate::connection::frame;
use bytes::Bytes;
use pulsegate_proto::id::{MessageId, SessionId, Tag, Topic};
use pulsegate_proto::session::server::Batch;
use pulsegate_proto::time::UnixMs;
use pulsegate_routing::{EntryKind, Expression, Log, Predicate, ReaderView};
use std::time::Duration;

const NOW: UnixMs = UnixMs(1_000);

fn hub() -> Hub {
    Hub::new(1024, NetworkNames::for_this_run(), Arc::new(Metrics::new()))
}

fn topic(name: &str) -> LogKey {
    LogKey::new(&AppId::parse("demo").unwrap(), Log::Topic(Topic::parse(name).unwrap()))
}

fn entry(seq: Seq) -> Arc<Entry> {
    let body = Bytes::from(format!("body {seq}"));
    let id = MessageId([u8::try_from(seq % 256).unwrap(); 16]);
    Arc::new(Entry {
        seq,
        epoch: 7,
        expires: UnixMs(2_000),
        collapse_key: None,
        predicate: None,
        kind: EntryKind::Message { id, body },
    })
}

fn with(seq: Seq, change: impl FnOnce(&mut Entry)) -> Arc<Entry> {
    let mut entry = Entry::clone(&entry(seq));
    change(&mut entry);
    Arc::new(entry)
}

fn reader(tags: &[&str]) -> ReaderView {
    ReaderView {
        registration: RegistrationId::parse("r1").unwrap(),
        user: None,
        tags: tags.iter().map(|tag| Tag::parse(tag).unwrap()).collect(),
        began: 0,
        had: 0,
    }
}

fn session(registration: &str, session: &str) -> SessionRef {
    SessionRef {
        app: AppId::parse("demo").unwrap(),
        registration: RegistrationId::parse(registration).unwrap(),
        session: SessionId::parse(session).unwrap(),
    }
}

fn seqs(run: &Batch) -> Vec<Seq> {
    run.entries.iter().flat_map(|run| run.marks()).map(|mark| mark.seq).collect()
}

#[test]
fn an_append_marks_every_reader_and_all_get_the_same_bytes() {
    let (hub, log) = (hub(), topic("news"));
    let waiters: Vec<Arc<Waiter>> = (0..3).map(|_| Arc::default()).collect();
    let places: Vec<_> = waiters.iter().zip(4..).map(|(waiter, slot)| hub.sit(&log, waiter, slot)).collect();
    hub.appended(&log, &[entry(10), entry(12)]);
    hub.appended(&topic("other"), &[entry(11)]);
    let mut frames = Vec::new();
    for ((waiter, place), slot) in waiters.iter().zip(&places).zip(4..) {
        assert_eq!(waiter.take_marks().collect::<Vec<_>>(), [slot]);
        let run = place.board.read(0, &reader(&[]), 10, NOW).unwrap();
        assert_eq!((seqs(&run), run.passed, run.skipped, run.end), (vec![10, 12], 12, 0, true));
        frames.push(run.entries.unwrap().split().1);
    }
    let both = [frame::entry(&log.name(), &entry(10)), frame::entry(&log.name(), &entry(12))];
    assert_eq!(frames[0], both.concat());
    for other in &frames[1..] {
        assert_eq!(other.as_ptr(), frames[0].as_ptr(), "encoded and joined once, shared by all");
    }
}

#[test]
fn a_reader_takes_no_more_than_it_asks_for_and_goes_on_from_there() {
    let (hub, log, waiter) = (hub(), topic("news"), Arc::default());
    let place = hub.sit(&log, &waiter, 0);
    hub.appended(&log, &[entry(10), entry(12), entry(15)]);
    let run = place.board.read(0, &reader(&[]), 2, NOW).unwrap();
    assert_eq!((seqs(&run), run.passed, run.end), (vec![10, 12], 12, false));
    let run = place.board.read(run.passed, &reader(&[]), 2, NOW).unwrap();
    assert_eq!((seqs(&run), run.passed, run.end), (vec![15], 15, true));
}

#[test]
fn what_was_joined_is_joined_anew_when_it_would_hold_something_else() {
    let (hub, log, waiter) = (hub(), topic("news"), Arc::default());
    let place = hub.sit(&log, &waiter, 0);
    hub.appended(&log, &[entry(10), entry(11), with(12, |entry| entry.expires = UnixMs(1_500)), entry(13)]);
    let read = |after, max, now| place.board.read(after, &reader(&[]), max, UnixMs(now)).unwrap();
    assert_eq!(seqs(&read(9, 10, 1_000)), [10, 11, 12, 13]);
    let run = read(9, 2, 1_000);
    assert_eq!((seqs(&run), run.passed, run.end), (vec![10, 11], 11, false), "a part");
    let run = read(9, 10, 1_500);
    assert_eq!((seqs(&run), run.passed, run.skipped), (vec![10, 11, 13], 13, 1), "one has expired");
    hub.removed(&log, 11);
    assert_eq!(seqs(&read(9, 10, 1_000)), [10, 12, 13], "one was taken back");
    hub.appended(&log, &[entry(14)]);
    assert_eq!(seqs(&read(9, 10, 1_000)), [10, 12, 13, 14], "one more came");
    let late = ReaderView { began: 12, ..reader(&[]) };
    let run = place.board.read(9, &late, 10, NOW).unwrap();
    assert_eq!(seqs(&run), [13, 14], "a reader that began later");
}

#[test]
fn who_is_behind_the_ring_is_sent_to_the_store() {
    let (hub, log, waiter) = (hub(), topic("news"), Arc::default());
    let place = hub.sit(&log, &waiter, 0);
    for seq in 1..=500 {
        hub.appended(&log, &[entry(seq)]);
    }
    assert!(place.board.read(1, &reader(&[]), 10, NOW).is_none());
    let run = place.board.read(490, &reader(&[]), 100, NOW).unwrap();
    assert_eq!(seqs(&run), (491..=500).collect::<Vec<_>>());
}

#[test]
fn a_ring_lets_go_of_what_is_old_and_of_what_was_taken_back() {
    let (hub, log, waiter) = (hub(), topic("news"), Arc::default());
    let place = hub.sit(&log, &waiter, 0);
    hub.appended(&log, &[entry(10), entry(12)]);
    hub.removed(&log, 10);
    let run = place.board.read(0, &reader(&[]), 10, NOW).unwrap();
    assert_eq!((seqs(&run), run.passed), (vec![12], 12), "taken back, and nothing is missing");
    hub.age(Instant::now());
    assert!(place.board.read(0, &reader(&[]), 10, NOW).is_some(), "not old yet");
    hub.age(Instant::now() + Duration::from_secs(60));
    assert!(place.board.read(0, &reader(&[]), 10, NOW).is_none(), "the store has it");
    let run = place.board.read(12, &reader(&[]), 10, NOW).unwrap();
    assert_eq!((seqs(&run), run.passed, run.end), (vec![], 12, true));
}

#[test]
fn predicates_expiry_and_recalls_are_decided_for_each_reader() {
    let (hub, log, waiter) = (hub(), topic("news"), Arc::default());
    let place = hub.sit(&log, &waiter, 0);
    let vip = Predicate { tags: Some(Expression::parse("vip").unwrap()), ..Predicate::default() };
    hub.appended(
        &log,
        &[
            with(10, |entry| entry.predicate = Some(Arc::new(vip))),
            with(11, |entry| entry.expires = NOW),
            with(12, |entry| {
                entry.kind = EntryKind::Recall { message: MessageId([1; 16]), tag: "t".into(), of_seq: 5 };
            }),
        ],
    );
    let read = |after, tags| place.board.read(after, &reader(tags), 10, NOW).unwrap();
    let run = read(4, &["vip"]);
    assert_eq!((seqs(&run), run.passed, run.skipped), (vec![10], 12, 2), "it never had what was taken back");
    let run = read(9, &[]);
    assert_eq!((seqs(&run), run.skipped), (vec![12], 2), "it had message 5");
}

#[test]
fn what_hides_for_some_only_is_left_to_the_store() {
    let (hub, log, waiter) = (hub(), topic("news"), Arc::default());
    let place = hub.sit(&log, &waiter, 0);
    hub.appended(
        &log,
        &[
            entry(10),
            with(11, |entry| {
                entry.predicate = Some(Arc::default());
                entry.collapse_key = Some("k".into());
            }),
            entry(12),
        ],
    );
    assert!(place.board.read(9, &reader(&[]), 10, NOW).is_none());
    assert!(place.board.read(11, &reader(&[]), 10, NOW).is_some());
}

#[test]
fn an_append_out_of_order_empties_the_ring() {
    let (hub, log, waiter) = (hub(), topic("news"), Arc::default());
    let place = hub.sit(&log, &waiter, 0);
    hub.appended(&log, &[entry(10)]);
    hub.appended(&log, &[entry(9)]);
    assert!(place.board.read(8, &reader(&[]), 10, NOW).is_none());
}

#[test]
fn a_place_that_was_given_back_is_not_marked_and_its_board_goes_with_the_last() {
    let (hub, log) = (hub(), topic("news"));
    let (one, two): (Arc<Waiter>, Arc<Waiter>) = Default::default();
    let first = hub.sit(&log, &one, 0);
    let second = hub.sit(&log, &two, 0);
    hub.leave(first);
    hub.appended(&log, &[entry(10)]);
    assert!(one.take_marks().is_empty());
    assert!(!two.take_marks().is_empty());
    hub.leave(second);
    assert!(hub.board(&log).is_none());
    let again = hub.sit(&log, &one, 3);
    hub.appended(&log, &[entry(11)]);
    assert_eq!(one.take_marks().collect::<Vec<_>>(), [3]);
    assert_eq!(seqs(&again.board.read(0, &reader(&[]), 9, NOW).unwrap()), [11]);
}

#[test]
fn a_late_goodbye_unseats_nobody_else() {
    let board = Board::new(topic("news"));
    let waiters: Vec<Arc<Waiter>> = (0..3).map(|_| Arc::default()).collect();
    let seats: Vec<_> = waiters.iter().map(|waiter| board.sit(waiter, 0).unwrap()).collect();
    assert!(!board.leave(seats[1]));
    let newcomer = board.sit(&waiters[1], 1).unwrap();
    assert!(!board.leave(seats[1]), "the old seat again");
    board.appended(&[entry(1)], Instant::now());
    assert_eq!(waiters[1].take_marks().collect::<Vec<_>>(), [1]);
    assert!(!board.leave(newcomer));
    assert!(!board.leave(seats[0]));
    assert!(board.leave(seats[2]), "the last one");
    assert!(board.sit(&waiters[0], 0).is_none(), "nobody comes to a board that was let go of");
}

#[test]
fn frames_that_are_stored_nowhere_go_to_who_is_here() {
    let (hub, log) = (hub(), topic("news"));
    let waiter: Arc<Waiter> = Arc::default();
    let _place = hub.sit(&log, &waiter, 2);
    hub.live(&log, &entry(0));
    let mail = waiter.take_mail();
    assert!(
        matches!(&mail[..], [Mail::Live { slot: 2, frame, .. }] if *frame == frame::payload(&log.name(), &entry(0)))
    );
}

#[test]
fn links_are_told_by_session_and_by_device_and_counted_by_user() {
    let hub = hub();
    let (old, new): (Arc<Waiter>, Arc<Waiter>) = Default::default();
    let (first, second) = (session("r1", "s1"), session("r1", "s2"));
    let ann = UserId::parse("ann").unwrap();
    hub.join(&first, &old);
    assert!(!hub.online(&first.app, &first.registration), "not welcomed yet");
    hub.welcome(&first, Some(&ann));
    hub.join(&second, &new);
    hub.welcome(&second, Some(&ann));
    hub.superseded(&first, 9, true);
    assert!(matches!(old.take_mail()[..], [Mail::Superseded { generation: 9, link_only: true }]));
    assert!(new.take_mail().is_empty());
    hub.deleted(&first.app, &first.registration);
    assert!(matches!((&old.take_mail()[..], &new.take_mail()[..]), ([Mail::Deleted], [Mail::Deleted])));
    assert_eq!((hub.online_users(&first.app, &ann), hub.everybody().len()), (2, 2));
    hub.part(&first);
    hub.part(&first);
    assert_eq!(hub.online_users(&first.app, &ann), 1, "a goodbye counts once");
    hub.part(&second);
    assert_eq!((hub.online_users(&first.app, &ann), hub.online(&first.app, &first.registration)), (0, false));
}

#[test]
fn an_anonymous_link_counts_from_the_moment_it_becomes_somebody() {
    let hub = hub();
    let waiter: Arc<Waiter> = Arc::default();
    let (link, ann) = (session("r1", "s1"), UserId::parse("ann").unwrap());
    hub.join(&link, &waiter);
    hub.welcome(&link, None);
    assert_eq!(hub.online_users(&link.app, &ann), 0);
    hub.welcome(&link, Some(&ann));
    hub.welcome(&link, Some(&ann));
    assert_eq!(hub.online_users(&link.app, &ann), 1);
}

#[test]
fn the_signs_of_life_of_a_link_can_be_asked_for() {
    let hub = hub();
    let (waiter, link): (Arc<Waiter>, _) = (Arc::default(), session("r1", "s1"));
    hub.join(&link, &waiter);
    waiter.set_vital(Vital { heard_ms: 1234, unanswered: true });
    assert_eq!(hub.vital(&link), Some(Vital { heard_ms: 1234, unanswered: true }));
    assert_eq!(hub.vital(&session("r1", "s2")), None);
}
