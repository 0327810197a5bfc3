//! A tenant's settings.

use super::key::{JwtAlgorithm, PublicKey};
use super::secret::Secret;
use pulsegate_proto::id::{AppId, Pattern};

/// One `[[apps]]`.
#[derive(Clone, Debug)]
pub struct AppConfig {
    /// Its id.
    pub id: AppId,
    /// Origins of its pages, as browsers write them; `*` stands for all.
    pub origins: Vec<String>,
    /// Whether a Hello without a token is welcome.
    pub anonymous: bool,
    /// What such a device may subscribe to.
    pub anonymous_topics: Vec<Pattern>,
    /// Its server keys.
    pub keys: Vec<ServerKey>,
    /// Who may sign its device tokens.
    pub tokens: Vec<TokenSigner>,
}

/// One `[[apps.keys]]`.
#[derive(Clone, Debug)]
pub struct ServerKey {
    /// The third part of `pg_<app>_<keyid>_<secret>`.
    pub id: String,
    /// BLAKE3 of the secret's text.
    pub hash: [u8; 32],
    /// What it may do.
    pub scopes: Scopes,
}

/// What a server key is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Messages, recall, batch.
    Publish,
    /// Every GET, and `audience:count`.
    Read,
    /// Registrations, topics, the rest.
    Admin,
}

impl Scope {
    /// All, in the order they are written.
    pub const ALL: [Self; 3] = [Self::Publish, Self::Read, Self::Admin];

    /// As the file writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }

    /// Reads one name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// The set with `scope` in it.
    #[must_use]
    pub fn with(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u8)
    }

    /// Whether `scope` is in it.
    #[must_use]
    pub fn holds(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        scopes.into_iter().fold(Self::default(), Self::with)
    }
}

/// One `[[apps.tokens]]`: the algorithm belongs to the key id, whatever a token's header says.
#[derive(Clone, Debug)]
pub struct TokenSigner {
    /// The `kid` a token must name; with a key set, any `kid` of the set is taken too.
    pub kid: String,
    /// The only algorithm accepted for it.
    pub alg: JwtAlgorithm,
    /// How its signature is checked.
    pub key: SignerKey,
    /// What `iss` must be.
    pub iss: String,
    /// What `aud` must hold.
    pub aud: String,
}

/// How a signature is checked.
#[derive(Clone, Debug)]
pub enum SignerKey {
    /// HS256: a secret shared with the app's backend.
    Secret(Secret),
    /// EdDSA or ES256: the backend's public key.
    Public(PublicKey),
    /// The backend's key set, fetched over https.
    Jwks(String),
}
