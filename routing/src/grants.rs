//! What a device may subscribe to and which tags it may set: denied unless granted.

use pulsegate_proto::id::{Pattern, Tag, Topic};

/// The patterns a token (or the app's settings, for anonymous devices) grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Topics the device may subscribe to.
    pub topics: Vec<Pattern>,
    /// Tags the device may set and drop itself.
    pub tags: Vec<Pattern>,
}

impl Grants {
    /// Whether the device may subscribe to `topic`: the one place where that is decided, at
    /// Subscribe, at Hello and at a refresh of the token.
    #[must_use]
    pub fn topic(&self, topic: &Topic) -> bool {
        self.topics.iter().any(|pattern| pattern.matches(topic))
    }

    /// Whether the device may set or drop `tag`.
    #[must_use]
    pub fn tag(&self, tag: &Tag) -> bool {
        self.tags.iter().any(|pattern| pattern.matches_name(tag.as_str()))
    }
}
