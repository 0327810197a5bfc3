//! What the core calls: an object of the worker's TypeScript. The names are the contract between
//! `client-wasm/src` and `client-wasm/js/src/worker/link.ts`.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The worker, as the core sees it. Numbers stand for the variants of the session's enums, in
    /// the order they are declared there (`perform.rs`).
    pub type Host;

    /// Fetch a token from a tab, then [`Core::token`](crate::Core::token) or its siblings.
    #[wasm_bindgen(method, js_name = needToken)]
    pub fn need_token(this: &Host, why: u32);

    /// A message of the transaction that [`Host::commit`] ends. `texts` holds body, ext, collapse
    /// key, and for a notification title, body, icon, image, badge, url, tag, lang and dir, then
    /// three of each action: action, title and icon, url.
    #[wasm_bindgen(method)]
    pub fn message(
        this: &Host,
        log: &str,
        stored: bool,
        id: Uint8Array,
        texts: Array,
        flags: u32,
        published: f64,
        expires: f64,
    );

    /// A recall of that transaction.
    #[wasm_bindgen(method)]
    pub fn recall(this: &Host, id: Uint8Array, tag: &str);

    /// A new place of that transaction.
    #[wasm_bindgen(method)]
    pub fn cursor(this: &Host, log: &str, epoch: f64, seq: f64);

    /// A log of that transaction that is read no more.
    #[wasm_bindgen(method)]
    pub fn ended(this: &Host, log: &str);

    /// Write it all, then [`Core::stored`](crate::Core::stored).
    #[wasm_bindgen(method)]
    pub fn commit(this: &Host, no: u32);

    /// Keep this identity, then [`Core::saved`](crate::Core::saved).
    #[wasm_bindgen(method)]
    pub fn save(this: &Host, registration: &str, secret: Uint8Array, generation: f64, forgetting: bool);

    /// Wipe messages, cursors and shown notifications.
    #[wasm_bindgen(method)]
    pub fn wipe(this: &Host, why: u32);

    /// The connection's state; `reason` 0: none; `code`: the close code, where it was one.
    #[wasm_bindgen(method)]
    pub fn state(this: &Host, state: u32, reason: u32, code: u32);

    /// The link is welcomed; `topics` are the durable subscriptions.
    #[wasm_bindgen(method)]
    pub fn welcomed(this: &Host, registration: &str, user: &str, session: &str, topics: Array);

    /// The topic is read on this link.
    #[wasm_bindgen(method)]
    pub fn subscribed(this: &Host, topic: &str, recovered: bool);

    /// The topic could not be subscribed.
    #[wasm_bindgen(method)]
    pub fn refused(this: &Host, topic: &str, error: u32);

    /// The subscription is gone.
    #[wasm_bindgen(method)]
    pub fn unsubscribed(this: &Host, topic: &str);

    /// A wish ended; `error` 0: well.
    #[wasm_bindgen(method)]
    pub fn settled(this: &Host, wish: u32, error: u32);

    /// A log ended by the backend's doing or a narrower token.
    #[wasm_bindgen(method, js_name = logEnded)]
    pub fn log_ended(this: &Host, log: &str, why: u32);

    /// Entries of a log are missing for good.
    #[wasm_bindgen(method)]
    pub fn gap(this: &Host, log: &str, reason: u32);

    /// The gateway has this many more receipts, oldest first.
    #[wasm_bindgen(method, js_name = receiptsTaken)]
    pub fn receipts_taken(this: &Host, count: u32);

    /// The registration is dropped.
    #[wasm_bindgen(method)]
    pub fn forgotten(this: &Host);

    /// Something to tell the app: 0 closed, 1 token refused, 2 refresh refused, 3 storage.
    #[wasm_bindgen(method)]
    pub fn fault(this: &Host, kind: u32, code: u32, text: &str);

    /// A frame came from the gateway; `beat`: it was a Beat.
    #[wasm_bindgen(method)]
    pub fn heard(this: &Host, beat: bool);

    /// Milliseconds since the worker began: monotonic, and there in every kind of worker.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    pub fn performance_now() -> f64;
}
