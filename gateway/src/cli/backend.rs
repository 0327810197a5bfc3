//! The side of a backend: asks a gateway over HTTP and turns its problems into a line.

use super::exit::{Exit, FAILED, USAGE};
use clap::Args;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use std::time::Duration;

/// Which gateway, which app, which key.
#[derive(Args)]
pub(super) struct Backend {
    /// The gateway, such as https://push.example.com.
    #[arg(long)]
    url: String,
    /// The server key; in the environment it is not seen by others on this machine.
    #[arg(long, env = "PULSEGATE_KEY", hide_env_values = true)]
    key: String,
    /// The app.
    #[arg(long)]
    app: String,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend").field("url", &self.url).field("app", &self.app).finish_non_exhaustive()
    }
}

impl Backend {
    /// `path` under the app.
    fn address(&self, path: &str) -> String {
        format!("{}/v1/apps/{}/{path}", self.url.trim_end_matches('/'), self.app)
    }

    fn client() -> Result<Client, Exit> {
        Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .map_err(|error| Exit::new(FAILED, error.to_string()))
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Exit> {
        self.ask(Self::client()?.get(self.address(path))).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Exit> {
        self.ask(Self::client()?.post(self.address(path)).json(body)).await
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Value, Exit> {
        let answer = request.bearer_auth(&self.key).send().await.map_err(|error| {
            let code = if error.is_builder() { USAGE } else { FAILED };
            Exit::new(code, format!("{}: {}", self.url, root(&error)))
        })?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| Exit::new(FAILED, error.to_string()))?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        let part = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let code = part("code").unwrap_or_else(|| "no problem document".to_owned());
        let field = part("field").map(|field| format!(" ({field})")).unwrap_or_default();
        let detail = part("detail").unwrap_or_default();
        Err(Exit::new(FAILED, format!("{} {code}{field}: {detail}", status.as_u16())))
    }
}

/// The innermost cause: "connection refused" says more than "error sending request".
fn root(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
