//! What a publisher hands in.

use crate::Expression;
use bytes::Bytes;
use core::time::Duration;
use pulsegate_proto::id::{MessageId, RegistrationId, Topic, UserId};
use pulsegate_proto::time::UnixMs;

/// Whom a message is for. Names one kind, so that a device meets the message in one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// These devices; at most `limits::TARGETS`. A repeated one counts once.
    Registrations(Vec<RegistrationId>),
    /// All devices of these users; at most `limits::TARGETS`. A repeated one counts once.
    Users(Vec<UserId>),
    /// Whoever subscribes to the topic.
    Topic(Topic),
    /// Devices whose tags satisfy the expression when they pass the entry.
    Tags(Expression),
    /// Every device of the app.
    Everyone,
}

/// Whom a message is not for although its target names them; each list at most `limits::TARGETS`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclude {
    /// These devices.
    pub registrations: Vec<RegistrationId>,
    /// The devices of these users.
    pub users: Vec<UserId>,
}

impl Exclude {
    /// Nobody is excluded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.registrations.is_empty() && self.users.is_empty()
    }
}

/// Whose idempotency keys these are: keys of different scopes never meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyScope {
    /// The app's backend.
    App,
    /// A device that publishes itself.
    Registration(RegistrationId),
}

/// The promise that publishing again is publishing once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Whose key.
    pub scope: KeyScope,
    /// The key, 1 to `limits::IDEMPOTENCY_KEY_BYTES` bytes.
    pub key: Vec<u8>,
    /// Hash of what was asked for; another one under the same key is refused.
    pub hash: [u8; 32],
}

/// A message as it is handed in to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its id, made by the gateway.
    pub id: MessageId,
    /// The encoded message, opaque here.
    pub body: Bytes,
    /// When it was handed in.
    pub published: UnixMs,
    /// How long it lives from `published`, or from `deliver_at`; capped by the retention, which
    /// also stands in for `None`. Zero: deliver now or never, nothing is stored. The body should
    /// name the same moment: see [`Draft::expires`].
    pub ttl: Option<Duration>,
    /// A newer message with this key hides this one from whoever has not had it.
    pub collapse_key: Option<String>,
    /// The tag under which its notification is shown, for recalls; empty if it has none.
    pub notification_tag: String,
    /// Whom it is for.
    pub target: Target,
    /// Whom it is not for.
    pub exclude: Exclude,
    /// Publishing again is publishing once.
    pub idempotency: Option<Idempotency>,
    /// Publish at this time instead of now.
    pub deliver_at: Option<UnixMs>,
}

impl Draft {
    /// A draft with nothing but the necessary.
    #[must_use]
    pub fn new(id: MessageId, published: UnixMs, target: Target, body: Bytes) -> Self {
        Self {
            id,
            body,
            published,
            ttl: None,
            collapse_key: None,
            notification_tag: String::new(),
            target,
            exclude: Exclude::default(),
            idempotency: None,
            deliver_at: None,
        }
    }

    /// When the message ends under `retention`: from `deliver_at` if it has one, else from
    /// `published`. The caller encodes the same time into the body.
    #[must_use]
    pub fn expires(&self, retention: Duration) -> UnixMs {
        let from = self.deliver_at.unwrap_or(self.published).max(self.published);
        from.saturating_add(self.ttl.unwrap_or(retention).min(retention))
    }

    /// Deliver now or never.
    #[must_use]
    pub fn is_live_only(&self) -> bool {
        self.ttl == Some(Duration::ZERO)
    }
}

/// A message was accepted: it is durable (or, with time-to-live 0, was handed over).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The id under which it runs: the first one's, if this was a repetition.
    pub id: MessageId,
    /// The same idempotency key was used before: nothing new was published.
    pub replayed: bool,
    /// Devices it is for; an estimate for tag expressions and excludes. 0 for a repetition and
    /// until `deliver_at`.
    pub targeted: u64,
}
