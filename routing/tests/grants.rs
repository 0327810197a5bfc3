//! The one function that decides topic rights, held against the naive reading of the rule: `+` is
//! one segment, a last `#` one or more, everything else itself; what no pattern grants is denied.
#![allow(clippy::unwrap_used)] // generated names that do not parse should fail there

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};
use pulsegate_proto::id::{Pattern, Tag, Topic};
use pulsegate_routing::Grants;

fn segments() -> impl Strategy<Value = Vec<String>> {
    let segment = proptest::sample::select(vec!["a", "b", "ab", "a.b"]);
    proptest::collection::vec(segment.prop_map(String::from), 1..5)
}

fn pattern() -> impl Strategy<Value = Vec<String>> {
    let segment = proptest::sample::select(vec!["a", "b", "ab", "+", "+"]);
    let segments = proptest::collection::vec(segment.prop_map(String::from), 0..4);
    (segments, any::<bool>()).prop_map(|(mut segments, rest)| {
        if rest || segments.is_empty() {
            segments.push(String::from("#"));
        }
        segments
    })
}

/// By recursion over the segments, as one would say it.
fn naive(pattern: &[String], name: &[String]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((first, _)), Some(_)) if first == "#" => true,
        (Some((first, patterns)), Some((segment, rest))) => {
            (first == "+" || first == segment) && naive(patterns, rest)
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(Config {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Config::default()
    })]

    #[test]
    fn a_topic_or_tag_is_granted_if_and_only_if_a_pattern_says_so(
        topics in proptest::collection::vec(pattern(), 0..3),
        tags in proptest::collection::vec(pattern(), 0..3),
        name in segments(),
    ) {
        let parse = |patterns: &[Vec<String>]| {
            patterns.iter().map(|p| Pattern::parse(&p.join("/")).unwrap()).collect::<Vec<_>>()
        };
        let grants = Grants { topics: parse(&topics), tags: parse(&tags) };
        let text = name.join("/");
        let by = |patterns: &[Vec<String>]| patterns.iter().any(|p| naive(p, &name));
        prop_assert_eq!(grants.topic(&Topic::parse(&text).unwrap()), by(&topics));
        prop_assert_eq!(grants.tag(&Tag::parse(&text).unwrap()), by(&tags));
    }
}
