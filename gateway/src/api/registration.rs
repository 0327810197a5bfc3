//! Registrations and users, as the backend sees and changes them.

use super::fields::Fields;
use super::incoming::Incoming;
use super::problem::{Code, Problem};
use super::request::{self, Path};
use super::time;
use crate::config::Scope;
use crate::state::AppState;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use pulsegate_proto::id::{AppId, RegistrationId, Tag, Topic, UserId};
use pulsegate_routing::{MadeBy, RegistrationInfo};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Registrations of one page of the list.
const PAGE: usize = 100;
/// At most so many where more are asked for.
const PAGE_LIMIT: usize = 1000;

/// One device of the app.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegistrationAnswer {
    id: String,
    /// `null` for an anonymous device.
    user: Option<String>,
    /// Whether it is connected to this gateway.
    online: bool,
    tags: Vec<String>,
    topics: Vec<SubscriptionAnswer>,
    /// RFC 3339.
    created: Option<String>,
    /// When it was last connected or heard of, RFC 3339.
    last_seen: Option<String>,
    /// Name and version of the client, as it says.
    agent: String,
    /// It dies with its link.
    ephemeral: bool,
    /// Whether it left the address of a push service.
    web_push: bool,
}

/// A durable subscription.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SubscriptionAnswer {
    topic: String,
    /// `device` or `backend`.
    made_by: &'static str,
}

impl RegistrationAnswer {
    fn new(state: &AppState, app: &AppId, info: &RegistrationInfo) -> Self {
        Self {
            id: info.id.to_string(),
            user: info.user.as_ref().map(ToString::to_string),
            online: state.hub.online(app, &info.id),
            tags: info.tags.iter().map(ToString::to_string).collect(),
            topics: info
                .subscriptions
                .iter()
                .map(|subscription| SubscriptionAnswer {
                    topic: subscription.topic.to_string(),
                    made_by: match subscription.made_by {
                        MadeBy::Device => "device",
                        MadeBy::Backend => "backend",
                    },
                })
                .collect(),
            created: time::known(info.created),
            last_seen: time::known(info.last_seen),
            agent: info.agent.clone(),
            ephemeral: info.ephemeral,
            web_push: info.web_push.is_some(),
        }
    }
}

fn no_registration() -> Problem {
    Problem::new(Code::NotFound, "no such registration")
}

/// The id in a path: one that cannot be an id is one that is not there.
fn id_of(text: &str) -> Result<RegistrationId, Problem> {
    RegistrationId::parse(text).map_err(|_| no_registration())
}

pub(super) async fn get(
    State(state): State<Arc<AppState>>,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<axum::Json<RegistrationAnswer>, Problem> {
    let tenant = request::tenant(&state, &app, &headers, Scope::Read)?;
    let found = state.router.registration(&tenant.app, &id_of(&id)?).await?;
    let info = found.ok_or_else(no_registration)?;
    Ok(axum::Json(RegistrationAnswer::new(&state, &tenant.app, &info)))
}

/// Changes the tags: `{"tags":{"add":[…],"remove":[…]}}`, or `{"tags":[…]}` for all of them.
pub(super) async fn patch(
    State(state): State<Arc<AppState>>,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
    mut body: Incoming,
) -> Result<axum::Json<RegistrationAnswer>, Problem> {
    let tenant = request::tenant(&state, &app, &headers, Scope::Admin)?;
    let id = id_of(&id)?;
    let bytes = request::small(&state, &headers, &mut body).await?;
    let change = TagChange::read(&bytes)?;
    let (add, remove) = match change {
        TagChange::Some { add, remove } => (add, remove),
        TagChange::All(tags) => {
            let found = state.router.registration(&tenant.app, &id).await?;
            let old = found.ok_or_else(no_registration)?.tags;
            let remove = old.into_iter().filter(|tag| !tags.contains(tag)).collect();
            (tags, remove)
        }
    };
    let info = state.router.patch_tags(&tenant.app, &id, add, remove).await?;
    Ok(axum::Json(RegistrationAnswer::new(&state, &tenant.app, &info)))
}

enum TagChange {
    Some { add: Vec<Tag>, remove: Vec<Tag> },
    All(Vec<Tag>),
}

impl TagChange {
    fn read(bytes: &[u8]) -> Result<Self, Problem> {
        let mut fields = Fields::of_body(bytes)?;
        let whole = fields.peek("tags").is_some_and(|raw| raw.get().starts_with('['));
        let change = if whole {
            Self::All(tags(&mut fields, "tags")?)
        } else if let Some(mut parts) = fields.object("tags")? {
            let change = Self::Some { add: tags(&mut parts, "add")?, remove: tags(&mut parts, "remove")? };
            parts.finish()?;
            change
        } else {
            fields.finish()?; // what is not known is named before what is missing
            return Err(Problem::field("tags", "expected {\"add\":[…],\"remove\":[…]} or a list"));
        };
        fields.finish()?;
        Ok(change)
    }
}

fn tags(fields: &mut Fields<'_>, name: &str) -> Result<Vec<Tag>, Problem> {
    let path = fields.path_of(name);
    let texts = fields.texts(name)?.unwrap_or_default();
    let mut tags = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        let tag = Tag::parse(text)
            .map_err(|invalid| Problem::field(format!("{path}[{i}]"), invalid.to_string()))?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

pub(super) async fn delete(
    State(state): State<Arc<AppState>>,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let tenant = request::tenant(&state, &app, &headers, Scope::Admin)?;
    state.router.delete_registration(&tenant.app, &id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The topic in a path, which may be written plainly or percent-encoded.
fn topic_of(text: &str) -> Result<Topic, Problem> {
    Topic::parse(text).map_err(|invalid| Problem::field("topic", invalid.to_string()))
}

pub(super) async fn put_topic(
    State(state): State<Arc<AppState>>,
    Path((app, id, topic)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let tenant = request::tenant(&state, &app, &headers, Scope::Admin)?;
    let (id, topic) = (id_of(&id)?, topic_of(&topic)?);
    state.router.put_topic(&tenant.app, &id, topic).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn delete_topic(
    State(state): State<Arc<AppState>>,
    Path((app, id, topic)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let tenant = request::tenant(&state, &app, &headers, Scope::Admin)?;
    let (id, topic) = (id_of(&id)?, topic_of(&topic)?);
    state.router.delete_topic(&tenant.app, &id, &topic).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A user's devices.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserAnswer {
    user: String,
    /// Whether one of the devices is connected to this gateway.
    online: bool,
    /// When one of them was last heard of, RFC 3339.
    last_seen: Option<String>,
    registrations: Vec<RegistrationAnswer>,
}

/// A user nobody has seen has no devices: there is no list of users that could lack one.
pub(super) async fn user(
    State(state): State<Arc<AppState>>,
    Path((app, user)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<axum::Json<UserAnswer>, Problem> {
    let tenant = request::tenant(&state, &app, &headers, Scope::Read)?;
    let user = UserId::parse(&user).map_err(|invalid| Problem::field("user", invalid.to_string()))?;
    let found = state.router.user(&tenant.app, &user).await?;
    let last_seen = found.iter().map(|info| info.last_seen).max();
    let registrations: Vec<_> =
        found.iter().map(|info| RegistrationAnswer::new(&state, &tenant.app, info)).collect();
    Ok(axum::Json(UserAnswer {
        user: user.to_string(),
        online: registrations.iter().any(|registration| registration.online),
        last_seen: last_seen.and_then(time::known),
        registrations,
    }))
}

#[derive(Debug, Deserialize)]
pub(super) struct PageQuery {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// One page of the registrations.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PageAnswer {
    registrations: Vec<RegistrationAnswer>,
    /// The `cursor` of the next page; `null` on the last one.
    next: Option<String>,
}

pub(super) async fn list(
    State(state): State<Arc<AppState>>,
    Path(app): Path<String>,
    query: Result<Query<PageQuery>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<axum::Json<PageAnswer>, Problem> {
    let tenant = request::tenant(&state, &app, &headers, Scope::Read)?;
    let Query(page) =
        query.map_err(|rejection| Problem::new(Code::Malformed, rejection.body_text()).at("limit"))?;
    let after = page
        .cursor
        .as_deref()
        .filter(|cursor| !cursor.is_empty())
        .map(|cursor| {
            RegistrationId::parse(cursor)
                .map_err(|_| Problem::new(Code::Malformed, "not a cursor of ours").at("cursor"))
        })
        .transpose()?;
    let most = page.limit.unwrap_or(PAGE).clamp(1, PAGE_LIMIT);
    let found = state.router.registrations(&tenant.app, after.as_ref(), most).await?;
    Ok(axum::Json(PageAnswer {
        next: (found.len() == most).then(|| found.last().map(|info| info.id.to_string())).flatten(),
        registrations: found.iter().map(|info| RegistrationAnswer::new(&state, &tenant.app, info)).collect(),
    }))
}
