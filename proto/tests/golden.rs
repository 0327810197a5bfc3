//! Every frame of both directions, pinned to its bytes: `tests/golden/client.txt` and `server.txt`
//! hold a name and the hex of each. A changed byte is a changed contract.
//!
//! After a wanted change, write them anew with `UPDATE_GOLDEN=1 cargo test -p pulsegate-proto` and
//! read the difference.

#![allow(clippy::unwrap_used)] // a golden file that cannot be read should fail its test

mod samples;

use pulsegate_proto::frame::{
    ClientFrame, Deliver, ServerFrame, What, decode_client, decode_message, decode_receipts, decode_server,
    encode_client, encode_deliver, encode_message, encode_recall, encode_receipts, encode_server,
    read_message,
};
use samples::{client_frames, hex, read, server_frames};
use std::fmt::Write;

fn check(name: &str, encoded: &[(String, Vec<u8>)]) {
    let mut text = String::new();
    for (name, bytes) in encoded {
        writeln!(text, "{name} {}", hex(bytes)).unwrap();
    }
    let path = format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    for (now, pinned) in text.lines().zip(written.lines()) {
        assert_eq!(now, pinned, "{path}");
    }
    assert_eq!(text, written, "{path}");
}

#[test]
fn every_client_frame_has_its_bytes() {
    let frames = client_frames().into_iter();
    let encoded: Vec<_> = frames.map(|(name, envelope)| (name, encode_client(envelope))).collect();
    check("client", &encoded);
}

#[test]
fn every_server_frame_has_its_bytes() {
    let frames = server_frames().into_iter();
    let encoded: Vec<_> = frames.map(|(name, frame)| (name, encode_server(frame).to_vec())).collect();
    check("server", &encoded);
}

#[test]
fn the_pinned_bytes_read_back_as_the_frames_they_are() {
    for ((name, envelope), bytes) in client_frames().into_iter().zip(read("client")) {
        assert_eq!(decode_client(&bytes.1).unwrap(), envelope, "{name}");
    }
    for ((name, frame), bytes) in server_frames().into_iter().zip(read("server")) {
        assert_eq!(decode_server(&bytes.1).unwrap(), Some(frame), "{name}");
    }
}

#[test]
fn a_deliver_around_encoded_bytes_is_the_deliver_encoded_whole() {
    let mut seen = 0;
    for (name, frame) in server_frames() {
        let ServerFrame::Deliver(deliver) = frame.clone() else { continue };
        let Deliver { log, at, what } = *deliver;
        let around = match what {
            What::Message(message) => {
                let bytes = encode_message((*message).clone());
                assert_eq!(decode_message(&bytes).unwrap(), *message);
                encode_deliver(&log, at, &bytes)
            }
            What::Recall { message, tag } => encode_recall(&log, at, message, &tag),
            What::Encoded { .. } | What::Unknown => continue,
        };
        assert_eq!(around, encode_server(frame), "{name}");
        seen += 1;
    }
    assert!(seen >= 4, "{seen}");
}

#[test]
fn receipts_over_http_are_the_report_alone() {
    let frame = client_frames().into_iter().find_map(|(_, envelope)| match envelope.frame {
        Some(ClientFrame::Receipts(receipts)) => Some(receipts),
        _ => None,
    });
    let receipts = frame.unwrap();
    assert_eq!(decode_receipts(&encode_receipts(receipts.clone())).unwrap(), receipts);
}

#[test]
fn a_message_left_as_bytes_reads_back_and_encodes_as_the_same_frame() {
    for (name, frame) in server_frames() {
        let ServerFrame::Deliver(deliver) = frame.clone() else { continue };
        let What::Message(message) = &deliver.what else { continue };
        let bytes = encode_message((**message).clone()).to_vec();
        assert_eq!(read_message(&bytes).as_ref(), Some(&**message), "{name}");
        let what = What::Encoded { id: message.id, bytes };
        let light = ServerFrame::Deliver(Box::new(Deliver { what, ..*deliver.clone() }));
        assert_eq!(encode_server(light), encode_server(frame), "{name}");
    }
    assert!(read_message(&[0xff]).is_none());
    assert!(read_message(&[]).is_none(), "a message has an id");
}
