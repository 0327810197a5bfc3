//! The client's session at work: taking over, storing, acking, and what it holds of the logs.

#![allow(clippy::unwrap_used)] // wrong steps should fail there

mod kit;

use kit::phone::*;
use kit::{EPOCH, cursor, id, log};
use pulsegate_proto::frame::{
    ClientFrame, Deliver, ErrorCode, Gap, GapReason, ServerFrame, Start, Welcome, What,
};
use pulsegate_proto::id::Position;
use pulsegate_proto::session::client::{Effect, Entry, Fault, Identity, Input, Reason, Save, State, Wipe};
use pulsegate_proto::time::UnixMs;

fn saves(effects: &[Effect]) -> Vec<Save> {
    let save = |effect: &Effect| match effect {
        Effect::SaveIdentity(save) => Some((**save).clone()),
        _ => None,
    };
    effects.iter().filter_map(save).collect()
}

fn acked(phone: &mut Phone) -> Vec<(String, u64)> {
    let acks = phone.said().into_iter().filter_map(|frame| match frame {
        ClientFrame::Ack(cursors) => Some(cursors),
        _ => None,
    });
    acks.flatten().map(|cursor| (cursor.log.to_string(), cursor.at.seq)).collect()
}

fn ids(entries: &[Entry]) -> Vec<u64> {
    let id = |entry: &Entry| match entry {
        Entry::Message { id, .. } => Some(u64::from(id.0[15])),
        Entry::Recall { .. } => None,
    };
    entries.iter().filter_map(id).collect()
}

#[test]
fn a_holder_takes_over_with_a_generation_that_is_kept_before_it_is_used() {
    for (last, now, expected) in [(5, 1_000, 1_000), (5_000, 1_000, 5_001)] {
        let mut phone = Phone::new(config(false));
        let identity = Identity { generation: last, now: UnixMs(now), ..known() };
        phone.input(Input::Identity(Box::new(identity)));
        assert_eq!(saves(&phone.effects)[0].generation, expected);
        assert!(!phone.connecting(), "not before it is durable");
        phone.input(Input::IdentitySaved);
        assert!(phone.connecting());
        assert_eq!(phone.open().hello().generation, expected);
    }
}

#[test]
fn a_hello_tells_what_storage_holds_and_numbers_the_link() {
    let mut phone = Phone::at_hello(known());
    let hello = phone.hello();
    assert_eq!(hello.registration.unwrap().0.as_str(), "r1");
    assert_eq!(hello.cursors, [cursor("device", 10), cursor("topic:a", 20)]);
    assert_eq!((hello.link, hello.level, hello.silence_s), (1, 1, 45));
    assert!(hello.last_link.is_none());
    phone.frame(ServerFrame::Welcome(Box::new(welcome("r1", &[]))));
    phone.lose().seconds(2).open();
    let hello = phone.hello();
    assert_eq!((hello.link, hello.last_link.unwrap().session_id.as_str()), (2, "s1"));
}

#[test]
fn a_token_is_fetched_before_the_socket_opens_and_an_anonymous_device_asks_for_none() {
    let mut phone = Phone::new(config(true));
    phone.input(Input::Identity(Box::new(nothing()))).input(Input::IdentitySaved);
    assert!(matches!(phone.effects.last(), Some(Effect::NeedToken(_))));
    assert!(!phone.connecting());
    phone.input(Input::Token { token: Some("jwt".to_owned()), expires: UnixMs::ZERO });
    assert!(phone.connecting());
    assert_eq!(phone.open().hello().token, "jwt");
    assert_eq!(Phone::at_hello(nothing()).hello().token, "");
}

#[test]
fn a_first_welcome_is_kept() {
    let mut phone = Phone::at_hello(nothing());
    phone.take();
    let welcome = Welcome { secret: vec![9; 32], ..welcome("r7", &[("device", 3)]) };
    phone.frame(ServerFrame::Welcome(Box::new(welcome)));
    let effects = phone.take();
    let save = &saves(&effects)[0];
    let (registration, secret) = save.registration.clone().unwrap();
    assert_eq!((registration.as_str(), &secret[..]), ("r7", &[9; 32][..]));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::WipeInbox(_))), "there was none before");
    assert_eq!(stores(&effects)[0].cursors, [cursor("device", 3)]);
}

#[test]
fn a_changed_registration_wipes_the_inbox_before_anything_else() {
    let mut phone = Phone::at_hello(known());
    phone.take();
    let welcome = Welcome { secret: vec![9; 32], ..welcome("r8", &[("device", 3)]) };
    phone.frame(ServerFrame::Welcome(Box::new(welcome)));
    let effects = phone.take();
    assert!(matches!(effects[0], Effect::WipeInbox(Wipe::RegistrationChanged)), "{effects:?}");
    assert!(matches!(effects[1], Effect::SaveIdentity(_)));
    // Ids seen by the other user count no more.
    phone.input(Input::Stored { no: stores(&effects)[0].no }).frame(message("device", 4, 1));
    assert_eq!(ids(&phone.store().entries), [1]);
}

#[test]
fn a_welcome_of_another_registration_without_its_secret_is_no_welcome() {
    let mut phone = Phone::at_hello(known());
    phone.frame(ServerFrame::Welcome(Box::new(welcome("r8", &[]))));
    assert_eq!(phone.state(), (State::Connecting, Some(Reason::BadFrame)));
}

#[test]
fn nothing_is_acked_before_it_is_stored() {
    let mut phone = Phone::welcomed();
    phone.deliver("topic:a", 21);
    let store = phone.store();
    assert_eq!((ids(&store.entries), store.cursors), (vec![21], vec![cursor("topic:a", 21)]));
    phone.seconds(10);
    assert!(acked(&mut phone).is_empty());
    phone.input(Input::Stored { no: store.no });
    assert_eq!(acked(&mut phone), [("topic:a".to_owned(), 21)], "its time was up");
}

#[test]
fn acks_follow_the_pace_of_the_welcome() {
    let mut phone = Phone::welcomed();
    for seq in 21..=23 {
        phone.deliver("topic:a", seq).stored();
    }
    assert!(acked(&mut phone).is_empty());
    phone.deliver("device", 11).stored();
    assert_eq!(acked(&mut phone), [("device".to_owned(), 11), ("topic:a".to_owned(), 23)], "the fourth");
    phone.deliver("topic:a", 24).stored().millis(1999);
    assert!(acked(&mut phone).is_empty());
    phone.millis(1);
    assert_eq!(acked(&mut phone), [("topic:a".to_owned(), 24)], "two seconds after the first");
}

#[test]
fn one_transaction_is_out_at_a_time_and_the_rest_waits_together() {
    let mut phone = Phone::welcomed();
    phone.deliver("topic:a", 21).deliver("topic:a", 22).deliver("device", 11);
    let first = phone.store();
    assert_eq!(ids(&first.entries), [21]);
    phone.input(Input::Stored { no: first.no });
    let second = phone.store();
    assert_eq!(ids(&second.entries), [22, 11]);
    assert_eq!(second.cursors, [cursor("device", 11), cursor("topic:a", 22)]);
}

#[test]
fn a_message_seen_before_is_acked_and_not_stored_again() {
    let mut phone = Phone::welcomed();
    phone.deliver("topic:a", 21).stored().take();
    phone.deliver("topic:a", 21);
    assert!(stores(&phone.effects).is_empty(), "the place is known");
    phone.frame(message("topic:a", 22, 1));
    let store = phone.store();
    assert!(store.entries.is_empty(), "the id was in the inbox");
    assert_eq!(store.cursors, [cursor("topic:a", 22)]);
    phone.input(Input::Stored { no: store.no }).seconds(2);
    assert_eq!(acked(&mut phone), [("topic:a".to_owned(), 22)]);
}

#[test]
fn unknown_content_still_moves_the_cursor_and_is_acked() {
    let mut phone = Phone::welcomed();
    let at = Position { epoch: EPOCH, seq: 21 };
    let deliver = Deliver { log: log("topic:a"), at, what: What::Unknown };
    phone.frame(ServerFrame::Deliver(Box::new(deliver)));
    let store = phone.store();
    assert!(store.entries.is_empty());
    assert_eq!(store.cursors, [cursor("topic:a", 21)]);
    phone.input(Input::Stored { no: store.no }).seconds(2);
    assert_eq!(acked(&mut phone), [("topic:a".to_owned(), 21)]);
}

#[test]
fn a_message_without_a_place_is_shown_once_and_never_acked() {
    let mut phone = Phone::welcomed();
    phone.frame(message("topic:a", 0, 7)).frame(message("topic:a", 0, 7));
    let store = phone.store();
    assert_eq!((ids(&store.entries), store.cursors.len()), (vec![7], 0));
    phone.input(Input::Stored { no: store.no }).seconds(5);
    assert!(acked(&mut phone).is_empty());
}

#[test]
fn an_advance_is_stored_and_acked_and_does_not_count_for_the_pace() {
    let mut phone = Phone::welcomed();
    for seq in 1..=9 {
        phone.frame(ServerFrame::Advance(vec![cursor("topic:a", 100 * seq)])).stored();
    }
    assert!(acked(&mut phone).is_empty(), "nine, where four deliveries would do");
    phone.seconds(2);
    assert_eq!(acked(&mut phone), [("topic:a".to_owned(), 900)]);
    phone.frame(ServerFrame::Advance(vec![cursor("topic:unknown", 5), cursor("topic:a", 3)]));
    assert!(stores(&phone.effects).is_empty(), "nothing new");
}

#[test]
fn a_gap_moves_the_place_and_tells_the_app() {
    let mut phone = Phone::welcomed();
    let gap = |epoch, resume, reason| {
        ServerFrame::Gap(Gap { log: log("topic:a"), epoch, after: 20, resume, reason })
    };
    phone.frame(gap(EPOCH, 40, GapReason::Retention));
    assert!(phone.effects.iter().any(|effect| matches!(effect, Effect::Gap { after: 20, resume: 40, .. })));
    let store = phone.store();
    assert_eq!(store.cursors, [cursor("topic:a", 40)]);
    phone.input(Input::Stored { no: store.no });
    assert!(acked(&mut phone).is_empty(), "not at once");
    phone.seconds(2);
    assert_eq!(acked(&mut phone), [("topic:a".to_owned(), 40)], "a gap alone is acked in time");
    // Another epoch may begin lower.
    phone.frame(gap(EPOCH + 1, 3, GapReason::EpochChanged));
    let store = phone.store();
    assert_eq!(store.cursors[0].at, Position { epoch: EPOCH + 1, seq: 3 });
}

#[test]
fn a_start_of_another_epoch_or_not_recovered_replaces_the_place() {
    let mut phone = Phone::at_hello(known());
    phone.take();
    let lost = Start { recovered: false, ..start("topic:a", 5) };
    let other = Start { log: log("device"), at: Position { epoch: EPOCH + 1, seq: 2 }, recovered: true };
    let welcome = Welcome { starts: vec![lost, other], ..welcome("r1", &[]) };
    phone.frame(ServerFrame::Welcome(Box::new(welcome)));
    let mut cursors = phone.store().cursors;
    cursors.sort_by_key(|cursor| cursor.at.seq);
    assert_eq!(cursors[0].at, Position { epoch: EPOCH + 1, seq: 2 });
    assert_eq!(cursors[1], cursor("topic:a", 5));
}

#[test]
fn a_log_that_is_read_no_more_is_dropped_from_storage() {
    let mut phone = Phone::at_hello(known());
    phone.take();
    phone.frame(ServerFrame::Welcome(Box::new(welcome("r1", &[("device", 10)]))));
    assert_eq!(phone.store().ended, [log("topic:a")]);
    let mut phone = Phone::welcomed();
    let ended = vec![(log("topic:a"), ErrorCode::NotPermitted)];
    phone.frame(ServerFrame::Logs { started: vec![start("topic:b", 30)], ended });
    assert!(phone.effects.iter().any(|effect| matches!(effect, Effect::LogEnded { .. })));
    let store = phone.store();
    assert_eq!((store.ended, store.cursors), (vec![log("topic:a")], vec![cursor("topic:b", 30)]));
}

#[test]
fn a_recall_is_an_entry_in_the_order_of_its_log() {
    let mut phone = Phone::welcomed();
    let at = Position { epoch: EPOCH, seq: 22 };
    let what = What::Recall { message: id(1), tag: "t".to_owned() };
    phone.deliver("topic:a", 21);
    phone.frame(ServerFrame::Deliver(Box::new(Deliver { log: log("topic:a"), at, what })));
    let first = phone.store();
    assert_eq!(ids(&first.entries), [21]);
    phone.input(Input::Stored { no: first.no });
    assert!(matches!(&phone.store().entries[..], [Entry::Recall { message, .. }] if *message == id(1)));
}

#[test]
fn what_was_stored_on_an_older_link_is_acked_only_once_the_new_one_tells_it() {
    let mut phone = Phone::welcomed();
    phone.deliver("topic:a", 21).deliver("topic:a", 22).stored().take();
    phone.lose();
    phone.return_welcomed(&[("device", 10), ("topic:a", 20)]).seconds(5);
    assert!(acked(&mut phone).is_empty(), "this link has told nothing beyond 20");
    phone.deliver("topic:a", 21).seconds(2);
    assert_eq!(acked(&mut phone), [("topic:a".to_owned(), 21)], "a repeat needs no second store");
}

#[test]
fn held_acks_make_the_gateway_wait_and_go_out_when_released() {
    let mut phone = Phone::welcomed();
    phone.input(Input::BackPressure(true));
    for seq in 21..=30 {
        phone.deliver("topic:a", seq).stored();
    }
    phone.seconds(20);
    assert!(acked(&mut phone).is_empty());
    phone.input(Input::BackPressure(false));
    assert_eq!(acked(&mut phone), [("topic:a".to_owned(), 30)]);
}

#[test]
fn a_failed_store_is_told_once_and_its_messages_acked_once_they_are_handled() {
    let mut phone = Phone::welcomed();
    phone.deliver("topic:a", 21);
    let no = phone.store().no;
    phone.input(Input::StoreFailed { no }).input(Input::StoreFailed { no });
    let told = phone.take();
    let faults = told.iter().filter(|effect| matches!(effect, Effect::Error(Fault::Storage)));
    assert_eq!(faults.count(), 1);
    phone.seconds(3).input(Input::Stored { no });
    assert_eq!(acked(&mut phone), [("topic:a".to_owned(), 21)]);
}

#[test]
fn a_beat_is_answered_at_once() {
    let mut phone = Phone::welcomed();
    phone.seconds(40).frame(ServerFrame::Beat { silence_ms: 40_000, silence_no: 0 });
    assert_eq!(phone.said(), [ClientFrame::BeatReply { silence_s: 0, silence_no: 0 }]);
}

#[test]
fn frames_of_an_unknown_kind_are_ignored_and_malformed_ones_end_the_link() {
    let mut phone = Phone::welcomed();
    phone.bytes(&[]).bytes(&[0xa2, 0x06, 1, 0]);
    assert!(phone.take().is_empty());
    phone.bytes(&[0xff]);
    assert_eq!(phone.state(), (State::Connecting, Some(Reason::BadFrame)));
    assert!(phone.effects.iter().any(|effect| matches!(effect, Effect::CloseSocket { .. })));
}

#[test]
fn events_of_a_socket_that_was_let_go_are_ignored() {
    let mut phone = Phone::welcomed();
    let old = phone.socket;
    phone.lose();
    phone.return_welcomed(&[("device", 10)]);
    phone.take();
    phone.input(Input::SocketClosed { socket: old, code: 4403 }).input(Input::Open { socket: old });
    phone.frame_on(old, message("device", 11, 11));
    assert!(phone.take().is_empty());
    assert_eq!(phone.session.state(), State::Connected);
}
