//! Peers that break the rules: each has its clear end, and nobody else notices.

use crate::world::World;
use prost::Message as _;
use pulsegate_tests::{
    contract::{ClientFrame, Probe, Subscribe, client_frame::Frame as Up, server_frame::Frame},
    gateway::Setup,
    patiently,
    wire::{self, Dial, Link, Raw, opcode, upgrade_request},
};
use tokio_tungstenite::tungstenite::Message;

const BINARY: u8 = 0x80 | opcode::BINARY;

fn bytes(frame: Up, request_id: u32) -> Vec<u8> {
    ClientFrame { request_id, frame: Some(frame) }.encode_to_vec()
}

async fn upgraded(world: &World) -> Raw {
    Raw::upgraded(world.gateway.public(), None).await.unwrap()
}

/// A raw link that has been welcomed.
async fn welcomed(world: &World) -> Raw {
    let mut raw = upgraded(world).await;
    let hello = wire::hello(&world.setup.signer.token("eve"));
    raw.binary(&bytes(Up::Hello(hello), 0)).await;
    let welcome = patiently("a Welcome", raw.server_frame()).await.unwrap();
    assert!(matches!(welcome.frame, Some(Frame::Welcome(_))), "{welcome:?}");
    raw
}

#[tokio::test]
async fn bytes_that_are_no_frame_of_ours_are_4400_before_and_after_hello() {
    let world = World::new().await;
    let bystander = &mut world.subscriber("ann", &["t"]).await;
    for early in [true, false] {
        for (what, payload) in [
            ("noise", vec![0xff; 40]),
            ("a torn frame", vec![0x0a, 0x50, 0x01]),
            ("an endless varint", vec![0x78, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ] {
            let mut raw = if early { upgraded(&world).await } else { welcomed(&world).await };
            raw.binary(&payload).await;
            let end = raw.end().await;
            assert_eq!(end.code, Some(4400), "{what}, early: {early}");
            assert_eq!(end.closing.map(|closing| closing.code), Some(4400), "{what}, early: {early}");
        }
    }
    world.backend.to_topic("t", "unmoved").await;
    assert_eq!(bystander.text().await, "unmoved");
}

#[tokio::test]
async fn text_and_frames_out_of_turn_are_violations() {
    let world = World::new().await;
    let mut raw = upgraded(&world).await;
    raw.frame(0x80 | opcode::TEXT, b"hello").await;
    assert_eq!(raw.end().await.code, Some(1003), "text is data of a kind we do not take");
    let mut raw = upgraded(&world).await;
    raw.binary(&bytes(Up::Subscribe(Subscribe { topics: vec!["t".into()] }), 1)).await;
    assert_eq!(raw.end().await.code, Some(4400), "Subscribe before Hello");
    let mut raw = welcomed(&world).await;
    raw.binary(&bytes(Up::Hello(wire::hello(&world.setup.signer.token("eve"))), 0)).await;
    assert_eq!(raw.end().await.code, Some(4400), "a second Hello");
}

#[tokio::test]
async fn broken_websocket_frames_get_the_codes_of_the_rfc_after_a_closing() {
    let world = World::new().await;
    let cases: Vec<(&str, u8, Vec<u8>, u16, i32)> = vec![
        ("a reserved bit", 0xc0 | opcode::BINARY, vec![1], 1002, 4400),
        ("an unknown opcode", 0x83, vec![1], 1002, 4400),
        ("a continuation of nothing", 0x80, vec![1], 1002, 4400),
        ("a fragmented ping", opcode::PING, vec![1], 1002, 4400),
        ("a long ping", 0x80 | opcode::PING, vec![1; 126], 1002, 4400),
        ("text that is no UTF-8", 0x80 | opcode::TEXT, vec![0xff, 0xfe], 1007, 4400),
    ];
    for (what, first, payload, code, closing) in cases {
        let mut raw = welcomed(&world).await;
        raw.frame(first, &payload).await;
        let end = raw.end().await;
        assert_eq!(end.code, Some(code), "{what}");
        assert_eq!(end.closing.map(|closing| closing.code), Some(closing), "{what}");
    }
    let mut raw = welcomed(&world).await;
    raw.write(&[BINARY, 1, 0]).await;
    assert_eq!(raw.end().await.code, Some(1002), "an unmasked frame");
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_its_limit_whole_or_in_fragments() {
    let world = World::new().await;
    let mut raw = upgraded(&world).await;
    let mut hello = wire::hello(&world.setup.signer.token("eve"));
    hello.agent = "x".repeat(33 * 1024);
    raw.binary(&bytes(Up::Hello(hello), 0)).await;
    assert_eq!(raw.end().await.code, Some(4413), "Hello over 32 KiB");

    let mut raw = welcomed(&world).await;
    raw.binary(&vec![0x0a; 64 * 1024 + 1]).await;
    let end = raw.end().await;
    assert_eq!((end.code, end.closing.map(|closing| closing.code)), (Some(4413), Some(4413)));

    let mut raw = welcomed(&world).await;
    raw.frame(opcode::BINARY, &vec![0; 40 * 1024]).await;
    raw.frame(opcode::CONTINUATION, &vec![0; 40 * 1024]).await;
    let end = raw.end().await;
    assert_eq!(end.code, Some(4413), "all fragments together");

    let mut raw = welcomed(&world).await;
    let mut head = vec![BINARY, 0x80 | 127];
    head.extend((1_u64 << 40).to_be_bytes());
    head.extend([0; 4]);
    raw.write(&head).await;
    let end = raw.end().await;
    assert!([Some(1009), Some(4413)].contains(&end.code), "announced as a terabyte: {end:?}");
    assert_eq!(end.closing.map(|closing| closing.code), Some(4413));
}

#[tokio::test]
async fn unknown_members_are_ignored_or_answered_unimplemented_once() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    // Field 99, a message: a kind of frame from the future.
    device.link.send_bytes(vec![0x9a, 0x06, 0x00]).await;
    device.link.probe().await;
    device.link.send_bytes(vec![0x9a, 0x06, 0x00, 0x78, 77]).await;
    assert_eq!(device.link.reply(77).await.error, 501);
    // A known frame with an unknown field in it.
    device.link.send_bytes(vec![0x22, 0x06, 0x08, 0x05, 0x9a, 0x06, 0x01, 0x00]).await;
    let nonce = device.link.take("the probe's reply", |frame| match frame {
        Frame::ProbeReply(reply) => Some(reply.nonce),
        _ => None,
    });
    assert_eq!(nonce.await, 5);
}

#[tokio::test]
async fn a_probe_is_answered_before_hello_and_a_silent_link_is_closed() {
    let world = World::new().await;
    let mut link = Link::open(world.gateway.public()).await;
    link.probe().await;
    let end = link.end().await;
    assert_eq!(end.code, Some(4508), "no Hello in time");
    assert_eq!(end.closing.unwrap().code, 4508);
}

#[tokio::test]
async fn a_silent_socket_a_slow_header_and_an_endless_head_are_dropped() {
    let world = World::new().await;
    let to = world.gateway.public();
    let silent = async {
        let mut raw = Raw::connect(to, None).await.unwrap();
        assert!(raw.answer().await.is_none_or(|answer| answer.status == 408));
    };
    let slow = async {
        let mut raw = Raw::connect(to, None).await.unwrap();
        raw.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
        assert!(raw.answer().await.is_none_or(|answer| answer.status == 408));
    };
    let endless = async {
        let mut raw = Raw::connect(to, None).await.unwrap();
        let line = format!("X-Long: {}\r\n", "x".repeat(1000));
        raw.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n").await;
        for _ in 0..40 {
            raw.write(line.as_bytes()).await;
        }
        raw.write(b"\r\n").await;
        let status = raw.answer().await.map(|answer| answer.status);
        assert!([None, Some(400), Some(431)].contains(&status), "{status:?}");
    };
    let many = async {
        let mut raw = Raw::connect(to, None).await.unwrap();
        let lines: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
        raw.write(format!("GET /readyz HTTP/1.1\r\nHost: x\r\n{lines}\r\n").as_bytes()).await;
        let status = raw.answer().await.map(|answer| answer.status);
        assert!([None, Some(400), Some(431)].contains(&status), "{status:?}");
    };
    tokio::join!(silent, slow, endless, many);
    assert_eq!(world.gateway.ready().await, Some(200));
}

#[tokio::test]
async fn bad_upgrades_are_refused_and_an_unknown_version_is_told_in_a_close() {
    let world = World::new().await;
    let to = world.gateway.public();
    let protocol = "Sec-WebSocket-Protocol: pulsegate.v1";
    let good = upgrade_request(&[protocol]);
    for (what, request, statuses) in [
        ("no subprotocol", upgrade_request(&[]), [400, 400]),
        ("a foreign subprotocol", upgrade_request(&["Sec-WebSocket-Protocol: mqtt"]), [400, 400]),
        ("an old version", good.replace("Version: 13", "Version: 8"), [400, 426]),
        ("a short key", good.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), [400, 400]),
        ("no key", good.replace("Sec-WebSocket-Key", "X-Key"), [400, 400]),
        ("no upgrade", good.replace("Upgrade: websocket\r\n", ""), [400, 426]),
    ] {
        let mut raw = Raw::connect(to, None).await.unwrap();
        raw.write(request.as_bytes()).await;
        let status = raw.answer().await.map_or(0, |answer| answer.status);
        assert!(statuses.contains(&status), "{what}: {status}");
    }
    let mut dial = Dial::new(to);
    dial.subprotocols = vec!["pulsegate.v9".into()];
    let mut link = dial.open().await.unwrap();
    let end = link.end().await;
    assert_eq!((end.code, end.closing.map(|closing| closing.code)), (Some(4426), Some(4426)));
    dial.subprotocols = vec!["pulsegate.v9".into(), "pulsegate.v1".into()];
    dial.open().await.unwrap().hello(&wire::hello(&world.setup.signer.token("ann"))).await;
}

#[tokio::test]
async fn a_flood_of_frames_or_pings_is_4529() {
    let world = World::with(Setup::new().limit("frames_per_second", "50")).await;
    let mut link = Link::open(world.gateway.public()).await;
    link.hello(&wire::hello(&world.setup.signer.token("eve"))).await;
    for nonce in 1..500 {
        link.send_bytes(bytes(Up::Probe(Probe { nonce }), 0)).await;
    }
    let end = link.end().await;
    assert_eq!((end.code, end.closing.map(|closing| closing.code)), (Some(4529), Some(4529)));
    let mut link = Link::open(world.gateway.public()).await;
    link.hello(&wire::hello(&world.setup.signer.token("eve"))).await;
    for _ in 0..100 {
        link.send_message(Message::Ping(bytes::Bytes::from_static(b"x"))).await;
    }
    assert_eq!(link.end().await.code, Some(4529), "control frames are counted too");
}

#[tokio::test]
async fn a_stuck_reader_costs_nobody_else() {
    let world = World::new().await;
    let mut stuck = welcomed(&world).await;
    stuck.binary(&bytes(Up::Subscribe(Subscribe { topics: vec!["t".into()] }), 1)).await;
    let reply = patiently("a Reply", stuck.server_frame()).await.unwrap();
    assert!(matches!(reply.frame, Some(Frame::Reply(_))), "{reply:?}");
    let mut quick = world.subscriber("ann", &["t"]).await;
    let body = "x".repeat(40 * 1024);
    // From here on `stuck` reads nothing: 200 times 40 KiB are more than any socket holds.
    for _ in 0..200 {
        world.backend.to_topic("t", &body).await;
        assert_eq!(quick.text().await.len(), body.len());
    }
}
