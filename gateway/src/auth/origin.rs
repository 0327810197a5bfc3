//! Origins of pages, compared as browsers write them.

use crate::config::AppConfig;
use std::collections::HashSet;

/// The origins of all apps together, for the check before an app is named.
pub(super) struct Origins {
    any: bool,
    listed: HashSet<String>,
}

impl Origins {
    pub(super) fn of_all(apps: &[AppConfig]) -> Self {
        let listed: HashSet<String> = apps
            .iter()
            .flat_map(|app| app.origins.iter().map(|origin| origin.to_ascii_lowercase()))
            .collect();
        Self { any: listed.contains("*"), listed }
    }

    pub(super) fn allow(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        (self.any && origin != "null") || self.listed.contains(&origin)
    }
}

/// Whether `list` names `origin`. `*` names every one but `null`: sandboxed frames and files of
/// everybody share that name, so it must be written out.
pub(super) fn listed(list: &[String], origin: &str) -> bool {
    list.iter().any(|entry| {
        entry.eq_ignore_ascii_case(origin) || (entry == "*" && !origin.eq_ignore_ascii_case("null"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|entry| (*entry).to_owned()).collect()
    }

    #[test]
    fn an_origin_must_be_written_out() {
        let origins = list(&["https://example.com", "https://example.com:8443"]);
        assert!(listed(&origins, "https://example.com"));
        assert!(listed(&origins, "https://Example.com:8443"));
        for foreign in [
            "http://example.com",
            "https://example.com.evil.test",
            "https://www.example.com",
            "null",
            "",
            "*",
        ] {
            assert!(!listed(&origins, foreign), "{foreign}");
        }
    }

    #[test]
    fn a_star_is_everybody_but_null() {
        assert!(listed(&list(&["*"]), "http://anything.test"));
        assert!(!listed(&list(&["*"]), "null"));
        assert!(listed(&list(&["*", "null"]), "null"));
        assert!(!listed(&[], "http://anything.test"));
    }
}
