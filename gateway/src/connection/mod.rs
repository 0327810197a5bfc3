//! One WebSocket: the driver of one server session.
//!
//! ```text
//! socket -> tungstenite -> Input -> session (decides) -> Effect -> outbox, hub, router, auth
//!                                                     <- Input  <- waiter, answers, timer
//! ```
//!
//! One task a connection and one future in it, which is as small as an idle connection may be: what is rare
//! (admission, commits, reads of the store) is boxed while it lasts. No channel: see [`crate::hub::Waiter`].

mod admit;
mod close;
mod commit;
mod convert;
mod driver;
pub(crate) mod frame;
mod goodbye;
mod job;
mod network;
mod outbox;
mod perform;
mod port;
mod slot;
mod who;

pub use network::NetworkNames;

use crate::listener::Stream;
use crate::state::AppState;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A connection whose upgrade was answered.
pub struct Incoming {
    /// The raw stream.
    pub stream: Stream,
    /// What was read of it beyond the request.
    pub early: Vec<u8>,
    /// Who dialled, as far as trusted proxies tell.
    pub address: IpAddr,
    /// The page's origin; `None`: no browser.
    pub origin: Option<String>,
    /// It was let in only to be told why it must go.
    pub turned: Option<Turned>,
}

/// Why a connection is turned away right after the upgrade, where a browser can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It speaks another version of the protocol.
    Version,
    /// Too many handshakes from its address; come back after this.
    Overload(Duration),
}

/// Gives `incoming` a task of its own.
pub fn start(state: Arc<AppState>, incoming: Incoming) {
    tokio::spawn(async move {
        let _open = Open::new(&state);
        // The connection is dropped, and its socket closed, before its end is written down.
        let goodbye = driver::Connection::open(state, incoming).await.await;
        goodbye.await;
    });
}

/// One open connection in the counts, also where its task is dropped half-way.
struct Open(Arc<AppState>);

impl Open {
    fn new(state: &Arc<AppState>) -> Self {
        state.hub.opened();
        state.metrics.connection_opened();
        Self(Arc::clone(state))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.hub.closed();
    }
}
