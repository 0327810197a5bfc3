//! Server keys: `Authorization: Bearer pg_<app>_<keyid>_<secret>`.

use super::Authenticator;
use crate::config::{Scope, Secret};
use pulsegate_proto::id::AppId;
use subtle::ConstantTimeEq as _;

/// A backend that proved who it is, with its app. The only way to an [`AppId`] from a request's
/// path.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The app it speaks for.
    pub app: AppId,
    /// Which of the app's keys it used.
    pub key_id: String,
}

/// Why a request was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessRefused {
    /// No key, a foreign one, a revoked one, an unknown app: all the same to the asker.
    Unauthorized,
    /// The right key, without this scope.
    Forbidden(Scope),
}

/// A key as it is written, taken apart.
#[derive(Clone, Debug)]
pub struct KeyText {
    /// The app it names.
    pub app: String,
    /// Its id.
    pub id: String,
    /// Its secret: base64url, in which `_` may occur, hence the split at the third one only.
    pub secret: Secret,
}

impl KeyText {
    /// Takes `pg_<app>_<keyid>_<secret>` apart.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("pg_")?.splitn(3, '_');
        let (app, id, secret) = (parts.next()?, parts.next()?, parts.next()?);
        if app.is_empty() || id.is_empty() || secret.is_empty() {
            return None;
        }
        Some(Self { app: app.to_owned(), id: id.to_owned(), secret: Secret::new(secret) })
    }
}

/// What the configuration keeps of a secret.
#[must_use]
pub fn hash_of_secret(secret: &str) -> [u8; 32] {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

/// Compared with where there is no such key, so that absence costs the same work. No secret has
/// this hash but by breaking BLAKE3.
const NOBODY: [u8; 32] = [0x5c; 32];

impl Authenticator {
    /// Checks the `Authorization` header of a request to `app` that needs `scope`.
    ///
    /// # Errors
    /// See [`AccessRefused`].
    pub fn server(
        &self,
        app: &str,
        authorization: Option<&str>,
        scope: Scope,
    ) -> Result<Tenant, AccessRefused> {
        let text = authorization.and_then(bearer).and_then(KeyText::parse).unwrap_or_else(|| KeyText {
            app: String::new(),
            id: String::new(),
            secret: Secret::new("-"),
        });
        let found = self.app(&text.app);
        let key = found.as_ref().and_then(|app| app.keys.iter().find(|key| key.id == text.id));
        let hash = hash_of_secret(text.secret.expose_text());
        let same = hash.ct_eq(key.map_or(&NOBODY, |key| &key.hash));
        let (true, Some(found), Some(key)) = (bool::from(same), &found, key) else {
            return Err(AccessRefused::Unauthorized);
        };
        if found.id.as_str() != app {
            return Err(AccessRefused::Unauthorized);
        }
        if !key.scopes.holds(scope) {
            return Err(AccessRefused::Forbidden(scope));
        }
        Ok(Tenant { app: found.id.clone(), key_id: key.id.clone() })
    }
}

/// The credentials of `Bearer`, whose scheme name is case-insensitive (RFC 9110 section 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, rest) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that cannot parse its own text should fail there
    use super::*;
    use crate::config::parse;

    fn auth() -> Authenticator {
        let file = format!(
            "[[apps]]\nid='demo'\n[[apps.keys]]\nid='k1'\nblake3='{}'\nscopes=['publish']\n\
             [[apps.keys]]\nid='k2'\nblake3='{}'\n[[apps]]\nid='other'\n",
            blake3::hash(b"one_two_three"),
            blake3::hash(b"second"),
        );
        Authenticator::new(&parse(&file).unwrap())
    }

    #[test]
    fn a_key_opens_its_own_app_within_its_scopes() {
        let auth = auth();
        let tenant = auth.server("demo", Some("Bearer pg_demo_k1_one_two_three"), Scope::Publish).unwrap();
        assert_eq!((tenant.app.as_str(), tenant.key_id.as_str()), ("demo", "k1"));
        assert_eq!(
            auth.server("demo", Some("bearer  pg_demo_k1_one_two_three"), Scope::Read).unwrap_err(),
            AccessRefused::Forbidden(Scope::Read)
        );
    }

    #[test]
    fn foreign_unknown_and_revoked_keys_are_all_the_same() {
        let auth = auth();
        for (app, header) in [
            ("demo", None),
            ("demo", Some("Bearer pg_demo_k1_wrong")),
            ("demo", Some("Bearer pg_demo_k9_one_two_three")),
            ("demo", Some("Bearer pg_nobody_k1_one_two_three")),
            ("demo", Some("Basic pg_demo_k1_one_two_three")),
            ("demo", Some("pg_demo_k1_one_two_three")),
            ("demo", Some("Bearer pg_demo_k1_")),
            ("demo", Some("Bearer -")),
            ("other", Some("Bearer pg_demo_k1_one_two_three")),
            ("nobody", Some("Bearer pg_demo_k1_one_two_three")),
        ] {
            assert_eq!(
                auth.server(app, header, Scope::Publish).unwrap_err(),
                AccessRefused::Unauthorized,
                "{app} {header:?}"
            );
        }
    }

    #[test]
    fn a_reload_takes_keys_away_and_brings_new_ones() {
        let auth = auth();
        let file =
            format!("[[apps]]\nid='demo'\n[[apps.keys]]\nid='k3'\nblake3='{}'\n", blake3::hash(b"third"));
        auth.reload(&parse(&file).unwrap());
        let asked = |key: &str| auth.server("demo", Some(key), Scope::Admin).is_ok();
        assert!(!asked("Bearer pg_demo_k2_second"));
        assert!(asked("Bearer pg_demo_k3_third"));
    }

    #[test]
    fn a_secret_never_shows_in_debug() {
        let text = KeyText::parse("pg_demo_k1_sesame").unwrap();
        assert!(!format!("{text:?}").contains("sesame"));
    }
}
