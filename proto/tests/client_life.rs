//! The client's session over time: how links end and what follows, tokens, heartbeats, networks.

#![allow(clippy::unwrap_used)] // wrong steps should fail there

mod kit;

use kit::phone::*;
use pulsegate_proto::frame::{ClientFrame, CloseCode, Endpoint, ErrorCode, Redirect, ServerFrame, Welcome};
use pulsegate_proto::session::client::{Effect, Fault, Input, Reason, State, TokenNeed, Why, Wipe};
use pulsegate_proto::time::UnixMs;

fn needs(effects: &[Effect]) -> Vec<TokenNeed> {
    let need = |effect: &Effect| match effect {
        Effect::NeedToken(need) => Some(*need),
        _ => None,
    };
    effects.iter().filter_map(need).collect()
}

fn token(phone: &mut Phone, token: &str) {
    phone.input(Input::Token { token: Some(token.to_owned()), expires: UnixMs::ZERO });
}

/// A device with a token, welcomed; the token expires after so many seconds, 0: never.
fn with_token(expires_s: i64) -> Phone {
    let mut phone = Phone::new(config(true));
    phone.input(Input::Identity(Box::new(known()))).input(Input::IdentitySaved);
    token(&mut phone, "one");
    phone.open();
    phone.frame(ServerFrame::Welcome(Box::new(with_expiry(expires_s))));
    phone.take();
    phone
}

fn with_expiry(expires_s: i64) -> Welcome {
    let token_expires = UnixMs(if expires_s == 0 { 0 } else { WALL.0 + expires_s * 1000 });
    Welcome { token_expires, ..welcome("r1", &[("device", 10)]) }
}

/// Lets time pass while the gateway beats.
fn beaten(phone: &mut Phone, seconds: u64) {
    for _ in 0..seconds {
        phone.seconds(1).frame(ServerFrame::Beat { silence_ms: 0, silence_no: 0 });
    }
}

#[test]
fn each_close_code_is_followed_by_what_the_contract_says() {
    use CloseCode as C;
    for code in [C::ProtocolViolation, C::Forbidden, C::FrameTooLarge, C::UnsupportedVersion, C::Other(4477)]
    {
        let mut phone = Phone::welcomed();
        phone.closing(code);
        assert_eq!(phone.state(), (State::Closed, Some(Reason::Closed(code))), "{code:?}");
        let told = |effect: &Effect| matches!(effect, Effect::Error(Fault::Closed(it, _)) if *it == code);
        assert!(phone.effects.iter().any(told), "the app is told");
        assert!(!phone.seconds(3600).connecting(), "{code:?} stays away");
        assert!(phone.input(Input::Start).connecting(), "until something changes");
    }
    for code in [C::Internal, C::Draining, C::Silent, C::HelloTimeout, C::TooManyRequests, C::Other(4577)] {
        let mut phone = Phone::welcomed();
        phone.closing(code);
        assert_eq!(phone.state(), (State::Connecting, Some(Reason::Closed(code))), "{code:?}");
        assert!(phone.reconnect() <= 60);
    }
    let mut phone = Phone::welcomed();
    phone.lose();
    assert_eq!(phone.state(), (State::Connecting, Some(Reason::SocketLost)));
}

#[test]
fn a_bare_close_code_counts_like_a_closing() {
    let mut phone = Phone::welcomed();
    let socket = phone.socket;
    phone.input(Input::SocketClosed { socket, code: 4403 });
    assert_eq!(phone.state(), (State::Closed, Some(Reason::Closed(CloseCode::Forbidden))));
}

#[test]
fn the_gateway_s_time_is_kept_and_no_signal_undercuts_it() {
    let mut phone = Phone::welcomed();
    phone.close_with(CloseCode::TooManyRequests, 30_000, 0);
    for signal in [Input::Online, Input::NetworkChanged, Input::Visible] {
        phone.input(signal);
    }
    assert!(!phone.millis(29_999).connecting());
    assert!(phone.millis(1).connecting(), "and the signals made it come at once then");
}

#[test]
fn replaced_comes_back_with_a_generation_above_the_ruling_one() {
    let mut phone = Phone::welcomed();
    phone.close_with(CloseCode::Replaced, 0, WALL.0 as u64 + 5);
    let effects = phone.take();
    let save = effects.iter().find_map(|effect| match effect {
        Effect::SaveIdentity(save) => Some(save.generation),
        _ => None,
    });
    assert_eq!(save, Some(WALL.0 as u64 + 6));
    assert!(!phone.seconds(60).connecting(), "not before that is durable");
    phone.input(Input::IdentitySaved);
    phone.open();
    let hello = phone.hello();
    assert_eq!((hello.generation, hello.link), (WALL.0 as u64 + 6, 1));
}

#[test]
fn two_holders_that_replace_each_other_slow_down() {
    let mut phone = Phone::welcomed();
    let mut last = 0;
    for round in 0..12 {
        phone.close_with(CloseCode::Replaced, 0, 10 + round).input(Input::IdentitySaved);
        last += phone.reconnect();
        phone.open();
    }
    assert!(last > 60, "refused Hellos back off: {last} s");
}

#[test]
fn registration_invalid_drops_the_registration_and_comes_back_as_new() {
    let mut phone = Phone::welcomed();
    phone.closing(CloseCode::RegistrationInvalid);
    let effects = phone.take();
    let wiped = effects.iter().position(|it| matches!(it, Effect::WipeInbox(Wipe::RegistrationInvalid)));
    let saved =
        effects.iter().position(|it| matches!(it, Effect::SaveIdentity(save) if save.registration.is_none()));
    assert!(wiped.unwrap() < saved.unwrap());
    phone.input(Input::IdentitySaved).reconnect();
    phone.open();
    let hello = phone.hello();
    assert!(hello.registration.is_none() && hello.cursors.is_empty());
}

#[test]
fn a_refused_token_is_replaced_once_and_then_the_app_is_told() {
    let mut phone = with_token(0);
    phone.closing(CloseCode::Unauthenticated).seconds(2);
    assert_eq!(needs(&phone.take()), [TokenNeed::Refused]);
    token(&mut phone, "two");
    phone.open().take();
    phone.closing(CloseCode::Unauthenticated);
    assert_eq!(phone.state(), (State::Closed, Some(Reason::TokenRefused)));
    assert!(phone.effects.iter().any(|effect| matches!(effect, Effect::Error(Fault::TokenRefused(_)))));
    assert!(needs(&phone.seconds(3600).take()).is_empty(), "no loop");
    assert_eq!(needs(&phone.input(Input::Start).take()).len(), 1);
}

#[test]
fn the_same_token_again_is_no_other_token() {
    let mut phone = with_token(0);
    phone.closing(CloseCode::Unauthenticated).seconds(2);
    token(&mut phone, "one");
    assert_eq!(phone.state(), (State::Closed, Some(Reason::TokenRefused)));
}

#[test]
fn an_anonymous_device_that_is_refused_stops() {
    let mut phone = Phone::welcomed();
    phone.closing(CloseCode::Unauthenticated);
    assert_eq!(phone.state(), (State::Closed, Some(Reason::TokenRefused)));
}

#[test]
fn an_expired_token_is_fetched_anew_and_failing_to_slows_down() {
    let mut phone = with_token(0);
    let mut asked = 0;
    for _ in 0..10 {
        phone.closing(CloseCode::TokenExpired);
        phone.seconds(61);
        let effects = phone.take();
        asked += needs(&effects).len();
        assert_eq!(needs(&effects), [TokenNeed::Expired]);
        token(&mut phone, "stale");
        phone.open().take();
    }
    assert_eq!(asked, 10);
}

#[test]
fn a_token_is_refreshed_a_minute_before_it_expires() {
    let mut phone = with_token(600);
    beaten(&mut phone, 539);
    assert!(needs(&phone.take()).is_empty());
    assert_eq!(needs(&phone.seconds(1).take()), [TokenNeed::Refresh]);
    token(&mut phone, "two");
    let asked = phone.sent().pop().unwrap();
    assert_eq!(asked.frame, Some(ClientFrame::RefreshToken("two".to_owned())));
    phone.reply(asked.request_id, ErrorCode::Ok).lose();
    phone.reconnect();
    assert_eq!(phone.open().hello().token, "two");
}

#[test]
fn token_expiring_asks_for_a_token_but_not_in_a_circle() {
    let mut phone = with_token(0);
    let mut asked = 0;
    for _ in 0..20 {
        phone.frame(ServerFrame::TokenExpiring { expires: WALL });
        let effects = phone.take();
        if !needs(&effects).is_empty() {
            asked += 1;
            token(&mut phone, "one");
            let request = phone.sent().pop().unwrap().request_id;
            phone.reply(request, ErrorCode::Ok);
        }
    }
    assert_eq!(asked, 1);
    assert_eq!(needs(&phone.seconds(10).take()), [TokenNeed::Refresh]);
}

#[test]
fn a_refused_refresh_is_told_and_the_link_goes_on() {
    let mut phone = with_token(0);
    phone.frame(ServerFrame::TokenExpiring { expires: WALL });
    token(&mut phone, "of another user");
    let request = phone.sent().pop().unwrap().request_id;
    phone.reply(request, ErrorCode::NotPermitted);
    let told =
        |effect: &Effect| matches!(effect, Effect::Error(Fault::RefreshRefused(ErrorCode::NotPermitted)));
    assert!(phone.effects.iter().any(told));
    assert_eq!(phone.session.state(), State::Connected);
}

#[test]
fn a_token_near_its_end_is_not_used_for_a_new_link() {
    let mut phone = with_token(600);
    beaten(&mut phone, 530);
    phone.lose().take();
    phone.seconds(20);
    assert_eq!(needs(&phone.take()).len(), 1);
}

#[test]
fn a_fresh_token_near_its_end_is_used_all_the_same() {
    let mut phone = with_token(600);
    beaten(&mut phone, 560);
    phone.lose().seconds(20).take();
    let expires = UnixMs(WALL.0 + 600_000);
    phone.input(Input::Token { token: Some("two".to_owned()), expires });
    assert_eq!(needs(&phone.effects), [], "not asked in a circle");
    assert!(phone.connecting());
}

#[test]
fn nobody_to_fetch_a_token_backs_off_and_a_no_stops() {
    let mut phone = Phone::new(config(true));
    phone.input(Input::Identity(Box::new(known()))).input(Input::IdentitySaved).take();
    phone.input(Input::TokenUnavailable);
    assert_eq!(phone.state(), (State::Connecting, Some(Reason::TokenUnavailable)));
    assert_eq!(needs(&phone.seconds(2).take()), [TokenNeed::Connect]);
    phone.input(Input::TokenDenied);
    assert_eq!(phone.state(), (State::Closed, Some(Reason::TokenDenied)));
}

/// A welcomed device whose Probe went unanswered: its old socket, and the new one is `phone.socket`.
fn in_doubt() -> (Phone, u32) {
    let mut phone = Phone::welcomed();
    let old = phone.socket;
    assert!(phone.millis(48_999).take().is_empty());
    assert_eq!(phone.deadline.map(|deadline| deadline.why), Some(Why::Watch));
    phone.millis(1);
    assert!(matches!(phone.said()[..], [ClientFrame::Probe { .. }]));
    phone.millis(8000);
    (phone, old)
}

fn closes(phone: &Phone, wanted: u32) -> bool {
    let closed = |effect: &Effect| matches!(effect, Effect::CloseSocket { socket } if *socket == wanted);
    phone.effects.iter().any(closed)
}

fn probe_reply(nonce: u32) -> ServerFrame {
    ServerFrame::ProbeReply { nonce, heard_ms_ago: 0, beat_sent_ms_ago: 0 }
}

#[test]
fn an_unanswered_probe_opens_a_second_link_that_says_hello_once_it_has_answered_one() {
    let (mut phone, old) = in_doubt();
    assert!(phone.connecting(), "at once");
    assert!(!closes(&phone, old), "it may only be slow");
    phone.take();
    let second = phone.socket;
    assert!(matches!(phone.open().said()[..], [ClientFrame::Probe { .. }]));
    let hello = phone.frame(probe_reply(second)).hello();
    assert!(hello.last_link.unwrap().timed_out);
    phone.frame(ServerFrame::Welcome(Box::new(welcome("r1", &[("device", 10), ("topic:a", 20)]))));
    assert!(closes(&phone, old));
    assert_eq!(phone.session.state(), State::Connected);
}

#[test]
fn an_old_link_that_answers_before_the_second_is_kept() {
    let (mut phone, old) = in_doubt();
    let second = phone.socket;
    phone.open().take();
    phone.frame_on(old, ServerFrame::ProbeReply { nonce: 1, heard_ms_ago: 0, beat_sent_ms_ago: 0 });
    assert!(closes(&phone, second) && !closes(&phone, old));
    assert!(!phone.said().iter().any(|frame| matches!(frame, ClientFrame::Hello(_))));
    phone.frame_on(old, message("topic:a", 21, 21));
    assert_eq!(phone.store().cursors.len(), 1);
}

#[test]
fn where_no_second_link_can_be_had_the_old_one_is_given_up() {
    let (mut phone, old) = in_doubt();
    phone.lose();
    assert!(closes(&phone, old));
    assert_eq!(phone.state(), (State::Connecting, Some(Reason::Silent)));
    let (mut phone, old) = in_doubt();
    phone.seconds(10);
    assert!(closes(&phone, old));
    phone.take();
    phone.reconnect();
    assert!(phone.open().hello().last_link.unwrap().timed_out, "nobody is left to compare with: no Probe");
}

#[test]
fn what_comes_while_a_probe_is_out_gives_it_more_time_but_only_its_answer_ends_it() {
    let mut phone = Phone::welcomed();
    phone.seconds(49).take();
    for seq in 21..26 {
        phone.seconds(7).deliver("topic:a", seq);
    }
    assert!(!phone.connecting());
    assert!(phone.seconds(8).connecting(), "that had waited in a queue");
}

#[test]
fn a_visible_tab_shortens_grace_and_probe() {
    let mut phone = Phone::welcomed();
    let activity = pulsegate_proto::frame::Activity { visible_tabs: 1, hidden_tabs: 0, frozen: false };
    phone.input(Input::Activity(activity)).frame(ServerFrame::Beat { silence_ms: 0, silence_no: 0 }).take();
    phone.seconds(49).take();
    phone.seconds(2);
    assert!(phone.connecting(), "47 s to the Probe, 4 s for its answer");
}

#[test]
fn a_person_who_looks_after_a_silence_wants_to_know() {
    let mut phone = Phone::welcomed();
    assert!(phone.seconds(15).input(Input::Visible).said().is_empty());
    assert!(matches!(phone.seconds(1).input(Input::Visible).said()[..], [ClientFrame::Probe { .. }]));
    assert!(phone.input(Input::NetworkChanged).said().is_empty(), "one Probe at a time");
    phone.frame(ServerFrame::ProbeReply { nonce: 1, heard_ms_ago: 0, beat_sent_ms_ago: 0 });
    assert!(matches!(phone.input(Input::NetworkChanged).said()[..], [ClientFrame::Probe { .. }]));
}

#[test]
fn a_network_that_is_back_brings_the_attempt_forward() {
    let mut phone = Phone::welcomed();
    for _ in 0..8 {
        phone.lose();
        phone.reconnect();
    }
    phone.lose().take();
    phone.input(Input::Online);
    assert!(phone.connecting());
}

#[test]
fn without_a_network_it_says_offline_and_tries_rarely() {
    let mut phone = Phone::welcomed();
    phone.lose().input(Input::Offline);
    assert_eq!(phone.state().0, State::Offline);
    phone.take();
    phone.seconds(2).lose().take();
    assert!(!phone.seconds(29).connecting());
    assert!(phone.seconds(10).connecting(), "browsers are wrong at times");
    phone.open();
    phone.frame(ServerFrame::Welcome(Box::new(welcome("r1", &[("device", 10)]))));
    assert_eq!(phone.session.state(), State::Connected);
}

#[test]
fn a_socket_that_does_not_open_or_a_hello_without_answer_is_given_up() {
    let mut phone = Phone::new(config(false));
    phone.input(Input::Identity(Box::new(known()))).input(Input::IdentitySaved).seconds(10);
    assert_eq!(phone.state(), (State::Connecting, Some(Reason::TimedOut)));
    phone.reconnect();
    phone.open().take();
    phone.seconds(10);
    assert!(phone.effects.iter().any(|effect| matches!(effect, Effect::CloseSocket { .. })));
}

#[test]
fn stop_acks_what_is_stored_and_stays_away_until_start() {
    let mut phone = Phone::welcomed();
    phone.deliver("topic:a", 21).stored().take();
    phone.input(Input::Stop);
    assert!(matches!(phone.effects[0], Effect::Send { .. }));
    assert!(matches!(phone.said()[..], [ClientFrame::Ack(_)]));
    assert_eq!(phone.session.state(), State::Disconnected);
    assert!(!phone.seconds(3600).connecting());
    assert!(phone.input(Input::Start).connecting());
}

#[test]
fn a_redirect_goes_where_and_when_it_was_told() {
    let mut phone = Phone::welcomed();
    let old = phone.socket;
    let endpoints = vec![Endpoint { url: "wss://b/".to_owned(), weight: 1, region: String::new() }];
    phone.frame(ServerFrame::Redirect(Redirect { endpoints, after_ms: 3000, reason: String::new() }));
    assert!(!phone.millis(2999).connecting());
    phone.millis(1);
    let url = phone.effects.iter().find_map(|effect| match effect {
        Effect::Connect { url, .. } => Some(url.clone()),
        _ => None,
    });
    assert_eq!(url, Some(Some("wss://b/".to_owned())));
    phone.open().take();
    // The old link still serves.
    phone.frame_on(old, message("topic:a", 21, 21));
    assert_eq!(phone.store().cursors.len(), 1);
    phone.frame(ServerFrame::Welcome(Box::new(welcome("r1", &[("device", 10), ("topic:a", 20)]))));
    assert!(
        phone.effects.iter().any(|effect| matches!(effect, Effect::CloseSocket { socket } if *socket == old))
    );
    assert_eq!(phone.session.state(), State::Connected);
}

#[test]
fn a_move_that_fails_keeps_the_old_link_and_tries_the_configured_gateway() {
    let mut phone = Phone::welcomed();
    let endpoints = vec![Endpoint { url: "wss://gone/".to_owned(), weight: 1, region: String::new() }];
    phone.frame(ServerFrame::Redirect(Redirect { endpoints, after_ms: 0, reason: String::new() }));
    phone.seconds(0).lose().take();
    assert_eq!(phone.session.state(), State::Connected);
    phone.seconds(5);
    assert!(phone.effects.iter().any(|effect| matches!(effect, Effect::Connect { url: None, .. })));
}

#[test]
fn replaced_on_the_old_link_of_a_move_is_expected() {
    let mut phone = Phone::welcomed();
    let old = phone.socket;
    phone.frame(ServerFrame::Redirect(Redirect {
        endpoints: Vec::new(),
        after_ms: 0,
        reason: String::new(),
    }));
    phone.seconds(0).open().take();
    let closing = pulsegate_proto::frame::Closing {
        code: CloseCode::Replaced,
        reason: String::new(),
        reconnect_after_ms: 0,
        generation: 9,
    };
    phone.frame_on(old, ServerFrame::Closing(closing));
    assert!(!phone.effects.iter().any(|effect| matches!(effect, Effect::SaveIdentity(_))));
    phone.frame(ServerFrame::Welcome(Box::new(welcome("r1", &[("device", 10)]))));
    assert_eq!(phone.session.state(), State::Connected);
}
