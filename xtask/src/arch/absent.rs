//! What is not in a room, and must not come in.

use super::direction::dependencies;
use super::tree::Tree;

/// A file over this is a machine waiting for a room of its own (docs/ARCHITECTURE.md).
const LONGEST_FILE: usize = 500;

/// `proto` has no clock, no randomness, no socket, no async: what it decides depends on what it is told.
pub fn pure_protocol(tree: &Tree) -> Vec<String> {
    const WORDS: &[&str] = &[
        "std::time::Instant",
        "std::time::SystemTime",
        "Instant::now",
        "SystemTime",
        "tokio",
        "getrandom",
        "rand::",
        "std::net",
        "std::thread",
        "std::fs",
        "std::env",
        "async fn",
        ".await",
    ];
    // The last two are for tests and for the plots of an example.
    const DEPENDENCIES: &[&str] = &["bytes", "prost", "pulsegate-proto", "proptest", "plotters"];
    let words = tree
        .within(&["proto/src/"], &[".rs"])
        .flat_map(|source| source.having(WORDS, "the protocol is pure"));
    let manifest = tree.file("proto/Cargo.toml").into_iter().flat_map(|manifest| {
        dependencies(manifest).filter(|name| !DEPENDENCIES.contains(&name.as_str())).map(|name| {
            format!("proto/Cargo.toml: {name}: the protocol has bytes and prost, and needs no more")
        })
    });
    words.chain(manifest).collect()
}

/// `routing` decides who gets what; it never speaks to a device or a backend itself.
pub fn no_transport_in_routing(tree: &Tree) -> Vec<String> {
    const WORDS: &[&str] = &["axum", "hyper", "tungstenite", "reqwest", "tokio::net", "std::net", "http::"];
    tree.within(&["routing/src/", "routing/Cargo.toml"], &[".rs", ".toml"])
        .flat_map(|source| source.having(WORDS, "no transport in routing"))
        .collect()
}

/// The page carries no wasm, no database and no socket: those are the worker's.
pub fn thin_page(tree: &Tree) -> Vec<String> {
    const WORDS: &[&str] = &["WebAssembly", ".wasm", "indexedDB", "new WebSocket"];
    tree.within(&["client-wasm/js/src/page/", "client-wasm/js/src/react"], &[".ts", ".tsx"])
        .flat_map(|source| source.having(WORDS, "that is the worker's"))
        .collect()
}

/// The service worker starts in milliseconds and never holds the connection.
pub fn quiet_service_worker(tree: &Tree) -> Vec<String> {
    const WORDS: &[&str] = &["WebAssembly", "import(", "new WebSocket", "wasm_bindgen"];
    tree.within(&["client-wasm/js/src/sw/"], &[".ts"])
        .flat_map(|source| source.having(WORDS, "not in the service worker"))
        .collect()
}

/// No file is over 500 lines.
pub fn short_files(tree: &Tree) -> Vec<String> {
    const ENDINGS: &[&str] = &[".rs", ".ts", ".tsx", ".js", ".mjs", ".css", ".html", ".sh"];
    tree.within(&[""], ENDINGS)
        .filter(|source| !source.path.contains("/generated/"))
        .map(|source| (source, source.text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(source, lines)| format!("{}: {lines} lines", source.path))
        .collect()
}

/// Nothing is left open in the code, and no test is switched off.
pub fn nothing_left_open(tree: &Tree) -> Vec<String> {
    // Put together, so that this file does not offend itself.
    const WORDS: &[&str] = &[
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("unimplemented", "!("),
        concat!("#[", "ignore"),
        concat!("it.", "skip("),
        concat!("test.", "skip("),
        concat!("describe.", "skip("),
    ];
    const ENDINGS: &[&str] = &[".rs", ".ts", ".tsx", ".js", ".mjs", ".html", ".css", ".toml"];
    let mut offences = Vec::new();
    for source in tree.within(&[""], ENDINGS) {
        for (index, line) in source.text.lines().enumerate() {
            if let Some(word) = WORDS.iter().find(|word| line.contains(**word)) {
                offences.push(format!("{}:{}: `{word}` is left open", source.path, index + 1));
            }
        }
    }
    offences
}

/// A test waits for the event, or turns a virtual clock; it never sleeps and hopes.
pub fn no_sleeping_tests(tree: &Tree) -> Vec<String> {
    const WORDS: &[&str] = &[
        concat!("thread::", "sleep"),
        concat!("time::", "sleep("),
        concat!("waitFor", "Timeout"),
        concat!("setTimeout", "(r"),
    ];
    tree.sources
        .iter()
        // The tools of the tests: a proxy that delays must wait, a poll loop must pause.
        .filter(|source| !source.path.starts_with("tests/src/"))
        .filter(|source| {
            source.path.starts_with("tests/")
                || source.path.contains("/tests/")
                || source.path.contains("/test/")
        })
        .filter(|source| [".rs", ".mjs", ".js", ".ts"].iter().any(|ending| source.path.ends_with(ending)))
        .flat_map(|source| source.having(WORDS, "wait for the event instead"))
        .collect()
}

/// No file names a place of the machine it was written on.
pub fn no_foreign_paths(tree: &Tree) -> Vec<String> {
    let mut offences = Vec::new();
    for source in &tree.sources {
        for (index, line) in source.text.lines().enumerate() {
            if let Some(place) = tree.machine.iter().find(|place| line.contains(place.as_str())) {
                offences.push(format!("{}:{}: names {place}", source.path, index + 1));
            }
        }
    }
    offences
}

/// Lock files pin versions and hashes, not the host somebody happened to download from.
pub fn hostless_locks(tree: &Tree) -> Vec<String> {
    let npm = tree
        .within(&[""], &["package-lock.json"])
        .flat_map(|lock| lock.having(&["\"resolved\": \"http"], "set omit-lockfile-registry-resolved=true"));
    let cargo = tree.within(&[""], &["Cargo.lock"]).flat_map(|lock| {
        lock.text
            .lines()
            .filter(|line| line.starts_with("source = "))
            .filter(|line| *line != "source = \"registry+https://github.com/rust-lang/crates.io-index\"")
            .map(move |line| format!("{}: {line}", lock.path))
    });
    npm.chain(cargo).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_in_the_protocol_is_found_and_a_comment_about_it_is_not() {
        let tree = Tree::of(&[
            ("proto/src/a.rs", "// std::time::Instant panics in wasm\nlet now = Instant::now();\n"),
            ("gateway/src/a.rs", "let now = Instant::now();\n"),
        ]);
        let offences = pure_protocol(&tree);
        assert_eq!(offences.len(), 1);
        assert!(offences.iter().all(|offence| offence.starts_with("proto/src/a.rs:2:")));
    }

    #[test]
    fn the_protocol_takes_no_further_crate() {
        let manifest = "[dependencies]\nbytes.workspace = true\ntokio = \"1\"\n";
        assert_eq!(pure_protocol(&Tree::of(&[("proto/Cargo.toml", manifest)])).len(), 1);
    }

    #[test]
    fn a_long_file_is_found_unless_it_is_generated() {
        let long = "x\n".repeat(LONGEST_FILE + 1);
        let tree = Tree::of(&[("a.rs", &long), ("proto/src/generated/b.rs", &long), ("c.rs", "x\n")]);
        assert_eq!(short_files(&tree), vec!["a.rs: 501 lines"]);
    }

    #[test]
    fn a_path_of_the_machine_is_found_in_any_file() {
        let tree = Tree::of(&[("README.md", "cd /home/somebody/pulsegate/docs")]);
        assert_eq!(no_foreign_paths(&tree).len(), 1);
    }

    #[test]
    fn a_lock_file_with_a_host_is_found() {
        let tree = Tree::of(&[
            ("a/package-lock.json", "  \"resolved\": \"https://registry.example/x.tgz\","),
            ("Cargo.lock", "source = \"git+https://example.com/x\"\n"),
        ]);
        assert_eq!(hostless_locks(&tree).len(), 2);
    }

    #[test]
    fn a_sleep_in_a_test_is_found_and_one_in_the_product_is_not() {
        let sleep = format!("{}(d).await;", concat!("tokio::time::", "sleep"));
        let tree = Tree::of(&[
            ("tests/tests/a.rs", &sleep),
            ("gateway/src/a.rs", &sleep),
            ("tests/src/proxy.rs", &sleep),
        ]);
        assert_eq!(no_sleeping_tests(&tree).len(), 1);
    }
}
