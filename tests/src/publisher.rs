//! A backend: publishes over HTTP, keeps what was accepted, asks how it went.

use crate::{gateway::Gateway, keys::ServerKey, patiently, until};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// The backend of one app.
#[derive(Clone, Debug)]
pub struct Publisher {
    http: reqwest::Client,
    base: String,
    bearer: String,
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: String,
    /// `Retry-After`, seconds.
    pub retry_after: Option<u64>,
    /// Its body, if that is JSON; a string otherwise.
    pub body: Value,
}

impl Answer {
    /// The id of an accepted message.
    ///
    /// # Panics
    /// If it was not accepted.
    #[must_use]
    pub fn accepted(&self) -> String {
        assert_eq!(self.status, 202, "{:?}", self.body);
        assert_eq!(self.body["state"], "accepted");
        self.body["id"].as_str().unwrap().into()
    }

    /// The stable code of a problem document.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn problem(&self) -> (u16, &str) {
        assert!(self.content_type.starts_with("application/problem+json"), "no problem document: {self:?}");
        assert_eq!(self.body["status"], self.status, "{:?}", self.body);
        (self.status, self.body["code"].as_str().unwrap())
    }
}

impl Publisher {
    /// The backend of `key`'s app.
    #[must_use]
    pub fn new(gateway: &Gateway, key: &ServerKey) -> Self {
        Self::at(&gateway.url(), &key.app, &key.bearer())
    }

    /// A backend with any bearer text.
    #[must_use]
    pub fn at(url: &str, app: &str, bearer: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, base: format!("{url}/v1/apps/{app}"), bearer: bearer.into() }
    }

    /// Any request below the app; JSON in and out.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn try_request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> reqwest::Result<Answer> {
        let mut request = self
            .http
            .request(method, format!("{}/{path}", self.base))
            .bearer_auth(&self.bearer)
            .timeout(crate::PATIENCE);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let answer = request.send().await?;
        let header = |name: &str| {
            let value = answer.headers().get(name)?;
            value.to_str().ok().map(ToString::to_string)
        };
        let content_type = header("content-type").unwrap_or_default();
        let retry_after = header("retry-after").and_then(|value| value.parse().ok());
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, content_type, retry_after, body })
    }

    /// Any request that must be answered.
    ///
    /// # Panics
    /// If it is not.
    pub async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(|body| body.to_string().into_bytes());
        self.try_request(method, path, &[], body).await.unwrap()
    }

    /// Publishes once.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn try_publish(
        &self,
        message: &Value,
        idempotency_key: Option<&str>,
    ) -> reqwest::Result<Answer> {
        let key = idempotency_key.map(|key| ("idempotency-key", key));
        let body = Some(message.to_string().into_bytes());
        self.try_request(Method::POST, "messages", key.as_slice(), body).await
    }

    /// Publishes once; there must be an answer.
    ///
    /// # Panics
    /// If there is none.
    pub async fn post(&self, message: &Value) -> Answer {
        self.try_publish(message, None).await.unwrap()
    }

    /// Publishes; it must be accepted.
    ///
    /// # Panics
    /// If it is not.
    pub async fn publish(&self, message: &Value) -> String {
        self.post(message).await.accepted()
    }

    /// Publishes data to a topic.
    pub async fn to_topic(&self, topic: &str, body: &str) -> String {
        self.publish(&json!({"target": {"topic": topic}, "body": body})).await
    }

    /// Publishes with an idempotency key again and again until it is accepted: through restarts,
    /// resets and 503s.
    ///
    /// # Panics
    /// On an answer that says that asking again is no use.
    pub async fn insist(&self, message: &Value, idempotency_key: &str) -> String {
        patiently("a publish to be accepted", async {
            loop {
                match self.try_publish(message, Some(idempotency_key)).await {
                    Ok(answer) if answer.status == 202 => return answer.accepted(),
                    Ok(answer) if [429, 503].contains(&answer.status) => {}
                    Ok(answer) => panic!("refused: {answer:?}"),
                    Err(_) => {}
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    }

    /// Publishes lines of NDJSON; the answers in order.
    pub async fn batch(&self, lines: &[Value]) -> Vec<Value> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let (status, answer) = self.batch_text(text, &[]).await;
        assert_eq!(status, 200, "{answer}");
        answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Publishes any text as a batch.
    pub async fn batch_text(&self, text: String, headers: &[(&str, &str)]) -> (u16, String) {
        let mut request = self
            .http
            .post(format!("{}/messages:batch", self.base))
            .bearer_auth(&self.bearer)
            .header("content-type", "application/x-ndjson")
            .timeout(crate::PATIENCE)
            .body(text);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// State and funnel of a message.
    ///
    /// # Panics
    /// If it is unknown.
    pub async fn status(&self, id: &str) -> Value {
        let answer = self.request(Method::GET, &format!("messages/{id}"), None).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.body["id"], id);
        answer.body
    }

    /// Waits until one count of a message's funnel is `wanted`.
    pub async fn funnel_reaches(&self, id: &str, stage: &str, wanted: u64) -> Value {
        until(&format!("{stage} of {id} to be {wanted}"), || async {
            let status = self.status(id).await;
            let count = status["funnel"][stage].as_u64();
            assert!(count.is_some(), "no {stage} in {status}");
            (count == Some(wanted)).then_some(status)
        })
        .await
    }

    /// Recalls a message; the status of the answer.
    pub async fn recall(&self, id: &str) -> u16 {
        self.request(Method::DELETE, &format!("messages/{id}"), None).await.status
    }
}
