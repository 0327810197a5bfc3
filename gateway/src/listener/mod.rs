//! The way in: an accept loop of our own, because none of the ready ones bounds a peer that sends nothing.
//!
//! ```text
//! accept -> first byte (5 s) -> PROXY v2? (trusted peers) -> TLS? -> request head (5 s, 16 KiB, 64 lines)
//!        -> axum routes it -> /v1/connect: `upgrade` checks it, answers 101, hands the raw stream to `connection`
//! ```

mod accept;
mod budget;
mod proxy;
mod rate;
mod stream;
mod tls;
mod upgrade;

pub use accept::{Listener, Peer, Scheme, bind};
pub use budget::{Budget, Share};
pub use proxy::{forwarded, is_trusted};
pub use rate::{AddressRate, Rate, Verdict};
pub use stream::Stream;
pub use tls::{Tls, TlsError};
pub use upgrade::upgrade;
