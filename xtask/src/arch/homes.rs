//! What has one home: a second place for it is an offence.

use super::tree::Tree;

/// The generated types are `proto`'s own: `mod generated` is private and only its codec reads it.
pub fn private_wire(tree: &Tree) -> Vec<String> {
    let public = tree.within(&["proto/src/"], &[".rs"]).flat_map(|source| {
        source.having(
            &["pub mod generated", "pub use generated", "pub(crate) use generated"],
            "the generated types stay private",
        )
    });
    let readers = tree
        .within(&["proto/src/"], &[".rs"])
        .filter(|source| source.path != "proto/src/lib.rs" && !source.path.starts_with("proto/src/frame"))
        .flat_map(|source| {
            source.having(&["generated::"], "only the codec (proto/src/frame) reads generated types")
        });
    let others = tree
        // `tests/` has a reader of its own: it must be able to say what the codec never would.
        .within(&["routing/", "gateway/", "client-wasm/src/"], &[".rs", "Cargo.toml"])
        .flat_map(|source| source.having(&["prost"], "only the protocol knows protobuf"));
    public.chain(readers).chain(others).collect()
}

/// Limits stand in `proto/src/limits.rs`, with their arithmetic.
pub fn limits_home(tree: &Tree) -> Vec<String> {
    tree.within(&["proto/src/", "routing/src/", "gateway/src/", "client-wasm/src/"], &[".rs"])
        .filter(|source| source.path != "proto/src/limits.rs")
        .flat_map(|source| {
            source.having(&["const MAX_", "const LIMIT_"], "limits live in proto/src/limits.rs")
        })
        .collect()
}

/// Status codes of refusals stand in `gateway/src/api/problem.rs`.
pub fn status_home(tree: &Tree) -> Vec<String> {
    const WORDS: &[&str] = &[
        "StatusCode::BAD_REQUEST",
        "StatusCode::UNAUTHORIZED",
        "StatusCode::FORBIDDEN",
        "StatusCode::CONFLICT",
        "StatusCode::PAYLOAD_TOO_LARGE",
        "StatusCode::UNPROCESSABLE_ENTITY",
        "StatusCode::TOO_MANY_REQUESTS",
        "StatusCode::INTERNAL_SERVER_ERROR",
        "StatusCode::SERVICE_UNAVAILABLE",
        "StatusCode::INSUFFICIENT_STORAGE",
    ];
    tree.within(&["gateway/src/", "routing/src/"], &[".rs"])
        .filter(|source| source.path != "gateway/src/api/problem.rs")
        .flat_map(|source| source.having(WORDS, "refusals get their status in gateway/src/api/problem.rs"))
        .collect()
}

/// Names of metrics stand in one enum, in `gateway/src/metric`.
pub fn metric_home(tree: &Tree) -> Vec<String> {
    tree.within(&["gateway/src/", "routing/src/"], &[".rs"])
        .filter(|source| !source.path.starts_with("gateway/src/metric"))
        .flat_map(|source| {
            source.having(&["\"pulsegate_", "prometheus_client"], "metric names live in gateway/src/metric")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_away_from_home_is_found() {
        let tree = Tree::of(&[
            ("proto/src/limits.rs", "pub const MAX_FRAME: usize = 1;"),
            ("gateway/src/a.rs", "const MAX_FRAME: usize = 2;"),
        ]);
        assert_eq!(limits_home(&tree).len(), 1);
    }

    #[test]
    fn a_status_away_from_home_is_found() {
        let tree = Tree::of(&[
            ("gateway/src/api/problem.rs", "StatusCode::CONFLICT"),
            ("gateway/src/api/publish.rs", "StatusCode::CONFLICT"),
        ]);
        assert_eq!(status_home(&tree).len(), 1);
    }

    #[test]
    fn the_generated_types_do_not_leave_the_codec() {
        let tree = Tree::of(&[
            ("proto/src/lib.rs", "mod generated;"),
            ("proto/src/frame/server.rs", "use crate::generated::Welcome;"),
            ("proto/src/session/server.rs", "use crate::generated::Welcome;"),
            ("gateway/src/a.rs", "use prost::Message;"),
        ]);
        assert_eq!(private_wire(&tree).len(), 2);
    }
}
