//! The node: WebSockets for devices, HTTP for backends, one binary `pulsegate`.
//!
//! ```text
//! publish  HTTP body -> api::publish -> routing: resolve target -> plan -> commit -> wake
//! deliver  wake -> connection driver -> reader -> entries -> server session machine -> socket
//! ```

pub mod api;
pub mod assets;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connection;
pub mod hub;
pub mod listener;
pub mod metric;
pub mod node;
pub mod state;
