//! The Pulsegate protocol: frames, limits and pure state machines.
//!
//! No socket, clock, randomness or async lives here. A machine takes an input and the time and
//! returns effects; drivers (the gateway's socket, the browser's worker, the native test device)
//! perform them and decide nothing.

#[cfg(feature = "client")]
pub mod choose;
#[cfg(any(feature = "server", feature = "client"))]
pub mod frame;
#[cfg(feature = "harness")]
pub mod harness;
#[cfg(feature = "client")]
pub mod heartbeat;
pub mod id;
pub mod limits;
#[cfg(feature = "client")]
pub mod reconnect;
#[cfg(any(feature = "server", feature = "client"))]
pub mod session;
#[cfg(feature = "sim")]
pub mod sim;
pub mod time;

/// Generated from `contract/pulsegate.proto`; private, because its types can be wrong.
#[cfg(feature = "server")]
#[path = "generated/pulsegate.v1.rs"]
#[allow(clippy::all)] // not written by hand
mod generated;
