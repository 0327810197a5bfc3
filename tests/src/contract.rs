//! The wire contract as bare generated types, both directions: for tests that must say what a
//! proper client never says. The same generated file that `proto` keeps private.

#![allow(missing_docs, clippy::all, reason = "generated")]

include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/src/generated/pulsegate.v1.rs"));
