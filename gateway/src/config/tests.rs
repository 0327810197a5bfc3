#![allow(clippy::unwrap_used)] // a test whose own text is refused should fail there
use super::load::from_parts;
use super::*;

const HASH: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
const SECRET: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    from_parts(text, "f.toml", variables).map_err(|error| error.to_string())
}

/// The example of the contract, with the placeholders filled in.
fn example() -> String {
    format!(
        r#"
listen = "127.0.0.1:8080"
admin_listen = "127.0.0.1:8081"
data_dir = "data"
trusted_proxies = []
public_url = ""

[gateways]
urls = []

[store]
engine = "embedded"
nats_url = "nats://127.0.0.1:4222"
nats_monitor_url = "http://127.0.0.1:8222"
retention = "7d"

[heartbeat]
policy = "ladder"

[limits]
handshakes_per_second = 100
frames_per_second = 50
publishes_per_second = 0
everyone_per_second = 5
registrations_per_minute = 60
registration_idle = "60d"
anonymous_idle = "7d"
drain_per_second = 500

[[apps]]
id = "demo"
origins = ["https://example.com"]
anonymous = false
anonymous_topics = []

[[apps.keys]]
id = "k1"
blake3 = "{HASH}"
scopes = ["publish", "read", "admin"]

[[apps.tokens]]
kid = "t1"
alg = "HS256"
secret = "{SECRET}"
iss = "demo"
aud = "demo"
"#
    )
}

#[test]
fn the_contracts_example_is_read_and_says_the_defaults() {
    let config = read(&example(), &[]).unwrap();
    let bare = read("", &[]).unwrap();
    assert_eq!((config.listen, config.admin_listen), (bare.listen, bare.admin_listen));
    assert_eq!(config.data_dir, bare.data_dir);
    assert_eq!(config.limits, bare.limits);
    assert_eq!(config.store, bare.store);
    assert_eq!(config.heartbeat, bare.heartbeat);
    assert_eq!(config.public_url, None);
    let app = config.app("demo").unwrap();
    assert_eq!((app.keys.len(), app.tokens.len()), (1, 1));
    assert_eq!((app.tokens[0].iss.as_str(), app.tokens[0].aud.as_str()), ("demo", "demo"));
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_a_suggestion() {
    let error = read("[limits]\n\nframes_per_secnd = 1\n", &[]).unwrap_err();
    assert!(error.starts_with("f.toml:3: unknown key 'frames_per_secnd' in [limits]"), "{error}");
    assert!(error.contains("did you mean 'frames_per_second'?"), "{error}");
    let error = read("[[apps]]\nid='a'\n[[apps.keys]]\nhash='x'\n", &[]).unwrap_err();
    assert!(error.starts_with("f.toml:4: unknown key 'hash' in [[apps.keys]]"), "{error}");
    let error = read("colour = 'blue'\n", &[]).unwrap_err();
    assert!(error.contains("unknown key 'colour'") && !error.contains("did you mean"), "{error}");
}

#[test]
fn every_error_is_one_line_that_names_the_key() {
    let app = |inner: &str| format!("[[apps]]\nid='a'\n{inner}");
    let key = |inner: &str| app(&format!("[[apps.keys]]\n{inner}"));
    let token = |inner: &str| app(&format!("[[apps.tokens]]\n{inner}"));
    let twice = format!("[[apps]]\nid='a'\n{}", app(""));
    let same_key = key(&format!("id='k'\nblake3='{HASH}'\n[[apps.keys]]\nid='k'\nblake3='{HASH}'"));
    for (text, named) in [
        ("listen = 'somewhere'".to_owned(), "listen"),
        ("listen = 8080".to_owned(), "f.toml:1: listen:"),
        ("[limits]\nwindow = 1\nwindow = 2".to_owned(), "f.toml:3: window: duplicate"),
        ("listen = '127.0.0.1:1'\nadmin_listen = '127.0.0.1:1'".to_owned(), "admin_listen"),
        ("listen = '0.0.0.0:8081'".to_owned(), "admin_listen"),
        ("admin_listen = '0.0.0.0:9000'".to_owned(), "admin_listen"),
        ("trusted_proxies = ['10.0.0.0/40']".to_owned(), "trusted_proxies"),
        ("trusted_proxies = ['0.0.0.0/0']".to_owned(), "trusted_proxies"),
        ("public_url = 'push.example.com'".to_owned(), "public_url"),
        ("[gateways]\nurls = ['ftp://x']".to_owned(), "gateways.urls"),
        ("[gateways]\nurls = ['https://x', 'https://x/']".to_owned(), "gateways.urls"),
        ("[gateways]\nurls = ['https://x', { url = 'https://x' }]".to_owned(), "gateways.urls"),
        ("[gateways]\nurls = [{ url = 'https://x', weight = 0 }]".to_owned(), "gateways.urls.weight"),
        ("[gateways]\nweight = 1001".to_owned(), "gateways.weight"),
        ("[gateways]\nregion = \"a\\nb\"".to_owned(), "gateways.region"),
        ("[gateways]\nttl = '0s'".to_owned(), "gateways.ttl"),
        ("[tls]\ncert = '/nowhere.pem'\nkey = '/nowhere.pem'".to_owned(), "tls.cert"),
        ("[tls]\ncert = '/dev/null'".to_owned(), "tls.key"),
        ("[store]\nengine = 'nats'".to_owned(), "store.engine"),
        ("[store]\nengine = 'oracle'".to_owned(), "store.engine"),
        ("[store]\nretention = '0'".to_owned(), "store.retention"),
        ("[store]\nretention = 'a week'".to_owned(), "a week"),
        ("[store]\nretention = 7".to_owned(), "f.toml:2"),
        ("[store]\nfsync = 'never'".to_owned(), "store.fsync"),
        ("[store]\nfsync_interval = '1s'".to_owned(), "store.fsync_interval"),
        ("[store]\nfsync = 'interval'\nfsync_interval = '1ms'".to_owned(), "store.fsync_interval"),
        ("[heartbeat]\npolicy = 'eager'".to_owned(), "heartbeat.policy"),
        ("[limits]\nframes_per_second = -1".to_owned(), "f.toml:2"),
        ("[limits]\nrequest_headers = 2".to_owned(), "limits.request_headers"),
        ("[[apps]]\norigins=[]".to_owned(), "apps[0].id"),
        ("[[apps]]\nid='De_mo'".to_owned(), "De_mo"),
        (twice, "'a' is there twice"),
        (app("origins=['https://x/']"), "apps.a.origins"),
        (app("origins=['https://*.x']"), "apps.a.origins"),
        (app("origins=['example.com']"), "apps.a.origins"),
        (app("anonymous_topics=['a//b']"), "apps.a.anonymous_topics"),
        (key(&format!("blake3='{HASH}'")), "apps.a.keys.id"),
        (key(&format!("id='K_1'\nblake3='{HASH}'")), "K_1"),
        (key("id='k'"), "apps.a.keys.blake3"),
        (key("id='k'\nblake3='zz'"), "apps.a.keys.blake3"),
        (key(&format!("id='k'\nblake3='{HASH}'\nscopes=['root']")), "root"),
        (same_key, "'k' is there twice"),
        (token("kid='t'\nalg='RS256'"), "apps.a.tokens.alg"),
        (token("alg='HS256'\nsecret='x'"), "apps.a.tokens.kid"),
        (token("kid='t'\nalg='HS256'"), "apps.a.tokens.secret"),
        (token("kid='t'\nalg='HS256'\nsecret='QUJD'"), "expected 32 or more"),
        (token("kid='t'\nalg='HS256'\nsecret='not base64!'"), "base64url"),
        (token(&format!("kid='t'\nalg='HS256'\nsecret='{SECRET}'\npublic_key='x'")), "nothing else"),
        (token("kid='t'\nalg='ES256'"), "apps.a.tokens.public_key"),
        (token("kid='t'\nalg='ES256'\npublic_key='/nowhere.pem'"), "apps.a.tokens.public_key"),
        (token("kid='t'\nalg='EdDSA'\njwks_url='http://x/keys'"), "apps.a.tokens.jwks_url"),
        ("[[[".to_owned(), "f.toml:1"),
    ] {
        let error = read(&text, &[]).unwrap_err();
        assert!(error.contains(named), "{text}\n{error}");
        assert!(!error.contains('\n'), "{error}");
        assert!(!error.contains(SECRET), "{error}");
    }
}

#[test]
fn keys_are_read_in_every_spelling() {
    let alone = |alg: &str, key: &str| {
        let text = format!("[[apps]]\nid='a'\n[[apps.tokens]]\nkid='t'\nalg='{alg}'\npublic_key='''{key}'''");
        read(&text, &[]).map(drop)
    };
    let ed = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    alone("EdDSA", ed).unwrap();
    alone("EdDSA", &format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{ed}"}}"#)).unwrap();
    alone("EdDSA", "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=").unwrap();
    alone("ES256", &format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#)).unwrap();
    assert!(alone("ES256", ed).is_err());
    assert!(alone("EdDSA", &format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#)).is_err());
}

#[test]
fn the_environment_goes_over_the_file() {
    let config = read(
        "listen = '127.0.0.1:1'\n[limits]\nwindow = 3\nframes_per_second = 9",
        &[
            ("PULSEGATE_LISTEN", "127.0.0.1:2"),
            ("PULSEGATE_LIMITS_WINDOW", "5"),
            ("PULSEGATE_LIMITS_ANONYMOUS_IDLE", "1h"),
            ("PULSEGATE_STORE_RETENTION", "2d"),
            ("PULSEGATE_TRUSTED_PROXIES", "10.0.0.0/8, 192.168.1.1"),
            ("PULSEGATE_GATEWAYS_URLS", "[\"https://a\", \"https://b\"]"),
            ("PULSEGATE_GATEWAYS_WEIGHT", "3"),
            ("PULSEGATE_APPS", "[{ id = \"demo\", anonymous = true }]"),
            ("PULSEGATE_BIN", "not ours"),
            ("PULSEGATE_STORE_SERVICE_HOST", "injected"),
            ("HOME", "/root"),
        ],
    )
    .unwrap();
    assert_eq!(config.listen.port(), 2);
    assert_eq!((config.limits.window, config.limits.frames_per_second), (5, 9));
    assert_eq!(config.limits.anonymous_idle.as_secs(), 3600);
    assert_eq!(config.store.retention.as_secs(), 2 * 86_400);
    assert_eq!(config.trusted_proxies.len(), 2);
    let others: Vec<_> = config.gateways.others.iter().map(|other| other.url.as_str()).collect();
    assert_eq!((others, config.gateways.weight), (vec!["https://a", "https://b"], 3));
    assert!(config.app("demo").unwrap().anonymous);
}

#[test]
fn a_wrong_variable_is_named() {
    for (name, value) in [
        ("PULSEGATE_LIMITS_FRAMES_PER_SECOND", "many"),
        ("PULSEGATE_LIMITS_FRAMES", "1"),
        ("PULSEGATE_STORE_RETENTION", "soon"),
        ("PULSEGATE_APPS", "[{ id = \"demo\", colour = 1 }]"),
    ] {
        let error = read("", &[(name, value)]).unwrap_err();
        assert!(error.starts_with(name), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn zero_means_none_and_every_limit_can_be_set() {
    let names = file::Limits::NAMES;
    let text: String = names.iter().map(|name| format!("{name} = 0\n")).collect();
    let config = read(&format!("[limits]\n{text}"), &[]).unwrap();
    assert_eq!(config.limits.frames_per_second, 0);
    assert!(config.limits.hello.is_zero());
    assert!(names.len() >= 18);
}

#[test]
fn what_is_allowed_but_risky_is_told() {
    let warnings = |text: &str| read(text, &[]).unwrap().warnings.join("\n");
    assert!(warnings("listen = '0.0.0.0:8080'").contains("plain text"));
    assert!(warnings("[[apps]]\nid='a'\norigins=['*']\nanonymous=true").contains("any origin"));
    assert!(warnings("[[apps]]\nid='a'").contains("no device can connect"));
    assert_eq!(warnings("[[apps]]\nid='a'\nanonymous=true"), "");
}

#[test]
fn any_free_port_means_any_free_admin_port_too() {
    assert_eq!(read("listen = '127.0.0.1:0'", &[]).unwrap().admin_listen.port(), 0);
    let exposed = "admin_exposed = true\nadmin_listen = '0.0.0.0:9000'";
    assert!(read(exposed, &[]).is_ok());
}

#[test]
fn secrets_do_not_show_in_debug() {
    let config = read(&example(), &[]).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains(SECRET) && shown.contains("[redacted]"), "{shown}");
    let file: file::File = toml::from_str(&example()).unwrap();
    assert!(!format!("{file:?}").contains(SECRET));
}

#[test]
fn the_disk_is_synced_before_an_answer_unless_told_otherwise() {
    let fsync = |text: &str| read(text, &[]).unwrap().store.fsync;
    assert_eq!(fsync(""), Fsync::Always);
    assert_eq!(fsync("[store]\nfsync = 'always'"), Fsync::Always);
    assert_eq!(fsync("[store]\nfsync = 'interval'"), Fsync::Every(Duration::from_secs(1)));
    let written = "[store]\nfsync = 'interval'\nfsync_interval = '50ms'";
    assert_eq!(fsync(written), Fsync::Every(Duration::from_millis(50)));
}
