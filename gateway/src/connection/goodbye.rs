//! After the last byte: what the device still asked for, and how its link ended.

use super::commit::commit;
use super::convert;
use super::job::{Answer, Jobs};
use super::who::Who;
use crate::state::AppState;
use pulsegate_proto::frame::Cause;
use pulsegate_proto::session::server::Farewell;
use pulsegate_proto::time::UnixMs;
use pulsegate_routing::{LastSeenRecord, SessionRef};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What commits that were under way or waiting get. A store that takes longer than this for a handful of them is in
/// trouble, and the device asks again when it comes back.
const COMMITS: Duration = Duration::from_secs(10);

/// Finishes what `jobs` holds, then writes down how the link of `who` ended, `cause` being what the socket saw.
pub(super) async fn say(
    state: Arc<AppState>,
    who: Option<Box<Who>>,
    jobs: Jobs,
    farewell: Farewell,
    cause: Cause,
) {
    let heard_ago = i64::try_from(farewell.heard_ago.as_millis()).unwrap_or(i64::MAX);
    let heard = UnixMs(crate::clock::now().0.saturating_sub(heard_ago));
    let session = timeout(COMMITS, finish(&state, who.as_deref(), jobs)).await;
    let session = session.unwrap_or(who.map(|who| who.session));
    let Some(session) = session else { return };
    let record = LastSeenRecord {
        session: session.session.clone(),
        boot: state.boot_id.clone(),
        heard,
        unanswered: farewell.unanswered,
        end: convert::link_end(cause),
    };
    if let Err(error) = state.router.disconnect(&session, record).await {
        tracing::debug!(%error, "the end of a link was not recorded");
    }
}

/// Finishes the registry's work; the link whose end is to be written down: also of a device that was admitted after
/// it had hung up.
async fn finish(state: &Arc<AppState>, who: Option<&Who>, jobs: Jobs) -> Option<SessionRef> {
    let (under_way, waiting) = jobs.into_rest();
    if let Some(job) = under_way
        && let Answer::Admitted(Ok(late)) = job.await
    {
        state.hub.part(&late.who.session);
        return Some(late.who.session);
    }
    let who = who?;
    for next in waiting {
        commit(Arc::clone(state), Box::new(who.clone()), next.op).await;
    }
    Some(who.session.clone())
}
