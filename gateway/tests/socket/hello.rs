//! The first frame: in time, by who may, from where it may.

use crate::device::{Device, Raw, again, app, hello, node, topic};
use pulsegate_proto::frame::{ClientFrame, CloseCode, ErrorCode, Hello, ServerFrame};
use pulsegate_proto::id::{AppId, RegistrationId};

async fn refused(device: &mut Device, hello: Hello) -> (CloseCode, u16) {
    device.send(ClientFrame::Hello(Box::new(hello))).await;
    let (closing, code) = device.closed().await;
    (closing.expect("Closing comes first").code, code)
}

#[tokio::test]
async fn a_probe_is_answered_before_hello_and_hello_must_come_in_time() {
    let node = node("[limits]\nhello = \"300ms\"").await;
    let mut device = Device::dial(node.public_addr()).await;
    assert!(device.is_quiet().await);
    let (closing, code) = device.closed().await;
    assert_eq!((closing.unwrap().code, code), (CloseCode::HelloTimeout, 4508));
}

#[tokio::test]
async fn a_welcome_says_all_a_device_needs() {
    let node = node("").await;
    let (_device, welcome) = Device::welcomed(&node, hello()).await;
    assert_eq!(welcome.secret.len(), 32);
    assert_eq!(welcome.boot, node.state().boot_id);
    assert!(!welcome.session.is_empty() && !welcome.network_key.is_empty());
    assert_eq!((welcome.window, welcome.ack_every, welcome.ack_within_ms), (64, 32, 2000));
    assert_eq!(welcome.max_frame_bytes, 65_536);
    assert_eq!(welcome.user, "");
    let logs: Vec<_> = welcome.starts.iter().map(|start| start.log.to_string()).collect();
    assert_eq!(logs.len(), 2, "{logs:?}");
    assert!(logs.contains(&"device".into()) && logs.contains(&"all".into()), "{logs:?}");
    let registration = RegistrationId::parse(&welcome.registration).unwrap();
    assert!(node.state().hub.online(&app(), &registration));
}

#[tokio::test]
async fn who_may_not_come_in_is_told_why() {
    let node = node("").await;
    let dial = || Device::dial(node.public_addr());
    let unknown = Hello { app: AppId::parse("nobody").unwrap(), ..hello() };
    assert_eq!(refused(&mut dial().await, unknown).await, (CloseCode::Unauthenticated, 4401));
    let closed = || Hello { app: AppId::parse("closed").unwrap(), ..hello() };
    assert_eq!(refused(&mut dial().await, closed()).await, (CloseCode::Unauthenticated, 4401), "no token");
    let bad = Hello { token: "a.b.c".into(), ..hello() };
    assert_eq!(refused(&mut dial().await, bad).await, (CloseCode::Unauthenticated, 4401));

    let mut foreign = Device::dial_with(node.public_addr(), &[("origin", "https://closed.example")]).await;
    assert_eq!(refused(&mut foreign, hello()).await, (CloseCode::Forbidden, 4403), "another app's page");
    let mut ours = Device::dial_with(node.public_addr(), &[("origin", "https://example.com")]).await;
    ours.greet(hello()).await;

    let (_device, welcome) = Device::welcomed(&node, hello()).await;
    let mut wrong = again(&welcome, 2, 1);
    wrong.registration.as_mut().unwrap().1 = vec![9; 32];
    assert_eq!(refused(&mut dial().await, wrong).await, (CloseCode::RegistrationInvalid, 4410));
}

#[tokio::test]
async fn another_frame_first_is_a_violation() {
    let node = node("").await;
    let mut device = Device::dial(node.public_addr()).await;
    device.send(ClientFrame::Subscribe(vec![topic("news")])).await;
    let (closing, code) = device.closed().await;
    assert_eq!((closing.unwrap().code, code), (CloseCode::ProtocolViolation, 4400));
}

#[tokio::test]
async fn frames_sent_right_behind_hello_are_taken_in_order() {
    let node = node("").await;
    let mut device = Device::dial(node.public_addr()).await;
    device.send(ClientFrame::Hello(Box::new(hello()))).await;
    let reply = device.subscribe(&["news"]).await;
    assert_eq!(reply.error, ErrorCode::Ok, "{}", reply.detail);
    assert_eq!(reply.starts.len(), 1);
}

#[tokio::test]
async fn new_registrations_are_paced_by_address_and_known_ones_are_not() {
    let node = node("[limits]\nregistrations_per_minute = 2").await;
    let (_one, welcome) = Device::welcomed(&node, hello()).await;
    let (_two, _) = Device::welcomed(&node, hello()).await;
    let mut third = Device::dial(node.public_addr()).await;
    third.send(ClientFrame::Hello(Box::new(hello()))).await;
    let (closing, code) = third.closed().await;
    let closing = closing.unwrap();
    assert_eq!((closing.code, code), (CloseCode::TooManyRequests, 4529));
    assert!(closing.reconnect_after_ms > 1000, "{}", closing.reconnect_after_ms);

    let known = again(&welcome, 2, 1);
    let (_again, back) = Device::welcomed(&node, known).await;
    assert_eq!(back.registration, welcome.registration);
    assert!(back.secret.is_empty(), "shown once");
    let mut invented = Device::dial(node.public_addr()).await;
    let unknown =
        Hello { registration: Some((RegistrationId::parse("invented").unwrap(), vec![1; 32])), ..hello() };
    assert_eq!(refused(&mut invented, unknown).await, (CloseCode::TooManyRequests, 4529));
}

#[tokio::test]
async fn forget_is_answered_and_closed_with_4401() {
    let node = node("").await;
    let (mut device, welcome) = Device::welcomed(&node, hello()).await;
    let reply = device.ask(ClientFrame::Forget).await;
    assert_eq!(reply.error, ErrorCode::Ok);
    let (closing, code) = device.closed().await;
    assert_eq!((closing.unwrap().code, code), (CloseCode::Unauthenticated, 4401));
    let (_back, again) = Device::welcomed(&node, again(&welcome, 2, 1)).await;
    assert_ne!(again.registration, welcome.registration, "what was forgotten is new");
    assert!(again.starts.iter().all(|start| !start.recovered));
}

#[tokio::test]
async fn a_deleted_registration_closes_its_link() {
    let node = node("").await;
    let (mut device, welcome) = Device::welcomed(&node, hello()).await;
    let id = RegistrationId::parse(&welcome.registration).unwrap();
    node.state().router.delete_registration(&app(), &id).await.unwrap();
    let (closing, code) = device.closed().await;
    assert_eq!((closing.unwrap().code, code), (CloseCode::Unauthenticated, 4401));
}

#[tokio::test]
async fn logs_that_the_backend_adds_are_told_and_read() {
    let node = node("").await;
    let (mut device, welcome) = Device::welcomed(&node, hello()).await;
    let id = RegistrationId::parse(&welcome.registration).unwrap();
    node.state().router.put_topic(&app(), &id, topic("news")).await.unwrap();
    match device.next().await {
        ServerFrame::Logs { started, ended } => {
            assert_eq!((started[0].log.to_string().as_str(), ended.len()), ("topic:news", 0));
        }
        other => panic!("{other:?}"),
    }
    crate::device::publish(&node, "news", "hello").await;
    assert_eq!(device.delivery().await.2, "hello");
    node.state().router.delete_topic(&app(), &id, &topic("news")).await.unwrap();
    match device.next().await {
        ServerFrame::Logs { ended, .. } => assert_eq!(ended[0].1, ErrorCode::Ok),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_raw_device_that_vanishes_leaves_nothing_behind() {
    let node = node("").await;
    let raw = Raw::upgraded(node.public_addr()).await;
    drop(raw);
    let (device, _) = Device::welcomed(&node, hello()).await;
    drop(device);
    let gone = async {
        while node.state().hub.connections() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::device::SOON, gone).await.unwrap();
}
