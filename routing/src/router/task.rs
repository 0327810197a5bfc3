//! What happens by itself: cursors are written, scheduled messages published, what has ended is
//! forgotten.

use super::pending::TICK;
use super::{Core, Router};
use crate::StoreError;
use crate::store::{Alive, Log as _, SCAN_GROUP};
use pulsegate_proto::id::{AppId, RegistrationId};
use std::sync::{Arc, PoisonError};
use tokio::sync::watch;

/// Runs [`Router::tick`] every second until the router is shut down or dropped.
pub(super) fn spawn(core: &Arc<Core>, mut stopped: watch::Receiver<bool>) {
    let core = Arc::downgrade(core);
    tokio::spawn(async move {
        let mut seconds = tokio::time::interval(TICK);
        seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                _ = stopped.changed() => return,
                _ = seconds.tick() => {}
            }
            let Some(core) = core.upgrade() else { return };
            let ticked = Router(core).tick().await;
            match ticked {
                // Said once, not every second for as long as the disk is full.
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "cursors, schedules and expiry have to wait");
                }
                Ok(()) if failing => {
                    failing = false;
                    tracing::info!("cursors, schedules and expiry go on");
                }
                _ => {}
            }
        }
    });
}

impl Router {
    /// Writes cursors that have waited long enough, publishes what is due, forgets what has ended.
    ///
    /// # Errors
    /// The store did not take it; what is left is done by a later tick.
    pub async fn tick(&self) -> Result<(), StoreError> {
        let flushed = self.flush_due().await;
        // Room may be wanting: what has ended is forgotten all the same.
        let released = self.release_due().await;
        self.expire().await?;
        flushed.and(released)
    }

    async fn release_due(&self) -> Result<(), StoreError> {
        loop {
            let due = self.0.store.due(self.0.clock.now())?;
            let more = due.len() >= SCAN_GROUP;
            for scheduled in due {
                let targeted = self.count_logs(
                    &scheduled.append.app,
                    &scheduled.append.logs,
                    scheduled.append.predicate.as_deref(),
                )?;
                self.0.store.release(scheduled, targeted.count).await?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    async fn expire(&self) -> Result<(), StoreError> {
        let links = self.0.links.clone();
        let alive: Alive = Arc::new(move |app: &AppId, id: &RegistrationId| {
            let links = links.lock().unwrap_or_else(PoisonError::into_inner);
            links.contains_key(&(app.clone(), id.clone()))
        });
        loop {
            let now = self.0.clock.now();
            let kept = self.0.settings.status_kept;
            let expired = self.0.store.expire(now, kept, alive.clone()).await?;
            for (app, id) in &expired.registrations {
                self.0.wake.deleted(app, id);
            }
            if !expired.more {
                return Ok(());
            }
        }
    }
}
