//! The certificate of the public listener, replaced while running.

use crate::config::TlsFiles;
use arc_swap::ArcSwap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The certificate in force. A handshake takes the one of its moment; running connections keep theirs.
#[derive(Clone)]
pub struct Tls(Arc<ArcSwap<ServerConfig>>);

/// Why a certificate or key cannot be used, naming the file.
#[derive(Debug)]
pub struct TlsError {
    /// The file at fault.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLS file {}: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for TlsError {}

impl Tls {
    /// Reads `files`.
    ///
    /// # Errors
    /// Names the file that is missing, unreadable, or does not fit.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(read(files)?))))
    }

    /// Reads `files` and uses them for handshakes from now on; on an error the old ones stay.
    ///
    /// # Errors
    /// See [`Tls::load`].
    pub fn reload(&self, files: &TlsFiles) -> Result<(), TlsError> {
        self.0.store(Arc::new(read(files)?));
        Ok(())
    }

    /// What the next handshake uses.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}

fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let fail = |path: &Path, why: String| TlsError { path: path.to_owned(), why };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .map_err(|e| fail(&files.cert, e.to_string()))?;
    if chain.is_empty() {
        return Err(fail(&files.cert, "no certificate in it".into()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| fail(&files.key, e.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| fail(&files.cert, e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| fail(&files.key, e.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A resumed handshake costs a reconnect storm no signature. Tickets are stateless: no memory for a session.
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(|e| fail(&files.key, e.to_string()))?;
    config.send_tls13_tickets = 1;
    Ok(config)
}
