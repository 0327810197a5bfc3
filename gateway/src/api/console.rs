//! `/console`: what this node is doing, for people. It shows and changes nothing.

use crate::state::AppState;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{Html, IntoResponse, Response};
use pulsegate_routing::StoreStats;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

const STYLE: &str = "\
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}\
body{max-width:52rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884}\
td:last-child{font-variant-numeric:tabular-nums}";

/// Nothing but the inline style runs or loads.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

pub(super) async fn page(State(state): State<Arc<AppState>>) -> Response {
    (
        [
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            (CACHE_CONTROL, "no-store"),
        ],
        Html(render(&state)),
    )
        .into_response()
}

fn render(state: &AppState) -> String {
    let config = state.config.load();
    let mut html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content='width=device-width'><title>Pulsegate</title>\
         <style>{STYLE}</style><h1>Pulsegate</h1>"
    );
    let condition = match (state.is_draining(), state.router.ready()) {
        (true, _) => "draining".to_owned(),
        (false, Ok(())) => "ready".to_owned(),
        (false, Err(error)) => format!("not ready: {error}"),
    };
    table(
        &mut html,
        "This node",
        &[
            ("Condition", condition),
            ("Version", env!("CARGO_PKG_VERSION").to_owned()),
            ("Boot", state.boot_id.clone()),
            ("Up", up_time(state.started.elapsed())),
            ("Connected devices", state.hub.connections().to_string()),
        ],
    );
    table(&mut html, "Store", &store_rows(&state.router.stats()));
    html.push_str("<h2>Apps</h2><table><tr><th>App<th>Origins<th>Anonymous<th>Keys<th>Signers");
    for app in &config.apps {
        let signers: Vec<&str> = app.tokens.iter().map(|signer| signer.kid.as_str()).collect();
        let keys: Vec<&str> = app.keys.iter().map(|key| key.id.as_str()).collect();
        let _ = write!(
            html,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}",
            escape(app.id.as_str()),
            escape(&app.origins.join(" ")),
            if app.anonymous { "yes" } else { "no" },
            escape(&keys.join(" ")),
            escape(&signers.join(" ")),
        );
    }
    html.push_str("</table>");
    html
}

fn store_rows(stats: &StoreStats) -> Vec<(&'static str, String)> {
    vec![
        ("Messages since start", stats.publishes.to_string()),
        ("Entries since start", stats.entries.to_string()),
        ("Commits", stats.commits.to_string()),
        ("Syncs", stats.syncs.to_string()),
        ("Bytes on disk", stats.disk_bytes.to_string()),
        ("Corrupt entries", stats.corrupt_entries.to_string()),
        ("Unexpired entries dropped", stats.trimmed_entries.to_string()),
        ("Failed commits", stats.failures.to_string()),
        (
            "Takes writes",
            match (stats.read_only, stats.full) {
                (true, _) => "no: a sync failed; restart after looking at the disk".to_owned(),
                (_, true) => "no: the disk is full".to_owned(),
                _ => "yes".to_owned(),
            },
        ),
    ]
}

fn table(html: &mut String, title: &str, rows: &[(&str, String)]) {
    // Writing to a String does not fail.
    let _ = write!(html, "<h2>{}</h2><table>", escape(title));
    for (name, value) in rows {
        let _ = write!(html, "<tr><th>{}<td>{}", escape(name), escape(value));
    }
    html.push_str("</table>");
}

fn up_time(up: Duration) -> String {
    crate::config::format_span(Duration::from_secs(up.as_secs()))
}

/// Text as HTML, in elements and in quoted attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<b a='\"'>&"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;");
    }
}
