//! A gateway's configuration and data directory, kept over its restarts.

use crate::keys::{ServerKey, Signer};
use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

/// One gateway's folder: configuration, data and log. Removed when dropped.
///
/// There is one app, `demo`, with a key of every scope and a signer of tokens.
#[derive(Debug)]
pub struct Setup {
    /// Key of the app's backend.
    pub key: ServerKey,
    /// Signs tokens for the app's devices.
    pub signer: Signer,
    folder: tempfile::TempDir,
    data: PathBuf,
    host: Ipv4Addr,
    port: u16,
    admin_port: u16,
    top: Vec<String>,
    store: Vec<String>,
    limits: Vec<String>,
    app: Vec<String>,
    more: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

impl Setup {
    /// Fresh folder, fresh keys, two free ports.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("pulsegate-test-").tempdir().unwrap();
        let data = folder.path().join("data");
        let (port, admin_port) = free_ports();
        Self {
            key: ServerKey::new("demo", "k1", &["publish", "read", "admin"]),
            signer: Signer::new("demo", "t1"),
            folder,
            data,
            host: Ipv4Addr::LOCALHOST,
            port,
            admin_port,
            top: Vec::new(),
            store: Vec::new(),
            // Tests come from one address, by the hundred, and some ack each message by itself.
            limits: vec!["registrations_per_minute = 0".into(), "frames_per_second = 0".into()],
            app: Vec::new(),
            more: String::new(),
        }
    }

    /// Listens at another address than 127.0.0.1. Plain HTTP outside loopback is for a proxy that is named: every
    /// one of that address is.
    #[must_use]
    pub fn host(mut self, host: Ipv4Addr) -> Self {
        self.host = host;
        self.top(&format!("trusted_proxies = [\"{host}\"]"))
    }

    /// One more line at the top of the configuration.
    #[must_use]
    pub fn top(mut self, line: &str) -> Self {
        self.top.push(line.into());
        self
    }

    /// One more line under `[store]`.
    #[must_use]
    pub fn store(mut self, line: &str) -> Self {
        self.store.push(line.into());
        self
    }

    /// Sets one limit; the last word counts.
    #[must_use]
    pub fn limit(mut self, name: &str, value: &str) -> Self {
        let start = format!("{name} = ");
        self.limits.retain(|line| !line.starts_with(&start));
        self.limits.push(format!("{start}{value}"));
        self
    }

    /// One more line of the app.
    #[must_use]
    pub fn app(mut self, line: &str) -> Self {
        self.app.push(line.into());
        self
    }

    /// Devices without a token are welcome and may subscribe to `patterns`.
    #[must_use]
    pub fn anonymous(self, patterns: &[&str]) -> Self {
        self.app("anonymous = true").app(&format!("anonymous_topics = {patterns:?}"))
    }

    /// Text at the end of the configuration, after the app: more keys, more apps.
    #[must_use]
    pub fn more(mut self, text: &str) -> Self {
        self.more.push_str(text);
        self.more.push('\n');
        self
    }

    /// Puts the data somewhere else.
    #[must_use]
    pub fn data(mut self, path: &Path) -> Self {
        self.data = path.into();
        self
    }

    /// No limit that a load of thousands from one address would meet.
    #[must_use]
    pub fn unlimited(self) -> Self {
        self.limit("handshakes_per_second", "0").limit("everyone_per_second", "0")
    }

    /// The folder of it all.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the data is.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// Where standard error goes.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("gateway.log")
    }

    /// Where devices will dial.
    #[must_use]
    pub fn address(&self) -> std::net::SocketAddr {
        (self.host, self.port).into()
    }

    /// Another gateway of the same app, keys and limits, with its own data and ports.
    #[must_use]
    pub fn sibling(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("pulsegate-test-").tempdir().unwrap();
        let data = folder.path().join("data");
        let (port, admin_port) = free_ports();
        Self {
            key: self.key.clone(),
            signer: self.signer.clone(),
            folder,
            data,
            host: self.host,
            port,
            admin_port,
            top: self.top.clone(),
            store: self.store.clone(),
            limits: self.limits.clone(),
            app: self.app.clone(),
            more: self.more.clone(),
        }
    }

    /// The configuration as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "listen = \"{}:{}\"\nadmin_listen = \"127.0.0.1:{}\"\ndata_dir = {:?}\n",
            self.host, self.port, self.admin_port, self.data,
        );
        let mut section = |title: &str, lines: &[String]| {
            if !lines.is_empty() {
                text.push_str(&format!("{title}\n{}\n", lines.join("\n")));
            }
        };
        section("", &self.top);
        section("\n[store]", &self.store);
        section("\n[limits]", &self.limits);
        section("\n[[apps]]\nid = \"demo\"", &[String::new()]);
        section("", &self.app);
        text + &self.key.block() + &self.signer.block() + &self.more
    }

    /// Writes the configuration down; returns its path.
    #[must_use]
    pub fn write(&self) -> PathBuf {
        let path = self.folder.path().join("pulsegate.toml");
        std::fs::write(&path, self.text()).unwrap();
        path
    }
}

/// Two ports nobody listens on, below the range that outgoing connections take theirs from: a
/// restarted gateway must find its port free. Each test process starts looking elsewhere.
fn free_ports() -> (u16, u16) {
    let seed = u16::from_be_bytes(crate::keys::random()) % 12_000;
    let mut found = (0..12_000).filter_map(|step| {
        let port = 20_000 + (seed + step) % 12_000;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok().map(|_| port)
    });
    (found.next().unwrap(), found.next().unwrap())
}
