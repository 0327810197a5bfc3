//! The ladder in a browser's wasm decides to the bit as a native build does: its arithmetic is `+ - * /`.
#![cfg(target_arch = "wasm32")]

use pulsegate_proto::sim::{DECISIONS, decisions};
use wasm_bindgen_test::wasm_bindgen_test;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// `proto/tests/heartbeat.rs` asks the same of a native build.
#[wasm_bindgen_test]
fn wasm_decides_to_the_bit_as_a_native_build_does() {
    assert_eq!(decisions(100_000), DECISIONS);
}
