//! From what is written of the tenants to values that cannot be wrong.

use super::app::{AppConfig, Scope, Scopes, ServerKey, SignerKey, TokenSigner};
use super::check::{Checked, wrong};
use super::file;
use super::key::{JwtAlgorithm, PublicKey};
use super::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pulsegate_proto::id::{AppId, Pattern};

/// A shared secret shorter than its hash can be guessed more easily than the hash (RFC 7518
/// section 3.2).
const SECRET_BYTES: usize = 32;

pub(super) fn check_apps(written: Vec<file::App>, warnings: &mut Vec<String>) -> Checked<Vec<AppConfig>> {
    let mut apps: Vec<AppConfig> = Vec::new();
    for (index, app) in written.into_iter().enumerate() {
        let app = check_app(index, app, warnings)?;
        if apps.iter().any(|earlier| earlier.id == app.id) {
            return wrong("apps.id", format!("'{}' is there twice", app.id));
        }
        apps.push(app);
    }
    Ok(apps)
}

fn check_app(index: usize, app: file::App, warnings: &mut Vec<String>) -> Checked<AppConfig> {
    let Some(id) = app.id else {
        return wrong(format!("apps[{index}].id"), "missing");
    };
    let id = AppId::parse(&id)
        .or_else(|invalid| wrong(format!("apps[{index}].id"), format!("'{id}' is {invalid}")))?;
    for origin in &app.origins {
        check_origin(origin).or_else(|problem| wrong(format!("apps.{id}.origins"), problem))?;
    }
    let anonymous_topics = app
        .anonymous_topics
        .iter()
        .map(|text| {
            Pattern::parse(text).or_else(|invalid| {
                wrong(format!("apps.{id}.anonymous_topics"), format!("'{text}' is {invalid}"))
            })
        })
        .collect::<Checked<Vec<_>>>()?;
    if app.anonymous && app.origins.iter().any(|origin| origin == "*") {
        warnings.push(format!(
            "app {id}: anonymous devices from any origin; whoever reads its pages can subscribe"
        ));
    }
    if !app.anonymous && !anonymous_topics.is_empty() {
        warnings.push(format!("app {id}: anonymous_topics without anonymous = true do nothing"));
    }
    if !app.anonymous && app.tokens.is_empty() {
        warnings.push(format!("app {id}: no [[apps.tokens]] and not anonymous, so no device can connect"));
    }
    Ok(AppConfig {
        keys: check_keys(&id, app.keys)?,
        tokens: check_tokens(&id, app.tokens)?,
        origins: app.origins,
        anonymous: app.anonymous,
        anonymous_topics,
        id,
    })
}

/// `*`, `null`, or scheme, host and port as a browser writes them: no path, no trailing slash.
fn check_origin(origin: &str) -> Result<(), String> {
    if matches!(origin, "*" | "null") {
        return Ok(());
    }
    let fault = || {
        let bare = origin.trim_end_matches('/');
        let hint = if bare.len() < origin.len() { "; leave the slash off" } else { "" };
        format!("'{origin}' is no origin; expected \"*\", \"null\" or https://HOST[:PORT]{hint}")
    };
    let (scheme, rest) = origin.split_once("://").ok_or_else(fault)?;
    let uri: http::Uri = origin.parse().map_err(|_| fault())?;
    let named = uri.host().is_some_and(|host| !host.is_empty());
    if scheme.is_empty() || !named || rest.contains(['/', '?', '#', '@', '*']) {
        return Err(fault());
    }
    Ok(())
}

fn check_keys(app: &AppId, written: Vec<file::Key>) -> Checked<Vec<ServerKey>> {
    let mut keys: Vec<ServerKey> = Vec::new();
    for key in written {
        let place = |name: &str| format!("apps.{app}.keys.{name}");
        let Some(id) = key.id else {
            return wrong(place("id"), "missing");
        };
        if AppId::parse(&id).is_err() {
            return wrong(place("id"), format!("'{id}' is no key id: expected 1 to 32 of a-z 0-9 -"));
        }
        if keys.iter().any(|earlier| earlier.id == id) {
            return wrong(place("id"), format!("'{id}' is there twice"));
        }
        let Some(hash) = key.blake3.as_deref().and_then(hash_from_hex) else {
            return wrong(
                place("blake3"),
                format!("key '{id}' needs the 64 hex digits `pulsegate key new` printed"),
            );
        };
        let scopes = match key.scopes {
            None => Scope::ALL.into_iter().collect(),
            Some(names) => names
                .iter()
                .map(|name| {
                    Scope::parse(name).map_or_else(
                        || {
                            wrong(
                                place("scopes"),
                                format!("'{name}' is no scope; expected publish, read or admin"),
                            )
                        },
                        Ok,
                    )
                })
                .collect::<Checked<Scopes>>()?,
        };
        keys.push(ServerKey { id, hash, scopes });
    }
    Ok(keys)
}

fn hash_from_hex(text: &str) -> Option<[u8; 32]> {
    blake3::Hash::from_hex(text).ok().map(|hash| *hash.as_bytes())
}

fn check_tokens(app: &AppId, written: Vec<file::Token>) -> Checked<Vec<TokenSigner>> {
    let mut signers: Vec<TokenSigner> = Vec::new();
    for token in written {
        let signer = check_token(app, token)?;
        if signers.iter().any(|earlier| earlier.kid == signer.kid) {
            return wrong(format!("apps.{app}.tokens.kid"), format!("'{}' is there twice", signer.kid));
        }
        signers.push(signer);
    }
    Ok(signers)
}

fn check_token(app: &AppId, token: file::Token) -> Checked<TokenSigner> {
    let place = |name: &str| format!("apps.{app}.tokens.{name}");
    let kid = match (token.kid, &token.jwks_url) {
        (Some(kid), _) if !kid.is_empty() && kid.len() <= 256 => kid,
        (None, Some(url)) => url.clone(),
        _ => return wrong(place("kid"), "missing: the kid a token's header names"),
    };
    let Some(alg) = token.alg.as_deref().and_then(JwtAlgorithm::parse) else {
        return wrong(place("alg"), format!("'{kid}' needs one of HS256, EdDSA, ES256"));
    };
    let key = match (alg, token.secret, token.public_key, token.jwks_url) {
        (JwtAlgorithm::Hs256, Some(secret), None, None) => {
            SignerKey::Secret(check_secret(&place("secret"), &kid, &secret)?)
        }
        (JwtAlgorithm::Hs256, None, None, None) => {
            return wrong(place("secret"), format!("'{kid}' is HS256 and has no secret"));
        }
        (JwtAlgorithm::Hs256, ..) => {
            return wrong(place("secret"), format!("'{kid}' is HS256: it has a secret and nothing else"));
        }
        (_, None, Some(text), None) => SignerKey::Public(
            PublicKey::read(&text, alg)
                .or_else(|problem| wrong(place("public_key"), format!("'{kid}': {problem}")))?,
        ),
        (_, None, None, Some(url)) => {
            let https = url
                .parse::<http::Uri>()
                .is_ok_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
            if !https {
                return wrong(place("jwks_url"), format!("'{url}' must be an https:// URL"));
            }
            SignerKey::Jwks(url)
        }
        _ => {
            return wrong(
                place("public_key"),
                format!("'{kid}' needs exactly one of public_key and jwks_url, and no secret"),
            );
        }
    };
    Ok(TokenSigner {
        kid,
        alg,
        key,
        iss: token.iss.unwrap_or_else(|| app.to_string()),
        aud: token.aud.unwrap_or_else(|| app.to_string()),
    })
}

fn check_secret(place: &str, kid: &str, text: &str) -> Checked<Secret> {
    let Ok(secret) = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')) else {
        return wrong(place, format!("the secret of '{kid}' is not base64url"));
    };
    if secret.len() < SECRET_BYTES {
        return wrong(
            place,
            format!("the secret of '{kid}' has {} bytes; expected {SECRET_BYTES} or more", secret.len()),
        );
    }
    Ok(Secret::new(secret))
}
