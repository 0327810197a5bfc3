//! `POST /v1/apps/{app}/messages`: a message becomes durable, or a problem says why not.

mod batch;
mod draft;
mod notification;
pub(super) mod target;

pub(super) use batch::batch;

use super::fault;
use super::incoming::Incoming;
use super::problem::{Code, Problem};
use super::request::{self, Path};
use crate::clock;
use crate::config::Scope;
use crate::state::AppState;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use pulsegate_proto::id::MessageId;
use pulsegate_routing::Accepted;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;
use utoipa::ToSchema;

/// The header of RFC draft "The Idempotency-Key HTTP Header Field".
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A message was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AcceptedAnswer {
    /// Its id: a UUIDv7, or the first one's where the idempotency key was used before.
    id: String,
    /// Always `accepted`.
    state: &'static str,
}

impl AcceptedAnswer {
    fn new(id: MessageId) -> Self {
        Self { id: id.to_string(), state: "accepted" }
    }
}

pub(super) async fn publish(
    State(state): State<Arc<AppState>>,
    Path(app): Path<String>,
    headers: HeaderMap,
    mut body: Incoming,
) -> Result<Response, Problem> {
    let began = Instant::now();
    let tenant = request::tenant(&state, &app, &headers, Scope::Publish)?;
    let key = idempotency_key(&headers)?;
    let (limit, patience, pace) = {
        let config = state.config.load();
        let limits = &config.limits;
        (limits.request_body_bytes, limits.request_body, limits.publishes_per_second)
    };
    let bytes = request::whole(&headers, &mut body, limit, patience).await?;
    let frame =
        draft::Frame { app: &tenant.app, now: clock::now(), retention: state.router.settings().retention };
    let asked = draft::read(&bytes, &frame, draft::KeySource::Header(key))?;
    state.pace.publish(&tenant.app, 1, pace).map_err(|wait| {
        state.metrics.rate_limited("publishes_per_second");
        too_fast(wait)
    })?;
    let Accepted { id, replayed, .. } = state
        .router
        .publish(&tenant.app, asked.draft)
        .await
        .map_err(|error| fault::of_publish(error, &asked.named))?;
    state.metrics.published(began.elapsed());
    tracing::debug!(app = %tenant.app, key = tenant.key_id, message = %id, replayed, "accepted");
    Ok((StatusCode::ACCEPTED, axum::Json(AcceptedAnswer::new(id))).into_response())
}

fn too_fast(wait: std::time::Duration) -> Problem {
    Problem::new(Code::RateLimited, "more messages a second than this app may publish").after(wait)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (first, second) = (values.next(), values.next());
    let wrong = |detail| Problem::new(Code::Malformed, detail).at("Idempotency-Key");
    if second.is_some() {
        return Err(wrong("the header is there twice"));
    }
    let Some(value) = first else { return Ok(None) };
    let key = value.to_str().map_err(|_| wrong("expected visible ASCII"))?.trim();
    let most = pulsegate_proto::limits::IDEMPOTENCY_KEY_BYTES;
    if key.is_empty() || key.len() > most {
        return Err(wrong("expected 1 to 255 bytes"));
    }
    Ok(Some(key))
}
