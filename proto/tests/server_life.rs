//! The gateway's session over time: requests, heartbeats, tokens, rates, ends.

#![allow(clippy::unwrap_used)] // wrong steps should fail there

mod kit;

use core::time::Duration;
use kit::*;
use pulsegate_proto::frame::{
    Activity, Cause, ClientFrame, CloseCode, DeviceTarget, ErrorCode, NotifyBody, Publish, Receipt,
    ServerFrame, Stage, WebPush,
};
use pulsegate_proto::id::{LogName, Tag, Topic};
use pulsegate_proto::session::server::{Counted, Effect, Input, Op, Outcome, Settings, TokenTimes};
use pulsegate_proto::time::UnixMs;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The only Reply among what was sent: its id and error.
fn reply(gate: &mut Gate) -> (u32, ErrorCode) {
    let sent = gate.sent();
    let [ServerFrame::Reply(reply)] = &sent[..] else { panic!("{sent:?}") };
    (reply.request_id, reply.error)
}

fn refused(error: ErrorCode) -> Outcome {
    Outcome::Refused { error, detail: "why".to_owned(), retry_after_ms: 5 }
}

fn every_request() -> Vec<ClientFrame> {
    let tag = Tag::parse("vip").unwrap();
    vec![
        ClientFrame::BeatReply { silence_s: 0, silence_no: 0 },
        ClientFrame::Ack(vec![cursor("device", 1)]),
        ClientFrame::Receipts(vec![Receipt {
            message: id(1),
            stage: Stage::Clicked,
            at: UnixMs(1),
            action: String::new(),
        }]),
        ClientFrame::Activity(Activity::default()),
        ClientFrame::Subscribe(topics(&["b"])),
        ClientFrame::Unsubscribe(topics(&["b"])),
        ClientFrame::SetTags { add: vec![tag], remove: Vec::new() },
        ClientFrame::RefreshToken("t2".to_owned()),
        ClientFrame::Publish(Box::new(Publish {
            target: DeviceTarget::Topic(Topic::parse("b").unwrap()),
            body: NotifyBody::default(),
            notification: None,
            ttl_s: Some(0),
            message_id: id(1),
        })),
        ClientFrame::SetWebPush(WebPush { endpoint: String::new(), p256dh: Vec::new(), auth: Vec::new() }),
    ]
}

#[test]
fn a_request_id_is_answered_by_exactly_one_reply_and_none_by_none() {
    let mut gate = Gate::plain();
    for (n, frame) in (1..).zip(every_request()) {
        let effects = gate.ask(n, frame.clone()).take();
        for (request, _) in ops(&effects) {
            gate.done(request, Outcome::Done);
        }
        gate.effects.extend(effects);
        assert_eq!(reply(&mut gate), (n, ErrorCode::Ok), "{frame:?}");
        let effects = gate.frame(frame.clone()).take();
        for (request, _) in ops(&effects) {
            gate.done(request, Outcome::Done);
        }
        gate.effects.extend(effects);
        assert!(gate.sent().is_empty(), "{frame:?}");
    }
    let sent = gate.ask(99, ClientFrame::Probe { nonce: 1 }).sent();
    assert!(matches!(&sent[..], [ServerFrame::ProbeReply { .. }, ServerFrame::Reply(_)]));
}

#[test]
fn a_senseless_request_is_refused_and_the_link_stays() {
    let mut gate = Gate::plain();
    gate.bytes(vec![0x3a, 3, 0x0a, 1, b' ', 0x78, 4]); // Subscribe [" "], request 4
    assert_eq!(reply(&mut gate), (4, ErrorCode::Invalid));
    let names: Vec<Topic> = (0..101).map(|n| Topic::parse(&format!("t{n}")).unwrap()).collect();
    gate.ask(5, ClientFrame::Subscribe(names));
    assert!(ops(&gate.effects).is_empty(), "nothing of that frame is taken");
    assert_eq!(reply(&mut gate), (5, ErrorCode::TooLarge));
    gate.ask(6, ClientFrame::RefreshToken("t".repeat(8193)));
    assert_eq!(reply(&mut gate), (6, ErrorCode::TooLarge));
    gate.bytes(vec![0x5a, 0, 0x78, 7]); // Publish {}, request 7
    assert_eq!(reply(&mut gate), (7, ErrorCode::Invalid));
    gate.bytes(vec![0x3a, 3, 0x0a, 1, b' ']);
    assert!(gate.take().is_empty());
}

#[test]
fn subscribe_is_ok_while_anything_was_granted_and_not_permitted_if_nothing_was() {
    let mut gate = Gate::plain();
    let subscribed = |started: &[(&str, u64)], already, denied: &[&str]| Outcome::Subscribed {
        started: started.iter().map(|(log, seq)| kit::started(log, *seq)).collect(),
        already,
        denied: topics(denied),
    };
    let mut ask = |outcome| {
        gate.ask(1, ClientFrame::Subscribe(topics(&["b", "x"]))).done(1, outcome);
        let sent = gate.sent();
        let [ServerFrame::Reply(reply)] = &sent[..] else { panic!("{sent:?}") };
        (reply.error, reply.starts.len(), reply.denied.len())
    };
    assert_eq!(ask(subscribed(&[("topic:b", 30)], 0, &["x"])), (ErrorCode::Ok, 1, 1));
    assert_eq!(ask(subscribed(&[], 1, &["x"])), (ErrorCode::Ok, 0, 1));
    assert_eq!(ask(subscribed(&[], 0, &["b", "x"])), (ErrorCode::NotPermitted, 0, 2));
    assert_eq!(ask(refused(ErrorCode::TooLarge)), (ErrorCode::TooLarge, 0, 0));
}

#[test]
fn a_new_log_is_read_from_its_start_after_the_reply() {
    let mut gate = Gate::plain();
    gate.ask(1, ClientFrame::Subscribe(topics(&["b"]))).take();
    let outcome =
        Outcome::Subscribed { started: vec![started("topic:b", 30)], already: 0, denied: Vec::new() };
    let effects = gate.done(1, outcome).take();
    assert!(matches!(
        &effects[..],
        [Effect::Send(_), Effect::Attach { slot: 2, .. }, Effect::Park { slot: 2, after: 30 }]
    ));
}

#[test]
fn unsubscribe_detaches_and_logs_follow_the_reply_of_a_narrower_token() {
    let mut gate = Gate::plain();
    gate.ask(1, ClientFrame::Unsubscribe(topics(&["a"]))).take();
    let effects = gate.done(1, Outcome::Unsubscribed(topics(&["a"]))).take();
    assert!(matches!(effects[..], [Effect::Detach { slot: 1 }, Effect::Send(_)]));

    let mut gate = Gate::plain();
    gate.ask(2, ClientFrame::RefreshToken("narrow".to_owned())).take();
    let outcome = Outcome::Refreshed {
        token: TokenTimes::default(),
        started: Vec::new(),
        ended: vec![(log("topic:a"), ErrorCode::NotPermitted)],
    };
    let sent = gate.done(2, outcome).sent();
    let [ServerFrame::Reply(_), ServerFrame::Logs { started, ended }] = &sent[..] else { panic!("{sent:?}") };
    assert!(started.is_empty());
    assert_eq!(ended[..], [(LogName::parse("topic:a").unwrap(), ErrorCode::NotPermitted)]);
}

#[test]
fn forget_is_replied_then_closed_with_4401_and_so_is_a_deleted_registration() {
    let mut gate = Gate::plain();
    assert_eq!(ops(&gate.ask(7, ClientFrame::Forget).take()), [(7, Op::Forget)]);
    let effects = gate.done(7, Outcome::Forgotten).take();
    let sent = frames(&effects);
    assert!(matches!(&sent[..], [ServerFrame::Reply(_), ServerFrame::Closing(_)]), "{sent:?}");
    assert!(matches!(effects.last(), Some(Effect::Close { code: 4401, .. })));
    let (closing, code) = Gate::plain().input(Input::Deleted).closing();
    assert_eq!((closing.code, code), (CloseCode::Unauthenticated, 4401));
}

#[test]
fn an_older_generation_is_closed_at_once_with_the_ruling_one() {
    let mut gate = Gate::plain();
    let (closing, code) = gate.input(Input::Superseded { generation: 8, link_only: false }).closing();
    assert_eq!((closing.code, closing.generation, code), (CloseCode::Replaced, 8, 4409));
    assert_eq!(gate.session.farewell(gate.now).cause, Cause::Replaced);
}

#[test]
fn an_older_link_delivers_nothing_takes_acks_and_closes_after_ten_seconds() {
    let mut gate = Gate::plain();
    gate.input(Input::Available { slot: 1 }).entries(1, items("topic:a", [21]), true);
    gate.input(Input::Available { slot: 1 }).take();
    gate.input(Input::Superseded { generation: 1, link_only: true });
    assert!(
        gate.entries(1, items("topic:a", [22]), true).take().is_empty(),
        "a read that was out is dropped"
    );
    gate.input(Input::Available { slot: 0 }).input(Input::Live { slot: 0, frame: item("device", 0).frame });
    assert!(gate.take().is_empty());
    let effects = gate.frame(ClientFrame::Ack(vec![cursor("topic:a", 21)])).take();
    assert_eq!(acks(&effects), [(1, 21, 1)]);
    for frame in [
        ClientFrame::Subscribe(topics(&["b"])),
        ClientFrame::SetTags { add: Vec::new(), remove: Vec::new() },
        ClientFrame::Forget,
    ] {
        gate.ask(3, frame);
        assert!(ops(&gate.effects).is_empty());
        assert_eq!(reply(&mut gate), (3, ErrorCode::Conflict));
    }
    assert!(gate.run(Duration::from_millis(9999)).take().is_empty());
    let (closing, _) = gate.run(Duration::from_millis(1)).closing();
    assert_eq!((closing.code, closing.generation), (CloseCode::Replaced, 1));
}

#[test]
fn a_beat_breaks_the_silence_wanted_and_any_traffic_postpones_it() {
    let mut gate = Gate::plain();
    gate.run(seconds(30)).frame(ClientFrame::Probe { nonce: 1 }).take();
    assert!(gate.run(Duration::from_millis(44_999)).take().is_empty());
    let sent = gate.run(Duration::from_millis(1)).sent();
    assert_eq!(sent, [ServerFrame::Beat { silence_ms: 45_000, silence_no: 0 }]);
}

#[test]
fn pings_keep_a_link_but_no_beat_away_and_shorten_the_silence_it_proves() {
    let mut gate = Gate::plain();
    let mut silences = Vec::new();
    for _ in 0..30 {
        let sent = gate.run(seconds(20)).input(Input::ControlFrame).sent();
        silences.extend(sent.iter().filter_map(|frame| match frame {
            ServerFrame::Beat { silence_ms, .. } => Some(*silence_ms),
            _ => None,
        }));
    }
    assert!(gate.session.is_live(), "ten minutes of pings alone");
    assert_eq!(silences.len(), 13, "one every 45 s");
    assert!(silences.iter().all(|ms| *ms <= 20_000), "{silences:?}");
}

#[test]
fn the_wanted_silence_is_clamped_numbered_and_kept_where_zero_is_said() {
    let mut gate = Gate::plain();
    let mut beat = |silence_s, silence_no| {
        gate.frame(ClientFrame::BeatReply { silence_s, silence_no }).take();
        until(&mut gate, |frame| matches!(frame, ServerFrame::Closing(_)) || is_beat(frame));
        let Some(ServerFrame::Beat { silence_ms, silence_no }) = gate.last.take() else { panic!("closed") };
        (silence_ms, silence_no)
    };
    assert_eq!(beat(1, 4), (15_000, 4));
    assert_eq!(beat(0, 9), (15_000, 4));
    assert_eq!(beat(100, 5), (100_000, 5));
    assert_eq!(beat(99_999, 6), (1_800_000, 6));
}

#[test]
fn the_silence_of_a_link_is_counted_at_the_welcome_and_at_each_change() {
    let mut gate = Gate::new(Settings::default());
    gate.hello().admit(admission(Vec::new()));
    let counted = |gate: &mut Gate| -> Vec<u64> {
        let silence = |effect: Effect| match effect {
            Effect::Count(Counted::Silence(seconds)) => Some(seconds),
            _ => None,
        };
        gate.take().into_iter().filter_map(silence).collect()
    };
    assert_eq!(counted(&mut gate), [45]);
    for (wish, seen) in [(0, vec![]), (55, vec![55]), (55, vec![]), (5, vec![15])] {
        gate.frame(ClientFrame::BeatReply { silence_s: wish, silence_no: 1 });
        assert_eq!(counted(&mut gate), seen, "{wish}");
    }
}

#[test]
fn a_hello_without_a_wish_gets_the_gateway_s_silence() {
    let mut gate = Gate::new(Settings { silence: seconds(20), ..Settings::default() });
    let mut hello = hello();
    hello.silence_s = 0;
    gate.frame(ClientFrame::Hello(Box::new(hello))).admit(admission(Vec::new())).take();
    assert!(gate.run(Duration::from_millis(19_999)).take().is_empty());
    assert!(matches!(gate.run(Duration::from_millis(1)).sent()[..], [ServerFrame::Beat { .. }]));
}

#[test]
fn a_client_that_only_listens_is_asked_before_it_is_given_up() {
    let mut gate = Gate::plain();
    let mut beats = 0;
    for _ in 0..140 {
        gate.run(seconds(1)).input(Input::Live { slot: 0, frame: item("device", 0).frame });
        beats += gate.sent().iter().filter(|frame| matches!(frame, ServerFrame::Beat { .. })).count();
    }
    assert_eq!(beats, 2, "after 90 and 135 s unheard");
}

#[test]
fn a_silent_link_is_dropped_after_twice_the_silence_and_a_minute() {
    let mut gate = Gate::plain();
    gate.run(Duration::from_millis(149_999)).take();
    assert!(gate.session.is_live());
    let (closing, code) = gate.run(Duration::from_millis(1)).closing();
    assert_eq!((closing.code, code), (CloseCode::Silent, 4504));
    let farewell = gate.session.farewell(gate.now);
    assert_eq!(
        (farewell.cause, farewell.unanswered, farewell.heard_ago),
        (Cause::TimedOut, true, seconds(150))
    );
}

#[test]
fn a_probe_is_answered_with_what_the_gateway_heard_and_beat() {
    let mut gate = Gate::plain();
    gate.run(seconds(10));
    let sent = gate.frame(ClientFrame::Probe { nonce: 3 }).sent();
    assert_eq!(sent, [ServerFrame::ProbeReply { nonce: 3, heard_ms_ago: 10_000, beat_sent_ms_ago: 0 }]);
    gate.run(seconds(47)).take();
    let sent = gate.frame(ClientFrame::Probe { nonce: 4 }).sent();
    assert_eq!(sent, [ServerFrame::ProbeReply { nonce: 4, heard_ms_ago: 47_000, beat_sent_ms_ago: 2000 }]);
    let sent = gate.frame(ClientFrame::Probe { nonce: 5 }).sent();
    assert_eq!(sent, [ServerFrame::ProbeReply { nonce: 5, heard_ms_ago: 0, beat_sent_ms_ago: 0 }]);
}

fn with_token(issued_s: i64, expires_s: i64) -> Gate {
    let mut gate = Gate::new(Settings::default());
    gate.hello();
    let mut admission = admission(Vec::new());
    admission.token = TokenTimes {
        issued: UnixMs(WALL.0 + issued_s * 1000),
        expires: UnixMs(WALL.0 + expires_s * 1000),
        now: UnixMs::ZERO,
    };
    gate.admit(admission).take();
    gate
}

fn is_beat(frame: &ServerFrame) -> bool {
    matches!(frame, ServerFrame::Beat { .. })
}

/// Seconds until the first frame that `wanted` picks, answering every Beat.
fn until(gate: &mut Gate, wanted: fn(&ServerFrame) -> bool) -> u64 {
    for second in 1..100_000 {
        let sent = gate.run(seconds(1)).sent();
        if sent.iter().any(is_beat) {
            gate.frame(ClientFrame::BeatReply { silence_s: 0, silence_no: 0 }).take();
        }
        if let Some(found) = sent.into_iter().find(wanted) {
            gate.last = Some(found);
            return second;
        }
    }
    panic!("it never came");
}

#[test]
fn a_token_s_end_is_told_at_80_percent_and_closes_5_seconds_after() {
    let mut gate = with_token(-100, 500);
    assert_eq!(until(&mut gate, |frame| matches!(frame, ServerFrame::TokenExpiring { .. })), 380);
    assert_eq!(until(&mut gate, |frame| matches!(frame, ServerFrame::Closing(_))), 125);
    let mut gate = with_token(0, 60);
    assert_eq!(until(&mut gate, |frame| matches!(frame, ServerFrame::TokenExpiring { .. })), 30);
    let mut gate = with_token(0, 60);
    let closing = |frame: &ServerFrame| matches!(frame, ServerFrame::Closing(closing) if closing.code == CloseCode::TokenExpired);
    assert_eq!(until(&mut gate, closing), 65);
}

#[test]
fn a_refreshed_token_moves_its_end() {
    let mut gate = with_token(0, 60);
    gate.run(seconds(31)).ask(1, ClientFrame::RefreshToken("t2".to_owned())).take();
    let token = TokenTimes {
        issued: UnixMs(WALL.0 + 31_000),
        expires: UnixMs(WALL.0 + 631_000),
        now: UnixMs(WALL.0 + 31_000),
    };
    gate.done(1, Outcome::Refreshed { token, started: Vec::new(), ended: Vec::new() });
    assert_eq!(until(&mut gate, |frame| matches!(frame, ServerFrame::TokenExpiring { .. })), 480);
}

#[test]
fn too_many_frames_a_second_close_with_4529() {
    let mut gate = Gate::plain();
    gate.run(seconds(5)).take();
    for _ in 0..50 {
        gate.frame(ClientFrame::Probe { nonce: 1 });
    }
    assert!(gate.session.is_live());
    let effects = gate.frame(ClientFrame::Probe { nonce: 1 }).take();
    assert_eq!(counted(&effects, Counted::RateLimited), 1);
    assert!(matches!(effects.last(), Some(Effect::Close { code: 4529, .. })));
}

#[test]
fn control_frames_are_counted_even_where_frames_are_not() {
    let mut gate = Gate::welcomed(Settings { frames_per_second: 0, ..Settings::default() });
    for _ in 0..1000 {
        gate.frame(ClientFrame::Probe { nonce: 1 });
    }
    for _ in 0..10 {
        gate.input(Input::ControlFrame);
    }
    gate.take();
    let (closing, code) = gate.input(Input::ControlFrame).closing();
    assert_eq!((closing.code, code), (CloseCode::TooManyRequests, 4529));
    assert!(closing.reconnect_after_ms > 0);
}

#[test]
fn a_drain_tells_when_to_come_back() {
    let mut gate = Gate::plain();
    let (closing, code) = gate.input(Input::Drain { reconnect_after_ms: 1234 }).closing();
    assert_eq!((closing.code, closing.reconnect_after_ms, code), (CloseCode::Draining, 1234, 4503));
}

#[test]
fn a_client_that_asks_faster_than_the_store_answers_is_told_to_wait() {
    let mut gate = Gate::welcomed(Settings { frames_per_second: 0, ..Settings::default() });
    for n in 1..=32 {
        gate.ask(n, ClientFrame::Activity(Activity::default()));
    }
    gate.take();
    gate.ask(33, ClientFrame::Activity(Activity::default()));
    assert_eq!(reply(&mut gate), (33, ErrorCode::RateLimited));
    gate.done(1, Outcome::Done).take();
    assert_eq!(ops(&gate.ask(34, ClientFrame::Activity(Activity::default())).take()).len(), 1);
}

#[test]
fn a_log_changed_by_the_backend_is_told_without_being_asked() {
    let mut gate = Gate::plain();
    let input = Input::LogsChanged {
        started: vec![started("topic:n", 40), started("topic:a", 99)],
        ended: vec![(log("topic:gone"), ErrorCode::Ok)],
    };
    let sent = gate.input(input).sent();
    let [ServerFrame::Logs { started, ended }] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((started.len(), ended.len()), (1, 0), "what is read already, or was not, is not told");
}
