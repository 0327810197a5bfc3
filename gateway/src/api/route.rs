//! Every route once: what answers it, and how it is described. The axum routers and the OpenAPI
//! document are both made from this table.

use super::{gateway_list, message, operation, publish, receipt, registration};
use crate::assets;
use crate::config::Scope;
use crate::state::AppState;
use axum::routing::{MethodRouter, any, delete, get, options, patch, post, put};
use std::sync::Arc;

/// Which listener has the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    Public,
    Admin,
    Both,
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Anyone,
    Key(Scope),
    Registration,
}

/// What a body holds: the name of a schema, or a media type without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Nothing,
    Json(&'static str),
    Ndjson(&'static str),
    Bytes(&'static str),
}

/// One method of one path.
pub(super) struct Route {
    pub on: On,
    pub method: &'static str,
    /// As axum writes it.
    pub path: &'static str,
    pub access: Access,
    pub summary: &'static str,
    pub takes: Holds,
    pub answer: u16,
    pub gives: Holds,
    pub handler: MethodRouter<Arc<AppState>>,
}

impl Route {
    fn new(
        method: &'static str,
        path: &'static str,
        summary: &'static str,
        handler: MethodRouter<Arc<AppState>>,
    ) -> Self {
        Self {
            on: On::Public,
            method,
            path,
            access: Access::Anyone,
            summary,
            takes: Holds::Nothing,
            answer: 200,
            gives: Holds::Nothing,
            handler,
        }
    }

    fn on(mut self, on: On) -> Self {
        self.on = on;
        self
    }

    fn key(mut self, scope: Scope) -> Self {
        self.access = Access::Key(scope);
        self
    }

    fn takes(mut self, takes: Holds) -> Self {
        self.takes = takes;
        self
    }

    fn gives(mut self, answer: u16, gives: Holds) -> Self {
        self.answer = answer;
        self.gives = gives;
        self
    }
}

/// All routes of both listeners.
pub(super) fn all() -> Vec<Route> {
    [publishing(), devices(), clients(), files(), operations()].into_iter().flatten().collect()
}

fn publishing() -> Vec<Route> {
    const MESSAGES: &str = "/v1/apps/{app}/messages";
    const MESSAGE: &str = "/v1/apps/{app}/messages/{id}";
    vec![
        Route::new("POST", MESSAGES, "Publish one message", post(publish::publish))
            .key(Scope::Publish)
            .takes(Holds::Json("PublishRequest"))
            .gives(202, Holds::Json("AcceptedAnswer")),
        Route::new(
            "POST",
            "/v1/apps/{app}/messages:batch",
            "Publish many messages, one a line; the answer has one line for each, in order",
            post(publish::batch),
        )
        .key(Scope::Publish)
        .takes(Holds::Ndjson("BatchLine"))
        .gives(200, Holds::Ndjson("AcceptedAnswer")),
        Route::new("GET", MESSAGE, "What has become of a message", get(message::status))
            .key(Scope::Read)
            .gives(200, Holds::Json("StatusAnswer")),
        Route::new("DELETE", MESSAGE, "Recall a message", delete(message::recall))
            .key(Scope::Publish)
            .gives(204, Holds::Nothing),
        Route::new(
            "GET",
            "/v1/apps/{app}/messages/{id}/trace",
            "Where a message went, hop by hop, and why not further",
            get(message::trace),
        )
        .key(Scope::Read)
        .gives(200, Holds::Json("TraceAnswer")),
        Route::new(
            "POST",
            "/v1/apps/{app}/audience:count",
            "How many devices a target reaches now",
            post(message::count),
        )
        .key(Scope::Read)
        .takes(Holds::Json("CountRequest"))
        .gives(200, Holds::Json("CountAnswer")),
    ]
}

fn devices() -> Vec<Route> {
    const ONE: &str = "/v1/apps/{app}/registrations/{id}";
    const TOPIC: &str = "/v1/apps/{app}/registrations/{id}/topics/{*topic}";
    vec![
        Route::new(
            "GET",
            "/v1/apps/{app}/registrations",
            "The app's registrations, page by page",
            get(registration::list),
        )
        .key(Scope::Read)
        .gives(200, Holds::Json("PageAnswer")),
        Route::new("GET", ONE, "One registration", get(registration::get))
            .key(Scope::Read)
            .gives(200, Holds::Json("RegistrationAnswer")),
        Route::new("PATCH", ONE, "Change a registration's tags", patch(registration::patch))
            .key(Scope::Admin)
            .takes(Holds::Json("PatchRequest"))
            .gives(200, Holds::Json("RegistrationAnswer")),
        Route::new("DELETE", ONE, "Delete a registration", delete(registration::delete))
            .key(Scope::Admin)
            .gives(204, Holds::Nothing),
        Route::new("PUT", TOPIC, "Subscribe a registration", put(registration::put_topic))
            .key(Scope::Admin)
            .gives(204, Holds::Nothing),
        Route::new("DELETE", TOPIC, "End a subscription", delete(registration::delete_topic))
            .key(Scope::Admin)
            .gives(204, Holds::Nothing),
        Route::new(
            "GET",
            "/v1/apps/{app}/users/{user}",
            "A user's registrations, and whether one is online",
            get(registration::user),
        )
        .key(Scope::Read)
        .gives(200, Holds::Json("UserAnswer")),
    ]
}

fn clients() -> Vec<Route> {
    const RECEIPTS: &str = "/v1/apps/{app}/receipts";
    let mut report = Route::new(
        "POST",
        RECEIPTS,
        "Report stages a message reached, without a socket",
        post(receipt::report),
    )
    .takes(Holds::Bytes("application/x-protobuf"))
    .gives(204, Holds::Nothing);
    report.access = Access::Registration;
    vec![
        report,
        Route::new("OPTIONS", RECEIPTS, "CORS preflight", options(receipt::preflight))
            .gives(204, Holds::Nothing),
        Route::new("GET", "/v1/gateways", "The gateways a client may dial", get(gateway_list::list))
            .gives(200, Holds::Json("GatewaysAnswer")),
        Route::new("OPTIONS", "/v1/gateways", "CORS preflight", options(gateway_list::preflight))
            .gives(204, Holds::Nothing),
        Route::new(
            "GET",
            "/v1/connect",
            "The WebSocket of devices, subprotocol pulsegate.v1",
            any(crate::listener::upgrade),
        )
        .gives(101, Holds::Nothing),
    ]
}

fn files() -> Vec<Route> {
    const SCRIPT: Holds = Holds::Bytes("text/javascript");
    vec![
        Route::new("GET", "/pulsegate.js", "The page bundle", get(assets::page)).gives(200, SCRIPT),
        Route::new("GET", "/pulsegate-worker.js", "The worker's script", get(assets::worker))
            .gives(200, SCRIPT),
        Route::new(
            "GET",
            "/pulsegate-worker.wasm",
            "The worker's core; ?h= names its hash",
            get(assets::wasm),
        )
        .gives(200, Holds::Bytes("application/wasm")),
    ]
}

fn operations() -> Vec<Route> {
    let admin = |method, path, summary, handler| Route::new(method, path, summary, handler).on(On::Admin);
    vec![
        Route::new("GET", "/readyz", "Whether clients may come", get(operation::readyz))
            .on(On::Both)
            .gives(200, Holds::Json("WellAnswer")),
        admin("GET", "/healthz", "Whether the process answers", get(operation::healthz))
            .gives(200, Holds::Json("WellAnswer")),
        admin("GET", "/metrics", "Everything counted", get(operation::metrics))
            .gives(200, Holds::Bytes("application/openmetrics-text")),
        admin("GET", "/openapi.json", "This description", get(super::openapi::document))
            .gives(200, Holds::Bytes("application/json")),
        admin("GET", "/console", "An overview for people", get(super::console::page))
            .gives(200, Holds::Bytes("text/html")),
        admin("POST", "/v1/drain", "Move clients elsewhere and end, as SIGTERM does", post(operation::drain))
            .gives(202, Holds::Json("WellAnswer")),
    ]
}
