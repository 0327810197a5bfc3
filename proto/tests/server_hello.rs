//! The gateway's session before and at Welcome.

#![allow(clippy::unwrap_used)] // wrong steps should fail there

mod kit;

use bytes::Bytes;
use core::time::Duration;
use kit::*;
use pulsegate_proto::frame::{
    ClientEnvelope, ClientFrame, CloseCode, ErrorCode, Gap, GapReason, ServerFrame, encode_client,
};
use pulsegate_proto::limits;
use pulsegate_proto::session::server::{
    Counted, Effect, Input, Op, Refusal, Run, ServerSession, Settings, Started, Why,
};

fn fresh() -> Gate {
    Gate::new(Settings::default())
}

#[test]
fn a_hello_is_given_to_the_driver_and_answered_with_welcome() {
    let mut gate = fresh();
    assert_eq!(waits_for(&gate), Some(Why::Hello));
    let effects = gate.hello().take();
    assert!(matches!(&effects[..], [Effect::Admit(hello)] if hello.token == "t"));
    assert!(!gate.session.wants_frames());
    let effects = gate.admit(admission(vec![started("device", 10), started("topic:a", 20)])).take();
    let [
        Effect::Count(Counted::Silence(45)),
        Effect::Send(_),
        Effect::Attach { slot: 0, .. },
        Effect::Park { slot: 0, after: 10 },
        Effect::Attach { slot: 1, .. },
        Effect::Park { slot: 1, after: 20 },
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    let frames = frames(&effects);
    let ServerFrame::Welcome(welcome) = &frames[0] else { panic!("{frames:?}") };
    assert_eq!((welcome.registration.as_str(), welcome.session.as_str()), ("r1", "s1"));
    assert_eq!((welcome.window, welcome.ack_every, welcome.ack_within_ms), (64, 32, 2000));
    assert_eq!(welcome.max_frame_bytes, 65536);
    assert_eq!((welcome.level, welcome.starts.len()), (1, 2));
    assert!(gate.session.wants_frames() && gate.session.is_live());
}

#[test]
fn without_a_hello_in_five_seconds_the_link_closes_with_4508() {
    let mut gate = fresh();
    assert!(gate.pass(Duration::from_millis(4999)).take().is_empty());
    let (closing, code) = gate.pass(Duration::from_millis(1)).closing();
    assert_eq!((closing.code, code), (CloseCode::HelloTimeout, 4508));
}

#[test]
fn a_probe_before_hello_is_answered_and_does_not_stop_the_clock() {
    let mut gate = fresh();
    let frames = gate.frame(ClientFrame::Probe { nonce: 9 }).sent();
    assert!(matches!(frames[..], [ServerFrame::ProbeReply { nonce: 9, .. }]));
    let (closing, _) = gate.pass(Duration::from_secs(5)).closing();
    assert_eq!(closing.code, CloseCode::HelloTimeout);
}

#[test]
fn sizes_before_hello_are_kept() {
    let mut probe =
        encode_client(ClientEnvelope { request_id: 0, frame: Some(ClientFrame::Probe { nonce: 1 }) });
    probe.extend([0xa2, 0x06, 80]); // field 100, 80 bytes
    probe.extend([0; 80]);
    let (closing, code) = fresh().bytes(probe).closing();
    assert_eq!((closing.code, code), (CloseCode::FrameTooLarge, 4413));

    let mut large = hello();
    large.token = "t".repeat(limits::TOKEN_BYTES + 1);
    let (closing, _) = fresh().frame(ClientFrame::Hello(Box::new(large))).closing();
    assert_eq!(closing.code, CloseCode::FrameTooLarge);

    let (closing, _) = fresh().bytes(vec![0; limits::HELLO_BYTES + 1]).closing();
    assert_eq!(closing.code, CloseCode::FrameTooLarge);

    let mut largest = hello();
    largest.token = "t".repeat(limits::TOKEN_BYTES);
    assert!(matches!(fresh().frame(ClientFrame::Hello(Box::new(largest))).take()[..], [Effect::Admit(_)]));
}

#[test]
fn anything_else_before_hello_is_a_violation() {
    let others: [Vec<u8>; 5] = [
        encode_client(ClientEnvelope { request_id: 3, frame: Some(ClientFrame::Forget) }),
        encode_client(ClientEnvelope { request_id: 3, frame: None }),
        Vec::new(),
        vec![0xff; 20],
        vec![0x3a, 3, 0x0a, 1, b' '], // Subscribe to a topic with no valid name
    ];
    for bytes in others {
        let (closing, code) = fresh().bytes(bytes).closing();
        assert_eq!((closing.code, code), (CloseCode::ProtocolViolation, 4400));
    }
}

#[test]
fn a_hello_of_an_impossible_app_or_registration_gets_its_own_code() {
    // Hello { app: "No Such" }
    let (closing, _) = fresh().bytes(b"\x0a\x09\x0a\x07No Such".to_vec()).closing();
    assert_eq!(closing.code, CloseCode::Unauthenticated);
    // Hello { app: "demo", registration_id: "a b" }
    let (closing, _) = fresh().bytes(b"\x0a\x0b\x0a\x04demo\x1a\x03a b".to_vec()).closing();
    assert_eq!(closing.code, CloseCode::RegistrationInvalid);
}

#[test]
fn a_second_hello_is_a_violation() {
    let (closing, _) = Gate::plain().hello().closing();
    assert_eq!(closing.code, CloseCode::ProtocolViolation);
}

#[test]
fn a_refusal_tells_code_generation_and_time() {
    let mut gate = fresh();
    gate.hello().take();
    let refusal = Refusal {
        code: CloseCode::Replaced,
        reason: "newer".to_owned(),
        generation: 9,
        reconnect_after_ms: 700,
    };
    let (closing, code) = gate.input(Input::Refused(refusal)).closing();
    assert_eq!((closing.code, closing.generation, closing.reconnect_after_ms), (CloseCode::Replaced, 9, 700));
    assert_eq!(code, 4409);
}

#[test]
fn overload_can_be_told_before_any_frame() {
    let refusal = Refusal {
        code: CloseCode::TooManyRequests,
        reason: String::new(),
        generation: 0,
        reconnect_after_ms: 30_000,
    };
    let (closing, code) = fresh().input(Input::Refused(refusal)).closing();
    assert_eq!((code, closing.reconnect_after_ms), (4529, 30_000));
}

#[test]
fn a_version_nobody_speaks_is_told_after_the_upgrade() {
    let (closing, code) = fresh().input(Input::UnsupportedVersion).closing();
    assert_eq!((closing.code, code), (CloseCode::UnsupportedVersion, 4426));
}

#[test]
fn frames_sent_on_top_of_a_hello_are_taken_after_the_welcome() {
    let mut gate = fresh();
    gate.hello().ask(5, ClientFrame::Subscribe(topics(&["b"]))).take();
    let effects = gate.admit(admission(vec![started("device", 1)])).take();
    assert!(matches!(frames(&effects)[..], [ServerFrame::Welcome(_)]));
    assert_eq!(ops(&effects), [(5, Op::Subscribe(topics(&["b"])))]);
}

#[test]
fn what_is_held_before_the_welcome_is_bounded() {
    let mut gate = fresh();
    gate.hello().take();
    for _ in 0..8 {
        assert!(gate.frame(ClientFrame::Forget).take().is_empty());
    }
    let (closing, _) = gate.frame(ClientFrame::Forget).closing();
    assert_eq!(closing.code, CloseCode::TooManyRequests);
}

#[test]
fn a_hello_with_a_request_id_gets_its_reply_too() {
    let mut gate = fresh();
    gate.ask(4, ClientFrame::Hello(Box::new(hello())));
    let frames = gate.admit(admission(vec![])).sent();
    assert!(
        matches!(&frames[..], [ServerFrame::Welcome(_), ServerFrame::Reply(reply)] if reply.request_id == 4)
    );
}

#[test]
fn every_start_that_is_not_recovered_is_followed_by_exactly_one_gap() {
    let gap = Gap { log: log("topic:a"), epoch: EPOCH, after: 3, resume: 20, reason: GapReason::Retention };
    let lost = Started { recovered: false, gap: Some(gap.clone()), ..started("topic:a", 20) };
    let unknown = Started { recovered: false, ..started("all", 5) };
    let mut gate = fresh();
    gate.hello();
    let frames = gate.admit(admission(vec![started("device", 1), lost, unknown])).sent();
    let [ServerFrame::Welcome(_), ServerFrame::Gap(first), ServerFrame::Gap(second)] = &frames[..] else {
        panic!("{frames:?}");
    };
    assert_eq!(*first, gap);
    assert_eq!((second.log.clone(), second.resume, second.reason), (log("all"), 5, GapReason::Unspecified));
    // The read that follows does not say it again.
    let again = Gap { after: 3, ..gap };
    gate.input(Input::Available { slot: 1 }).take();
    let batch = pulsegate_proto::session::server::Batch {
        entries: Run::of(items("topic:a", [21])),
        passed: 21,
        end: true,
        gap: Some(again),
        ..Default::default()
    };
    let frames = gate.input(Input::Entries { slot: 1, batch }).sent();
    assert!(matches!(frames[..], [ServerFrame::Deliver(_)]));
}

#[test]
fn broken_websocket_frames_are_closed_with_their_own_code_after_a_closing_in_ours() {
    for (code, ours) in [
        (1002, CloseCode::ProtocolViolation),
        (1003, CloseCode::ProtocolViolation),
        (1007, CloseCode::ProtocolViolation),
        (1009, CloseCode::FrameTooLarge),
    ] {
        let (closing, close) = Gate::plain().input(Input::BadSocketFrame { code }).closing();
        assert_eq!((closing.code, close), (ours, code));
    }
    let (closing, close) = Gate::plain().input(Input::TextFrame).closing();
    assert_eq!((closing.code, close), (CloseCode::ProtocolViolation, 1003));
    let (closing, close) = Gate::plain().input(Input::Oversized).closing();
    assert_eq!((closing.code, close), (CloseCode::FrameTooLarge, 4413));
}

#[test]
fn after_welcome_a_frame_may_have_64_kib_and_no_more() {
    let mut gate = Gate::plain();
    let unknown = |size: usize| {
        let mut bytes = vec![0xa2, 0x06]; // field 100 of ClientFrame
        let mut length = size - 5;
        for _ in 0..2 {
            bytes.push(u8::try_from(length % 128).unwrap() | 0x80);
            length /= 128;
        }
        bytes.push(u8::try_from(length).unwrap());
        bytes.resize(size, 0);
        bytes
    };
    assert!(frames(&gate.bytes(unknown(limits::FRAME_BYTES)).take()).is_empty());
    let (closing, _) = gate.bytes(unknown(limits::FRAME_BYTES + 1)).closing();
    assert_eq!(closing.code, CloseCode::FrameTooLarge);
}

#[test]
fn bytes_that_are_no_frame_of_ours_are_closed_with_4400() {
    let (closing, code) = Gate::plain().bytes(vec![0xff; 9]).closing();
    assert_eq!((closing.code, code), (CloseCode::ProtocolViolation, 4400));
}

#[test]
fn an_unknown_frame_is_unimplemented_if_it_asks_and_ignored_if_not() {
    let mut gate = Gate::plain();
    let frames = gate.bytes(vec![0xa2, 0x06, 0, 0x78, 6]).sent();
    assert!(matches!(&frames[..], [ServerFrame::Reply(reply)]
        if reply.request_id == 6 && reply.error == ErrorCode::Unimplemented));
    assert!(gate.bytes(vec![0xa2, 0x06, 0]).sent().is_empty());
    assert!(gate.bytes(Vec::new()).sent().is_empty());
    assert!(gate.session.is_live());
}

#[test]
fn after_a_close_nothing_more_is_said() {
    let mut gate = Gate::plain();
    gate.bytes(vec![0xff; 9]).closing();
    gate.frame(ClientFrame::Probe { nonce: 1 }).hello().run(Duration::from_secs(9999));
    gate.input(Input::Available { slot: 0 }).input(Input::Drain { reconnect_after_ms: 0 });
    assert!(gate.take().is_empty());
    assert!(gate.session.deadline().is_none());
}

#[test]
fn a_closed_session_can_be_fed_a_frame_that_came_with_the_socket_s_end() {
    let mut gate = Gate::plain();
    gate.input(Input::SocketClosed(pulsegate_proto::frame::Cause::Eof));
    gate.input(Input::Frame(Bytes::from_static(b"\x22\x02\x08\x01")));
    assert!(gate.take().is_empty());
    assert_eq!(gate.session.farewell(gate.now).cause, pulsegate_proto::frame::Cause::Eof);
}

#[test]
fn an_idle_session_is_small() {
    // The struct, its boxed state and four logs with their names: the bar is 1.5 KiB.
    assert!(size_of::<ServerSession>() <= 700, "{}", size_of::<ServerSession>());
}
