//! Between bytes and valid types. The two directions stand apart so that a browser carries only
//! its own: it encodes what clients say and decodes what gateways say.

mod convert;

#[cfg(feature = "client")]
pub(super) mod client_side;
#[cfg(feature = "server")]
pub(super) mod server_side;
