//! The Pulsegate browser core: what drives [`pulsegate_proto`]'s client session in a worker.
//!
//! The conversation: the worker's TypeScript makes a device, tells it what storage holds and what
//! tabs wish; the session inside decides; the core opens sockets and keeps the one timer, and tells
//! the worker of everything that concerns storage, tokens and what a tab sees ([`kind`]). It decides
//! nothing itself.
//!
//! Only wasm32 has anything of this. There is no panic hook: a trap ends the worker, and the tabs
//! start a new one.

#![cfg(target_arch = "wasm32")]

mod driver;
mod host;
mod perform;
mod socket;

pub use host::kind;

use core::cell::RefCell;
use driver::Core;
use wasm_bindgen::prelude::*;

/// Smaller than std's allocator by about 2 kB of download.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

thread_local! {
    /// A worker is one device.
    static CORE: RefCell<Option<Core>> = const { RefCell::new(None) };
}

/// The kind of [`input`] that makes the device, before any other.
pub const MAKE: u32 = 100;

/// Tells the core something; see `Core::input`. [`MAKE`]: a device of its own, see `Core::new`;
/// `x` is the seed, and `y` 1 says that there are tokens.
#[wasm_bindgen]
pub fn input(kind: u32, x: f64, y: f64, bytes: Vec<u8>) {
    if kind == MAKE {
        drop(CORE.replace(Some(Core::new(y > 0.0, x, &bytes))));
    } else {
        CORE.with_borrow(|core| {
            if let Some(core) = core {
                core.input(kind, x, y, bytes);
            }
        });
    }
}
