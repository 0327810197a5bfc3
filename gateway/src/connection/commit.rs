//! What a welcomed device asks of the registry and the logs, one thing after another.

use super::convert;
use super::who::Who;
use crate::auth::{DeviceIdentity, DeviceRefused};
use crate::state::AppState;
use bytes::Bytes;
use pulsegate_proto::frame::{
    DeviceTarget, ErrorCode, Message, Publish, Receipt, Stage, Urgency, encode_message,
};
use pulsegate_proto::id::{LogName, MessageId, Tag, Topic};
use pulsegate_proto::limits;
use pulsegate_proto::session::server::{Op, Outcome, TokenTimes};
use pulsegate_routing::{
    ChangeError, Draft, Idempotency, KeyScope, PublishError, ReceiptIn, ReceiptStage, StartInfo, StoreError,
    Target, WebPush,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When a device may ask again after the store did not answer.
const STORE_TROUBLE: Duration = Duration::from_secs(2);

/// How a commit went, and what it changed in who the device is.
pub(super) struct Committed {
    pub(super) outcome: Outcome,
    /// Logs that are read from now on.
    pub(super) starts: Vec<StartInfo>,
    /// Who the device is now, if that changed.
    pub(super) who: Option<Box<Who>>,
}

impl From<Outcome> for Committed {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, starts: Vec::new(), who: None }
    }
}

/// Performs `op` for `who`.
pub(super) async fn commit(state: Arc<AppState>, who: Box<Who>, op: Op) -> Committed {
    match op {
        Op::Subscribe(topics) => subscribe(&state, &who, topics).await,
        Op::Unsubscribe(topics) => match state.router.unsubscribe(&who.session, topics).await {
            Ok(ended) => Outcome::Unsubscribed(ended.into_iter().filter_map(topic).collect()).into(),
            Err(error) => change(error).into(),
        },
        Op::SetTags { add, remove } => set_tags(&state, who, add, remove).await,
        Op::Refresh(token) => refresh(&state, who, &token).await,
        Op::Publish(publish) => publish_message(&state, &who, *publish).await.into(),
        Op::Receipts(receipts) => receive(&state, &who, receipts).await.into(),
        Op::WebPush(push) => {
            let push = (!push.endpoint.is_empty()).then(|| WebPush {
                endpoint: push.endpoint,
                p256dh: push.p256dh.to_vec(),
                auth: push.auth.to_vec(),
            });
            done(state.router.set_web_push(&who.session, push).await).into()
        }
        // Which tabs are visible decides nothing at the gateway yet: the silence the client wants says it all.
        Op::Activity(_) => Outcome::Done.into(),
        Op::Forget => match state.router.forget(&who.session).await {
            Ok(()) => Outcome::Forgotten.into(),
            Err(error) => change(error).into(),
        },
    }
}

async fn subscribe(state: &AppState, who: &Who, topics: Vec<Topic>) -> Committed {
    let (mut granted, denied): (Vec<_>, Vec<_>) =
        topics.into_iter().partition(|topic| who.grants.topic(topic));
    granted.sort_unstable();
    granted.dedup();
    if granted.is_empty() {
        return Outcome::Subscribed { started: Vec::new(), already: 0, denied }.into();
    }
    let asked = granted.len();
    match state.router.subscribe(&who.session, granted).await {
        Ok(starts) => Committed {
            outcome: Outcome::Subscribed {
                started: starts.iter().map(convert::started).collect(),
                already: u32::try_from(asked.saturating_sub(starts.len())).unwrap_or(u32::MAX),
                denied,
            },
            starts,
            who: None,
        },
        Err(error) => change(error).into(),
    }
}

async fn set_tags(state: &AppState, mut who: Box<Who>, add: Vec<Tag>, remove: Vec<Tag>) -> Committed {
    if let Some(tag) = add.iter().chain(&remove).find(|tag| !who.grants.tag(tag)) {
        return refused(ErrorCode::NotPermitted, format!("the token does not grant the tag {tag}")).into();
    }
    match state.router.set_tags(&who.session, add, remove).await {
        Ok(tags) => {
            who.view.tags = tags.into();
            Committed { outcome: Outcome::Done, starts: Vec::new(), who: Some(who) }
        }
        Err(error) => change(error).into(),
    }
}

async fn refresh(state: &AppState, mut who: Box<Who>, token: &str) -> Committed {
    let now = crate::clock::now();
    let DeviceIdentity { user, grants, publish, expires, issued } =
        match state.auth.device(&who.session.app, token, now).await {
            Ok(identity) => identity,
            Err(DeviceRefused::Unavailable(why)) => {
                return later(ErrorCode::Unavailable, why.to_owned(), STORE_TROUBLE).into();
            }
            Err(other) => return refused(ErrorCode::Unauthorized, other.reason().to_owned()).into(),
        };
    let mut starts = Vec::new();
    match (&who.view.user, &user) {
        (Some(mine), Some(theirs)) if mine == theirs => {}
        (None, None) => {}
        (None, Some(new)) => match state.router.adopt_user(&who.session, new.clone()).await {
            Ok(start) => {
                starts.extend(start);
                who.view.user = Some(new.clone());
            }
            Err(error) => return change(error).into(),
        },
        (Some(_), _) => {
            return refused(ErrorCode::NotPermitted, "the token is of another user".into()).into();
        }
    }
    let ended = match state.router.narrow(&who.session, &grants).await {
        Ok(ended) => ended.into_iter().map(|log| (log, ErrorCode::NotPermitted)).collect(),
        Err(error) => return change(error).into(),
    };
    who.grants = grants;
    who.publish = publish;
    let outcome = Outcome::Refreshed {
        token: TokenTimes { issued, expires, now },
        started: starts.iter().map(convert::started).collect(),
        ended,
    };
    Committed { outcome, starts, who: Some(who) }
}

async fn publish_message(state: &AppState, who: &Who, publish: Publish) -> Outcome {
    let target = match publish.target.clone() {
        DeviceTarget::Topic(topic) if who.publish.topic(&topic) => Target::Topic(topic),
        DeviceTarget::User(user) if who.publish.user(&user) => Target::Users(vec![user]),
        DeviceTarget::Topic(_) | DeviceTarget::User(_) => {
            return refused(ErrorCode::NotPermitted, "the token does not grant publishing there".into());
        }
    };
    if !publish.body.ext.is_empty()
        && serde_json::from_str::<serde::de::IgnoredAny>(&publish.body.ext).is_err()
    {
        return refused(ErrorCode::Invalid, "body.ext is not JSON".into());
    }
    let per_second = state.config.load().limits.publishes_per_second;
    if let Err(after) = state.pace.publish(&who.session.app, 1, per_second) {
        state.metrics.rate_limited("publishes");
        return later(ErrorCode::RateLimited, "too many messages of this app".into(), after);
    }
    let begun = Instant::now();
    let published = crate::clock::now();
    let id = MessageId(*uuid::Uuid::now_v7().as_bytes());
    let hash = fingerprint(&publish);
    let mut draft = Draft::new(id, published, target, Bytes::new());
    draft.ttl = publish.ttl_s.map(|seconds| Duration::from_secs(seconds.into()));
    draft.notification_tag = publish.notification.as_ref().map(|n| n.tag.clone()).unwrap_or_default();
    draft.idempotency = Some(Idempotency {
        scope: KeyScope::Registration(who.session.registration.clone()),
        key: publish.message_id.0.to_vec(),
        hash,
    });
    let mut body = publish.body;
    body.app = who.session.app.as_str().to_owned();
    draft.body = encode_message(Message {
        id,
        body,
        notification: publish.notification,
        published,
        expires: draft.expires(state.router.settings().retention),
        urgency: Urgency::Normal,
        collapse_key: String::new(),
    });
    if draft.body.len() > limits::MESSAGE_BYTES {
        return refused(
            ErrorCode::TooLarge,
            format!("an encoded message is at most {} bytes", limits::MESSAGE_BYTES),
        );
    }
    match state.router.publish(&who.session.app, draft).await {
        Ok(accepted) => {
            state.metrics.published(begun.elapsed());
            Outcome::Published(accepted.id)
        }
        Err(PublishError::KeyReused | PublishError::DuplicateId(_)) => {
            refused(ErrorCode::Conflict, "this message_id was used for another message".into())
        }
        Err(PublishError::RateLimited { retry_after }) => {
            later(ErrorCode::RateLimited, "too many messages to everyone".into(), retry_after)
        }
        Err(error @ (PublishError::UnknownRegistration(_) | PublishError::InvalidTarget(_))) => {
            refused(ErrorCode::Invalid, error.to_string())
        }
        Err(error @ PublishError::InvalidDeliverAt(_)) => refused(ErrorCode::Invalid, error.to_string()),
        Err(error @ PublishError::TooManyEveryone) => {
            later(ErrorCode::Unavailable, error.to_string(), STORE_TROUBLE)
        }
        Err(PublishError::Store(error)) => store(&error),
    }
}

/// What a device asked to be published, as one hash: the same key with another one is a conflict. Written out field
/// by field, each with its length, and not as encoded, since two releases may encode one message differently.
fn fingerprint(publish: &Publish) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    match &publish.target {
        DeviceTarget::Topic(topic) => field(format!("topic:{topic}").as_bytes()),
        DeviceTarget::User(user) => field(format!("user:{user}").as_bytes()),
    }
    field(publish.body.body.as_bytes());
    field(publish.body.ext.as_bytes());
    field(format!("{:?}", publish.notification).as_bytes());
    field(format!("{:?}", publish.ttl_s).as_bytes());
    hasher.finalize().into()
}

async fn receive(state: &AppState, who: &Who, receipts: Vec<Receipt>) -> Outcome {
    let receipts: Vec<_> = receipts.iter().filter_map(stage).collect();
    if receipts.is_empty() {
        return Outcome::Done;
    }
    match state.router.receipts(&who.session.app, &who.session.registration, receipts).await {
        Ok(counted) => {
            state.metrics.receipts(counted.into());
            Outcome::Done
        }
        Err(pulsegate_routing::ReceiptError::NotFound) => {
            refused(ErrorCode::NotFound, "no such registration".into())
        }
        Err(pulsegate_routing::ReceiptError::Store(error)) => store(&error),
    }
}

fn stage(receipt: &Receipt) -> Option<ReceiptIn> {
    let stage = match receipt.stage {
        // On a socket the ack says so, and an ack cannot be made up.
        Stage::Received => return None,
        Stage::Displayed => ReceiptStage::Displayed,
        Stage::Clicked => ReceiptStage::Clicked,
        Stage::Dismissed => ReceiptStage::Dismissed,
        Stage::Handled => ReceiptStage::Handled,
    };
    Some(ReceiptIn { message: receipt.message, stage })
}

fn topic(log: LogName) -> Option<Topic> {
    match log {
        LogName::Topic(topic) => Some(topic),
        LogName::Device | LogName::All | LogName::User(_) => None,
    }
}

fn done(result: Result<(), ChangeError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(error) => change(error),
    }
}

fn change(error: ChangeError) -> Outcome {
    let code = match &error {
        ChangeError::Conflict => ErrorCode::Conflict,
        ChangeError::NotFound => ErrorCode::NotFound,
        ChangeError::TooLarge { .. } => ErrorCode::TooLarge,
        ChangeError::NotPermitted => ErrorCode::NotPermitted,
        ChangeError::Store(error) => return store(error),
    };
    refused(code, error.to_string())
}

fn store(error: &StoreError) -> Outcome {
    tracing::warn!(%error, "a device's request was not committed");
    later(ErrorCode::Unavailable, "the store is not available".into(), STORE_TROUBLE)
}

fn refused(error: ErrorCode, detail: String) -> Outcome {
    Outcome::Refused { error, detail, retry_after_ms: 0 }
}

fn later(error: ErrorCode, detail: String, after: Duration) -> Outcome {
    Outcome::Refused { error, detail, retry_after_ms: u32::try_from(after.as_millis()).unwrap_or(u32::MAX) }
}
