//! The NAT lab: what a real kernel's address translation does to a connection, and what the client makes of it.
//! Root on Linux; elsewhere it says that it tests nothing. `cargo xtask test nat` installs what it needs.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test whose preparation fails should fail right there")]

mod browser;
mod ladder;
mod pinging;
mod worlds;
