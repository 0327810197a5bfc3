//! Who may know whom.

use super::tree::{Source, Tree};

/// A crate of ours and those of ours it may depend on.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("routing", &["pulsegate-proto"]),
    ("gateway", &["pulsegate-proto", "pulsegate-routing"]),
    ("client-wasm", &["pulsegate-proto"]),
    ("tests", &["pulsegate-proto"]),
    ("xtask", &[]),
];

/// Dependencies point one way; every crate of ours is in the table.
pub fn one_way(tree: &Tree) -> Vec<String> {
    let mut offences = Vec::new();
    for manifest in members(tree) {
        let folder = folder(manifest);
        let Some((_, may)) = MAY_KNOW.iter().find(|(name, _)| *name == folder) else {
            offences.push(format!("{}: a crate that the table of directions does not have", manifest.path));
            continue;
        };
        let own = field(manifest, "name").unwrap_or_default();
        for name in dependencies(manifest).filter(|name| name.starts_with("pulsegate-")) {
            // A crate may turn on its own features for its own tests.
            if name != own && !may.contains(&name.as_str()) {
                offences.push(format!("{}: {folder} must not know {name}", manifest.path));
            }
        }
    }
    offences
}

/// Lint levels stand once, in `[workspace.lints]`, and every crate takes them.
pub fn lints_once(tree: &Tree) -> Vec<String> {
    members(tree)
        .filter(|manifest| !manifest.text.contains("[lints]\nworkspace = true"))
        .map(|manifest| format!("{}: does not take the lints of the workspace", manifest.path))
        .collect()
}

/// Names in the dependency tables of a manifest.
pub fn dependencies(manifest: &Source) -> impl Iterator<Item = String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.text.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.trim_end_matches(']').ends_with("dependencies");
        } else if inside && !line.starts_with('#') {
            let end = line.find(['.', '=', ' ']).unwrap_or(line.len());
            let (name, _) = line.split_at(end);
            if !name.is_empty() {
                names.push(name.to_string());
            }
        }
    }
    names.into_iter()
}

/// Manifests of the workspace's crates; the tools of xtask are workspaces of their own.
fn members(tree: &Tree) -> impl Iterator<Item = &Source> {
    tree.sources
        .iter()
        .filter(|source| source.path.ends_with("/Cargo.toml") && source.path.matches('/').count() == 1)
}

fn folder(manifest: &Source) -> &str {
    manifest.path.split('/').next().unwrap_or_default()
}

fn field<'s>(manifest: &'s Source, name: &str) -> Option<&'s str> {
    manifest.text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_must_not_know_the_gateway() {
        let manifest =
            "[package]\nname = \"pulsegate-proto\"\n[dependencies]\npulsegate-routing.workspace = true\n";
        assert_eq!(one_way(&Tree::of(&[("proto/Cargo.toml", manifest)])).len(), 1);
    }

    #[test]
    fn a_crate_may_ask_for_its_own_features() {
        let manifest = "[package]\nname = \"pulsegate-routing\"\n[dependencies]\npulsegate-proto = { workspace = true }\n\
            [dev-dependencies]\npulsegate-routing = { path = \".\" }\n";
        assert_eq!(one_way(&Tree::of(&[("routing/Cargo.toml", manifest)])), Vec::<String>::new());
    }

    #[test]
    fn a_dependency_for_one_target_is_one_too() {
        let manifest = "[target.'cfg(unix)'.dependencies]\npulsegate-gateway = { path = \"../gateway\" }\n";
        assert_eq!(one_way(&Tree::of(&[("client-wasm/Cargo.toml", manifest)])).len(), 1);
    }
}
