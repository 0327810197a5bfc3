//! The Pulsegate browser core: what drives [`pulsegate_proto`]'s client session in a worker.
//!
//! The conversation: the worker's TypeScript makes a [`Core`], tells it what storage holds and what
//! tabs wish; the session inside decides; the core opens sockets and keeps the one timer, and calls
//! the worker's [`Host`] for storage, tokens and everything a tab sees. It decides nothing itself.
//!
//! Only wasm32 has anything of this. There is no panic hook: a trap ends the worker, and the tabs
//! start a new one.

#![cfg(target_arch = "wasm32")]

mod driver;
mod host;
mod perform;
mod socket;

pub use driver::Core;
pub use host::{Host, kind};

use core::cell::OnceCell;
use wasm_bindgen::prelude::*;

/// Smaller than std's allocator by about 2 kB of download.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

thread_local! {
    /// A worker is one device.
    static CORE: OnceCell<Core> = const { OnceCell::new() };
}

/// Makes this worker's core; see [`Core::new`]. A second call changes nothing.
#[wasm_bindgen]
pub fn start(host: Host, tokens: bool, seed: f64, config: Vec<u8>) {
    CORE.with(|core| {
        core.get_or_init(|| Core::new(host, tokens, seed, &config));
    });
}

/// Tells the core something; see [`Core::input`]. Before [`start`] nobody listens.
#[wasm_bindgen]
pub fn input(kind: u32, x: f64, y: f64, bytes: Vec<u8>) {
    CORE.with(|core| {
        if let Some(core) = core.get() {
            core.input(kind, x, y, bytes);
        }
    });
}
