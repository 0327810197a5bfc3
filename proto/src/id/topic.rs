//! Topics, and the patterns that grant them.

use super::InvalidName;
use crate::limits;
use core::fmt;
use std::sync::Arc;

/// One pass over the bytes and no iterator of segments: a browser asks this of every log it meets.
#[inline(never)]
pub(super) fn is_topic_name(text: &str) -> bool {
    let mut in_segment = false;
    for b in text.bytes() {
        let separator = b == b'/';
        if separator && !in_segment {
            return false;
        }
        if !(separator || b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')) {
            return false;
        }
        in_segment = !separator;
    }
    in_segment && text.len() <= limits::TOPIC_BYTES
}

/// A topic: what a device subscribes to and a backend publishes to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    /// Takes `text` if it is a topic name.
    ///
    /// # Errors
    /// Names what was expected.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if is_topic_name(text) {
            Ok(Self(Arc::from(text)))
        } else {
            Err(InvalidName {
                what: "topic",
                expected: "1 to 128 bytes of A-Z a-z 0-9 _ - . /, no empty segment",
            })
        }
    }

    /// The topic as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pattern that grants topics: `+` stands for one segment, a last `#` for one or more of the rest.
///
/// `a/#` does not match `a`; `#` alone matches every topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Arc<str>);

impl Pattern {
    /// Takes `text` if it is a pattern.
    ///
    /// # Errors
    /// Names what was expected.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let segments = text.split('/').count();
        let valid = (1..=limits::TOPIC_BYTES).contains(&text.len())
            && text.split('/').enumerate().all(|(i, segment)| match segment {
                "+" => true,
                "#" => i + 1 == segments,
                plain => is_topic_name(plain),
            });
        if valid {
            Ok(Self(Arc::from(text)))
        } else {
            Err(InvalidName {
                what: "topic pattern",
                expected: "a topic name in which a segment may be '+' and the last one '#'",
            })
        }
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this pattern grants `topic`.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        self.matches_name(topic.as_str())
    }

    /// Whether this pattern grants the tag or topic `name`, which has the alphabet of topic names.
    #[must_use]
    pub fn matches_name(&self, name: &str) -> bool {
        let mut have = name.split('/');
        for want in self.0.split('/') {
            match (want, have.next()) {
                ("#", Some(_)) => return true,
                ("+", Some(_)) => {}
                (plain, Some(segment)) if plain == segment => {}
                _ => return false,
            }
        }
        have.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that cannot parse its own text should fail there
    use super::*;

    #[test]
    fn patterns_match_by_segment() {
        let table = [
            ("a/#", "a", false),
            ("a/#", "a/b", true),
            ("a/#", "a/b/c", true),
            ("#", "a", true),
            ("+", "a", true),
            ("+", "a/b", false),
            ("a/+/c", "a/b/c", true),
            ("a/+/c", "a/b/d", false),
            ("a/b", "a/b", true),
            ("a/b", "a", false),
            ("a", "a/b", false),
        ];
        for (pattern, topic, expected) in table {
            let matched = Pattern::parse(pattern).unwrap().matches(&Topic::parse(topic).unwrap());
            assert_eq!(matched, expected, "{pattern} on {topic}");
        }
    }

    #[test]
    fn malformed_topics_and_patterns_are_refused() {
        for topic in ["", "/", "a/", "/a", "a//b", "a b", "a+", "#", "é", &"x".repeat(129)] {
            assert!(Topic::parse(topic).is_err(), "{topic}");
        }
        for pattern in ["", "#/a", "a#", "a/#/b", "a//+"] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
