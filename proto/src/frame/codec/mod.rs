//! Between bytes and valid types. The two directions stand apart so that a browser carries only
//! its own: it encodes what clients say and decodes what gateways say.

#[cfg(feature = "server")]
mod convert;
#[cfg(feature = "client")]
mod wire;

#[cfg(feature = "client")]
pub(super) mod client_decode;
#[cfg(feature = "client")]
pub(crate) mod client_encode;
#[cfg(feature = "server")]
pub(super) mod server_side;

use crate::id::LogName;

/// The two halves of a log's name.
fn log_parts(log: &LogName) -> (&'static str, &str) {
    match log {
        LogName::Device => ("device", ""),
        LogName::All => ("all", ""),
        LogName::User(user) => ("user:", user.as_str()),
        LogName::Topic(topic) => ("topic:", topic.as_str()),
    }
}
