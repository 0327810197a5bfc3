//! Public keys in the spellings people have them in.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use std::fmt;

/// Algorithms of device tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl JwtAlgorithm {
    /// Reads `HS256`, `EdDSA` or `ES256`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "HS256" => Some(Self::Hs256),
            "EdDSA" => Some(Self::EdDsa),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }

    /// The library's name for it.
    #[must_use]
    pub fn algorithm(self) -> Algorithm {
        match self {
            Self::Hs256 => Algorithm::HS256,
            Self::EdDsa => Algorithm::EdDSA,
            Self::Es256 => Algorithm::ES256,
        }
    }
}

/// A public key that was understood.
#[derive(Clone)]
pub struct PublicKey(pub DecodingKey);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey")
    }
}

/// `SubjectPublicKeyInfo` of Ed25519 up to the 32 key bytes (RFC 8410 section 10.1).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// `SubjectPublicKeyInfo` of P-256 up to the 65 point bytes (RFC 5480 section 2).
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

impl PublicKey {
    /// Reads a PEM block, a JWK, or base64 / base64url of the raw key or of its DER form. Anything
    /// else is taken for the path of a file that holds one of these.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn read(text: &str, alg: JwtAlgorithm) -> Result<Self, String> {
        match Self::inline(text.trim(), alg) {
            Some(read) => read,
            None => {
                let held = std::fs::read_to_string(text).map_err(|error| {
                    format!("neither a PEM, JWK or base64 public key nor a readable file ({error})")
                })?;
                Self::inline(held.trim(), alg)
                    .unwrap_or_else(|| Err("the file holds no PEM, JWK or base64 key".to_owned()))
            }
        }
    }

    /// `None` if `text` is no key in itself.
    fn inline(text: &str, alg: JwtAlgorithm) -> Option<Result<Self, String>> {
        if text.contains("-----BEGIN") {
            let key = match alg {
                JwtAlgorithm::EdDsa => DecodingKey::from_ed_pem(text.as_bytes()),
                _ => DecodingKey::from_ec_pem(text.as_bytes()),
            };
            return Some(key.map(Self).map_err(|_| format!("not a PEM public key for {alg:?}")));
        }
        if text.starts_with('{') {
            return Some(
                serde_json::from_str::<jsonwebtoken::jwk::Jwk>(text)
                    .map_err(|error| format!("not a JWK: {error}"))
                    .and_then(|jwk| Self::from_jwk(&jwk, alg)),
            );
        }
        let bytes =
            URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).or_else(|_| STANDARD.decode(text)).ok()?;
        let raw = match alg {
            JwtAlgorithm::EdDsa => bytes.strip_prefix(&ED25519_SPKI).unwrap_or(&bytes),
            _ => bytes.strip_prefix(&P256_SPKI).unwrap_or(&bytes),
        };
        match (alg, raw) {
            (JwtAlgorithm::EdDsa, raw) if raw.len() == 32 => Some(Ok(Self(DecodingKey::from_ed_der(raw)))),
            (JwtAlgorithm::Es256, [4, point @ ..]) if point.len() == 64 => {
                Some(Ok(Self(DecodingKey::from_ec_der(raw))))
            }
            _ => None,
        }
    }

    /// Takes the key of a JWK if its type is the one `alg` needs.
    ///
    /// # Errors
    /// Says that it is not.
    pub fn from_jwk(jwk: &jsonwebtoken::jwk::Jwk, alg: JwtAlgorithm) -> Result<Self, String> {
        use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve};
        let fits = match (&jwk.algorithm, alg) {
            (AlgorithmParameters::OctetKeyPair(key), JwtAlgorithm::EdDsa) => {
                key.curve == EllipticCurve::Ed25519
            }
            (AlgorithmParameters::EllipticCurve(key), JwtAlgorithm::Es256) => {
                key.curve == EllipticCurve::P256
            }
            _ => false,
        };
        if !fits {
            return Err(format!("a JWK of another type than {alg:?} needs"));
        }
        DecodingKey::from_jwk(jwk).map(Self).map_err(|error| format!("not a usable JWK: {error}"))
    }
}
