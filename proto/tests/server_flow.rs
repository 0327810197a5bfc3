//! The gateway's session at work: window, acks, skipped entries, reads.

#![allow(clippy::unwrap_used)] // wrong steps should fail there

mod kit;

use core::time::Duration;
use kit::*;
use pulsegate_proto::frame::{ClientFrame, ErrorCode, Gap, GapReason, ServerFrame};
use pulsegate_proto::id::{Cursor, Position};
use pulsegate_proto::session::server::{Batch, Counted, Effect, Input, Run, Settings, Why};

fn small_window(window: u32) -> Gate {
    Gate::welcomed(Settings { window, ack_every: 1, ..Settings::default() })
}

#[test]
fn an_append_is_read_delivered_and_parked_again() {
    let mut gate = Gate::plain();
    assert_eq!(reads(&gate.input(Input::Available { slot: 1 }).take()), [(1, 20, 64)]);
    let effects = gate.entries(1, items("topic:a", [21, 25]), true).take();
    let [Effect::Deliver { slot: 1, run }, Effect::Park { slot: 1, after: 25 }] = &effects[..] else {
        panic!("{effects:?}");
    };
    let delivered: Vec<_> = run.marks().iter().map(|mark| (mark.seq, mark.message)).collect();
    assert_eq!(delivered, [(21, Some(id(21))), (25, Some(id(25)))]);
}

#[test]
fn the_window_counts_stored_deliveries_of_all_logs_together() {
    let mut gate = small_window(4);
    assert_eq!(reads(&gate.input(Input::Available { slot: 0 }).take()), [(0, 10, 4)]);
    gate.input(Input::Available { slot: 1 });
    assert!(reads(&gate.take()).is_empty(), "one read at a time");
    let effects = gate.entries(0, items("device", [11, 12, 13]), true).take();
    assert_eq!(reads(&effects), [(1, 20, 1)], "room for one is left");
    let effects = gate.entries(1, items("topic:a", [21]), false).take();
    assert!(reads(&effects).is_empty(), "the window is full");
    gate.input(Input::Available { slot: 0 });
    assert!(reads(&gate.take()).is_empty());
    let effects = gate.frame(ClientFrame::Ack(vec![cursor("device", 12)])).take();
    assert_eq!(acks(&effects), [(0, 12, 2)]);
    assert_eq!(reads(&effects), [(0, 13, 2)], "round the logs");
}

#[test]
fn more_entries_than_asked_for_do_not_exceed_the_window() {
    let mut gate = small_window(2);
    gate.input(Input::Available { slot: 1 }).take();
    let frames = gate.entries(1, items("topic:a", [21, 22, 23]), true).sent();
    assert_eq!(frames.len(), 2);
    let effects = gate.frame(ClientFrame::Ack(vec![cursor("topic:a", 22)])).take();
    assert_eq!(reads(&effects), [(1, 22, 2)], "the third is read again");
}

#[test]
fn an_entry_that_is_not_stored_takes_no_place_in_the_window() {
    let mut gate = small_window(1);
    gate.input(Input::Available { slot: 1 }).take();
    gate.entries(1, items("topic:a", [21]), true).take();
    let frame = item("topic:a", 0).frame;
    assert_eq!(gate.input(Input::Live { slot: 1, frame: frame.clone() }).sent().len(), 1);
    gate.input(Input::OutboxFull);
    let effects = gate.input(Input::Live { slot: 1, frame }).take();
    assert_eq!(counted(&effects, Counted::LiveDropped), 1);
    assert!(frames(&effects).is_empty());
}

#[test]
fn an_ack_ahead_moves_nothing_is_counted_and_answered_invalid_if_it_asks() {
    let mut gate = Gate::plain();
    gate.input(Input::Available { slot: 1 }).entries(1, items("topic:a", [21, 22]), true).take();
    let other_epoch = Cursor { log: log("topic:a"), at: Position { epoch: EPOCH + 1, seq: 21 } };
    for wrong in [cursor("topic:a", 23), cursor("device", 11), cursor("topic:z", 1), other_epoch] {
        let effects = gate.frame(ClientFrame::Ack(vec![wrong.clone()])).take();
        assert!(acks(&effects).is_empty() && frames(&effects).is_empty(), "{wrong:?}");
        assert_eq!(counted(&effects, Counted::AckAhead), 1);
        let frames = gate.ask(8, ClientFrame::Ack(vec![wrong])).sent();
        assert!(matches!(&frames[..], [ServerFrame::Reply(reply)]
            if reply.request_id == 8 && reply.error == ErrorCode::Invalid));
    }
    assert!(gate.session.is_live());
    // The right one beside a wrong one counts.
    let effects = gate.ask(9, ClientFrame::Ack(vec![cursor("device", 99), cursor("topic:a", 21)])).take();
    assert_eq!(acks(&effects), [(1, 21, 1)]);
    assert!(
        matches!(&frames(&effects)[..], [ServerFrame::Reply(reply)] if reply.error == ErrorCode::Invalid)
    );
}

#[test]
fn an_ack_at_or_below_the_start_is_taken_and_moves_nothing() {
    let mut gate = Gate::plain();
    let effects = gate.ask(3, ClientFrame::Ack(vec![cursor("topic:a", 20), cursor("device", 4)])).take();
    assert!(acks(&effects).is_empty());
    assert!(matches!(&frames(&effects)[..], [ServerFrame::Reply(reply)] if reply.error == ErrorCode::Ok));
}

#[test]
fn acks_are_cumulative() {
    let mut gate = Gate::plain();
    gate.input(Input::Available { slot: 1 }).entries(1, items("topic:a", [21, 22, 25]), true).take();
    let effects = gate.frame(ClientFrame::Ack(vec![cursor("topic:a", 23)])).take();
    assert_eq!(acks(&effects), [(1, 23, 2)]);
    assert!(acks(&gate.frame(ClientFrame::Ack(vec![cursor("topic:a", 22)])).take()).is_empty());
    let effects = gate.frame(ClientFrame::Ack(vec![cursor("topic:a", 25)])).take();
    assert_eq!(acks(&effects), [(1, 25, 1)]);
}

#[test]
fn a_recall_is_delivered_like_a_message_but_received_by_nobody() {
    let mut gate = Gate::plain();
    gate.input(Input::Available { slot: 1 }).entries(1, vec![recall("topic:a", 22, 15)], true).take();
    let effects = gate.frame(ClientFrame::Ack(vec![cursor("topic:a", 22)])).take();
    assert_eq!(acks(&effects), [(1, 22, 0)]);
}

fn skip(gate: &mut Gate, passed: u64, skipped: u32) -> Vec<Effect> {
    gate.input(Input::Available { slot: 1 }).take();
    let batch = Batch { passed, skipped, end: true, ..Batch::default() };
    gate.input(Input::Entries { slot: 1, batch }).take()
}

#[test]
fn skipped_entries_are_told_every_1024_and_with_a_beat() {
    let mut gate = Gate::plain();
    assert!(frames(&skip(&mut gate, 1000, 1000)).is_empty());
    let sent = frames(&skip(&mut gate, 1024, 24));
    assert_eq!(sent, [ServerFrame::Advance(vec![cursor("topic:a", 1024)])]);
    assert!(frames(&skip(&mut gate, 1030, 6)).is_empty());
    let sent = gate.run(Duration::from_secs(45)).sent();
    assert!(matches!(&sent[..], [ServerFrame::Advance(cursors), ServerFrame::Beat { .. }]
        if *cursors == [cursor("topic:a", 1030)]));
    let effects = gate.frame(ClientFrame::Ack(vec![cursor("topic:a", 1030)])).take();
    assert_eq!(acks(&effects), [(1, 1030, 0)]);
}

#[test]
fn skipped_entries_are_told_before_a_closing_and_a_redirect() {
    let mut gate = Gate::plain();
    skip(&mut gate, 90, 3);
    let redirect = Input::Redirect { endpoints: Vec::new(), after_ms: 1, reason: String::new() };
    let sent = gate.input(redirect).sent();
    assert!(matches!(sent[..], [ServerFrame::Advance(_), ServerFrame::Redirect(_)]));
    skip(&mut gate, 95, 3);
    let sent = gate.input(Input::Drain { reconnect_after_ms: 5 }).sent();
    assert!(matches!(sent[..], [ServerFrame::Advance(_), ServerFrame::Closing(_)]));
}

#[test]
fn an_advance_takes_no_place_in_the_window() {
    let mut gate = small_window(1);
    skip(&mut gate, 2000, 1024);
    assert_eq!(reads(&gate.input(Input::Available { slot: 1 }).take()), [(1, 2000, 1)]);
}

#[test]
fn a_gap_found_while_reading_comes_before_the_entries_after_it() {
    let mut gate = Gate::plain();
    gate.input(Input::Available { slot: 1 }).take();
    let gap = Gap { log: log("topic:a"), epoch: EPOCH, after: 20, resume: 30, reason: GapReason::Retention };
    let batch = Batch {
        entries: Run::of(items("topic:a", [31])),
        passed: 31,
        end: true,
        gap: Some(gap.clone()),
        ..Batch::default()
    };
    let sent = gate.input(Input::Entries { slot: 1, batch }).sent();
    assert!(matches!(&sent[..], [ServerFrame::Gap(told), ServerFrame::Deliver(_)] if *told == gap));
}

#[test]
fn what_a_gap_resumes_at_may_be_acked() {
    let mut gate = Gate::plain();
    gate.input(Input::Available { slot: 1 }).take();
    let gap = Gap { log: log("topic:a"), epoch: EPOCH, after: 20, resume: 30, reason: GapReason::Corrupt };
    let batch = Batch { passed: 30, end: true, gap: Some(gap), ..Batch::default() };
    gate.input(Input::Entries { slot: 1, batch }).take();
    let effects = gate.frame(ClientFrame::Ack(vec![cursor("topic:a", 30)])).take();
    assert_eq!(acks(&effects), [(1, 30, 0)]);
}

#[test]
fn a_full_outbox_stops_reads_until_it_has_drained() {
    let mut gate = Gate::plain();
    gate.input(Input::OutboxFull).input(Input::Available { slot: 1 });
    assert!(reads(&gate.take()).is_empty());
    assert_eq!(reads(&gate.input(Input::OutboxDrained).take()), [(1, 20, 64)]);
}

#[test]
fn a_failed_read_is_asked_again_after_a_second() {
    let mut gate = Gate::plain();
    gate.input(Input::Available { slot: 1 }).input(Input::ReadFailed { slot: 1 }).take();
    assert_eq!(waits_for(&gate), Some(Why::ReadAgain));
    assert!(reads(&gate.pass(Duration::from_millis(999)).take()).is_empty());
    assert_eq!(reads(&gate.pass(Duration::from_millis(1)).take()), [(1, 20, 64)]);
}

#[test]
fn entries_of_a_log_that_ended_meanwhile_are_dropped() {
    let mut gate = Gate::plain();
    gate.input(Input::Available { slot: 1 });
    let ended = vec![(log("topic:a"), ErrorCode::Ok)];
    gate.input(Input::LogsChanged { started: Vec::new(), ended }).take();
    assert!(gate.entries(1, items("topic:a", [21]), true).take().is_empty());
}

#[test]
fn deliveries_of_an_ended_log_give_their_room_back() {
    let mut gate = small_window(1);
    gate.input(Input::Available { slot: 1 }).entries(1, items("topic:a", [21]), true);
    gate.input(Input::Available { slot: 0 }).take();
    let ended = vec![(log("topic:a"), ErrorCode::NotPermitted)];
    let effects = gate.input(Input::LogsChanged { started: Vec::new(), ended }).take();
    assert_eq!(reads(&effects), [(0, 10, 1)]);
}

#[test]
fn an_entry_never_goes_out_twice_or_backwards() {
    let mut gate = Gate::plain();
    gate.input(Input::Available { slot: 1 }).entries(1, items("topic:a", [21, 22]), true);
    gate.take();
    gate.input(Input::Available { slot: 1 });
    let sent = gate.entries(1, items("topic:a", [21, 22, 23]), true).sent();
    assert!(matches!(&sent[..], [ServerFrame::Deliver(it)] if it.at.seq == 23));
}
