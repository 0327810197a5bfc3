//! The routes as a stranger meets them: requests in, answers out, no socket, a store in memory.
#![allow(clippy::unwrap_used)] // a test whose own request cannot be built should fail there

mod access;
mod batch;
mod device;
mod document;
mod gateways;
mod manual;
mod operation;
mod publish;
mod receipt;

use super::{admin, public};
use crate::config::{Config, DevConfig, Secret, from_text};
use crate::connection::NetworkNames;
use crate::hub::Hub;
use crate::metric::Metrics;
use crate::state::AppState;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use pulsegate_proto::id::{AppId, RegistrationId, SessionId, UserId};
use pulsegate_routing::store::EmbeddedSettings;
use pulsegate_routing::{
    Clock, Connect, Connected, Grants, ManualClock, RouterSettings, Store, SystemClock, Wake,
};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tower::ServiceExt as _;

/// A node without listeners.
struct World {
    state: Arc<AppState>,
    public: Router,
    admin: Router,
}

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// The keys of the apps, which have all scopes, and one that may only read.
const KEY: &str = "Bearer pg_demo_k1_all";
const READ_KEY: &str = "Bearer pg_demo_k2_read";
const PUBLISH_KEY: &str = "Bearer pg_demo_k3_publish";
const FOREIGN_KEY: &str = "Bearer pg_other_k1_all";

fn file() -> String {
    let key = |id: &str, secret: &str, scopes: &str| {
        let hash = blake3::hash(secret.as_bytes());
        format!("[[apps.keys]]\nid='{id}'\nblake3='{hash}'\nscopes=[{scopes}]\n")
    };
    let all = "'publish','read','admin'";
    format!(
        "[[apps]]\nid='demo'\norigins=['https://demo.test']\nanonymous=true\nanonymous_topics=['#']\n{}{}{}\
         [[apps]]\nid='other'\norigins=['https://other.test']\n{}",
        key("k1", "all", all),
        key("k2", "read", "'read'"),
        key("k3", "publish", "'publish'"),
        key("k1", "all", all),
    )
}

impl World {
    async fn new() -> Self {
        Self::with("").await
    }

    /// A world whose file begins with `text`.
    async fn with(text: &str) -> Self {
        let text = format!("{text}\n{}", file());
        Self::of(from_text(&text, "test", &[]).unwrap()).await
    }

    async fn dev() -> Self {
        let mut config = from_text(&file(), "test", &[]).unwrap();
        config.dev = Some(DevConfig {
            publish_key: Secret::new("pg_demo_k1_all"),
            token_secret: Secret::new("c2VjcmV0"),
        });
        Self::of(config).await
    }

    async fn of(config: Config) -> Self {
        Self::at(config, Arc::new(SystemClock)).await
    }

    async fn at(config: Config, clock: Arc<dyn Clock>) -> Self {
        let store = Store::memory(Arc::clone(&clock));
        Self::on(config, clock, store).await
    }

    /// A world whose store is on disk, in `folder`.
    async fn on_disk(folder: &Path) -> Self {
        let config = from_text(&file(), "test", &[]).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Store::embedded(EmbeddedSettings::new(folder), Arc::clone(&clock)).unwrap();
        Self::on(config, clock, store).await
    }

    async fn on(config: Config, clock: Arc<dyn Clock>, store: Store) -> Self {
        let metrics = Arc::new(Metrics::new());
        let hub = Arc::new(Hub::new(1 << 20, NetworkNames::for_this_run(), Arc::clone(&metrics)));
        let wake: Arc<dyn Wake> = hub.clone();
        let settings = RouterSettings {
            retention: config.store.retention,
            everyone_per_second: config.limits.everyone_per_second,
            everyone_entries: config.limits.everyone_entries,
            background: false,
            ..RouterSettings::default()
        };
        let router = pulsegate_routing::Router::open(store, settings, clock, wake).await.unwrap();
        let state = Arc::new(AppState::new(config, router, hub, metrics));
        Self { public: public(Arc::clone(&state)), admin: admin(Arc::clone(&state)), state }
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        read(self.public.clone().oneshot(request).await.unwrap()).await
    }

    async fn ask_admin(&self, request: Request<Body>) -> Answer {
        read(self.admin.clone().oneshot(request).await.unwrap()).await
    }

    /// `method path` with the key of all scopes.
    async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask(request(method, path, &[("authorization", KEY)], body)).await
    }

    async fn publish(&self, body: &str) -> Answer {
        self.send("POST", "/v1/apps/demo/messages", body).await
    }

    /// A device as a Hello makes it.
    async fn device(&self, user: Option<&str>) -> Connected {
        let ask = Connect {
            user: user.map(|user| UserId::parse(user).unwrap()),
            grants: Grants::default(),
            registration: None,
            generation: 1,
            link: 1,
            cursors: Vec::new(),
            ephemeral: false,
            agent: "test/1".into(),
            session: SessionId::parse(&crate::auth::random_id()).unwrap(),
            boot: "boot".into(),
        };
        self.state.router.connect(&app(), ask).await.unwrap()
    }
}

async fn read(response: axum::response::Response) -> Answer {
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

fn app() -> AppId {
    AppId::parse("demo").unwrap()
}

/// An id that no registration has.
fn nobody() -> RegistrationId {
    RegistrationId::parse("nobody").unwrap()
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body::from(body.to_owned())).unwrap()
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Asserts that this is a problem document with that status, code and field.
    #[track_caller]
    fn is_problem(&self, status: u16, code: &str, field: Option<&str>) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let document = self.json();
        assert_eq!(document["status"], status, "{document}");
        assert_eq!(document["code"], code, "{document}");
        assert_eq!(document.get("field").and_then(Value::as_str), field, "{document}");
        assert_eq!(document["type"], "about:blank");
        assert!(document["title"].is_string() && document["detail"].is_string(), "{document}");
    }
}
