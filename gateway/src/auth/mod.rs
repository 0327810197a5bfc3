//! Who may do what: server keys of backends, tokens of devices, origins of pages.
//!
//! Everything here reads one table built from the configuration; SIGHUP swaps the table, never a
//! part of it.

mod device;
mod grant;
mod jwks;
mod origin;
mod server_key;

pub use device::{DeviceIdentity, DeviceRefused};
pub use grant::{PublishGrant, PublishGrants};
pub use jwks::JwksCache;
pub use server_key::{AccessRefused, KeyText, Tenant, hash_of_secret};

use crate::config::{AppConfig, Config};
use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pulsegate_proto::id::AppId;
use std::collections::HashMap;
use std::sync::Arc;

/// Decides about keys, tokens and origins by the configuration in force.
pub struct Authenticator {
    table: ArcSwap<Table>,
    jwks: JwksCache,
}

/// The apps by id, and the origins of all of them together.
struct Table {
    apps: HashMap<AppId, Arc<AppConfig>>,
    origins: origin::Origins,
}

impl Table {
    fn new(config: &Config) -> Self {
        Self {
            apps: config.apps.iter().map(|app| (app.id.clone(), Arc::new(app.clone()))).collect(),
            origins: origin::Origins::of_all(&config.apps),
        }
    }
}

impl Authenticator {
    /// Decides by `config` until [`Self::reload`].
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { table: ArcSwap::from_pointee(Table::new(config)), jwks: JwksCache::new() }
    }

    /// Decides by `config` from now on. Links that are open keep what their token gave them.
    pub fn reload(&self, config: &Config) {
        self.table.store(Arc::new(Table::new(config)));
    }

    /// The app of this id, if there is one.
    #[must_use]
    pub fn app(&self, id: &str) -> Option<Arc<AppConfig>> {
        let id = AppId::parse(id).ok()?;
        self.table.load().apps.get(&id).cloned()
    }

    /// Whether a page of `origin` may open a socket at all: some app must list it. No `Origin`
    /// header means no browser, which is allowed.
    #[must_use]
    pub fn allowed_at_upgrade(&self, origin: Option<&str>) -> bool {
        origin.is_none_or(|origin| self.table.load().origins.allow(origin))
    }

    /// Whether a page of `origin` belongs to `app`.
    #[must_use]
    pub fn allowed_for_app(&self, app: &AppId, origin: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        self.table.load().apps.get(app).is_some_and(|app| origin::listed(&app.origins, origin))
    }
}

/// 128 random bits as 22 characters of base64url: boot ids, session ids.
#[must_use]
pub fn random_id() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<16>())
}

/// Bytes of the system's generator.
///
/// # Panics
/// Where the system has no randomness to give: nothing here could be kept secret then.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        panic!("the system's random generator failed: {error}");
    }
    bytes
}
