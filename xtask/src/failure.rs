//! The one error of the workshop: a sentence for the person at the terminal.

use std::fmt;

/// Why a command of the workshop stopped, and what to do about it.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure told by one sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// An I/O error, with what was being done.
    pub fn io(doing: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self(format!("{doing}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
