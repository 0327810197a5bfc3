//! The configuration: a TOML file, overridden by the environment, turned into values that cannot be
//! wrong before anything is opened or bound.
//!
//! ```text
//! file text -> file::File (unknown keys refused) -> env overrides -> check -> Config
//! ```

mod app;
mod check;
mod check_app;
mod env;
mod error;
mod file;
mod key;
mod limit;
mod load;
mod secret;
mod span;

pub use app::{AppConfig, Scope, Scopes, ServerKey, SignerKey, TokenSigner};
pub use error::ConfigError;
pub use key::{JwtAlgorithm, PublicKey};
pub use limit::Limits;
pub use load::{from_text, load, parse};
pub use secret::Secret;
pub use span::{format_span, parse_span};

use ipnet::IpNet;
use pulsegate_routing::Fsync;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything the node was told, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where devices and publishers come in. Port 0: a free one.
    pub listen: SocketAddr,
    /// Where metrics, health and console are. Never the public address.
    pub admin_listen: SocketAddr,
    /// Folder of the embedded store.
    pub data_dir: PathBuf,
    /// Peers whose `X-Forwarded-For` or PROXY v2 header is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What clients are told to dial; `None`: what they dialled.
    pub public_url: Option<String>,
    /// Certificate and key of the public listener; `None`: plain text.
    pub tls: Option<TlsFiles>,
    /// What clients are told of gateways.
    pub gateways: Gateways,
    /// The store.
    pub store: StoreConfig,
    /// The beat.
    pub heartbeat: HeartbeatConfig,
    /// Every limit.
    pub limits: Limits,
    /// The tenants.
    pub apps: Vec<AppConfig>,
    /// `pulsegate dev`: demo page, its configuration with the publish key, everything on loopback.
    pub dev: Option<DevConfig>,
    /// What was allowed but should be looked at; told once in the log at start.
    pub warnings: Vec<String>,
}

/// The list of gateways a client races.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateways {
    /// What is listed besides this node.
    pub others: Vec<GatewayEntry>,
    /// This node's share.
    pub weight: u32,
    /// Where this node is; empty: nobody said.
    pub region: String,
    /// Clients ask again after this.
    pub ttl: Duration,
}

/// One gateway of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayEntry {
    /// What to dial, without `/v1/connect`.
    pub url: String,
    /// Its share of new clients against the others'.
    pub weight: u32,
    /// Where it is; empty: nobody said.
    pub region: String,
}

/// What only `pulsegate dev` has.
#[derive(Clone, Debug)]
pub struct DevConfig {
    /// The throw-away key the demo page publishes with.
    pub publish_key: Secret,
    /// The throw-away secret, base64url, the demo's people sign their device tokens with.
    pub token_secret: Secret,
}

/// Files of the certificate chain and its private key, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The store's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Where entries live.
    pub engine: Engine,
    /// Longest time-to-live of a message.
    pub retention: Duration,
    /// When what was accepted is synced to the disk.
    pub fsync: Fsync,
}

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// On this machine's disk, in `data_dir`.
    Embedded,
    /// In memory, gone with the process: only `dev` and tests ask for it, the file cannot.
    Memory,
}

/// How the beat is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatConfig {
    /// What `Welcome.heartbeat` names.
    pub policy: HeartbeatKind,
}

/// The policies of the contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeartbeatKind {
    /// The belief over rungs.
    #[default]
    Ladder,
    /// The original design.
    Stepped,
    /// One interval.
    Fixed,
}

/// Names of all limits, as the file writes them.
#[must_use]
pub fn limit_names() -> &'static [&'static str] {
    file::Limits::NAMES
}

impl Config {
    /// The app of this id.
    #[must_use]
    pub fn app(&self, id: &str) -> Option<&AppConfig> {
        self.apps.iter().find(|app| app.id.as_str() == id)
    }
}

#[cfg(test)]
mod tests;
