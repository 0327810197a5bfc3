//! From a file's text and the environment to a checked configuration, or one line that says why
//! not.

use super::Config;
use super::check::check;
use super::env;
use super::error::ConfigError;
use super::file::File;
use std::collections::BTreeMap;
use std::path::Path;

/// Reads the file at `path`, the process's environment over it, and `over` (variables as well) over
/// that.
///
/// # Errors
/// One line: what is wrong, where, and what was expected.
pub fn load(path: &Path, over: &[(String, String)]) -> Result<Config, ConfigError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::new(&name, format!("cannot be read: {error}")))?;
    from_text(&text, &name, over)
}

/// As [`load`], of a text that is called `name` in errors.
///
/// # Errors
/// As [`load`].
pub fn from_text(text: &str, name: &str, over: &[(String, String)]) -> Result<Config, ConfigError> {
    let mut variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    variables.extend(over.iter().cloned());
    from_parts(text, name, variables.into_iter())
}

/// Reads a configuration from `text` alone.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    from_parts(text, "configuration", std::iter::empty())
}

pub(super) fn from_parts(
    text: &str,
    name: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let file: File = toml::from_str(text).map_err(|error| in_file(&error, text, name))?;
    let file = env::over(file, text, variables)?;
    check(file)
}

/// Where in the file, and what, in one line.
fn in_file(error: &toml::de::Error, text: &str, name: &str) -> ConfigError {
    let Some(span) = error.span() else {
        return ConfigError::new(name, friendly(error.message(), None));
    };
    let above = text.get(..span.start).unwrap_or_default();
    let line = above.matches('\n').count() + 1;
    let section = text.lines().take(line).map(str::trim).filter(|line| line.starts_with('[')).last();
    let problem = friendly(error.message(), section);
    let key = text.lines().nth(line - 1).and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
    let problem = match key {
        // The line's key, never its value: that may be a secret.
        Some(key) if !problem.contains(key) => format!("{key}: {problem}"),
        _ => problem,
    };
    ConfigError::new(format!("{name}:{line}"), problem)
}

/// The library's message in the words of this project, with a suggestion for a near miss.
pub(super) fn friendly(message: &str, section: Option<&str>) -> String {
    let Some((unknown, expected)) = unknown_field(message) else {
        return message.to_owned();
    };
    let place = section.map(|section| format!(" in {section}")).unwrap_or_default();
    let near = expected
        .iter()
        .map(|name| (distance(&unknown, name), *name))
        .min()
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 4))
        .map(|(_, name)| format!("; did you mean '{name}'?"))
        .unwrap_or_default();
    format!("unknown key '{unknown}'{place}{near} (expected one of: {})", expected.join(", "))
}

/// Takes serde's "unknown field `x`, expected one of `a`, `b`" apart.
fn unknown_field(message: &str) -> Option<(String, Vec<&str>)> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?.to_owned();
    Some((unknown, quoted.collect()))
}

/// Edits between two names (Levenshtein, one row at a time).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
