//! What backends, pages and operators ask over HTTP.
//!
//! ```text
//! request -> tenant (key, scope) -> body read within its bound -> fields -> valid types -> routing -> answer
//! ```

mod console;
mod cors;
mod fault;
mod fields;
mod gateway_list;
mod host;
mod incoming;
mod message;
mod openapi;
mod operation;
mod pace;
pub mod problem;
mod publish;
mod receipt;
mod registration;
mod request;
mod route;
mod schema;
mod time;

pub use host::is_literal;
pub use pace::Pace;
pub use time::parse as parse_time;

use crate::assets;
use crate::state::AppState;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, HOST, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use problem::{Code, Problem};
use route::On;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Everything of the public listener.
pub fn public(state: Arc<AppState>) -> Router {
    let mut router = routes(|on| on != On::Admin);
    if state.config.load().dev.is_some() {
        router = router.merge(assets::demo());
    }
    finish(router, state)
}

/// Everything of the admin listener.
pub fn admin(state: Arc<AppState>) -> Router {
    let router = routes(|on| on != On::Public).layer(from_fn_with_state(state.clone(), at_home));
    finish(router, state)
}

/// Keeps pages whose name was pointed at this machine out of a listener that asks nobody who they
/// are. Where it was put on another address on purpose, its names are the operator's.
async fn at_home(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let loopback = state.config.load().admin_listen.ip().is_loopback();
    if loopback && request.headers().contains_key(HOST) && !is_literal(request.headers()) {
        let detail = "ask for this listener by its address or as localhost";
        return Problem::new(Code::OriginNotAllowed, detail).into_response();
    }
    next.run(request).await
}

fn routes(here: impl Fn(On) -> bool) -> Router<Arc<AppState>> {
    route::all()
        .into_iter()
        .filter(|route| here(route.on))
        .fold(Router::new(), |router, route| router.route(route.path, route.handler))
}

fn finish(router: Router<Arc<AppState>>, state: Arc<AppState>) -> Router {
    router
        .fallback(|| async { Problem::new(Code::NotFound, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(Code::MethodNotAllowed, "this path is not for this method")
        })
        // Bodies are read by `request`, within the configured limits.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(state.clone(), around))
        .with_state(state)
}

/// Counts the answer by its route, and keeps browsers from guessing what it is.
async fn around(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .and_then(|path| static_path(path.as_str()))
        .unwrap_or("other");
    let mut response = next.run(request).await.into_response();
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // What a route says nothing about is the truth of this moment only.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    state.metrics.answered(path, response.status().as_u16());
    response
}

/// The path of a route as it stands in the table: labels of metrics must not be invented by askers.
fn static_path(path: &str) -> Option<&'static str> {
    static PATHS: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    PATHS
        .get_or_init(|| route::all().into_iter().map(|route| (route.path, route.path)).collect())
        .get(path)
        .copied()
}

#[cfg(test)]
mod tests;
