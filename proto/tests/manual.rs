//! `docs/PROTOCOL.md` is held to the code: its hex lines are the golden ones, its schema is the
//! contract, its table of close codes is the one the client obeys.

#![allow(clippy::unwrap_used)] // a manual that cannot be read should fail its test

mod samples;

use pulsegate_proto::frame::{CloseCode, Retry};
use samples::{hex, read};

fn manual() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/PROTOCOL.md")).unwrap()
}

/// The text of each fenced block of a language.
fn blocks(language: &str) -> Vec<String> {
    let manual = manual();
    let fence = format!("```{language}\n");
    manual.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_hex_line_of_the_manual_is_a_golden_one() {
    let golden: Vec<_> = read("client").into_iter().chain(read("server")).collect();
    let lines: Vec<String> =
        blocks("hex").iter().flat_map(|it| it.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    assert!(lines.len() >= 20, "{}", lines.len());
    for line in lines {
        let (name, bytes) = line.split_once(' ').unwrap();
        let pinned = golden.iter().find(|(golden, _)| golden == name);
        assert_eq!(bytes, hex(&pinned.unwrap_or_else(|| panic!("no golden frame {name}")).1), "{name}");
    }
}

#[test]
fn the_schema_of_the_manual_is_the_contract() {
    let contract = include_str!("../contract/pulsegate.proto");
    assert_eq!(blocks("proto"), [contract.trim_end()]);
}

#[test]
fn the_manual_says_of_each_close_code_what_the_client_does() {
    let codes = [4400, 4401, 4403, 4409, 4410, 4413, 4426, 4498, 4500, 4503, 4504, 4508, 4529];
    let manual = manual();
    for number in codes {
        let row = manual.lines().find(|line| line.starts_with(&format!("| {number} |"))).unwrap();
        let word = match CloseCode::from_code(number).retry() {
            Retry::ComeBack => "come back",
            Retry::WithNewToken => "fetch a token",
            Retry::AskApp => "another token",
            Retry::WithHigherGeneration => "+ 1",
            Retry::AsNew => "as new",
            Retry::Stop => "stop",
        };
        assert!(row.contains(word), "{row}");
    }
}
