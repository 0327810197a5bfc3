//! The client's side of a device.

mod io;

pub use io::{
    Config, Deadline, Effect, Entry, Fault, Identity, Input, Reason, Save, Socket, State, Store, TokenNeed,
    Welcomed, Why, Wipe, Wish, WishId,
};
