//! The demo page of `pulsegate dev` and its laboratory: `/` leads to it, and it learns from
//! `/demo/config.json` how to publish.

use super::embedded::file;
use super::{ASK_AGAIN, answer};
use crate::api::is_literal;
use crate::api::problem::{Code, Problem};
use crate::state::AppState;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, LOCATION, ORIGIN, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use std::sync::Arc;

/// The page may load what this server serves and connect to any gateway.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      img-src 'self' data: https:; connect-src 'self' ws: wss:; worker-src 'self'; \
                      manifest-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The routes that only `dev` has.
pub fn demo() -> Router<Arc<AppState>> {
    Router::new()
        .route("/", get(|| async { to_the_page() }))
        .route("/demo", get(|| async { to_the_page() }))
        .route("/demo/", get(|headers: HeaderMap| async move { page("index.html", &headers) }))
        .route("/demo/lab", get(|| async { (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "/demo/lab/")]) }))
        .route("/demo/lab/", get(|headers: HeaderMap| async move { page("lab/index.html", &headers) }))
        .route("/demo/config.json", get(config))
        .route("/demo/{*file}", get(of_path))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
}

fn to_the_page() -> Response {
    (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "/demo/")]).into_response()
}

async fn of_path(Path(name): Path<String>, headers: HeaderMap) -> Response {
    page(&name, &headers)
}

/// Files are looked up by name in what was embedded: there is no path to walk out of.
fn page(name: &str, headers: &HeaderMap) -> Response {
    let extra = [
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    match file(&format!("demo/{name}")) {
        Some(file) => answer(file, ASK_AGAIN, headers, &extra),
        None => Problem::new(Code::NotFound, "the demo page has no such file").into_response(),
    }
}

/// What the demo page needs to know.
#[derive(Serialize)]
struct DemoConfig<'a> {
    url: String,
    app: &'static str,
    key: &'a str,
    /// Signs device tokens (HS256, key id `dev`), so that a page can be somebody.
    token_secret: &'a str,
}

/// Holds a key, so it is for this server's own page only: no CORS, no other site's request, and no
/// name that somebody could point at this machine.
async fn config(State(state): State<Arc<AppState>>, headers: HeaderMap) -> Response {
    let config = state.config.load();
    let Some(dev) = config.dev.as_ref().filter(|_| is_own_page(&headers)) else {
        return Problem::new(Code::NotFound, "only for the demo page itself").into_response();
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let answer = DemoConfig {
        url: format!("{scheme}://{host}"),
        app: crate::cli::DEMO_APP,
        key: dev.publish_key.expose_text(),
        token_secret: dev.token_secret.expose_text(),
    };
    ([(CACHE_CONTROL, "no-store")], axum::Json(answer)).into_response()
}

fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let Some(host) = text(HOST) else { return false };
    let site = text(FETCH_SITE).is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin =
        text(ORIGIN).is_none_or(|origin| origin.split_once("://").is_some_and(|(_, named)| named == host));
    site && origin && is_literal(headers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that cannot parse its own text should fail there
    use super::*;

    #[test]
    fn the_key_is_for_this_servers_own_page_only() {
        let own = |pairs: &[(HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(name.clone(), HeaderValue::from_str(value).unwrap());
            }
            is_own_page(&headers)
        };
        assert!(own(&[(HOST, "127.0.0.1:8080")]));
        assert!(own(&[(HOST, "localhost:8080"), (ORIGIN, "http://localhost:8080")]));
        assert!(own(&[(HOST, "[::1]:8080"), (FETCH_SITE, "same-origin")]));
        assert!(!own(&[(HOST, "evil.test:8080")]));
        assert!(!own(&[(HOST, "127.0.0.1:8080"), (ORIGIN, "http://evil.test")]));
        assert!(!own(&[(HOST, "127.0.0.1:8080"), (FETCH_SITE, "cross-site")]));
        assert!(!own(&[]));
    }
}
