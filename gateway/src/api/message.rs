//! What has become of a message, its recall, and the dry run of a target.

use super::fields::Fields;
use super::incoming::Incoming;
use super::problem::{Code, Problem};
use super::publish::target;
use super::request::{self, Path};
use super::time;
use crate::config::Scope;
use crate::state::AppState;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use pulsegate_proto::id::MessageId;
use pulsegate_routing::{Audience, MessageState, MessageStatus};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// State and funnel of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusAnswer {
    id: String,
    /// `scheduled`, `accepted`, `expired` or `recalled`.
    state: &'static str,
    /// When it was accepted, RFC 3339.
    published: String,
    /// When it ends or ended, RFC 3339.
    expires: String,
    /// When it is to be delivered, if later than published.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliver_at: Option<String>,
    funnel: FunnelAnswer,
}

/// Counts of devices, each device once a stage.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FunnelAnswer {
    /// 1 once the message is durable.
    accepted: u64,
    /// Devices it was for; an estimate for tag expressions.
    targeted: u64,
    /// Devices it was sent to.
    sent: u64,
    /// Devices that stored it.
    received: u64,
    /// Devices where a visible tab's handler returned.
    handled: u64,
    /// Devices where it was shown.
    displayed: u64,
    /// Devices where it was clicked.
    clicked: u64,
    /// Devices where it was dismissed.
    dismissed: u64,
    /// Devices that had not received it at its end; an estimate for tag expressions.
    expired: u64,
    /// Devices it was taken back from or kept from.
    recalled: u64,
}

impl StatusAnswer {
    fn new(status: &MessageStatus) -> Self {
        let funnel = &status.funnel;
        Self {
            id: status.id.to_string(),
            state: state_text(status.state),
            published: time::format(status.published),
            expires: time::format(status.expires),
            deliver_at: status.deliver_at.map(time::format),
            funnel: FunnelAnswer {
                accepted: funnel.accepted,
                targeted: funnel.targeted,
                sent: funnel.sent,
                received: funnel.received,
                handled: funnel.handled,
                displayed: funnel.displayed,
                clicked: funnel.clicked,
                dismissed: funnel.dismissed,
                expired: funnel.expired,
                recalled: funnel.recalled,
            },
        }
    }
}

fn state_text(state: MessageState) -> &'static str {
    match state {
        MessageState::Scheduled => "scheduled",
        MessageState::Accepted => "accepted",
        MessageState::Expired => "expired",
        MessageState::Recalled => "recalled",
    }
}

/// The id in a path: one that cannot be an id is one that is not there.
fn id_of(text: &str) -> Result<MessageId, Problem> {
    MessageId::parse(text).map_err(|_| no_message())
}

fn no_message() -> Problem {
    Problem::new(Code::NotFound, "no such message")
}

async fn status_of(
    state: &AppState,
    headers: &HeaderMap,
    app: &str,
    id: &str,
) -> Result<MessageStatus, Problem> {
    let tenant = request::tenant(state, app, headers, Scope::Read)?;
    let found = state.router.message(&tenant.app, id_of(id)?).await?;
    found.ok_or_else(no_message)
}

pub(super) async fn status(
    State(state): State<Arc<AppState>>,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<axum::Json<StatusAnswer>, Problem> {
    let status = status_of(&state, &headers, &app, &id).await?;
    Ok(axum::Json(StatusAnswer::new(&status)))
}

pub(super) async fn recall(
    State(state): State<Arc<AppState>>,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let tenant = request::tenant(&state, &app, &headers, Scope::Publish)?;
    state.router.recall(&tenant.app, id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where a message went, and why not further.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TraceAnswer {
    id: String,
    state: &'static str,
    /// In the order a message takes them.
    hops: Vec<Hop>,
}

/// One step on the way of a message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Hop {
    /// `accepted`, `targeted`, `sent`, `received`, `displayed`, `clicked`, `expired`, `recalled`.
    hop: &'static str,
    /// Devices that came so far.
    count: u64,
    /// When, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// Why the others have not come so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

pub(super) async fn trace(
    State(state): State<Arc<AppState>>,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<axum::Json<TraceAnswer>, Problem> {
    let status = status_of(&state, &headers, &app, &id).await?;
    Ok(axum::Json(TraceAnswer {
        id: status.id.to_string(),
        state: state_text(status.state),
        hops: hops(&status),
    }))
}

fn hops(status: &MessageStatus) -> Vec<Hop> {
    let funnel = &status.funnel;
    let over = match status.state {
        MessageState::Scheduled => Some("it waits for its deliver_at"),
        MessageState::Expired => Some("its time-to-live ended before"),
        MessageState::Recalled => Some("it was recalled before"),
        MessageState::Accepted => None,
    };
    let missing = |from: u64, to: u64, open: &str| {
        let short = from.saturating_sub(to);
        (short > 0).then(|| format!("{short} not: {}", over.unwrap_or(open)))
    };
    let hop = |hop, count, why| Hop { hop, count, at: None, why };
    let mut hops = vec![
        Hop { at: Some(time::format(status.published)), ..hop("accepted", funnel.accepted, None) },
        hop(
            "targeted",
            funnel.targeted,
            (funnel.targeted == 0 && over.is_none()).then(|| "no registration matches the target".to_owned()),
        ),
        hop(
            "sent",
            funnel.sent,
            missing(funnel.targeted, funnel.sent, "not connected since, or its window is full"),
        ),
        hop(
            "received",
            funnel.received,
            missing(funnel.sent, funnel.received, "sent, and not yet acked as stored"),
        ),
        hop(
            "handled",
            funnel.handled,
            missing(funnel.received, funnel.handled, "stored, and no visible tab's handler has returned"),
        ),
        hop(
            "displayed",
            funnel.displayed,
            missing(
                funnel.received,
                funnel.displayed,
                "stored, and not shown: no notification in it, no permission, or a visible tab handled it",
            ),
        ),
        hop("clicked", funnel.clicked, None),
        hop("dismissed", funnel.dismissed, None),
    ];
    if status.state == MessageState::Expired {
        hops.push(Hop { at: Some(time::format(status.expires)), ..hop("expired", funnel.expired, None) });
    }
    if status.state == MessageState::Recalled {
        hops.push(hop("recalled", funnel.recalled, None));
    }
    hops
}

/// How many devices a target reaches now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CountAnswer {
    count: u64,
    /// The count is an estimate: tag expressions and excludes.
    estimate: bool,
}

pub(super) async fn count(
    State(state): State<Arc<AppState>>,
    Path(app): Path<String>,
    headers: HeaderMap,
    mut body: Incoming,
) -> Result<axum::Json<CountAnswer>, Problem> {
    let tenant = request::tenant(&state, &app, &headers, Scope::Read)?;
    let bytes = request::small(&state, &headers, &mut body).await?;
    let mut fields = Fields::of_body(&bytes)?;
    let (target, exclude) = match fields.object("target")? {
        Some(fields) => target::read(fields)?,
        None => return Err(Problem::field("target", "missing: whom to count")),
    };
    fields.finish()?;
    let Audience { count, estimate } = state.router.count_audience(&tenant.app, &target, &exclude).await?;
    Ok(axum::Json(CountAnswer { count, estimate }))
}
