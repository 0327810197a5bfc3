//! Append, then wake: what the transport is told after a commit.

use crate::{Entry, GapInfo, LogKey, SessionRef, StartInfo};
use pulsegate_proto::id::{AppId, LogName, RegistrationId, Seq, Tag};
use std::sync::Arc;

/// Hears of commits once they are durable, and never before.
///
/// Called from the store's writer: return quickly, never block, never call back into the router's
/// async methods. `Router::last` may be called.
pub trait Wake: Send + Sync + 'static {
    /// Entries were appended to `log`, in the order of their seq. Entries of one commit to several
    /// logs come log by log.
    fn appended(&self, log: &LogKey, entries: &[Arc<Entry>]);

    /// A message with time-to-live 0: for who is connected right now. `entry.seq` is 0 and nothing
    /// is stored; ask [`Entry::addressed_to`] before it is sent.
    fn live(&self, log: &LogKey, entry: &Arc<Entry>);

    /// The entry `seq` is gone from `log` (recalled or collapsed) and must not be sent any more.
    fn removed(&self, log: &LogKey, seq: Seq);

    /// `session` no longer holds its registration's row: the link (`link_only`: of the same
    /// generation) or generation `generation` took it.
    fn superseded(&self, session: &SessionRef, generation: u64, link_only: bool);

    /// Somebody else than the device changed which logs it reads.
    fn logs_changed(
        &self,
        app: &AppId,
        registration: &RegistrationId,
        started: &[StartInfo],
        ended: &[LogName],
    );

    /// The registration was deleted by the backend or expired.
    fn deleted(&self, app: &AppId, registration: &RegistrationId);

    /// The backend changed the tags of the registration: predicates are decided against these now.
    fn tags_changed(&self, app: &AppId, registration: &RegistrationId, tags: &[Tag]) {
        let _ = (app, registration, tags);
    }

    /// Unexpired entries of `log` were dropped: a reader below `gap.resume` is to be told.
    fn trimmed(&self, log: &LogKey, gap: &GapInfo) {
        let _ = (log, gap);
    }
}

/// A [`Wake`] for tools and tests without readers.
#[derive(Clone, Copy, Debug, Default)]
pub struct NobodyListens;

impl Wake for NobodyListens {
    fn appended(&self, _: &LogKey, _: &[Arc<Entry>]) {}
    fn live(&self, _: &LogKey, _: &Arc<Entry>) {}
    fn removed(&self, _: &LogKey, _: Seq) {}
    fn superseded(&self, _: &SessionRef, _: u64, _: bool) {}
    fn logs_changed(&self, _: &AppId, _: &RegistrationId, _: &[StartInfo], _: &[LogName]) {}
    fn deleted(&self, _: &AppId, _: &RegistrationId) {}
}
