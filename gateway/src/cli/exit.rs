//! Exit codes, as sysexits(3) names them, and the one line that goes with each.

use crate::config::ConfigError;
use crate::node::StartError;
use pulsegate_routing::OpenError;

/// Something failed while it was done.
pub(super) const FAILED: u8 = 1;
/// The command line asks for what cannot be (what clap says too).
pub(super) const USAGE: u8 = 2;
/// EX_UNAVAILABLE: an address is taken.
pub(super) const UNAVAILABLE: u8 = 69;
/// EX_CANTCREAT: the data directory cannot be made, written or read.
pub(super) const CANNOT_CREATE: u8 = 73;
/// EX_IOERR: the store is damaged or its disk is full.
pub(super) const IO: u8 = 74;
/// EX_TEMPFAIL: another process holds the data directory.
pub(super) const LOCKED: u8 = 75;
/// EX_CONFIG: the configuration cannot be used.
pub(super) const CONFIG: u8 = 78;

/// How a command ends.
pub(super) type Outcome = Result<(), Exit>;

/// A failure: a code for scripts, a line for people (empty where everything was said).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exit {
    pub code: u8,
    pub line: String,
}

impl Exit {
    pub(super) fn new(code: u8, line: impl Into<String>) -> Self {
        Self { code, line: line.into() }
    }
}

impl From<ConfigError> for Exit {
    fn from(error: ConfigError) -> Self {
        Self::new(CONFIG, error.to_string())
    }
}

impl From<StartError> for Exit {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error.into(),
            StartError::Listen { .. } => Self::new(UNAVAILABLE, error.to_string()),
            StartError::Tls(_) => Self::new(CONFIG, error.to_string()),
        }
    }
}

impl From<OpenError> for Exit {
    fn from(error: OpenError) -> Self {
        let code = match &error {
            OpenError::Locked { .. } => LOCKED,
            OpenError::Missing { .. } | OpenError::NotADirectory { .. } | OpenError::ReadOnly { .. } => {
                CANNOT_CREATE
            }
            OpenError::Full { .. }
            | OpenError::Corrupt { .. }
            | OpenError::Format { .. }
            | OpenError::Io { .. }
            | OpenError::Store(_) => IO,
        };
        Self::new(code, error.to_string())
    }
}
