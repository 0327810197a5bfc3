//! What the core says: to one function of the worker's TypeScript.
//!
//! One function with a kind instead of one a subject, because each costs every visitor its glue on
//! both sides. It is a function by itself and no object: what the glue calls it is said
//! in `js/core.mjs`. The kinds are the contract with `js/src/worker/link.ts`.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Says something of the given [`kind`]. What the arguments mean is said there; those it does
    /// not name are empty. Text is `bytes` in UTF-8. They lie in the core's memory: who needs them
    /// longer than the call copies them.
    #[wasm_bindgen(js_name = pulsegateTell)]
    fn tell(kind: u32, x: f64, y: f64, bytes: &[u8]);

    /// Milliseconds since the worker began: monotonic, and there in every kind of worker.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    pub(crate) fn performance_now() -> f64;
}

/// Says something in small numbers and a text.
pub(crate) fn say(kind: u32, x: u32, y: u32, text: &str) {
    say_bytes(kind, f64::from(x), f64::from(y), text.as_bytes());
}

/// Says something.
pub(crate) fn say_bytes(kind: u32, x: f64, y: f64, bytes: &[u8]) {
    tell(kind, x, y, bytes);
}

/// Kinds of what the core says. Numbers stand for the variants of the session's enums, in the order in
/// which `perform.rs` lists them.
pub mod kind {
    /// Fetch a token from a tab (`x`: why), then answer.
    pub const NEED_TOKEN: u32 = 0;
    /// A message of the transaction that [`COMMIT`] ends. `x` 1: stored; `bytes`: one with the length
    /// of the log's name, the name, and a `Message` of the contract as the gateway wrote it.
    pub const MESSAGE: u32 = 1;
    /// A recall of that transaction. `bytes`: the id.
    pub const RECALL: u32 = 2;
    /// A new place of that transaction. `x`: epoch, `y`: seq, text: the log.
    pub const CURSOR: u32 = 3;
    /// A log of that transaction that is read no more. text: the log.
    pub const ENDED: u32 = 4;
    /// Write it all (`x` names it), then answer.
    pub const COMMIT: u32 = 5;
    /// Keep this identity, then answer. `x`: generation, `y` 1: forgetting, `bytes`: 32 of secret and
    /// the registration, or nothing.
    pub const SAVE: u32 = 6;
    /// Wipe messages, cursors and shown notifications. `x`: why.
    pub const WIPE: u32 = 7;
    /// The connection's state. `x`: state, `y`: reason, from 1000 the close code.
    pub const STATE: u32 = 8;
    /// The link is welcomed. text, a line each: registration, user, session, topics.
    pub const WELCOMED: u32 = 9;
    /// A topic is read on this link. `x` 0: something may be missing.
    pub const SUBSCRIBED: u32 = 10;
    /// A topic could not be subscribed. `x`: the error code.
    pub const REFUSED: u32 = 11;
    /// A subscription is gone.
    pub const UNSUBSCRIBED: u32 = 12;
    /// A wish ended. `x`: which, `y`: the error code.
    pub const SETTLED: u32 = 13;
    /// A log ended by the backend's doing or a narrower token. `x`: the error code.
    pub const LOG_ENDED: u32 = 14;
    /// Entries of a log are missing for good. `x`: the reason.
    pub const GAP: u32 = 15;
    /// The gateway has `x` more receipts, oldest first.
    pub const RECEIPTS_TAKEN: u32 = 16;
    /// The registration is dropped.
    pub const FORGOTTEN: u32 = 17;
    /// Something to tell the app. `x`: which fault, `y`: its code, text: the gateway's words.
    pub const FAULT: u32 = 18;
    /// A frame came from the gateway. `x` 1: it was a Beat.
    pub const HEARD: u32 = 19;
    /// Fetch the list of gateways, then answer if there is one.
    pub const NEED_GATEWAYS: u32 = 20;
    /// Keep what the heartbeat remembers: opaque `bytes`.
    pub const HEARTBEAT: u32 = 21;
}
