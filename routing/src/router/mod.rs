//! The front of the routing core: resolves, plans, commits through the store, reads for devices.

mod change;
mod connect;
mod device;
mod idle;
mod message;
mod pace;
mod pending;
mod publish;
mod reader;
mod settings;
mod task;

pub use message::{Audience, Funnel, MessageState, MessageStatus, ReceiptIn, ReceiptStage};
pub use pending::Notes;
pub use settings::RouterSettings;

use crate::store::{Log as _, Store, StoreStats};
use crate::{Clock, LogKey, OpenError, SessionRef, StoreError, Wake};
use core::time::Duration;
use idle::Idle;
use pace::Pace;
use pending::Pending;
use pulsegate_proto::id::{AppId, Epoch, RegistrationId, Seq, SessionId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Routes messages to devices. Cheap to clone.
#[derive(Clone)]
pub struct Router(Arc<Core>);

/// A device that is connected here.
#[derive(Clone, Debug)]
struct Link {
    session: SessionId,
    /// The head when it was welcomed: what was recalled before that, it never had on this link.
    joined: Seq,
}

type Links = HashMap<(AppId, RegistrationId), Link>;

struct Core {
    store: Store,
    settings: RouterSettings,
    everyone_per_second: AtomicU32,
    everyone: Pace,
    idle: Idle,
    clock: Arc<dyn Clock>,
    wake: Arc<dyn Wake>,
    pending: Pending,
    links: Arc<Mutex<Links>>,
    stop: tokio::sync::watch::Sender<bool>,
}

impl Core {
    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Router {
    /// A router on `store`, which tells `wake` of commits from now on.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn open(
        store: Store,
        settings: RouterSettings,
        clock: Arc<dyn Clock>,
        wake: Arc<dyn Wake>,
    ) -> Result<Self, OpenError> {
        store.set_everyone_entries(settings.everyone_entries);
        store.wake(wake.clone());
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let background = settings.background;
        let router = Self(Arc::new(Core {
            store,
            everyone_per_second: AtomicU32::new(settings.everyone_per_second),
            everyone: Pace::default(),
            idle: Idle::new(settings.registration_idle, settings.anonymous_idle),
            settings,
            clock,
            wake,
            pending: Pending::default(),
            links: Arc::default(),
            stop,
        }));
        if background {
            task::spawn(&router.0, stopped);
        }
        Ok(router)
    }

    /// The settings it was opened with.
    #[must_use]
    pub fn settings(&self) -> &RouterSettings {
        &self.0.settings
    }

    /// Sets how many entries of an app's `all` log are taken a second; 0: no limit.
    pub fn set_everyone_per_second(&self, per_second: u32) {
        self.0.everyone_per_second.store(per_second, Ordering::Relaxed);
    }

    /// Sets how many unexpired entries an app's `all` log takes; 0: no limit.
    pub fn set_everyone_entries(&self, most: u64) {
        self.0.store.set_everyone_entries(most);
    }

    /// Sets how long a registration with a user, and one without, is kept unseen; 0: for ever. Holds
    /// for each registration from its next Hello on.
    pub fn set_idle(&self, registration: Duration, anonymous: Duration) {
        self.0.idle.set(registration, anonymous);
    }

    /// The last entry of a log; 0 if it has none or cannot be read. From memory for logs that were
    /// asked for before.
    #[must_use]
    pub fn last(&self, log: &LogKey) -> Seq {
        self.0.store.last(log).unwrap_or(0)
    }

    /// The last number the store handed out: a cursor beyond it is ahead.
    #[must_use]
    pub fn head(&self) -> Seq {
        self.0.store.head()
    }

    /// Incarnation of the store.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.0.store.epoch()
    }

    /// What the store counts.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        self.0.store.stats()
    }

    /// Whether writes are accepted now; for readiness.
    ///
    /// # Errors
    /// Says why not.
    pub fn ready(&self) -> Result<(), StoreError> {
        self.0.store.ready()
    }

    /// Drops the oldest unexpired entries of `log` up to `through`: readers below get a Gap.
    /// Answers how many.
    ///
    /// # Errors
    /// The store did not take it.
    pub async fn trim(&self, log: &LogKey, through: Seq) -> Result<u64, StoreError> {
        self.0.store.trim(log.clone(), through.min(self.head())).await
    }

    /// Writes what is pending and closes the store. Later calls fail with `Unavailable`.
    ///
    /// # Errors
    /// What could not be written; everything acknowledged is durable in any case.
    pub async fn shutdown(&self) -> Result<(), StoreError> {
        let _nobody_listens = self.0.stop.send(true);
        let flushed = self.flush().await;
        self.0.store.close().await.and(flushed)
    }

    /// The link that holds the row of a device.
    fn session(app: &AppId, registration: &RegistrationId, session: &SessionId) -> SessionRef {
        SessionRef { app: app.clone(), registration: registration.clone(), session: session.clone() }
    }
}
