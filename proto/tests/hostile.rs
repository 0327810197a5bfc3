//! Bytes of a hostile or a later peer: nothing panics, what is unknown is passed over, what is wrong
//! is told apart from what is merely new.

#![allow(clippy::unwrap_used)] // wrong steps should fail there

mod kit;
mod samples;

use kit::Gate;
use proptest::prelude::*;
use pulsegate_proto::frame::{
    ClientFrameError, FrameErrorKind, decode_client, decode_message, decode_receipts, decode_server,
};
use pulsegate_proto::session::server::{Input, Settings};
use samples::read;

/// `SplitMix64`: the same mutations in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(4) {
        let place = dice.roll(bytes.len().max(1));
        match dice.roll(6) {
            0 if !bytes.is_empty() => bytes[place] ^= 1 << dice.roll(8),
            1 if !bytes.is_empty() => bytes[place] = [0, 0xff, 0x80, 0x7f][dice.roll(4)],
            2 => bytes.insert(place.min(bytes.len()), dice.roll(256) as u8),
            3 if !bytes.is_empty() => _ = bytes.remove(place),
            4 => bytes.truncate(place),
            _ => {
                let copy: Vec<u8> = bytes.iter().skip(place).take(dice.roll(40)).copied().collect();
                bytes.extend(copy);
            }
        }
    }
}

/// Reads bytes in every way there is.
fn decode_everything(bytes: &[u8]) {
    _ = decode_client(bytes);
    _ = decode_server(bytes);
    _ = decode_message(bytes);
    _ = decode_receipts(bytes);
}

#[test]
fn mutated_frames_never_panic_a_decoder() {
    let mut dice = Dice(1);
    for (_, frame) in read("client").into_iter().chain(read("server")) {
        for _ in 0..2000 {
            let mut bytes = frame.clone();
            mutate(&mut bytes, &mut dice);
            decode_everything(&bytes);
        }
    }
}

#[test]
fn mutated_frames_never_panic_a_session() {
    let mut dice = Dice(2);
    let frames = read("client");
    for round in 0..300 {
        let mut gate = if round % 2 == 0 {
            Gate::new(Settings { frames_per_second: 0, ..Settings::default() })
        } else {
            Gate::welcomed(Settings { frames_per_second: 0, ..Settings::default() })
        };
        for _ in 0..30 {
            let mut bytes = frames[dice.roll(frames.len())].1.clone();
            if dice.roll(3) == 0 {
                mutate(&mut bytes, &mut dice);
            }
            gate.bytes(bytes);
            gate.input(Input::Available { slot: dice.roll(200) as u16 });
            gate.take();
        }
    }
    let frames = read("server");
    for _ in 0..300 {
        let mut phone = kit::phone::Phone::welcomed();
        for _ in 0..30 {
            let mut bytes = frames[dice.roll(frames.len())].1.clone();
            if dice.roll(3) == 0 {
                mutate(&mut bytes, &mut dice);
            }
            phone.bytes(&bytes);
            phone.stored().millis(dice.roll(3000) as u64);
            phone.take();
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic_a_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        decode_everything(&bytes);
    }
}

#[test]
fn every_prefix_of_a_frame_is_an_error_or_a_frame() {
    for (_, frame) in read("client").into_iter().chain(read("server")) {
        (0..frame.len()).for_each(|end| decode_everything(&frame[..end]));
    }
}

/// Unknown fields of every wire type: varint, 64 bits, bytes, 32 bits.
const UNKNOWN: [&[u8]; 4] = [
    &[0xa0, 0x06, 0x96, 0x01],
    &[0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8],
    &[0xa2, 0x06, 3, 1, 2, 3],
    &[0xa5, 0x06, 1, 2, 3, 4],
];

#[test]
fn unknown_fields_are_passed_over() {
    for unknown in UNKNOWN {
        for (name, frame) in read("client") {
            let bytes = [unknown, &frame, unknown].concat();
            assert_eq!(decode_client(&bytes), decode_client(&frame), "{name}");
        }
        for (name, frame) in read("server") {
            let bytes = [unknown, &frame, unknown].concat();
            assert_eq!(decode_server(&bytes), decode_server(&frame), "{name}");
        }
    }
}

#[test]
fn an_unknown_kind_of_frame_is_no_frame_and_no_error() {
    for unknown in UNKNOWN {
        assert_eq!(decode_client(unknown).unwrap().frame, None);
        assert_eq!(decode_server(unknown).unwrap(), None);
    }
    assert_eq!(decode_client(&[]).unwrap().frame, None);
    assert_eq!(decode_server(&[]).unwrap(), None);
}

#[test]
fn deep_nesting_costs_nothing_and_is_no_crash() {
    // A field 100 inside itself, and groups within groups: 20,000 deep.
    let mut nested = Vec::new();
    for _ in 0..15 {
        let mut outer = vec![0xa2, 0x06];
        let mut length = nested.len();
        while length >= 128 {
            outer.push(length as u8 | 0x80);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.append(&mut nested);
        nested = outer;
    }
    assert_eq!(decode_client(&nested).unwrap().frame, None);
    let groups = [0xa3, 0x06].repeat(20_000);
    decode_everything(&groups);
    assert!(matches!(decode_client(&groups), Err(ClientFrameError::Close(_))));
    assert!(decode_server(&groups).is_err());
}

#[test]
fn text_that_is_no_utf_8_is_malformed() {
    let bytes = [0x3a, 3, 0x0a, 1, 0xff]; // Subscribe ["\xff"]
    let Err(ClientFrameError::Close(error)) = decode_client(&bytes) else { panic!() };
    assert_eq!(error.kind, FrameErrorKind::Malformed);
}

#[test]
fn a_report_of_too_many_receipts_or_a_wrong_id_is_refused() {
    let receipt = |id: usize| {
        let mut receipt = vec![0x0a, id as u8];
        receipt.extend(vec![1; id]);
        receipt.extend([0x10, 2]);
        [vec![0x0a, receipt.len() as u8], receipt].concat()
    };
    assert_eq!(decode_receipts(&receipt(16).repeat(1000)).unwrap().len(), 1000);
    assert_eq!(decode_receipts(&receipt(16).repeat(1001)).unwrap_err().kind, FrameErrorKind::TooLarge);
    assert_eq!(decode_receipts(&receipt(15)).unwrap_err().kind, FrameErrorKind::Violation);
    // A stage of a later contract is left out.
    assert!(decode_receipts(&[0x0a, 4, 0x0a, 0, 0x10, 99]).unwrap().is_empty());
}
