//! Frames no honest client sends: each has its code, and is told before the end.

use crate::device::{Device, Raw, hello, node};
use pulsegate_proto::frame::{ClientEnvelope, ClientFrame, CloseCode, encode_client};
use tokio_tungstenite::tungstenite::Message;

use futures_util::SinkExt;
use tokio::io::AsyncWriteExt;

async fn fate(first: u8, payload: &[u8]) -> (CloseCode, u16) {
    let node = node("").await;
    let mut raw = Raw::upgraded(node.public_addr()).await;
    raw.frame(first, payload).await;
    let (closing, code) = raw.closed().await;
    // Some faults make the node deaf: it hangs up without waiting for this.
    let _ = raw.0.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await;
    assert!(raw.rest().await.is_empty(), "nothing follows a close frame, and then the node hangs up");
    (closing.unwrap().code, code)
}

#[tokio::test]
async fn broken_websocket_frames_get_the_codes_of_rfc_6455() {
    let violation = CloseCode::ProtocolViolation;
    let cases: [(&str, u8, &[u8], u16); 8] = [
        ("text", 0x81, b"hello", 1003),
        ("text that is no UTF-8", 0x81, &[0xff, 0xfe], 1007),
        ("a reserved bit", 0xc2, b"x", 1002),
        ("an unknown opcode", 0x83, b"x", 1002),
        ("a continuation of nothing", 0x80, b"x", 1002),
        ("a fragmented ping", 0x09, b"x", 1002),
        ("a ping over 125 bytes", 0x89, &[7; 126], 1002),
        ("a close frame of one byte", 0x88, &[3], 1002),
    ];
    for (what, first, payload, code) in cases {
        assert_eq!(fate(first, payload).await, (violation, code), "{what}");
    }
}

#[tokio::test]
async fn an_unmasked_frame_is_refused() {
    let node = node("").await;
    let mut raw = Raw::upgraded(node.public_addr()).await;
    raw.write(&[0x82, 4, 0x22, 2, 8, 42]).await;
    let (closing, code) = raw.closed().await;
    assert_eq!((closing.unwrap().code, code), (CloseCode::ProtocolViolation, 1002));
}

#[tokio::test]
async fn an_absurd_length_is_1009() {
    let node = node("").await;
    let mut raw = Raw::upgraded(node.public_addr()).await;
    raw.write(&[0x82, 0xff, 0, 0, 0x10, 0, 0, 0, 0, 0, 1, 2, 3, 4]).await;
    let (closing, code) = raw.closed().await;
    assert_eq!((closing.unwrap().code, code), (CloseCode::FrameTooLarge, 1009));
}

#[tokio::test]
async fn bytes_that_are_no_frame_of_ours_are_4400() {
    for payload in [&[0xff, 0xff, 0xff][..], &[0x0a, 0x7f, 1], b""] {
        assert_eq!(fate(0x82, payload).await, (CloseCode::ProtocolViolation, 4400), "{payload:?}");
    }
}

#[tokio::test]
async fn a_message_over_our_limits_is_4413_before_and_after_hello() {
    assert_eq!(fate(0x82, &[0x0a; 32 * 1024 + 1]).await, (CloseCode::FrameTooLarge, 4413));
    assert_eq!(fate(0x82, &[0x0a; 70_000]).await, (CloseCode::FrameTooLarge, 4413));

    let node = node("").await;
    let (mut device, _) = Device::welcomed(&node, hello()).await;
    let _ = device.socket.send(Message::Binary(vec![0; 65_537].into())).await;
    let (closing, code) = device.closed().await;
    assert_eq!((closing.unwrap().code, code), (CloseCode::FrameTooLarge, 4413));
}

#[tokio::test]
async fn a_limit_is_of_the_whole_message_all_fragments_together() {
    let node = node("").await;
    let (device, _) = Device::welcomed(&node, hello()).await;
    let mut raw = Raw(device.socket.into_inner());
    raw.frame(0x02, &[0x52; 40_000]).await;
    raw.frame(0x80, &[0x52; 40_000]).await;
    let (closing, code) = raw.closed().await;
    assert_eq!((closing.unwrap().code, code), (CloseCode::FrameTooLarge, 4413));
}

#[tokio::test]
async fn a_message_may_come_in_fragments_with_pings_between() {
    let node = node("").await;
    let mut raw = Raw::upgraded(node.public_addr()).await;
    let frame = ClientFrame::Probe { nonce: 42 };
    let probe = encode_client(ClientEnvelope { request_id: 0, frame: Some(frame) });
    raw.frame(0x02, &probe[..2]).await;
    raw.frame(0x89, b"ping").await;
    raw.frame(0x80, &probe[2..]).await;
    assert_eq!(raw.read_frame().await.unwrap(), (0x8a, b"ping".to_vec()));
    assert_eq!(raw.read_frame().await.unwrap().0, 0x82);
}

#[tokio::test]
async fn a_close_frame_is_answered_and_the_node_hangs_up() {
    let node = node("").await;
    let mut raw = Raw::upgraded(node.public_addr()).await;
    raw.frame(0x88, &1000u16.to_be_bytes()).await;
    assert_eq!(raw.read_frame().await.unwrap(), (0x88, 1000u16.to_be_bytes().to_vec()));
    assert!(raw.rest().await.is_empty());
}
