//! Server keys and device tokens, as an operator and a backend would make them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// A server key: what the backend sends, and what the configuration keeps of it.
#[derive(Clone, Debug)]
pub struct ServerKey {
    /// App it belongs to.
    pub app: String,
    /// Its id in the configuration.
    pub id: String,
    /// What it may do: `publish`, `read`, `admin`.
    pub scopes: Vec<&'static str>,
    secret: String,
}

impl ServerKey {
    /// A fresh key of 256 random bits.
    #[must_use]
    pub fn new(app: &str, id: &str, scopes: &[&'static str]) -> Self {
        Self {
            app: app.into(),
            id: id.into(),
            scopes: scopes.to_vec(),
            secret: URL_SAFE_NO_PAD.encode(random::<32>()),
        }
    }

    /// `pg_<app>_<keyid>_<secret>`.
    #[must_use]
    pub fn bearer(&self) -> String {
        format!("pg_{}_{}_{}", self.app, self.id, self.secret)
    }

    /// The `[[apps.keys]]` block.
    #[must_use]
    pub fn block(&self) -> String {
        format!(
            "[[apps.keys]]\nid = \"{}\"\nblake3 = \"{}\"\nscopes = {:?}\n",
            self.id,
            blake3::hash(self.secret.as_bytes()).to_hex(),
            self.scopes,
        )
    }
}

/// Who signs the tokens of an app's devices: one HS256 secret under one `kid`.
#[derive(Clone, Debug)]
pub struct Signer {
    /// App its tokens are for: `iss` and `aud` default to it.
    pub app: String,
    /// The configuration's `kid`.
    pub kid: String,
    secret: [u8; 32],
}

impl Signer {
    /// A signer with a fresh secret.
    #[must_use]
    pub fn new(app: &str, kid: &str) -> Self {
        Self { app: app.into(), kid: kid.into(), secret: random() }
    }

    /// The `[[apps.tokens]]` block.
    #[must_use]
    pub fn block(&self) -> String {
        format!(
            "[[apps.tokens]]\nkid = \"{}\"\nalg = \"HS256\"\nsecret = \"{}\"\n",
            self.kid,
            URL_SAFE_NO_PAD.encode(self.secret),
        )
    }

    /// A token for `user` that may subscribe to everything, valid for an hour.
    #[must_use]
    pub fn token(&self, user: &str) -> String {
        self.claims(user).topics(&["#"]).sign()
    }

    /// The start of a token for `user`: valid for an hour, grants nothing.
    #[must_use]
    pub fn claims(&self, user: &str) -> Claims<'_> {
        Claims {
            signer: self,
            header: json!({"alg": "HS256", "typ": "JWT", "kid": self.kid}),
            claims: json!({
                "iss": self.app, "aud": self.app, "sub": user, "exp": unix_now() + 3600,
            }),
        }
    }
}

/// A token in the making. Any claim can be set, also to what makes it bad.
#[derive(Clone, Debug)]
pub struct Claims<'a> {
    signer: &'a Signer,
    header: Value,
    claims: Value,
}

impl Claims<'_> {
    /// Patterns of topics it may subscribe to.
    #[must_use]
    pub fn topics(self, patterns: &[&str]) -> Self {
        self.claim("topics", json!(patterns))
    }

    /// Expires so many seconds from now; negative: has expired.
    #[must_use]
    pub fn expires_in(self, seconds: i64) -> Self {
        self.claim("exp", json!(unix_now() + seconds))
    }

    /// Sets one claim; `Value::Null` takes it out.
    #[must_use]
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        if value.is_null() {
            self.claims.as_object_mut().unwrap().remove(name);
        } else {
            self.claims[name] = value;
        }
        self
    }

    /// Sets one header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.header[name] = json!(value);
        self
    }

    /// Signs with the signer's secret, HS256, whatever the header says.
    #[must_use]
    pub fn sign(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&self.header), part(&self.claims));
        let key = jsonwebtoken::EncodingKey::from_secret(&self.signer.secret);
        let signature =
            jsonwebtoken::crypto::sign(text.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
        format!("{text}.{signature}")
    }
}

/// Seconds since the Unix epoch.
#[must_use]
pub fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Milliseconds since the Unix epoch.
#[must_use]
pub fn unix_now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// Random bytes.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}
