//! Names that cannot be wrong: parsed once at the edge, valid from there on.

mod log;
mod mark;
mod name;
mod topic;

pub use log::{Cursor, Epoch, LogName, Position, Seq};
pub use mark::{Mark, Marks, SharedPart};
pub use name::{AppId, MessageId, RegistrationId, SessionId, Tag, UserId};
pub use topic::{Pattern, Topic};

use core::fmt;

/// Why a name was refused: what was expected of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidName {
    /// What kind of name it should have been: "topic", "app id" …
    pub what: &'static str,
    /// What such a name looks like.
    pub expected: &'static str,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a valid {}: expected {}", self.what, self.expected)
    }
}

impl core::error::Error for InvalidName {}
