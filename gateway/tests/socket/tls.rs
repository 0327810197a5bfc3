//! TLS on the public listener, and a certificate that changes while it runs. The pairs in `tls/` were made for this
//! test and protect nothing.

use crate::device::{SOON, configuration};
use crate::request::HANDSHAKE;
use pulsegate_gateway::config::TlsFiles;
use pulsegate_gateway::node::{Node, NodeOptions, StartError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const ONE: (&str, &str) = (include_str!("tls/one.pem"), include_str!("tls/one.key.pem"));
const TWO: (&str, &str) = (include_str!("tls/two.pem"), include_str!("tls/two.key.pem"));

fn put(dir: &Path, (cert, key): (&str, &str)) -> TlsFiles {
    let files = TlsFiles { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
    std::fs::write(&files.cert, cert).unwrap();
    std::fs::write(&files.key, key).unwrap();
    files
}

/// Dials, believing this certificate only.
async fn dial(address: SocketAddr, believed: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(believed.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    tokio::time::timeout(SOON, TlsConnector::from(Arc::new(config)).connect(name, tcp)).await.unwrap()
}

async fn node(files: TlsFiles) -> Result<Node, StartError> {
    let mut config = configuration("");
    config.tls = Some(files.clone());
    let reload = move || {
        let mut config = configuration("");
        config.tls = Some(files.clone());
        Ok(config)
    };
    Node::start(config, NodeOptions { reload: Some(Box::new(reload)) }).await
}

#[tokio::test]
async fn a_websocket_goes_through_tls_and_a_new_certificate_is_taken_on_reload() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(put(dir.path(), ONE)).await.unwrap();
    let mut stream = dial(node.public_addr(), ONE.0).await.unwrap();
    stream.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    // A masked Probe; its answer comes back through the same TLS.
    stream.write_all(&[0x82, 0x84, 0, 0, 0, 0, 0x22, 2, 8, 42]).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), 0x82);

    assert!(dial(node.public_addr(), TWO.0).await.is_err());
    put(dir.path(), TWO);
    node.reload();
    assert!(dial(node.public_addr(), TWO.0).await.is_ok());
    std::fs::write(dir.path().join("cert.pem"), "nonsense").unwrap();
    node.reload();
    assert!(dial(node.public_addr(), TWO.0).await.is_ok(), "a bad file changes nothing");
    stream.write_all(&[0x82, 0x84, 0, 0, 0, 0, 0x22, 2, 8, 42]).await.unwrap();
    let mut first = [0; 2];
    stream.read_exact(&mut first).await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_stops_the_start_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = [("", ONE.1, "cert.pem"), (ONE.0, "", "key.pem"), (ONE.0, TWO.1, "key.pem")];
    for (cert, key, at_fault) in wrong {
        match node(put(dir.path(), (cert, key))).await {
            Err(StartError::Tls(error)) => assert!(error.to_string().contains(at_fault), "{error}"),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("started with a wrong {at_fault}"),
        }
    }
}
