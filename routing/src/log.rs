//! Which log.

use core::fmt;
use pulsegate_proto::id::{AppId, LogName, RegistrationId, Topic, UserId};

/// One of an app's append-only logs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Log {
    /// One device's own.
    Device(RegistrationId),
    /// All devices of one user read it.
    User(UserId),
    /// One entry a message, whatever the number of subscribers.
    Topic(Topic),
    /// Everyone and tag expressions.
    All,
}

impl Log {
    /// The name under which a device knows this log.
    #[must_use]
    pub fn name(&self) -> LogName {
        match self {
            Self::Device(_) => LogName::Device,
            Self::User(user) => LogName::User(user.clone()),
            Self::Topic(topic) => LogName::Topic(topic.clone()),
            Self::All => LogName::All,
        }
    }

    /// The log that the device `registration` means by `name`.
    #[must_use]
    pub fn named(name: &LogName, registration: &RegistrationId) -> Self {
        match name {
            LogName::Device => Self::Device(registration.clone()),
            LogName::User(user) => Self::User(user.clone()),
            LogName::Topic(topic) => Self::Topic(topic.clone()),
            LogName::All => Self::All,
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(registration) => write!(f, "device:{registration}"),
            other => write!(f, "{}", other.name()),
        }
    }
}

/// A log of an app.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogKey {
    /// Whose.
    pub app: AppId,
    /// Which.
    pub log: Log,
}

impl LogKey {
    /// The log `log` of `app`.
    #[must_use]
    pub fn new(app: &AppId, log: Log) -> Self {
        Self { app: app.clone(), log }
    }

    /// The name under which a device knows this log.
    #[must_use]
    pub fn name(&self) -> LogName {
        self.log.name()
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:?}", self.app, self.log)
    }
}
