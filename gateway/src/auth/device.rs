//! Device tokens: short JWTs in the first frame.
//!
//! The signature is checked by `jsonwebtoken`; the claims are checked here, against a clock that is
//! handed in, so that every fault has its answer: an otherwise good token that has expired is 4498,
//! every other fault is 4401 and wins.

use super::{Authenticator, PublishGrant, PublishGrants};
use crate::config::{AppConfig, PublicKey, SignerKey, TokenSigner};
use jsonwebtoken::{DecodingKey, Validation};
use pulsegate_proto::frame::CloseCode;
use pulsegate_proto::id::{AppId, Pattern, UserId};
use pulsegate_proto::limits;
use pulsegate_proto::time::UnixMs;
use pulsegate_routing::Grants;
use serde::Deserialize;

/// Who a device is, as its token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// Its user; `None`: anonymous.
    pub user: Option<UserId>,
    /// Topics it may subscribe to, tags it may set.
    pub grants: Grants,
    /// Whom it may publish to.
    pub publish: PublishGrants,
    /// The token's `exp`; zero: never.
    pub expires: UnixMs,
    /// Where the token's lifetime begins: its `iat`, or now where it has none that makes sense.
    pub issued: UnixMs,
}

/// Why a device was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceRefused {
    /// Missing, malformed, of another app, badly signed, not yet valid, valid for too long: 4401.
    Unauthenticated(&'static str),
    /// Good in every other way, but over: 4498.
    Expired,
    /// The app's key set cannot be had at the moment: come back.
    Unavailable(&'static str),
}

impl DeviceRefused {
    /// The close code that tells the device.
    #[must_use]
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::Unauthenticated(_) => CloseCode::Unauthenticated,
            Self::Expired => CloseCode::TokenExpired,
            Self::Unavailable(_) => CloseCode::Internal,
        }
    }

    /// For the person who reads the log. Holds nothing of the token.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unauthenticated(why) | Self::Unavailable(why) => why,
            Self::Expired => "the token has expired",
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    aud: Option<OneOrMany>,
    sub: Option<String>,
    exp: Option<Seconds>,
    nbf: Option<Seconds>,
    iat: Option<Seconds>,
    #[serde(default)]
    topics: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    publish: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A `NumericDate`: seconds, whole or not (RFC 7519 section 2).
#[derive(Clone, Copy, Deserialize)]
#[serde(transparent)]
struct Seconds(f64);

impl Seconds {
    /// Milliseconds; the cast saturates.
    fn ms(self) -> i64 {
        (self.0 * 1000.0) as i64
    }
}

impl Authenticator {
    /// Who the bearer of `token` is to `app`, at `now`. An empty token is welcome only where the
    /// app allows anonymous devices.
    ///
    /// # Errors
    /// See [`DeviceRefused`].
    pub async fn device(
        &self,
        app: &AppId,
        token: &str,
        now: UnixMs,
    ) -> Result<DeviceIdentity, DeviceRefused> {
        let Some(app) = self.app(app.as_str()) else {
            return Err(DeviceRefused::Unauthenticated("no such app"));
        };
        if token.is_empty() {
            return anonymous(&app, now);
        }
        if token.len() > limits::TOKEN_BYTES {
            return Err(DeviceRefused::Unauthenticated("token too long"));
        }
        let header =
            jsonwebtoken::decode_header(token).map_err(|_| DeviceRefused::Unauthenticated("not a token"))?;
        let kid = header.kid.as_deref().ok_or(DeviceRefused::Unauthenticated("the token names no kid"))?;
        let (signer, key) = self.signer(&app, kid).await?;
        if header.alg != signer.alg.algorithm() {
            return Err(DeviceRefused::Unauthenticated("another algorithm than this kid's"));
        }
        let claims = verified(token, &key, &signer)?;
        check(claims, &signer, now)
    }

    /// The record a token's `kid` points at, and its key.
    async fn signer(&self, app: &AppConfig, kid: &str) -> Result<(TokenSigner, DecodingKey), DeviceRefused> {
        for signer in &app.tokens {
            match &signer.key {
                SignerKey::Secret(secret) if signer.kid == kid => {
                    let key = DecodingKey::from_secret(secret.expose());
                    return Ok((signer.clone(), key));
                }
                SignerKey::Public(PublicKey(key)) if signer.kid == kid => {
                    return Ok((signer.clone(), key.clone()));
                }
                _ => {}
            }
        }
        let mut unavailable = None;
        for signer in &app.tokens {
            if let SignerKey::Jwks(url) = &signer.key {
                match self.jwks.key(url, kid, signer.alg).await {
                    Ok(Some(PublicKey(key))) => return Ok((signer.clone(), key)),
                    Ok(None) => {}
                    Err(refused) => unavailable = Some(refused),
                }
            }
        }
        Err(unavailable.unwrap_or(DeviceRefused::Unauthenticated("unknown kid")))
    }
}

fn anonymous(app: &AppConfig, now: UnixMs) -> Result<DeviceIdentity, DeviceRefused> {
    if !app.anonymous {
        return Err(DeviceRefused::Unauthenticated("a token is needed"));
    }
    Ok(DeviceIdentity {
        user: None,
        grants: Grants { topics: app.anonymous_topics.clone(), tags: Vec::new() },
        publish: PublishGrants::default(),
        expires: UnixMs::ZERO,
        issued: now,
    })
}

/// The claims of a token whose signature is good.
fn verified(token: &str, key: &DecodingKey, signer: &TokenSigner) -> Result<Claims, DeviceRefused> {
    let mut only_signature = Validation::new(signer.alg.algorithm());
    only_signature.required_spec_claims.clear();
    only_signature.validate_exp = false;
    only_signature.validate_aud = false;
    jsonwebtoken::decode::<Claims>(token, key, &only_signature).map(|data| data.claims).map_err(|error| {
        DeviceRefused::Unauthenticated(match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => "bad signature",
            _ => "malformed token",
        })
    })
}

/// Every claim but `exp`'s end first: a token with several faults is 4401.
fn check(claims: Claims, signer: &TokenSigner, now: UnixMs) -> Result<DeviceIdentity, DeviceRefused> {
    let refuse = |why| Err(DeviceRefused::Unauthenticated(why));
    let leeway = i64::try_from(limits::TOKEN_LEEWAY.as_millis()).unwrap_or(0);
    let lifetime = i64::try_from(limits::TOKEN_LIFETIME.as_millis()).unwrap_or(0);
    if claims.iss.as_deref() != Some(signer.iss.as_str()) {
        return refuse("iss is not this app's");
    }
    let for_us = match &claims.aud {
        Some(OneOrMany::One(aud)) => *aud == signer.aud,
        Some(OneOrMany::Many(auds)) => auds.contains(&signer.aud),
        None => false,
    };
    if !for_us {
        return refuse("aud is not this app's");
    }
    let Some(Ok(user)) = claims.sub.as_deref().map(UserId::parse) else {
        return refuse("sub is missing or not a user");
    };
    let Some(exp) = claims.exp.map(Seconds::ms).filter(|exp| *exp > 0) else {
        return refuse("exp is missing");
    };
    if exp > now.0.saturating_add(lifetime).saturating_add(leeway) {
        return refuse("exp is more than 24 hours ahead");
    }
    if claims.nbf.is_some_and(|nbf| nbf.ms() > now.0.saturating_add(leeway)) {
        return refuse("not valid yet (nbf)");
    }
    let Some((grants, publish)) = grants(&claims) else {
        return refuse("topics, tags or publish hold something that is no pattern");
    };
    if exp.saturating_add(leeway) <= now.0 {
        return Err(DeviceRefused::Expired);
    }
    let issued = claims.iat.map(Seconds::ms).filter(|iat| *iat > 0 && *iat <= now.0).unwrap_or(now.0);
    Ok(DeviceIdentity { user: Some(user), grants, publish, expires: UnixMs(exp), issued: UnixMs(issued) })
}

fn grants(claims: &Claims) -> Option<(Grants, PublishGrants)> {
    let patterns =
        |texts: &[String]| texts.iter().map(|text| Pattern::parse(text).ok()).collect::<Option<Vec<_>>>();
    let publish =
        claims.publish.iter().map(|text| PublishGrant::parse(text).ok()).collect::<Option<Vec<_>>>()?;
    let grants = Grants { topics: patterns(&claims.topics)?, tags: patterns(&claims.tags)? };
    Some((grants, PublishGrants(publish)))
}

#[cfg(test)]
mod tests;
