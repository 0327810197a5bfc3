//! What pages of the apps may ask from another origin.

use super::problem::{Code, Problem};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// A browser asks again after so long: the list of origins may have changed.
const PREFLIGHT_KEPT: &str = "7200";

/// The origin a browser says it asks for.
pub(super) fn origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(ORIGIN).and_then(|value| value.to_str().ok())
}

/// Lets the page of `origin` read `response`, if it is `allowed`.
pub(super) fn readable(mut response: Response, headers: &HeaderMap, allowed: bool) -> Response {
    let answer = response.headers_mut();
    answer.append(VARY, HeaderValue::from_static("Origin"));
    if let (true, Some(origin)) = (allowed, headers.get(ORIGIN)) {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

/// Answers a preflight for `method`.
pub(super) fn preflight(headers: &HeaderMap, allowed: bool, method: &'static str) -> Response {
    if !allowed {
        let refusal = Problem::new(Code::OriginNotAllowed, "the app does not list this origin");
        return readable(refusal.into_response(), headers, false);
    }
    let answer = (
        StatusCode::NO_CONTENT,
        [
            (ACCESS_CONTROL_ALLOW_METHODS, method),
            (ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
            (ACCESS_CONTROL_MAX_AGE, PREFLIGHT_KEPT),
        ],
    );
    readable(answer.into_response(), headers, true)
}
