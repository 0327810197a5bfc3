//! Logs and positions in them.

use super::{InvalidName, Topic, UserId};
use core::fmt;

/// Sequence number of an entry: strictly increasing in a log, not dense, at most 2^53 - 1.
/// Zero lies before the first entry.
pub type Seq = u64;

/// Incarnation of a store's logs: a cursor of another epoch means nothing. 32 random bits.
pub type Epoch = u64;

/// A log as a device names it on the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogName {
    /// The device's own.
    Device,
    /// Everyone and tag expressions.
    All,
    /// All devices of one user share it.
    User(UserId),
    /// One entry a message, whatever the number of subscribers.
    Topic(Topic),
}

impl LogName {
    /// Reads `device`, `all`, `user:<sub>` or `topic:<name>`.
    ///
    /// # Errors
    /// Names what was expected.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        match text {
            "device" => Ok(Self::Device),
            "all" => Ok(Self::All),
            _ => {
                if let Some(user) = text.strip_prefix("user:") {
                    UserId::parse(user).map(Self::User)
                } else if let Some(topic) = text.strip_prefix("topic:") {
                    Topic::parse(topic).map(Self::Topic)
                } else {
                    Err(InvalidName { what: "log", expected: "device, all, user:<sub> or topic:<name>" })
                }
            }
        }
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device => f.write_str("device"),
            Self::All => f.write_str("all"),
            Self::User(user) => write!(f, "user:{user}"),
            Self::Topic(topic) => write!(f, "topic:{topic}"),
        }
    }
}

/// A place in a log: everything up to and including `seq`, in the incarnation `epoch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// Incarnation of the log.
    pub epoch: Epoch,
    /// The last entry included.
    pub seq: Seq,
}

/// A place in a named log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Which log.
    pub log: LogName,
    /// Where in it.
    pub at: Position,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that cannot parse its own text should fail there
    use super::*;

    #[test]
    fn log_names_read_back_as_written() {
        for text in ["device", "all", "user:ann@example.com", "topic:news/sport"] {
            assert_eq!(LogName::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "Device", "user:", "topic:", "topic:a//b", "tag:x"] {
            assert!(LogName::parse(text).is_err(), "{text}");
        }
    }
}
