//! One WebSocket, and the closures the browser calls for it.

use js_sys::{ArrayBuffer, Function, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

/// The subprotocol of the contract.
const SUBPROTOCOL: &str = "pulsegate.v1";
/// What a link that ended without a close frame is said to have closed with (RFC 6455, 7.1.5).
pub const ABNORMAL: u16 = 1006;

/// Something that happened on a socket.
pub enum Event {
    /// It is open.
    Open,
    /// A whole binary message.
    Message(Vec<u8>),
    /// It is gone, with this code.
    Closed(u16),
}

/// A socket whose events go to one function until it is dropped.
pub struct Socket {
    socket: WebSocket,
    // Held because the browser calls them; dropping them frees them. One type, so one piece of glue.
    _heard: [Closure<dyn FnMut(JsValue)>; 3],
}

impl Socket {
    /// Opens a socket.
    ///
    /// # Errors
    /// The browser refused: a wrong URL, or a content security policy.
    pub fn open(url: &str, on: impl Fn(Event) + Clone + 'static) -> Result<Self, JsValue> {
        let socket = WebSocket::new_with_str(url, SUBPROTOCOL)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let told = on.clone();
        let open = Closure::new(move |_| told(Event::Open));
        let told = on.clone();
        let message = Closure::new(move |event: JsValue| {
            // Text is no frame of the contract: what stands for it is judged as such by the session.
            let bytes = match event.unchecked_into::<MessageEvent>().data().dyn_into::<ArrayBuffer>() {
                Ok(buffer) => Uint8Array::new(&buffer).to_vec(),
                Err(_) => vec![0xff],
            };
            told(Event::Message(bytes));
        });
        let close = Closure::new(move |event: JsValue| {
            on(Event::Closed(event.unchecked_into::<CloseEvent>().code()))
        });
        let heard: [Closure<dyn FnMut(JsValue)>; 3] = [open, message, close];
        let [open, message, close] =
            heard.each_ref().map(|closure| closure.as_ref().unchecked_ref::<Function>());
        socket.set_onopen(Some(open));
        socket.set_onmessage(Some(message));
        socket.set_onclose(Some(close));
        Ok(Self { socket, _heard: heard })
    }

    /// Sends one binary message. What a dying socket does not take is found out by its close.
    pub fn send(&self, bytes: &[u8]) {
        let _ = self.socket.send_with_u8_array(bytes);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        let _ = self.socket.close();
    }
}
