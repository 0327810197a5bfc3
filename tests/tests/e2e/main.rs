//! End to end: the real binary, over its wire, HTTP and command-line contracts.

#![allow(clippy::unwrap_used, reason = "a test whose preparation fails should fail right there")]

mod access;
mod choice;
mod commands;
mod conversation;
mod disk;
mod hostile;
mod limits;
mod links;
mod operation;
mod publishing;
mod resume;
mod targets;
mod world;
