//! Health, readiness, metrics, drain: for whoever runs the node.

use super::problem::{Code, Problem};
use crate::metric::Name;
use crate::state::AppState;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// Media type of the OpenMetrics text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The node is well.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WellAnswer {
    /// `alive`, `ready` or `draining`.
    status: &'static str,
}

/// Alive: the process answers. It says nothing of the store, so that nobody kills a node that only
/// waits for its disk.
pub(super) async fn healthz() -> axum::Json<WellAnswer> {
    axum::Json(WellAnswer { status: "alive" })
}

/// Ready: new clients and publishers may come.
pub(super) async fn readyz(State(state): State<Arc<AppState>>) -> Result<axum::Json<WellAnswer>, Problem> {
    if state.is_draining() {
        return Err(
            Problem::new(Code::Draining, "clients are being moved elsewhere").after(Duration::from_secs(1))
        );
    }
    state.router.ready()?;
    Ok(axum::Json(WellAnswer { status: "ready" }))
}

/// Everything counted, in the OpenMetrics text format.
pub(super) async fn metrics(State(state): State<Arc<AppState>>) -> Response {
    let stats = state.router.stats();
    let apps = state.config.load().apps.len() as u64;
    let now = [
        (Name::Apps, apps),
        (Name::Draining, u64::from(state.is_draining())),
        (Name::UptimeSeconds, state.started.elapsed().as_secs()),
        (Name::StoreSyncs, stats.syncs),
        (Name::StoreCommits, stats.commits),
        (Name::StorePublishes, stats.publishes),
        (Name::StoreEntries, stats.entries),
        (Name::StoreCorrupt, stats.corrupt_entries),
        (Name::StoreTrimmed, stats.trimmed_entries),
        (Name::StoreExpired, stats.expired_messages),
        (Name::StoreFailures, stats.failures),
        (Name::StoreReopened, stats.reopened),
        (Name::StoreBytes, stats.disk_bytes),
        (Name::StoreReadOnly, u64::from(stats.read_only)),
        (Name::StoreFull, u64::from(stats.full)),
    ];
    ([(CONTENT_TYPE, OPEN_METRICS)], state.metrics.encode(&now)).into_response()
}

/// How a drain is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DrainAsked {
    /// Links a second; absent: `drain_per_second` of the configuration.
    per_second: Option<u32>,
}

/// Does what SIGTERM does, at the pace that is asked for. A browser cannot be made to ask for it: it always says its Origin with a
/// POST.
pub(super) async fn drain(
    State(state): State<Arc<AppState>>,
    headers: HeaderMap,
    asked: Result<Query<DrainAsked>, QueryRejection>,
) -> Result<Response, Problem> {
    if headers.contains_key(ORIGIN) {
        return Err(Problem::new(Code::OriginNotAllowed, "not for browsers"));
    }
    let Query(asked) =
        asked.map_err(|error| Problem::new(Code::Malformed, error.body_text()).at("per_second"))?;
    if let Some(per_second) = asked.per_second {
        // The first who asks sets the pace: a drain that has begun is not hurried.
        let _ = state.drain_per_second.set(per_second);
    }
    if state.begin_drain() {
        tracing::info!("drain asked for over HTTP");
    }
    Ok((StatusCode::ACCEPTED, axum::Json(WellAnswer { status: "draining" })).into_response())
}
