//! What is wrong with a configuration, in one line.

use std::fmt;

/// A configuration that cannot be used. Displays as one line that names the place and what was
/// expected there; the process ends with exit code 78.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    place: String,
    problem: String,
}

impl ConfigError {
    /// `place` is a key (`limits.window`), a variable or a file with a line.
    #[must_use]
    pub fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: one_line(place.into()), problem: one_line(problem.into()) }
    }

    /// The key, variable or file at fault.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }
}

/// A value from the file may hold a line break; the error must stay one line.
fn one_line(text: String) -> String {
    if text.contains(['\n', '\r']) {
        text.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    } else {
        text
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for ConfigError {}
