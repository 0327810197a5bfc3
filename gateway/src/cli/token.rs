//! `pulsegate token`: a device token signed with the configuration's secret, for trying things out.

use super::exit::{CONFIG, Exit, Outcome, USAGE};
use super::say;
use crate::auth::PublishGrant;
use crate::config::{self, Config, JwtAlgorithm, SignerKey, TokenSigner, parse_span};
use clap::Args;
use jsonwebtoken::{EncodingKey, Header};
use pulsegate_proto::id::{Pattern, UserId};
use pulsegate_proto::limits;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Options of `token`.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The app.
    #[arg(long)]
    app: String,
    /// The user.
    #[arg(long)]
    sub: String,
    /// A pattern of topics the device may subscribe to.
    #[arg(long, value_name = "PATTERN")]
    topic: Vec<String>,
    /// A pattern of tags the device may set.
    #[arg(long, value_name = "PATTERN")]
    tag: Vec<String>,
    /// Whom the device may publish to: topic:<pattern>, user:<id> or user:*.
    #[arg(long, value_name = "GRANT")]
    publish: Vec<String>,
    /// How long it is good for, at most 24h.
    #[arg(long, default_value = "10m")]
    ttl: String,
    /// The signer, where the app has several.
    #[arg(long)]
    kid: Option<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    topics: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    publish: &'a [String],
}

pub(super) fn run(args: &TokenArgs) -> Outcome {
    let config = config::load(&args.config, &[])?;
    let token = sign(args, &config, crate::clock::now().0 / 1000)?;
    say(&format!("{token}\n"))
}

fn sign(args: &TokenArgs, config: &Config, now_s: i64) -> Result<String, Exit> {
    let ttl = check(args)?;
    let (signer, key) = signer(args, config)?;
    let claims = Claims {
        iss: &signer.iss,
        aud: &signer.aud,
        sub: &args.sub,
        iat: now_s,
        exp: now_s + i64::try_from(ttl.as_secs()).unwrap_or(0),
        topics: &args.topic,
        tags: &args.tag,
        publish: &args.publish,
    };
    let mut header = Header::new(signer.alg.algorithm());
    header.kid = Some(signer.kid.clone());
    jsonwebtoken::encode(&header, &claims, &key)
        .map_err(|error| Exit::new(super::exit::FAILED, format!("cannot sign: {error}")))
}

/// What a gateway would refuse is refused here, with the reason.
fn check(args: &TokenArgs) -> Result<Duration, Exit> {
    let usage = |line: String| Exit::new(USAGE, line);
    UserId::parse(&args.sub).map_err(|invalid| usage(format!("--sub is {invalid}")))?;
    for text in &args.topic {
        Pattern::parse(text).map_err(|invalid| usage(format!("--topic '{text}' is {invalid}")))?;
    }
    for text in &args.tag {
        Pattern::parse(text).map_err(|invalid| usage(format!("--tag '{text}' is {invalid}")))?;
    }
    for text in &args.publish {
        PublishGrant::parse(text).map_err(|invalid| usage(format!("--publish '{text}' is {invalid}")))?;
    }
    parse_span(&args.ttl)
        .filter(|ttl| *ttl >= Duration::from_secs(1) && *ttl <= limits::TOKEN_LIFETIME)
        .ok_or_else(|| usage("--ttl: expected 1s to 24h, such as 10m".to_owned()))
}

/// The signer whose secret we have: a public key cannot sign.
fn signer<'a>(args: &TokenArgs, config: &'a Config) -> Result<(&'a TokenSigner, EncodingKey), Exit> {
    let missing = |line: String| Exit::new(CONFIG, line);
    let Some(app) = config.app(&args.app) else {
        return Err(missing(format!("the configuration has no app '{}'", args.app)));
    };
    app.tokens
        .iter()
        .filter(|signer| args.kid.as_ref().is_none_or(|kid| *kid == signer.kid))
        .find_map(|signer| match &signer.key {
            SignerKey::Secret(secret) if signer.alg == JwtAlgorithm::Hs256 => {
                Some((signer, EncodingKey::from_secret(secret.expose())))
            }
            _ => None,
        })
        .ok_or_else(|| {
            missing(format!(
                "app '{}' has no [[apps.tokens]] with alg = \"HS256\" and a secret{}",
                args.app,
                args.kid.as_ref().map(|kid| format!(" for kid '{kid}'")).unwrap_or_default()
            ))
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that cannot parse its own text should fail there
    use super::*;
    use crate::auth::Authenticator;
    use pulsegate_proto::id::{AppId, Topic};
    use pulsegate_proto::time::UnixMs;

    fn args(ttl: &str) -> TokenArgs {
        TokenArgs {
            config: PathBuf::new(),
            app: "demo".into(),
            sub: "ann".into(),
            topic: vec!["a/#".into()],
            tag: vec![],
            publish: vec!["user:*".into()],
            ttl: ttl.into(),
            kid: None,
        }
    }

    #[tokio::test]
    async fn a_signed_token_is_one_a_gateway_takes() {
        let secret = "A".repeat(43);
        let file =
            format!("[[apps]]\nid='demo'\n[[apps.tokens]]\nkid='t1'\nalg='HS256'\nsecret='{secret}'\n");
        let config = config::parse(&file).unwrap();
        let token = sign(&args("10m"), &config, 1000).unwrap();
        let device = Authenticator::new(&config)
            .device(&AppId::parse("demo").unwrap(), &token, UnixMs(1_000_000))
            .await
            .unwrap();
        assert_eq!(device.user.unwrap().as_str(), "ann");
        assert_eq!(device.expires, UnixMs(1_600_000));
        assert!(device.grants.topic(&Topic::parse("a/b").unwrap()));
        assert!(device.publish.user(&UserId::parse("bob").unwrap()));
    }

    #[test]
    fn what_a_gateway_would_refuse_is_not_signed() {
        let none = config::parse("[[apps]]\nid='demo'\n").unwrap();
        assert_eq!(sign(&args("10m"), &none, 0).unwrap_err().code, CONFIG);
        assert_eq!(sign(&args("25h"), &none, 0).unwrap_err().code, USAGE);
        assert_eq!(sign(&args("soon"), &none, 0).unwrap_err().code, USAGE);
    }
}
