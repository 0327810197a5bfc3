//! From a request's JSON to a draft that routing takes.

use super::{notification, target};
use crate::api::fault::Named;
use crate::api::fields::Fields;
use crate::api::problem::{Code, Problem};
use crate::api::time;
use pulsegate_proto::frame::{Message, NotifyBody, Urgency, encode_message};
use pulsegate_proto::id::{AppId, MessageId};
use pulsegate_proto::limits;
use pulsegate_proto::time::UnixMs;
use pulsegate_routing::{Draft, Exclude, Idempotency, KeyScope, Target};
use std::time::Duration;

/// What a draft is made against.
pub(super) struct Frame<'a> {
    pub app: &'a AppId,
    pub now: UnixMs,
    pub retention: Duration,
}

/// Reads one message. `key` is the header's idempotency key; a batch line has its own field.
pub(super) fn read(bytes: &[u8], frame: &Frame<'_>, key: KeySource<'_>) -> Result<Asked, Problem> {
    let mut fields = Fields::of_body(bytes)?;
    let key = match key {
        KeySource::Header(key) => key.map(str::to_owned),
        KeySource::Line => fields.text("idempotency_key")?,
    };
    let Some(target_fields) = fields.object("target")? else {
        return Err(Problem::field("target", "missing: whom the message is for"));
    };
    let one = target_fields.peek("registration").is_some();
    let (target, exclude) = target::read(target_fields)?;
    let named = match &target {
        Target::Registrations(_) if one => Named::One,
        Target::Registrations(ids) => Named::Many(ids.clone()),
        _ => Named::None,
    };
    let ttl = fields.seconds("ttl_s")?.map(|s| Duration::from_secs(u64::from(s)));
    let deliver_at = deliver_at(&mut fields, ttl, frame.now)?;
    let urgency = urgency(&mut fields)?;
    let collapse_key = collapse_key(&mut fields)?;
    let notification = fields.object("notification")?.map(notification::read).transpose()?;
    let body = NotifyBody {
        app: frame.app.to_string(),
        body: fields.text("body")?.unwrap_or_default(),
        ext: ext(&mut fields)?,
    };
    fields.finish()?;
    let mut message = Message {
        id: MessageId(uuid::Uuid::now_v7().into_bytes()),
        body,
        notification,
        published: UnixMs::ZERO,
        expires: UnixMs::ZERO,
        urgency,
        collapse_key: collapse_key.clone().unwrap_or_default(),
    };
    let idempotency = key
        .map(|key| {
            let asked = Request { message: &message, target: &target, exclude: &exclude, ttl, deliver_at };
            idempotency(&key, &asked)
        })
        .transpose()?;
    let mut draft = Draft {
        ttl,
        collapse_key,
        notification_tag: message
            .notification
            .as_ref()
            .map(|notification| notification.tag.clone())
            .unwrap_or_default(),
        exclude,
        idempotency,
        deliver_at,
        ..Draft::new(message.id, frame.now, target, bytes::Bytes::new())
    };
    message.published = frame.now;
    message.expires = draft.expires(frame.retention);
    draft.body = encode_message(message);
    if draft.body.len() > limits::MESSAGE_BYTES {
        return Err(Problem::new(
            Code::TooLarge,
            format!(
                "the encoded message has {} bytes; at most {} are delivered",
                draft.body.len(),
                limits::MESSAGE_BYTES
            ),
        ));
    }
    Ok(Asked { draft, named })
}

/// A message that was read.
#[derive(Debug)]
pub(super) struct Asked {
    pub draft: Draft,
    /// What its target named, should routing not know one of them.
    pub named: Named,
}

/// Where a message's idempotency key is written.
#[derive(Clone, Copy)]
pub(super) enum KeySource<'a> {
    /// In the request's header.
    Header(Option<&'a str>),
    /// In the line itself.
    Line,
}

fn deliver_at(
    fields: &mut Fields<'_>,
    ttl: Option<Duration>,
    now: UnixMs,
) -> Result<Option<UnixMs>, Problem> {
    let Some(text) = fields.text("deliver_at")? else {
        return Ok(None);
    };
    let Some(at) = time::parse(&text) else {
        return Err(Problem::field("deliver_at", "expected an RFC 3339 time such as 2026-12-01T08:00:00Z"));
    };
    if at > now.saturating_add(limits::DELIVER_AT) {
        return Err(Problem::field("deliver_at", "more than 90 days ahead"));
    }
    if ttl == Some(Duration::ZERO) {
        return Err(Problem::field("deliver_at", "ttl_s 0 means now or never"));
    }
    // A time that has passed means now.
    Ok((at > now).then_some(at))
}

fn urgency(fields: &mut Fields<'_>) -> Result<Urgency, Problem> {
    match fields.text("urgency")?.as_deref() {
        None | Some("normal") => Ok(Urgency::Normal),
        Some("very-low") => Ok(Urgency::VeryLow),
        Some("low") => Ok(Urgency::Low),
        Some("high") => Ok(Urgency::High),
        Some(_) => Err(Problem::field("urgency", "expected very-low, low, normal or high")),
    }
}

fn collapse_key(fields: &mut Fields<'_>) -> Result<Option<String>, Problem> {
    let Some(key) = fields.text("collapse_key")?.filter(|key| !key.is_empty()) else {
        return Ok(None);
    };
    if key.len() > limits::COLLAPSE_KEY_BYTES {
        return Err(Problem::field("collapse_key", format!("at most {} bytes", limits::COLLAPSE_KEY_BYTES)));
    }
    Ok(Some(key))
}

/// The publisher's own bytes of the JSON object.
fn ext(fields: &mut Fields<'_>) -> Result<String, Problem> {
    match fields.take("ext") {
        None => Ok(String::new()),
        Some(raw) if raw.get().starts_with('{') => Ok(raw.get().to_owned()),
        Some(_) => Err(Problem::field("ext", "expected a JSON object")),
    }
}

/// Everything a publisher asked for: two requests with one idempotency key must agree on it.
struct Request<'a> {
    message: &'a Message,
    target: &'a Target,
    exclude: &'a Exclude,
    ttl: Option<Duration>,
    deliver_at: Option<UnixMs>,
}

fn idempotency(key: &str, asked: &Request<'_>) -> Result<Idempotency, Problem> {
    let valid =
        (1..=limits::IDEMPOTENCY_KEY_BYTES).contains(&key.len()) && !key.chars().any(char::is_control);
    if !valid {
        return Err(Problem::field(
            "idempotency_key",
            format!("expected 1 to {} bytes without controls", limits::IDEMPOTENCY_KEY_BYTES),
        ));
    }
    Ok(Idempotency { scope: KeyScope::App, key: key.as_bytes().to_vec(), hash: asked.hash() })
}

impl Request<'_> {
    /// Over the valid types, so that whitespace and the order of fields do not make another body.
    /// Every part is preceded by its length or has a fixed one.
    fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        let nameless = Message { id: MessageId([0; 16]), ..self.message.clone() };
        part(&encode_message(nameless));
        part(&self.ttl.map_or(u64::MAX, |ttl| ttl.as_secs()).to_le_bytes());
        part(&self.deliver_at.map_or(0, |at| at.0).to_le_bytes());
        let mut list = |kind: &str, names: &mut dyn Iterator<Item = &str>| {
            part(kind.as_bytes());
            for name in names {
                part(name.as_bytes());
            }
        };
        match self.target {
            Target::Registrations(ids) => {
                list("registrations", &mut ids.iter().map(|id| id.as_str()));
            }
            Target::Users(users) => list("users", &mut users.iter().map(|user| user.as_str())),
            Target::Topic(topic) => list("topic", &mut std::iter::once(topic.as_str())),
            Target::Tags(tags) => list("tags", &mut std::iter::once(tags.as_str())),
            Target::Everyone => list("everyone", &mut std::iter::empty()),
        }
        let excluded = self.exclude;
        list("but", &mut excluded.registrations.iter().map(|id| id.as_str()));
        list("but users", &mut excluded.users.iter().map(|user| user.as_str()));
        *hasher.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests;
