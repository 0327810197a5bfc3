//! What tabs wish of a client's session: kept until replied, sent again on a new link.

#![allow(clippy::unwrap_used)] // wrong steps should fail there

mod kit;

use kit::phone::*;
use kit::topics;
use pulsegate_proto::frame::{
    Activity, ClientEnvelope, ClientFrame, CloseCode, DeviceTarget, ErrorCode, NotifyBody, Publish, Receipt,
    Reply, ServerFrame, Stage, Welcome,
};
use pulsegate_proto::id::{MessageId, Tag, Topic};
use pulsegate_proto::session::client::{Effect, Identity, Input, Reason, State, Wipe, Wish};
use pulsegate_proto::time::UnixMs;

fn subscribe(phone: &mut Phone, names: &[&str]) {
    phone.input(Input::Subscribe(topics(names)));
}

/// The only request that was sent.
fn request(phone: &mut Phone) -> ClientEnvelope {
    let mut sent = phone.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    sent.remove(0)
}

fn subscribed(effects: &[Effect]) -> Vec<(String, bool)> {
    let told = |effect: &Effect| match effect {
        Effect::Subscribed { topic, recovered } => Some((topic.to_string(), *recovered)),
        _ => None,
    };
    effects.iter().filter_map(told).collect()
}

fn granted(request_id: u32, starts: &[(&str, u64)], denied: &[&str], error: ErrorCode) -> ServerFrame {
    ServerFrame::Reply(Box::new(Reply {
        request_id,
        error,
        detail: String::new(),
        message: None,
        retry_after_ms: 0,
        starts: starts.iter().map(|(name, seq)| start(name, *seq)).collect(),
        denied: denied.iter().map(|name| (*name).to_owned()).collect(),
    }))
}

fn settled(effects: &[Effect]) -> Vec<(u32, ErrorCode)> {
    let told = |effect: &Effect| match effect {
        Effect::Settled { wish, error, .. } => Some((*wish, *error)),
        _ => None,
    };
    effects.iter().filter_map(told).collect()
}

fn tags(name: &str) -> Wish {
    Wish::set_tags(&[Tag::parse(name).unwrap()], &[])
}

fn publish() -> Wish {
    Wish::publish(&Publish {
        target: DeviceTarget::Topic(Topic::parse("a").unwrap()),
        body: NotifyBody::default(),
        notification: None,
        ttl_s: None,
        message_id: MessageId([3; 16]),
    })
}

#[test]
fn topics_are_subscribed_once_and_each_is_told() {
    let mut phone = Phone::welcomed();
    subscribe(&mut phone, &["b", "secret", "a"]);
    assert_eq!(subscribed(&phone.effects), [("a".to_owned(), true)], "it is read already");
    let asked = request(&mut phone);
    assert_eq!(asked.frame, Some(ClientFrame::Subscribe(topics(&["b", "secret"]))));
    phone.frame(granted(asked.request_id, &[("topic:b", 30)], &["secret"], ErrorCode::Ok));
    assert_eq!(subscribed(&phone.effects), [("b".to_owned(), true)]);
    assert!(phone.effects.iter().any(|effect| matches!(effect,
        Effect::SubscribeFailed { error: ErrorCode::NotPermitted, topic } if topic.as_str() == "secret")));
    assert_eq!(phone.store().cursors[0].at.seq, 30);
}

#[test]
fn a_wish_without_a_reply_goes_out_again_on_the_next_link() {
    let mut phone = Phone::welcomed();
    subscribe(&mut phone, &["b"]);
    phone.wish(7, tags("vip"));
    let first = phone.sent();
    assert_eq!(first.len(), 2);
    phone.lose();
    phone.return_welcomed(&[("device", 10)]);
    let again: Vec<_> = phone.said().into_iter().filter(|it| !matches!(it, ClientFrame::Hello(_))).collect();
    assert_eq!(again, first.into_iter().filter_map(|it| it.frame).collect::<Vec<_>>());
}

#[test]
fn what_was_subscribed_is_told_again_after_each_welcome() {
    let mut phone = Phone::welcomed();
    subscribe(&mut phone, &["a"]);
    phone.lose().take();
    phone.reconnect();
    phone.open();
    let lost = pulsegate_proto::frame::Start { recovered: false, ..start("topic:a", 90) };
    let welcome = Welcome { starts: vec![lost], ..welcome("r1", &[]) };
    phone.frame(ServerFrame::Welcome(Box::new(welcome)));
    assert_eq!(subscribed(&phone.effects), [("a".to_owned(), false)]);
}

#[test]
fn a_topic_subscribed_anew_under_another_registration_is_not_recovered() {
    let mut phone = Phone::welcomed();
    subscribe(&mut phone, &["a", "b"]);
    let asked = phone.sent().pop().unwrap();
    phone.frame(granted(asked.request_id, &[("topic:b", 30)], &[], ErrorCode::Ok));
    subscribe(&mut phone, &["c"]);
    phone.lose().take();
    phone.reconnect();
    phone.open().take();
    let welcome = Welcome { secret: vec![9; 32], ..welcome("r9", &[("device", 90)]) };
    phone.frame(ServerFrame::Welcome(Box::new(welcome)));
    let asked = phone.sent().pop().unwrap();
    phone.frame(granted(
        asked.request_id,
        &[("topic:a", 90), ("topic:b", 90), ("topic:c", 90)],
        &[],
        ErrorCode::Ok,
    ));
    let told = subscribed(&phone.take());
    let expected = [("a".to_owned(), false), ("b".to_owned(), false), ("c".to_owned(), true)];
    assert_eq!(told, expected, "c was never subscribed before");
}

#[test]
fn an_unsubscribed_topic_s_place_is_dropped() {
    let mut phone = Phone::welcomed();
    phone.input(Input::Unsubscribe(topics(&["a"])));
    let asked = request(&mut phone);
    assert_eq!(asked.frame, Some(ClientFrame::Unsubscribe(topics(&["a"]))));
    phone.reply(asked.request_id, ErrorCode::Ok);
    assert!(phone.effects.iter().any(|effect| matches!(effect, Effect::Unsubscribed { .. })));
    assert_eq!(phone.store().ended, [kit::log("topic:a")]);
}

#[test]
fn subscribing_again_while_the_unsubscribe_is_under_way_asks_again() {
    let mut phone = Phone::welcomed();
    phone.input(Input::Unsubscribe(topics(&["a"])));
    let leave = request(&mut phone);
    subscribe(&mut phone, &["a"]);
    assert!(subscribed(&phone.effects).is_empty());
    let join = request(&mut phone);
    phone.reply(leave.request_id, ErrorCode::Ok);
    assert!(!phone.effects.iter().any(|effect| matches!(effect, Effect::Unsubscribed { .. })));
    phone.frame(granted(join.request_id, &[("topic:a", 44)], &[], ErrorCode::Ok));
    assert_eq!(subscribed(&phone.effects), [("a".to_owned(), true)]);
}

#[test]
fn a_refusal_for_good_is_told_once_and_one_for_now_is_tried_again() {
    let mut phone = Phone::welcomed();
    subscribe(&mut phone, &["b"]);
    let asked = request(&mut phone);
    phone.reply(asked.request_id, ErrorCode::TooLarge);
    assert!(phone.effects.iter().any(|effect| matches!(effect, Effect::SubscribeFailed { .. })));
    phone.take();
    assert!(phone.seconds(30).said().is_empty());
    subscribe(&mut phone, &["c"]);
    let asked = request(&mut phone);
    let mut reply = granted(asked.request_id, &[], &[], ErrorCode::RateLimited);
    if let ServerFrame::Reply(reply) = &mut reply {
        reply.retry_after_ms = 3000;
    }
    phone.frame(reply).millis(2999);
    assert!(phone.said().is_empty());
    assert_eq!(phone.millis(1).said(), [ClientFrame::Subscribe(topics(&["c"]))]);
}

#[test]
fn over_a_hundred_topics_go_out_in_several_frames() {
    let mut phone = Phone::welcomed();
    let names: Vec<Topic> = (0..150).map(|n| Topic::parse(&format!("t{n}")).unwrap()).collect();
    phone.input(Input::Subscribe(names));
    let sizes: Vec<usize> = phone
        .said()
        .iter()
        .map(|frame| match frame {
            ClientFrame::Subscribe(topics) => topics.len(),
            _ => 0,
        })
        .collect();
    assert_eq!(sizes, [100, 50]);
}

#[test]
fn a_settled_wish_is_told_and_gone() {
    let mut phone = Phone::welcomed();
    phone.wish(7, tags("vip"));
    let asked = request(&mut phone);
    phone.reply(asked.request_id, ErrorCode::NotPermitted);
    assert_eq!(settled(&phone.take()), [(7, ErrorCode::NotPermitted)]);
    phone.reply(asked.request_id, ErrorCode::Ok);
    assert!(settled(&phone.take()).is_empty(), "a second Reply is none");
}

#[test]
fn conflict_means_a_newer_link_for_tags_and_another_body_for_a_publish() {
    let mut phone = Phone::welcomed();
    phone.wish(7, tags("vip"));
    let asked = request(&mut phone);
    phone.reply(asked.request_id, ErrorCode::Conflict);
    assert!(settled(&phone.take()).is_empty());
    assert!(phone.seconds(9).said().is_empty());
    assert_eq!(phone.seconds(1).said().len(), 1, "unless the next link took it before");
    phone.wish(8, publish());
    let asked = phone.sent().pop().unwrap();
    phone.reply(asked.request_id, ErrorCode::Conflict);
    assert_eq!(settled(&phone.take()), [(8, ErrorCode::Conflict)]);
}

#[test]
fn a_publish_is_sent_again_under_the_same_id_and_tells_the_gateway_s() {
    let mut phone = Phone::welcomed();
    phone.wish(8, publish());
    let first = request(&mut phone);
    phone.lose();
    phone.return_welcomed(&[("device", 10)]);
    let again = phone.sent().pop().unwrap();
    assert_eq!(again, first);
    let mut reply = granted(again.request_id, &[], &[], ErrorCode::Ok);
    if let ServerFrame::Reply(reply) = &mut reply {
        reply.message = Some(MessageId([4; 16]));
    }
    phone.frame(reply);
    assert!(phone.effects.iter().any(|effect| matches!(effect,
        Effect::Settled { wish: 8, error: ErrorCode::Ok, message: Some(MessageId(id)) } if *id == [4; 16])));
}

fn receipt(n: u8) -> Receipt {
    Receipt { message: MessageId([n; 16]), stage: Stage::Handled, at: UnixMs(1), action: String::new() }
}

#[test]
fn receipts_are_kept_until_the_gateway_has_them() {
    let mut phone = Phone::welcomed();
    phone.input(Input::Receipts(vec![receipt(1)]));
    let first = request(&mut phone);
    phone.input(Input::Receipts(vec![receipt(2)]));
    assert!(phone.said().is_empty(), "one report at a time");
    phone.reply(first.request_id, ErrorCode::Ok);
    assert!(phone.effects.iter().any(|effect| matches!(effect, Effect::ReceiptsTaken(1))));
    assert_eq!(request(&mut phone).frame, Some(ClientFrame::Receipts(vec![receipt(2)])));
    phone.lose();
    phone.return_welcomed(&[("device", 10)]);
    assert!(phone.said().contains(&ClientFrame::Receipts(vec![receipt(2)])));
}

#[test]
fn no_more_than_a_thousand_receipts_are_kept() {
    let mut phone = Phone::new(config(false));
    phone.input(Input::Receipts((0..1500).map(|n| receipt((n % 250) as u8)).collect()));
    phone.input(Input::Identity(Box::new(known()))).input(Input::IdentitySaved).open();
    phone.frame(ServerFrame::Welcome(Box::new(welcome("r1", &[("device", 10)]))));
    let said = phone.said();
    let Some(ClientFrame::Receipts(list)) = said.last() else { panic!("{said:?}") };
    assert_eq!(list.len(), 1000);
}

#[test]
fn a_reply_to_nothing_answers_nothing() {
    let mut phone = Phone::welcomed();
    subscribe(&mut phone, &["a"]);
    phone.take();
    phone.reply(0, ErrorCode::Ok).reply(77, ErrorCode::NotPermitted);
    assert!(phone.take().is_empty());
}

#[test]
fn activity_is_told_when_it_changes_and_on_each_link() {
    let mut phone = Phone::welcomed();
    let activity = Activity { visible_tabs: 1, hidden_tabs: 2, frozen: false };
    phone.input(Input::Activity(activity)).input(Input::Activity(activity));
    assert_eq!(phone.said(), [ClientFrame::Activity(activity)]);
    phone.lose();
    phone.return_welcomed(&[("device", 10)]);
    assert!(phone.said().contains(&ClientFrame::Activity(activity)));
}

#[test]
fn a_forget_wipes_first_and_is_kept_until_it_is_confirmed() {
    let mut phone = Phone::welcomed();
    phone.input(Input::Forget);
    let effects = phone.take();
    assert!(matches!(effects[0], Effect::WipeInbox(Wipe::Forgotten)));
    assert!(
        matches!(&effects[1], Effect::SaveIdentity(save) if save.forgetting && save.registration.is_some())
    );
    let asked = sent(&effects).pop().unwrap();
    assert_eq!(asked.frame, Some(ClientFrame::Forget));
    phone.deliver("topic:a", 21);
    assert!(phone.effects.is_empty(), "nothing is stored any more");
    phone.reply(asked.request_id, ErrorCode::Ok);
    let effects = phone.take();
    assert!(effects.iter().any(|effect| matches!(effect,
        Effect::SaveIdentity(save) if !save.forgetting && save.registration.is_none())));
    assert!(matches!(effects.last(), Some(Effect::Forgotten)));
    assert_eq!(phone.session.state(), State::Closed);
}

#[test]
fn a_close_with_4401_confirms_a_forget_too() {
    let mut phone = Phone::welcomed();
    phone.input(Input::Forget).take();
    phone.closing(CloseCode::Unauthenticated);
    assert!(matches!(phone.effects.last(), Some(Effect::Forgotten)));
}

#[test]
fn an_unconfirmed_forget_survives_a_restart() {
    let mut phone = Phone::at_hello(Identity { forgetting: true, ..known() });
    phone.take();
    phone.frame(ServerFrame::Welcome(Box::new(welcome("r1", &[("device", 10)]))));
    assert!(phone.said().contains(&ClientFrame::Forget));
}

#[test]
fn a_forget_without_a_registration_is_done_at_once() {
    let mut phone = Phone::new(config(true));
    phone.input(Input::Identity(Box::new(nothing()))).input(Input::IdentitySaved);
    phone.input(Input::TokenDenied).take();
    assert_eq!(phone.session.state(), State::Closed);
    phone.input(Input::Forget);
    assert!(matches!(phone.effects.last(), Some(Effect::Forgotten)));
    assert_eq!(phone.state().1, Some(Reason::Forgotten));
}
