//! The handshake: who gets a socket, and what the others read.

use crate::device::{Device, Raw, node};
use crate::request::{HANDSHAKE, handshake_with};
use pulsegate_proto::frame::CloseCode;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;

async fn answer(address: SocketAddr, request: &str) -> String {
    let mut raw = Raw::dial(address).await;
    raw.write(request.as_bytes()).await;
    raw.head().await
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_right_handshake_is_answered_as_rfc_6455_says() {
    let node = node("").await;
    let head = answer(node.public_addr(), HANDSHAKE).await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    // The pair of RFC 6455, section 1.3.
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    assert!(head.contains("sec-websocket-protocol: pulsegate.v1"), "{head}");
    assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
}

#[tokio::test]
async fn every_fault_of_a_handshake_has_its_status() {
    let node = node("").await;
    let key = "Sec-WebSocket-Key";
    let faults = [
        (handshake_with(key, None), 400),
        (handshake_with(key, Some("c2hvcnQ=")), 400),
        (handshake_with(key, Some("not base64 at all!!!!!!!")), 400),
        (
            handshake_with(
                key,
                Some("dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
            ),
            400,
        ),
        (handshake_with("Sec-WebSocket-Version", Some("8")), 426),
        (handshake_with("Sec-WebSocket-Version", None), 426),
        (handshake_with("Upgrade", None), 426),
        (handshake_with("Connection", Some("keep-alive")), 426),
        (handshake_with("Sec-WebSocket-Protocol", None), 400),
        (handshake_with("Sec-WebSocket-Protocol", Some("graphql-ws")), 400),
        (handshake_with("Sec-WebSocket-Protocol", Some("pulsegate.vx")), 400),
        (handshake_with("Origin", Some("https://evil.example")), 403),
        (handshake_with("Origin", Some("null")), 403),
        (HANDSHAKE.replace("GET ", "POST "), 405),
        (HANDSHAKE.replace("HTTP/1.1", "HTTP/1.0"), 400),
    ];
    for (request, expected) in faults {
        let head = answer(node.public_addr(), &request).await;
        assert_eq!(status(&head), expected, "{request}\n{head}");
        if expected == 426 {
            assert!(head.to_ascii_lowercase().contains("sec-websocket-version: 13"), "{head}");
        }
    }
}

#[tokio::test]
async fn origins_of_any_app_get_a_socket_and_lists_may_hold_more_than_ours() {
    let node = node("").await;
    for request in [
        handshake_with("Origin", Some("https://example.com")),
        handshake_with("Origin", Some("https://closed.example")),
        handshake_with("Sec-WebSocket-Protocol", Some("chat, pulsegate.v9, pulsegate.v1")),
        handshake_with("Connection", Some("keep-alive, Upgrade")),
    ] {
        let head = answer(node.public_addr(), &request).await;
        assert_eq!(status(&head), 101, "{request}\n{head}");
    }
}

#[tokio::test]
async fn an_unknown_version_is_named_in_the_answer_and_told_4426() {
    let node = node("").await;
    let mut raw = Raw::dial(node.public_addr()).await;
    raw.write(handshake_with("Sec-WebSocket-Protocol", Some("pulsegate.v2")).as_bytes()).await;
    let head = raw.head().await;
    assert_eq!(status(&head), 101, "{head}");
    assert!(head.to_ascii_lowercase().contains("sec-websocket-protocol: pulsegate.v2"), "{head}");
    let (closing, code) = raw.closed().await;
    assert_eq!(closing.unwrap().code, CloseCode::UnsupportedVersion);
    assert_eq!(code, 4426);
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_hung_up_on() {
    let node = node("[limits]\nfirst_byte = \"100ms\"").await;
    let mut raw = Raw::dial(node.public_addr()).await;
    assert!(raw.rest().await.is_empty());
}

#[tokio::test]
async fn a_head_that_takes_too_long_or_is_too_large_is_refused() {
    let node = node("[limits]\nrequest_head = \"200ms\"").await;
    let mut slow = Raw::dial(node.public_addr()).await;
    slow.write(b"GET /v1/connect HT").await;
    slow.rest().await;

    let mut long = Raw::dial(node.public_addr()).await;
    let head = format!("GET /v1/connect HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(20_000));
    let _ = long.0.write_all(head.as_bytes()).await;
    assert_eq!(status(&long.head().await), 431);

    let mut many = Raw::dial(node.public_addr()).await;
    let lines: String = (0..80).map(|n| format!("X-{n}: 1\r\n")).collect();
    many.write(format!("GET /v1/connect HTTP/1.1\r\nHost: x\r\n{lines}\r\n").as_bytes()).await;
    assert_eq!(status(&many.head().await), 431);
}

#[tokio::test]
async fn frames_sent_with_the_handshake_are_not_lost() {
    let node = node("").await;
    let mut raw = Raw::dial(node.public_addr()).await;
    // A Probe before Hello: field 4, one varint; in the same packet as the request.
    let probe = [0x22, 0x02, 0x08, 0x2a];
    let mut bytes = HANDSHAKE.as_bytes().to_vec();
    bytes.extend([0x82, 0x84, 0, 0, 0, 0]);
    bytes.extend(probe);
    raw.write(&bytes).await;
    assert_eq!(status(&raw.head().await), 101);
    let (first, payload) = raw.read_frame().await.unwrap();
    assert_eq!((first, &payload[..1]), (0x82, &[0x22][..]), "a ProbeReply");
}

#[tokio::test]
async fn too_many_handshakes_are_told_after_the_upgrade_and_then_no_more() {
    let node = node("[limits]\nhandshakes_per_second = 1").await;
    let mut told = Vec::new();
    for n in 0..30 {
        let mut raw = Raw::dial(node.public_addr()).await;
        raw.write(HANDSHAKE.as_bytes()).await;
        let head = raw.head().await;
        match n {
            0..10 => assert_eq!(status(&head), 101, "the burst"),
            10..18 => {
                assert_eq!(status(&head), 101, "told where a browser can read it");
                let (closing, code) = raw.closed().await;
                let closing = closing.unwrap();
                assert_eq!((closing.code, code), (CloseCode::TooManyRequests, 4529));
                assert!(closing.reconnect_after_ms > 0);
                told.push(closing.reconnect_after_ms);
            }
            25.. => {
                assert_eq!(status(&head), 429, "told often enough");
                assert!(head.to_ascii_lowercase().contains("retry-after:"), "{head}");
            }
            _ => {}
        }
    }
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "each later than the one before: {told:?}");
}

#[tokio::test]
async fn the_address_behind_a_trusted_proxy_is_the_one_that_counts() {
    let node = node("trusted_proxies = [\"127.0.0.0/8\"]\n[limits]\nhandshakes_per_second = 1").await;
    let from = |client: &str| handshake_with("X-Forwarded-For", Some(client));
    for n in 0..40 {
        let head = answer(node.public_addr(), &from("192.0.2.1")).await;
        assert_eq!(status(&head), if n < 20 { 101 } else { status(&head) });
    }
    assert_eq!(status(&answer(node.public_addr(), &from("192.0.2.1")).await), 429);
    let mut other = Device::dial_with(node.public_addr(), &[("x-forwarded-for", "192.0.2.2")]).await;
    assert!(other.is_quiet().await, "another client of the same proxy is let in");

    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    header.extend([192, 0, 2, 1, 127, 0, 0, 1, 0, 1, 0, 2]);
    header.extend(HANDSHAKE.as_bytes());
    let mut proxied = Raw::dial(node.public_addr()).await;
    proxied.write(&header).await;
    assert_eq!(status(&proxied.head().await), 429, "PROXY v2 names the same client");
}

#[tokio::test]
async fn a_stranger_cannot_say_who_it_is() {
    let node = node("").await;
    let mut raw = Raw::dial(node.public_addr()).await;
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    header.extend([192, 0, 2, 1, 127, 0, 0, 1, 0, 1, 0, 2]);
    header.extend(HANDSHAKE.as_bytes());
    let _ = raw.0.write_all(&header).await;
    let answer = String::from_utf8_lossy(&raw.rest().await).into_owned();
    assert!(!answer.contains("101"), "{answer}");
}
