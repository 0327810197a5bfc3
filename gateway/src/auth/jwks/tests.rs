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

/// Answers each TLS connection with the next of `answers`, and counts them.
async fn serve(answers: Vec<String>) -> (String, Arc<std::sync::atomic::AtomicUsize>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let cert = CertificateDer::from_pem_slice(CERT.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/keys", socket.local_addr().unwrap());
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    tokio::spawn(async move {
        for answer in answers {
            let (stream, _) = socket.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0u8; 4096];
            let _ = stream.read(&mut head).await.unwrap();
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (url, asked)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// A cache that trusts the test's certificate and nobody else.
fn cache() -> JwksCache {
    let cert = reqwest::Certificate::from_pem(CERT.as_bytes()).unwrap();
    let cache = JwksCache::new();
    cache.client.set(builder().tls_certs_only([cert]).build().ok()).unwrap();
    cache
}

/// Self-signed, for 127.0.0.1, good until 2126; its key guards nothing.
const CERT: &str = include_str!("cert.pem");
const KEY: &str = include_str!("key.pem");

#[tokio::test]
async fn a_set_is_fetched_once_over_tls_for_all_who_ask_at_a_time() {
    let (url, asked) = serve(vec![ok(SET), ok("{}")]).await;
    let cache = cache();
    let ask = || cache.key(&url, "e1", JwtAlgorithm::EdDsa);
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    assert!([a, b, c].into_iter().all(|key| key.unwrap().is_some()));
    assert!(cache.key(&url, "unknown", JwtAlgorithm::EdDsa).await.unwrap().is_none());
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_address_that_redirects_floods_or_talks_nonsense_is_no_key_set() {
    let moved = "HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let flood = ok(&" ".repeat(SET_BYTES + 1));
    for answer in
        [moved.to_owned(), flood, ok("<html>"), "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".into()]
    {
        let (url, asked) = serve(vec![answer]).await;
        let refused = cache().key(&url, "e1", JwtAlgorithm::EdDsa).await;
        assert!(matches!(refused, Err(DeviceRefused::Unavailable(_))));
        assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_not_trusted() {
    let (url, asked) = serve(vec![ok(SET)]).await;
    let refused = JwksCache::new().key(&url, "e1", JwtAlgorithm::EdDsa).await;
    assert!(matches!(refused, Err(DeviceRefused::Unavailable(_))));
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 0);
}
