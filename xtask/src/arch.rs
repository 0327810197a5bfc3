//! Checks the invariants of docs/ARCHITECTURE.md that no compiler checks.
//!
//! The page and this module hold each other: every law below is named there, with its name in
//! backticks after `arch:`, and a name there without a law here is an offence too.

mod absent;
mod direction;
mod homes;
mod tree;

use crate::failure::Failure;
use crate::house::House;
use crate::shell::print;
use tree::Tree;

/// One invariant.
struct Law {
    /// As docs/ARCHITECTURE.md names it.
    name: &'static str,
    /// Finds what breaks it.
    check: fn(&Tree) -> Vec<String>,
}

const PAGE: &str = "docs/ARCHITECTURE.md";

const LAWS: &[Law] = &[
    Law { name: "one-way", check: direction::one_way },
    Law { name: "pure-protocol", check: absent::pure_protocol },
    Law { name: "no-transport-in-routing", check: absent::no_transport_in_routing },
    Law { name: "thin-page", check: absent::thin_page },
    Law { name: "quiet-service-worker", check: absent::quiet_service_worker },
    Law { name: "private-wire", check: homes::private_wire },
    Law { name: "limits-home", check: homes::limits_home },
    Law { name: "status-home", check: homes::status_home },
    Law { name: "metric-home", check: homes::metric_home },
    Law { name: "lints-once", check: direction::lints_once },
    Law { name: "short-files", check: absent::short_files },
    Law { name: "nothing-left-open", check: absent::nothing_left_open },
    Law { name: "no-sleeping-tests", check: absent::no_sleeping_tests },
    Law { name: "no-foreign-paths", check: absent::no_foreign_paths },
    Law { name: "hostless-locks", check: absent::hostless_locks },
    Law { name: "page-and-laws-agree", check: page_and_laws_agree },
];

/// Checks every law and names every offence.
///
/// # Errors
/// When a law is broken or the checkout cannot be read.
pub fn arch(house: &House) -> Result<(), Failure> {
    let tree = Tree::read(house)?;
    let mut broken = 0_usize;
    for Law { name, check } in LAWS {
        let offences = check(&tree);
        print(format_args!("{} {name}", if offences.is_empty() { "ok    " } else { "BROKEN" }));
        for offence in &offences {
            print(format_args!("         {offence}"));
        }
        broken += usize::from(!offences.is_empty());
    }
    if broken == 0 {
        Ok(())
    } else {
        Err(Failure::new(format!("{broken} invariants are broken, see {PAGE}")))
    }
}

fn page_and_laws_agree(tree: &Tree) -> Vec<String> {
    let Some(page) = tree.file(PAGE) else { return vec![format!("{PAGE} is missing")] };
    let named: Vec<&str> = page
        .text
        .split("`arch:")
        .skip(1)
        .filter_map(|rest| rest.split_once('`'))
        .map(|(name, _)| name.trim())
        .collect();
    let known: Vec<&str> = LAWS.iter().map(|law| law.name).collect();
    let unnamed =
        known.iter().filter(|name| !named.contains(name)).map(|name| format!("{PAGE} does not name {name}"));
    let unchecked = named
        .iter()
        .filter(|name| !known.contains(name))
        .map(|name| format!("{PAGE} names {name}, which nothing checks"));
    unnamed.chain(unchecked).collect()
}
