//! The core in a dedicated worker, with a real WebSocket to a real gateway.
#![cfg(target_arch = "wasm32")]

mod common;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

conversations!();
