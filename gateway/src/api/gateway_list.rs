//! `GET /v1/gateways`: the list a client races.

use super::cors;
use crate::listener::{Peer, Scheme, is_trusted};
use crate::state::AppState;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, HOST};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The gateways a client may dial.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GatewaysAnswer {
    gateways: Vec<GatewayAnswer>,
    /// Ask again after so many seconds.
    ttl_s: u64,
}

/// One gateway.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GatewayAnswer {
    /// What to dial, without `/v1/connect`.
    url: String,
    /// Its share of new clients against the others'.
    weight: u32,
    /// Where it is; empty where nobody said.
    region: String,
}

pub(super) async fn list(State(state): State<Arc<AppState>>, request: Request) -> Response {
    let headers = request.headers();
    let peer = request.extensions().get::<Peer>().copied();
    let config = state.config.load();
    let dialled = config.public_url.clone().or_else(|| dialled(headers, peer, &config.trusted_proxies));
    let known = &config.gateways;
    let others = known.others.iter().filter(|other| dialled.as_ref() != Some(&other.url));
    let others = others.map(|other| GatewayAnswer {
        url: other.url.clone(),
        weight: other.weight,
        region: other.region.clone(),
    });
    let others: Vec<_> = others.collect();
    // Who asks a node that is going away had better dial another one.
    let leaving = state.is_draining() && !others.is_empty();
    let this = dialled.filter(|_| !leaving).map(|url| GatewayAnswer {
        url,
        weight: known.weight,
        region: known.region.clone(),
    });
    let gateways = this.into_iter().chain(others).collect();
    let answer = GatewaysAnswer { gateways, ttl_s: known.ttl.as_secs() };
    let response = ([(CACHE_CONTROL, "no-cache")], axum::Json(answer)).into_response();
    cors::readable(response, headers, allowed(&state, headers))
}

pub(super) async fn preflight(State(state): State<Arc<AppState>>, headers: HeaderMap) -> Response {
    cors::preflight(&headers, allowed(&state, &headers), "GET")
}

fn allowed(state: &AppState, headers: &HeaderMap) -> bool {
    cors::origin(headers).is_some() && state.auth.allowed_at_upgrade(cors::origin(headers))
}

/// What the asker typed in, as far as the request tells.
fn dialled(headers: &HeaderMap, peer: Option<Peer>, trusted: &[ipnet::IpNet]) -> Option<String> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let valid = host
        .parse::<http::uri::Authority>()
        .is_ok_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'));
    if !valid {
        return None;
    }
    let ended_tls = peer.is_some_and(|peer| is_trusted(trusted, peer.address))
        && headers
            .get("x-forwarded-proto")
            .is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    let tls = peer.is_some_and(|peer| peer.scheme == Scheme::Https);
    let scheme = if tls || ended_tls { "https" } else { "http" };
    Some(format!("{scheme}://{host}"))
}
