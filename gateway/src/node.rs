//! The node: store, router, hub and listeners put together, and taken apart again without losing anything.
//!
//! ```text
//! start: certificate -> store -> router -> hub -> listeners
//! end:   SIGTERM -> /readyz 503 -> sockets told one by one -> listeners closed -> store flushed and closed -> exit 0
//! ```

mod drain;
mod setting;

use crate::config::{Config, ConfigError, Engine};
use crate::connection::NetworkNames;
use crate::hub::Hub;
use crate::listener::{Listener, Tls, TlsError, bind};
use crate::metric::Metrics;
use crate::state::AppState;
use pulsegate_routing::store::EmbeddedSettings;
use pulsegate_routing::{Clock, OpenError, Router, Store, SystemClock, Wake};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often tails of logs are looked through for what was kept long enough.
const AGE_EVERY: Duration = Duration::from_secs(5);
/// What the store gets to write down its last rows.
const SHUTDOWN: Duration = Duration::from_secs(20);

/// Reads the configuration again, for SIGHUP.
pub type Reload = Box<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// What a node is started with besides its configuration.
#[derive(Default)]
pub struct NodeOptions {
    /// What SIGHUP does; `None`: nothing.
    pub reload: Option<Reload>,
}

/// Why a node did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// An address.
    #[error("{which} {address} cannot be bound: {error}")]
    Listen {
        /// The configuration's name for it.
        which: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// The certificate or its key.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The signals a node obeys. Heard from the moment this is made: make it before anybody is told where the node is,
/// or a signal sent at once finds its default action.
#[derive(Debug)]
pub struct Signals {
    term: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    /// Starts to hear them.
    ///
    /// # Errors
    /// The system does not let us.
    pub fn hear() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one. True: SIGTERM or SIGINT; false: SIGHUP.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.term.recv() => true,
            _ = self.interrupt.recv() => true,
            _ = self.reload.recv() => false,
        }
    }
}

/// A running node. Dropped without [`Node::drain`], it stops where it stands.
pub struct Node {
    state: Arc<AppState>,
    public_addr: SocketAddr,
    admin_addr: SocketAddr,
    tls: Option<Tls>,
    reload: Option<Reload>,
    stop: watch::Sender<bool>,
    listeners: JoinSet<()>,
    /// Goes on until the node is dropped.
    _background: JoinSet<()>,
}

impl Node {
    /// Opens the store of `config`, listens on its addresses and serves.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: Config, options: NodeOptions) -> Result<Self, StartError> {
        let tls = config.tls.as_ref().map(Tls::load).transpose()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = match config.store.engine {
            Engine::Embedded => {
                let settings =
                    EmbeddedSettings { fsync: config.store.fsync, ..EmbeddedSettings::new(&config.data_dir) };
                Store::embedded(settings, Arc::clone(&clock))?
            }
            Engine::Memory => Store::memory(Arc::clone(&clock)),
        };
        let networks = match config.store.engine {
            Engine::Embedded => NetworkNames::of(&config.data_dir),
            Engine::Memory => NetworkNames::for_this_run(),
        };
        let metrics = Arc::new(Metrics::new());
        let strangers = usize::try_from(config.limits.unauthenticated_bytes).unwrap_or(usize::MAX);
        let hub = Arc::new(Hub::new(strangers, networks, Arc::clone(&metrics)));
        hub.set_session_settings(setting::session(&config));
        let wake: Arc<dyn Wake> = Arc::clone(&hub) as Arc<dyn Wake>;
        let router = Router::open(store, setting::router(&config), clock, wake).await?;

        let (listen, admin_listen) = (config.listen, config.admin_listen);
        let public = bound("listen", listen)?;
        let admin = bound("admin_listen", admin_listen)?;
        let local = |which, socket: &TcpListener, address| {
            socket.local_addr().map_err(|error| StartError::Listen { which, address, error })
        };
        let public_addr = local("listen", &public, listen)?;
        let admin_addr = local("admin_listen", &admin, admin_listen)?;

        let state = Arc::new(AppState::new(config, router, hub, metrics));
        let (stop, stopped) = watch::channel(false);
        let mut listeners = JoinSet::new();
        let routes = crate::api::public(Arc::clone(&state));
        listeners
            .spawn(Listener::new(public, Arc::clone(&state), routes, tls.clone(), stopped.clone()).run());
        let routes = crate::api::admin(Arc::clone(&state));
        listeners.spawn(Listener::new(admin, Arc::clone(&state), routes, None, stopped).run());
        let mut background = JoinSet::new();
        background.spawn(age(Arc::clone(&state)));
        let reload = options.reload;
        Ok(Self { state, public_addr, admin_addr, tls, reload, stop, listeners, _background: background })
    }

    /// Where devices and publishers come in.
    #[must_use]
    pub fn public_addr(&self) -> SocketAddr {
        self.public_addr
    }

    /// Where health, metrics and the console are.
    #[must_use]
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// What its parts share.
    #[must_use]
    pub fn state(&self) -> &Arc<AppState> {
        &self.state
    }

    /// Serves until SIGTERM, SIGINT or the operator's request, then drains; SIGHUP reads the configuration again. A
    /// second signal ends the drain early.
    pub async fn run_until_signal(self, mut signals: Signals) {
        loop {
            tokio::select! {
                end = signals.next() => if end { break } else { self.reload() },
                () = self.state.drain_begun() => break,
            }
        }
        tracing::info!(connections = self.state.hub.connections(), "draining");
        let state = Arc::clone(&self.state);
        tokio::select! {
            () = self.drain() => {}
            () = async { while !signals.next().await {} } => {
                tracing::warn!("told twice to stop: the drain ends here");
                close_store(&state).await;
            }
        }
    }

    /// Reads the configuration again: keys, limits, origins and the certificate change, addresses and the store do
    /// not. What cannot be read or used changes nothing.
    pub fn reload(&self) {
        let Some(reload) = &self.reload else { return };
        let config = match reload() {
            Ok(config) => config,
            Err(error) => return tracing::error!(%error, "the configuration stays as it was"),
        };
        if let (Some(tls), Some(files)) = (&self.tls, &config.tls)
            && let Err(error) = tls.reload(files)
        {
            return tracing::error!(%error, "the configuration stays as it was");
        }
        let (router, limits) = (&self.state.router, &config.limits);
        router.set_everyone_per_second(limits.everyone_per_second);
        router.set_everyone_entries(limits.everyone_entries);
        router.set_idle(limits.registration_idle, limits.anonymous_idle);
        self.state.hub.set_session_settings(setting::session(&config));
        self.state.reload(config);
        tracing::info!("the configuration was read again");
    }

    /// Asks everybody to go elsewhere, stops listening, and closes the store.
    pub async fn drain(mut self) {
        self.state.begin_drain();
        drain::everybody(&self.state).await;
        let _ = self.stop.send(true);
        while self.listeners.join_next().await.is_some() {}
        close_store(&self.state).await;
    }
}

async fn close_store(state: &AppState) {
    match tokio::time::timeout(SHUTDOWN, state.router.shutdown()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the store was not closed properly"),
        Err(_) => tracing::error!("the store did not close in time"),
    }
}

fn bound(which: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    bind(address).map_err(|error| StartError::Listen { which, address, error })
}

async fn age(state: Arc<AppState>) {
    let mut every = tokio::time::interval(AGE_EVERY);
    loop {
        every.tick().await;
        state.hub.age(Instant::now());
    }
}
