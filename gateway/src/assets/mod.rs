//! Files that browsers load: the package's worker pair and page bundle, and in `dev` the demo page.
//!
//! They are embedded at build time, precompressed, and answered with the headers a worker needs:
//! a worker obeys the policy of its own response, whatever the page's says.

mod demo;
mod embedded;
mod negotiate;

pub use demo::demo;

use crate::api::problem::{Code, Problem};
use crate::state::AppState;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use embedded::{File, file};
use negotiate::{not_modified, wanted};
use serde::Deserialize;
use std::sync::Arc;

const EMBEDDER: HeaderName = HeaderName::from_static("cross-origin-embedder-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What the worker may do, whatever page started it: its own script, its wasm, any gateway.
const WORKER_POLICY: &str = "script-src 'self' 'wasm-unsafe-eval'; connect-src *";
/// Asked for again each time, and not sent again where nothing changed.
const ASK_AGAIN: &str = "no-cache";
/// The hash is in the URL.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `GET /pulsegate.js`.
pub async fn page(State(_): State<Arc<AppState>>, headers: HeaderMap) -> Response {
    let extra = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (RESOURCE, HeaderValue::from_static("cross-origin")),
    ];
    packaged("pulsegate.js", ASK_AGAIN, &headers, &extra)
}

/// `GET /pulsegate-worker.js`.
pub async fn worker(State(_): State<Arc<AppState>>, headers: HeaderMap) -> Response {
    packaged("pulsegate-worker.js", ASK_AGAIN, &headers, &of_the_worker())
}

/// Which build of the wasm a script was made with.
#[derive(Deserialize)]
pub struct WasmQuery {
    h: Option<String>,
}

/// `GET /pulsegate-worker.wasm?h=HASH`: an old script beside new wasm would fail while linking, so
/// it is told at once.
pub async fn wasm(
    State(_): State<Arc<AppState>>,
    query: Result<Query<WasmQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    // A query that cannot be read names no hash of ours.
    let asked = query.ok().and_then(|Query(query)| query.h);
    const NAME: &str = "pulsegate-worker.wasm";
    match file(NAME) {
        Some(file) if asked.as_deref() != Some(file.hash.as_str()) => {
            Problem::new(Code::NotFound, "this gateway has another build of the worker").into_response()
        }
        _ => packaged(NAME, FOR_EVER, &headers, &of_the_worker()),
    }
}

fn of_the_worker() -> [(HeaderName, HeaderValue); 3] {
    [
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(WORKER_POLICY)),
        (EMBEDDER, HeaderValue::from_static("require-corp")),
        (RESOURCE, HeaderValue::from_static("same-origin")),
    ]
}

fn packaged(
    name: &'static str,
    cache: &'static str,
    headers: &HeaderMap,
    extra: &[(HeaderName, HeaderValue)],
) -> Response {
    match file(name) {
        Some(file) => answer(file, cache, headers, extra),
        None => Problem::new(
            Code::NotFound,
            "this gateway was built without the browser package; run `cargo xtask package` and build it again",
        )
        .into_response(),
    }
}

/// The file in the encoding the asker wants most, or 304 if it has it.
fn answer(
    file: &File,
    cache: &'static str,
    headers: &HeaderMap,
    extra: &[(HeaderName, HeaderValue)],
) -> Response {
    let asked = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let encoding = wanted(asked(ACCEPT_ENCODING), |encoding| file.bytes(encoding).is_some());
    let tag = file.tag(encoding);
    let fresh = asked(IF_NONE_MATCH).is_some_and(|list| not_modified(list, &tag));
    let mut response = if fresh {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let bytes = file.bytes(encoding).unwrap_or(file.plain);
        let mut response = (StatusCode::OK, bytes).into_response();
        let kind = HeaderValue::from_static(file.media);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        if let Some(name) = encoding.name() {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        response
    };
    let out = response.headers_mut();
    out.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    out.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(ETAG, tag);
    }
    for (name, value) in extra {
        out.insert(name.clone(), value.clone());
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test whose file has no name should fail there
    use super::*;

    fn a_file() -> File {
        File::new("x.js", b"plain", Some(b"br"), Some(b"gz"))
    }

    fn ask(pairs: &[(HeaderName, &str)]) -> Response {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        answer(&a_file(), ASK_AGAIN, &headers, &of_the_worker())
    }

    #[test]
    fn the_encoding_wanted_most_is_sent_and_named() {
        for (accept, encoding) in [
            ("gzip, deflate, br, zstd", Some("br")),
            ("br;q=0, gzip", Some("gzip")),
            ("gzip;q=0.9, br;q=0.2", Some("gzip")),
            ("identity", None),
            ("*", Some("br")),
            ("", None),
        ] {
            let response = ask(&[(ACCEPT_ENCODING, accept)]);
            let sent = response.headers().get(CONTENT_ENCODING).map(|v| v.to_str().unwrap());
            assert_eq!(sent, encoding, "{accept}");
            assert_eq!(response.headers()[VARY], "Accept-Encoding");
        }
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let first = ask(&[(ACCEPT_ENCODING, "br")]);
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        for list in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let second = ask(&[(ACCEPT_ENCODING, "br"), (IF_NONE_MATCH, &list)]);
            assert_eq!(second.status(), StatusCode::NOT_MODIFIED, "{list}");
            assert_eq!(second.headers()[ETAG], tag.as_str());
        }
        let other = ask(&[(ACCEPT_ENCODING, "gzip"), (IF_NONE_MATCH, &tag)]);
        assert_eq!(other.status(), StatusCode::OK, "another encoding is other bytes");
    }

    #[test]
    fn the_worker_brings_its_own_policy() {
        let response = ask(&[]);
        let header = |name: &HeaderName| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header(&CONTENT_SECURITY_POLICY), "script-src 'self' 'wasm-unsafe-eval'; connect-src *");
        assert_eq!(header(&EMBEDDER), "require-corp");
        assert_eq!(header(&RESOURCE), "same-origin");
        assert_eq!(header(&CACHE_CONTROL), "no-cache");
        assert_eq!(header(&CONTENT_TYPE), "text/javascript; charset=utf-8");
    }
}
