//! Frames as valid types, and the codec that makes them so.
//!
//! ```text
//! client: ClientEnvelope -> encode_client -> bytes -> decode_client -> gateway
//! gateway: ServerFrame -> encode_server, encode_deliver, encode_recall -> bytes -> decode_server -> client
//! ```
//!
//! One WebSocket binary message is one frame. Bytes become valid types here or nowhere: what a peer
//! sends never panics, and what it got wrong is a [`FrameError`] that knows its close code.

mod client;
mod code;
mod codec;
mod error;
mod message;
mod server;

pub use client::{
    Activity, ClientEnvelope, ClientFrame, DeviceTarget, Hello, LastLink, Publish, Receipt, Stage, WebPush,
};
pub use code::{CloseCode, ErrorCode, Retry};
#[cfg(feature = "client")]
pub(crate) use codec::client_decode::decode_lightly;
#[cfg(feature = "client")]
pub use codec::client_decode::{decode_server, read_message};
#[cfg(feature = "client")]
pub(crate) use codec::client_encode as say;
#[cfg(feature = "client")]
pub use codec::client_encode::{encode_client, encode_receipts};
#[cfg(feature = "server")]
pub use codec::server_side::{
    decode_client, decode_message, decode_receipts, encode_deliver, encode_message, encode_recall,
    encode_server,
};
pub use error::{ClientFrameError, FrameError, FrameErrorKind};
pub use message::{Message, Notification, NotificationAction, NotifyBody, Urgency};
pub use server::{
    Cause, Closing, Deliver, Endpoint, Gap, GapReason, HeartbeatKind, HeartbeatPolicy, LastSeen, Redirect,
    Reply, ServerFrame, Start, Welcome, What,
};
