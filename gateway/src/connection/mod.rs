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
    tokio::spawn(run(state, incoming));
}

async fn run(state: Arc<AppState>, incoming: Incoming) {
    let _open = Open::new(&state);
    // Boxed: what opening needs would otherwise be carried for the whole life of the connection.
    let connection = Box::pin(driver::Connection::open(state, incoming)).await;
    // The connection is dropped, and its socket closed, before its end is written down.
    let goodbye = connection.await;
    goodbye.await;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the future `f` makes.
    fn size<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_is_one_small_future() {
        let bytes = size(run);
        assert!(bytes <= 1100, "{bytes} bytes");
    }
}
