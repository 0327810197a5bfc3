//! What a token grants beyond `pulsegate_routing::Grants` (topics and tags): whom the device may
//! publish to. What is not granted is denied.

use pulsegate_proto::id::{InvalidName, Pattern, Topic, UserId};

/// Targets a device may publish to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishGrants(pub Vec<PublishGrant>);

/// One entry of the claim `publish`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishGrant {
    /// `topic:<pattern>`.
    Topics(Pattern),
    /// `user:<id>`.
    User(UserId),
    /// `user:*`.
    AnyUser,
}

impl PublishGrant {
    /// Reads one entry.
    ///
    /// # Errors
    /// Names what was expected.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if let Some(pattern) = text.strip_prefix("topic:") {
            return Pattern::parse(pattern).map(Self::Topics);
        }
        match text.strip_prefix("user:") {
            Some("*") => Ok(Self::AnyUser),
            Some(user) => UserId::parse(user).map(Self::User),
            None => {
                Err(InvalidName { what: "publish grant", expected: "topic:<pattern>, user:<id> or user:*" })
            }
        }
    }
}

impl PublishGrants {
    /// Whether the device may publish to `topic`.
    #[must_use]
    pub fn topic(&self, topic: &Topic) -> bool {
        self.0.iter().any(|grant| matches!(grant, PublishGrant::Topics(pattern) if pattern.matches(topic)))
    }

    /// Whether the device may publish to `user`.
    #[must_use]
    pub fn user(&self, user: &UserId) -> bool {
        self.0.iter().any(|grant| match grant {
            PublishGrant::AnyUser => true,
            PublishGrant::User(granted) => granted == user,
            PublishGrant::Topics(_) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that cannot parse its own text should fail there
    use super::*;
    use proptest::prelude::*;
    use pulsegate_proto::id::Tag;
    use pulsegate_routing::Grants;

    /// The naive model: split both, compare segment by segment, by recursion.
    fn naive(pattern: &[&str], topic: &[&str]) -> bool {
        match (pattern, topic) {
            ([], []) => true,
            (["#"], [_, ..]) => true,
            (["+", pattern @ ..], [_, topic @ ..]) => naive(pattern, topic),
            ([want, pattern @ ..], [have, topic @ ..]) => want == have && naive(pattern, topic),
            _ => false,
        }
    }

    fn segments(alphabet: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop::sample::select(alphabet), 1..5)
    }

    fn patterns() -> impl Strategy<Value = Vec<&'static str>> {
        (segments(&["a", "b", "+"]), prop::bool::ANY).prop_map(|(mut segments, rest)| {
            if rest {
                segments.push("#");
            }
            segments
        })
    }

    proptest! {
        #[test]
        fn a_topic_is_granted_exactly_where_the_naive_model_grants_it(
            patterns in prop::collection::vec(patterns(), 0..4),
            topic in segments(&["a", "b", "c"]),
        ) {
            let grants = Grants {
                topics: patterns.iter().map(|p| Pattern::parse(&p.join("/")).unwrap()).collect(),
                tags: Vec::new(),
            };
            let publish = patterns
                .iter()
                .map(|p| PublishGrant::parse(&format!("topic:{}", p.join("/"))).unwrap());
            let named = Topic::parse(&topic.join("/")).unwrap();
            let expected = patterns.iter().any(|p| naive(p, &topic));
            prop_assert_eq!(grants.topic(&named), expected);
            prop_assert_eq!(PublishGrants(publish.collect()).topic(&named), expected);
            prop_assert!(!grants.tag(&Tag::parse(&topic.join("/")).unwrap()));
        }
    }

    #[test]
    fn publishing_to_users_is_granted_by_name_or_to_all() {
        let grants =
            |texts: &[&str]| PublishGrants(texts.iter().map(|t| PublishGrant::parse(t).unwrap()).collect());
        let (ann, bob) = (UserId::parse("ann").unwrap(), UserId::parse("bob").unwrap());
        assert!(grants(&["user:ann"]).user(&ann));
        assert!(!grants(&["user:ann", "topic:#"]).user(&bob));
        assert!(grants(&["user:*"]).user(&bob));
        assert!(!grants(&["user:*"]).topic(&Topic::parse("a").unwrap()));
        for wrong in ["ann", "user:", "topic:a//b", "all", "tag:x"] {
            assert!(PublishGrant::parse(wrong).is_err(), "{wrong}");
        }
    }
}
