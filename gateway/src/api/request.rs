//! The start of every request of a backend: whose it is, and its body within its bounds.

use super::incoming::Incoming;
use super::problem::{Code, Problem};
use crate::auth::{AccessRefused, Tenant};
use crate::config::Scope;
use crate::state::AppState;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::request::Parts;
use bytes::{Bytes, BytesMut};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The parameters of a path; what cannot be decoded is a problem document like every refusal.
pub(super) struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(parameters)| Self(parameters))
            .map_err(|rejection| Problem::new(Code::Malformed, rejection.body_text()))
    }
}

/// Who asks, if the key of the request opens `app` and holds `scope`.
pub(super) fn tenant(
    state: &AppState,
    app: &str,
    headers: &HeaderMap,
    scope: Scope,
) -> Result<Tenant, Problem> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    state.auth.server(app, header, scope).map_err(|refused| match refused {
        AccessRefused::Unauthorized => {
            Problem::new(Code::Unauthorized, "send Authorization: Bearer pg_<app>_<key id>_<secret>")
        }
        AccessRefused::Forbidden(scope) => {
            Problem::new(Code::Forbidden, format!("the key lacks the scope '{}'", scope.as_str()))
        }
    })
}

/// Refuses a body that says beforehand that it is too large (0 = any) or packed: unpacking is work
/// that a small body could ask for without end.
pub(super) fn check_head(headers: &HeaderMap, limit: u64) -> Result<(), Problem> {
    let packed = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if packed {
        return Err(Problem::new(Code::UnsupportedMedia, "send the body without Content-Encoding"));
    }
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    match announced {
        Some(length) if limit != 0 && length > limit => Err(too_large(limit)),
        _ => Ok(()),
    }
}

fn too_large(limit: u64) -> Problem {
    Problem::new(Code::TooLarge, format!("the body is larger than {limit} bytes"))
}

/// The whole body, within `limit` bytes and `patience`; 0 = none.
pub(super) async fn whole(
    headers: &HeaderMap,
    body: &mut Incoming,
    limit: u64,
    patience: Duration,
) -> Result<Bytes, Problem> {
    check_head(headers, limit)?;
    if patience.is_zero() {
        return collect(body, limit).await;
    }
    tokio::time::timeout(patience, collect(body, limit)).await.unwrap_or_else(|_| Err(timed_out()))
}

pub(super) fn timed_out() -> Problem {
    Problem::new(Code::Timeout, "the body did not come in time")
}

async fn collect(body: &mut Incoming, limit: u64) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.next().await? {
        if limit != 0 && (whole.len() + chunk.len()) as u64 > limit {
            return Err(too_large(limit));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// A JSON body under the configured limits.
pub(super) async fn small(
    state: &AppState,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<Bytes, Problem> {
    let (limit, patience) = {
        let config = state.config.load();
        (config.limits.request_body_bytes, config.limits.request_body)
    };
    whole(headers, body, limit, patience).await
}
