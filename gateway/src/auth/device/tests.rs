#![allow(clippy::unwrap_used)] // a test whose own token cannot be signed should fail there
use super::*;
use crate::config::parse;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use pulsegate_proto::id::Topic;
use serde_json::{Value, json};

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const NOW_S: i64 = 1_800_000_000;
const SECRET: [u8; 32] = [7; 32];
/// RFC 8410 section 10.3's example key.
const ED_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----";
const ED_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----";

fn auth() -> Authenticator {
    use base64::Engine as _;
    let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(SECRET);
    let file = format!(
        "[[apps]]\nid='demo'\nanonymous=true\nanonymous_topics=['open/#']\n\
         [[apps.tokens]]\nkid='t1'\nalg='HS256'\nsecret='{secret}'\n\
         [[apps.tokens]]\nkid='e1'\nalg='EdDSA'\npublic_key='''{ED_PUBLIC}'''\n\
         [[apps]]\nid='other'\n[[apps.tokens]]\nkid='t1'\nalg='HS256'\nsecret='{secret}'\n"
    );
    Authenticator::new(&parse(&file).unwrap())
}

fn claims() -> Value {
    json!({ "iss": "demo", "aud": "demo", "sub": "ann", "iat": NOW_S, "exp": NOW_S + 600,
            "topics": ["news/+"], "tags": ["vip"], "publish": ["user:bob", "topic:chat/#"] })
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = claims();
    change(&mut claims);
    claims
}

fn signed(claims: &Value) -> String {
    signed_by("t1", Algorithm::HS256, claims)
}

fn signed_by(kid: &str, alg: Algorithm, claims: &Value) -> String {
    let mut header = Header::new(alg);
    header.kid = Some(kid.to_owned());
    let key = match alg {
        Algorithm::EdDSA => EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).unwrap(),
        _ => EncodingKey::from_secret(&SECRET),
    };
    encode(&header, claims, &key).unwrap()
}

async fn ask(token: &str) -> Result<DeviceIdentity, DeviceRefused> {
    let demo = AppId::parse("demo").unwrap();
    auth().device(&demo, token, NOW).await
}

#[tokio::test]
async fn a_good_token_says_who_and_what() {
    let device = ask(&signed(&claims())).await.unwrap();
    assert_eq!(device.user, Some(UserId::parse("ann").unwrap()));
    assert!(device.grants.topic(&Topic::parse("news/sport").unwrap()));
    assert!(!device.grants.topic(&Topic::parse("news").unwrap()));
    assert!(device.publish.user(&UserId::parse("bob").unwrap()));
    assert_eq!((device.issued, device.expires), (NOW, UnixMs(NOW.0 + 600_000)));
    let many = with(|claims| claims["aud"] = json!(["x", "demo"]));
    assert!(ask(&signed(&many)).await.is_ok());
    assert!(ask(&signed_by("e1", Algorithm::EdDSA, &claims())).await.is_ok());
}

#[tokio::test]
async fn the_algorithm_belongs_to_the_kid() {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let none = engine.encode(r#"{"alg":"none","kid":"t1"}"#);
    let body = engine.encode(claims().to_string());
    for token in [
        // The public key used as if it were a shared secret.
        {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = Some("e1".to_owned());
            encode(&header, &claims(), &EncodingKey::from_secret(ED_PUBLIC.as_bytes())).unwrap()
        },
        signed_by("t1", Algorithm::HS384, &claims()),
        signed_by("e1", Algorithm::HS256, &claims()),
        format!("{none}.{body}."),
    ] {
        assert!(matches!(ask(&token).await, Err(DeviceRefused::Unauthenticated(_))), "{token}");
    }
}

#[tokio::test]
async fn every_fault_but_expiry_is_unauthenticated_and_wins() {
    let faults: [fn(&mut Value); 13] = [
        |claims| claims["iss"] = json!("other"),
        |claims| claims["aud"] = json!("other"),
        |claims| claims["aud"] = json!(["x"]),
        |claims| claims["sub"] = json!(""),
        |claims| claims["sub"] = json!("a\u{7}"),
        |claims| claims["sub"] = json!("x".repeat(129)),
        |claims| claims["nbf"] = json!(NOW_S + 6),
        |claims| claims["topics"] = json!(["a//b"]),
        |claims| claims["topics"] = json!("news"),
        |claims| claims["tags"] = json!(["a#"]),
        |claims| claims["publish"] = json!(["everyone"]),
        |claims| drop(claims.as_object_mut().unwrap().remove("iss")),
        |claims| drop(claims.as_object_mut().unwrap().remove("sub")),
    ];
    for fault in faults {
        for expired in [false, true] {
            let claims = with(|claims| {
                fault(claims);
                if expired {
                    claims["exp"] = json!(NOW_S - 100);
                }
            });
            let refused = ask(&signed(&claims)).await.unwrap_err();
            assert!(matches!(refused, DeviceRefused::Unauthenticated(_)), "{claims}");
            assert_eq!(refused.close_code(), CloseCode::Unauthenticated);
        }
    }
    let other = AppId::parse("other").unwrap();
    let foreign = auth().device(&other, &signed(&claims()), NOW).await.unwrap_err();
    assert!(matches!(foreign, DeviceRefused::Unauthenticated(_)));
}

#[tokio::test]
async fn expiry_has_a_leeway_of_five_seconds_and_its_own_code() {
    let ending = |at: i64| signed(&with(|claims| claims["exp"] = json!(at)));
    assert!(ask(&ending(NOW_S - 4)).await.is_ok());
    let late = ask(&ending(NOW_S - 5)).await.unwrap_err();
    assert_eq!(late, DeviceRefused::Expired);
    assert_eq!(late.close_code(), CloseCode::TokenExpired);
    assert!(ask(&ending(NOW_S + 86_400)).await.is_ok());
    assert!(ask(&ending(NOW_S + 86_406)).await.is_err());
    let none = with(|claims| drop(claims.as_object_mut().unwrap().remove("exp")));
    assert!(matches!(ask(&signed(&none)).await, Err(DeviceRefused::Unauthenticated(_))));
    let fraction = with(|claims| claims["exp"] = json!(NOW_S as f64 + 0.5));
    assert_eq!(ask(&signed(&fraction)).await.unwrap().expires, UnixMs(NOW.0 + 500));
}

#[tokio::test]
async fn a_forged_or_broken_token_is_refused_whatever_it_says() {
    let good = signed(&claims());
    let mut broken = good.clone();
    broken.pop();
    broken.push(if good.ends_with('A') { 'B' } else { 'A' });
    let header_only = good.split('.').next().unwrap();
    let long = "x".repeat(limits::TOKEN_BYTES + 1);
    for token in [broken.as_str(), header_only, "", "a.b.c", "....", &long] {
        let refused = ask(token).await;
        if token.is_empty() {
            assert!(refused.is_ok(), "anonymous devices are welcome here");
        } else {
            assert!(matches!(refused, Err(DeviceRefused::Unauthenticated(_))), "{token}");
        }
    }
}

#[tokio::test]
async fn anonymous_devices_get_the_apps_topics_and_nothing_else() {
    let device = ask("").await.unwrap();
    assert_eq!((device.user.clone(), device.expires), (None, UnixMs::ZERO));
    assert!(device.grants.topic(&Topic::parse("open/a").unwrap()));
    assert!(!device.grants.topic(&Topic::parse("news").unwrap()));
    assert!(device.grants.tags.is_empty() && device.publish.0.is_empty());
    let other = AppId::parse("other").unwrap();
    assert!(auth().device(&other, "", NOW).await.is_err());
    let nobody = AppId::parse("nobody").unwrap();
    assert!(auth().device(&nobody, "", NOW).await.is_err());
}

#[test]
fn no_refusal_repeats_what_the_token_held() {
    let refused = DeviceRefused::Unauthenticated("bad signature");
    assert_eq!(refused.reason(), "bad signature");
    assert!(!format!("{:?}", auth().app("demo").unwrap()).contains("BwcHBw"));
}
