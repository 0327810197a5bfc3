//! One WebSocket, and the closure the browser calls for it.

use crate::{driver, input};
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

/// The subprotocol of the contract.
const SUBPROTOCOL: &str = "pulsegate.v1";
/// What stands for a text message, which is no frame of the contract: the session judges it as such.
const NO_FRAME: u8 = 0xff;

/// A socket whose events go to the core until it is dropped.
pub struct Socket {
    socket: WebSocket,
    // Held because the browser calls it; dropping it frees it. One for all events: each closure of a
    // kind of its own is glue and a table entry more.
    _heard: Closure<dyn FnMut(JsValue)>,
}

impl Socket {
    /// Opens a socket. What happens on it is told to the core under its number.
    ///
    /// # Errors
    /// The browser refused: a wrong URL, or a content security policy.
    pub fn open(no: u32, url: &str) -> Result<Self, JsValue> {
        let socket = WebSocket::new_with_str(url, SUBPROTOCOL)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let mut open = false;
        let heard = Closure::new(move |event: JsValue| {
            let (mut code, mut bytes) = (0, Vec::new());
            let kind = if let Some(close) = event.dyn_ref::<CloseEvent>() {
                code = close.code();
                driver::CLOSED
            } else if open {
                let data = event.unchecked_into::<MessageEvent>().data();
                bytes = data
                    .dyn_ref::<ArrayBuffer>()
                    .map_or_else(|| vec![NO_FRAME], |buffer| Uint8Array::new(buffer).to_vec());
                driver::MESSAGE
            } else {
                open = true;
                driver::OPEN
            };
            input(kind, f64::from(no), f64::from(code), bytes);
        });
        let listener = Some(heard.as_ref().unchecked_ref());
        socket.set_onopen(listener);
        socket.set_onmessage(listener);
        socket.set_onclose(listener);
        Ok(Self { socket, _heard: heard })
    }

    /// Sends one binary message. What a dying socket does not take is found out by its close.
    pub fn send(&self, bytes: &[u8]) {
        let _ = self.socket.send_with_u8_array(bytes);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Nothing but its close can come of it from here on.
        self.socket.set_onclose(None);
        let _ = self.socket.close();
    }
}
