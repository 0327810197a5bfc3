//! A real node in this process, on a store in memory, and devices that speak to it over real sockets: some by
//! tungstenite, some byte by byte, to say what no library would say.

#![allow(clippy::unwrap_used)] // here an unwrap is an assertion

mod broken;
mod deliver;
mod device;
mod drain;
mod hello;
mod limit;
mod link;
mod request;
mod tls;
mod upgrade;
