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
        let client = self
            .client
            .get_or_init(|| {
                reqwest::Client::builder()
                    .https_only(true)
                    .redirect(reqwest::redirect::Policy::none())
                    .timeout(TIMEOUT)
                    .build()
                    .ok()
            })
            .as_ref()
            .ok_or("no TLS client")?;
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
mod tests {
    #![allow(clippy::unwrap_used)] // a test that cannot parse its own text should fail there
    use super::*;

    const SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"e1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty":"EC","crv":"P-256","kid":"c1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

    fn entry(age: Duration) -> (Entry, Instant) {
        let then = Instant::now();
        let set = serde_json::from_str(SET).unwrap();
        let entry = Entry { set: Some((set, then)), asked: Some(then) };
        (entry, then + age)
    }

    #[test]
    fn a_key_is_found_only_for_the_algorithm_of_the_record() {
        let (entry, now) = entry(Duration::ZERO);
        assert!(entry.find(now, "e1", JwtAlgorithm::EdDsa).unwrap().is_some());
        assert!(entry.find(now, "c1", JwtAlgorithm::Es256).unwrap().is_some());
        assert!(entry.find(now, "c1", JwtAlgorithm::EdDsa).unwrap().is_none());
        assert!(entry.find(now, "e1", JwtAlgorithm::Hs256).unwrap().is_none());
        assert!(entry.find(now, "zz", JwtAlgorithm::EdDsa).unwrap().is_none());
    }

    #[test]
    fn the_address_is_asked_when_the_set_is_old_or_a_kid_is_new_but_not_in_a_storm() {
        let (young, now) = entry(Duration::from_secs(31));
        assert!(!young.wants(now, "e1"));
        assert!(young.wants(now, "new"));
        let (fresh, now) = entry(Duration::from_secs(5));
        assert!(!fresh.wants(now, "new"), "an invented kid must not make us a hammer");
        let (old, now) = entry(FRESH);
        assert!(old.wants(now, "e1"));
        assert!(Entry::default().wants(now, "e1"));
    }

    #[test]
    fn a_set_that_cannot_be_renewed_serves_for_a_day() {
        let (entry, now) = entry(STALE - Duration::from_secs(1));
        assert!(entry.find(now, "e1", JwtAlgorithm::EdDsa).unwrap().is_some());
        let late = now + Duration::from_secs(1);
        assert!(matches!(entry.find(late, "e1", JwtAlgorithm::EdDsa), Err(DeviceRefused::Unavailable(_))));
    }

    #[tokio::test]
    async fn plain_http_is_never_asked() {
        let refused = JwksCache::new().key("http://127.0.0.1:9/keys", "e1", JwtAlgorithm::EdDsa).await;
        assert!(matches!(refused, Err(DeviceRefused::Unavailable(_))));
    }
}
