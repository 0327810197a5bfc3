//! What every request and every connection shares.

use crate::auth::Authenticator;
use crate::config::Config;
use crate::hub::Hub;
use crate::metric::Metrics;
use arc_swap::ArcSwap;
use pulsegate_routing::Router;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;

/// The node's shared parts. Made once by `Node::start` (or by a test), then only read.
pub struct AppState {
    /// The configuration in force; SIGHUP replaces it.
    pub config: ArcSwap<Config>,
    /// Who gets what.
    pub router: Router,
    /// Who may do what. Follows the configuration.
    pub auth: Authenticator,
    /// The connections of this node.
    pub hub: Arc<Hub>,
    /// Counters and gauges.
    pub metrics: Arc<Metrics>,
    /// Rates of the HTTP side.
    pub pace: crate::api::Pace,
    /// Changes with every start of the process.
    pub boot_id: String,
    /// When the process started.
    pub started: std::time::Instant,
    /// The pace of the drain, where who asked for it named one: links a second.
    pub drain_per_second: OnceLock<u32>,
    draining: watch::Sender<bool>,
}

impl AppState {
    /// Puts the parts together.
    #[must_use]
    pub fn new(config: Config, router: Router, hub: Arc<Hub>, metrics: Arc<Metrics>) -> Self {
        Self {
            auth: Authenticator::new(&config),
            pace: crate::api::Pace::default(),
            config: ArcSwap::from_pointee(config),
            router,
            hub,
            metrics,
            boot_id: crate::auth::random_id(),
            started: std::time::Instant::now(),
            drain_per_second: OnceLock::new(),
            draining: watch::Sender::new(false),
        }
    }

    /// Whether this node asks its clients to go elsewhere: `/readyz` says 503.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Says so from now on; `true` for the first who says it.
    pub fn begin_drain(&self) -> bool {
        self.draining.send_if_modified(|draining| !std::mem::replace(draining, true))
    }

    /// Returns once somebody has begun to drain the node.
    pub async fn drain_begun(&self) {
        // Fails only without a sender, and `self` is the sender.
        let _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }

    /// Puts a new configuration in force for everything that can change without a restart.
    pub fn reload(&self, config: Config) {
        self.auth.reload(&config);
        self.config.store(Arc::new(config));
    }
}
