//! The conversation of one link, from both ends.

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod server;
mod timers;
