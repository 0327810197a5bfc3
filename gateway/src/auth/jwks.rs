//! Key sets fetched by https from the address in the app's settings, never from a token.

use super::DeviceRefused;
use crate::config::{JwtAlgorithm, PublicKey};
use jsonwebtoken::jwk::JwkSet;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A set is used this long before it is asked for again: a new key is known to the backend at
/// once and to us at the first token that names it, so this bounds only how long a withdrawn key
/// lives on.
const FRESH: Duration = Duration::from_secs(600);
/// Where the address does not answer, the last set is used up to this old.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// A token with an unknown `kid` makes us ask again, but not more often than this: anybody can
/// invent a `kid`.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// The whole answer within this long.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A set of a hundred keys is under 64 KiB.
const SET_BYTES: usize = 256 * 1024;

/// The key sets by address.
#[derive(Default)]
pub struct JwksCache {
    sets: std::sync::Mutex<HashMap<String, Arc<Mutex<Entry>>>>,
    client: OnceLock<Option<reqwest::Client>>,
}

#[derive(Default)]
struct Entry {
    set: Option<(JwkSet, Instant)>,
    asked: Option<Instant>,
}

impl JwksCache {
    /// Knows no set yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The key `kid` of the set at `url`. One request is under way at a time for an address; the
    /// others wait for its answer.
    pub(super) async fn key(
        &self,
        url: &str,
        kid: &str,
        alg: JwtAlgorithm,
    ) -> Result<Option<PublicKey>, DeviceRefused> {
        let entry = match self.sets.lock() {
            Ok(mut sets) => sets.entry(url.to_owned()).or_default().clone(),
            Err(poisoned) => poisoned.into_inner().entry(url.to_owned()).or_default().clone(),
        };
        let mut entry = entry.lock().await;
        let now = Instant::now();
        if entry.wants(now, kid) {
            entry.asked = Some(now);
            match self.fetch(url).await {
                Ok(set) => entry.set = Some((set, now)),
                Err(problem) => tracing::warn!(url, problem, "the key set cannot be fetched"),
            }
        }
        entry.find(now, kid, alg)
    }

    async fn fetch(&self, url: &str) -> Result<JwkSet, String> {
        let client = self.client.get_or_init(|| builder().build().ok()).as_ref().ok_or("no TLS client")?;
        let mut answer = client
            .get(url)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(|error| error.to_string())?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| error.to_string())? {
            if body.len() + chunk.len() > SET_BYTES {
                return Err(format!("larger than {SET_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|error| format!("not a key set: {error}"))
    }
}

/// A client that speaks TLS only and goes nowhere but where it is sent.
fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().https_only(true).redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT)
}

impl Entry {
    /// Whether to ask the address now.
    fn wants(&self, now: Instant, kid: &str) -> bool {
        let rested = self.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= ASK_AGAIN);
        match &self.set {
            None => rested,
            Some((set, at)) => {
                rested && (now.saturating_duration_since(*at) >= FRESH || set.find(kid).is_none())
            }
        }
    }

    fn find(&self, now: Instant, kid: &str, alg: JwtAlgorithm) -> Result<Option<PublicKey>, DeviceRefused> {
        match &self.set {
            Some((set, at)) if now.saturating_duration_since(*at) < STALE => {
                Ok(set.find(kid).and_then(|jwk| PublicKey::from_jwk(jwk, alg).ok()))
            }
            _ => Err(DeviceRefused::Unavailable("the app's key set is not available")),
        }
    }
}

#[cfg(test)]
mod tests;
