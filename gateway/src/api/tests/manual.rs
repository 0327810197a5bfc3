//! The manuals say what the program does: every code, metric, limit, route and exit code is in them.

use super::super::{problem::Code, route};
use crate::config::limit_names;
use crate::metric::Name;

const HTTP: &str = include_str!("../../../../docs/HTTP.md");
const OPERATING: &str = include_str!("../../../../docs/OPERATING.md");

#[test]
fn every_problem_code_is_in_the_manual_with_its_status() {
    for code in Code::ALL {
        let row = format!("| `{}` | {} |", code.as_str(), code.status().as_u16());
        assert!(HTTP.contains(&row), "{row}");
    }
}

#[test]
fn every_route_is_in_the_manual() {
    for route in route::all() {
        let path = route.path.replace("{*", "{");
        assert!(HTTP.contains(&path), "{path}");
    }
}

#[test]
fn every_limit_and_every_metric_is_in_the_manual() {
    for name in limit_names() {
        assert!(OPERATING.contains(&format!("| `{name}` |")), "{name}");
    }
    for name in Name::ALL {
        assert!(OPERATING.contains(&format!("`{}`", name.as_str())), "{}", name.as_str());
    }
}
