//! What the routing core could not do, as a problem document.

use super::problem::{Code, Problem};
use pulsegate_proto::id::RegistrationId;
use pulsegate_routing::{ChangeError, PublishError, RecallError, ReceiptError, StoreError};
use std::time::Duration;

/// A leader is elected, a store reopened, within about this long.
const COME_BACK: Duration = Duration::from_secs(2);
/// A read-only store waits for a person.
const CALL_SOMEBODY: Duration = Duration::from_secs(60);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = match &error {
            StoreError::Corrupt(_) | StoreError::Io(_) => {
                // What the system said names files of this machine: for the log, not for the asker.
                tracing::error!(%error, "the store failed");
                return Self::new(Code::Internal, "the store could not be read; see the gateway's log");
            }
            StoreError::Full => "the disk is full; nothing was accepted".to_owned(),
            StoreError::ReadOnly(_) => {
                "a sync failed, so the store takes no writes until it is restarted".to_owned()
            }
            StoreError::Unavailable(_) => "the store is not available; nothing was accepted".to_owned(),
            StoreError::OutcomeUnknown(_) => {
                "retry with the same idempotency key to learn what became of it".to_owned()
            }
        };
        match error {
            StoreError::Full => Self::new(Code::Full, detail),
            StoreError::ReadOnly(_) => Self::new(Code::ReadOnly, detail).after(CALL_SOMEBODY),
            StoreError::OutcomeUnknown(_) => {
                Self::new(Code::OutcomeUnknown, detail).after(Duration::from_secs(1))
            }
            _ => Self::new(Code::Unavailable, detail).after(COME_BACK),
        }
    }
}

/// Why a draft was not published; `named` is what its target named, so that the one at fault can be
/// pointed at.
pub(super) fn of_publish(error: PublishError, named: &Named) -> Problem {
    match (&error, named) {
        (PublishError::UnknownRegistration(_), Named::One) => Problem::from(error).at("target.registration"),
        (PublishError::UnknownRegistration(unknown), Named::Many(ids)) => {
            let index = ids.iter().position(|id| id == unknown);
            let index = index.map(|index| format!("[{index}]")).unwrap_or_default();
            Problem::from(error).at(format!("target.registrations{index}"))
        }
        _ => error.into(),
    }
}

/// The registrations a target named, as it named them.
#[derive(Clone, Debug)]
pub(super) enum Named {
    /// None, or by another kind of target.
    None,
    /// `registration`.
    One,
    /// `registrations`.
    Many(Vec<RegistrationId>),
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::UnknownRegistration(_) => {
                Self::new(Code::UnknownRegistration, error.to_string()).at("target")
            }
            PublishError::KeyReused => Self::new(
                Code::KeyReused,
                "this idempotency key was used for another message in the last 24 hours",
            ),
            PublishError::InvalidTarget(why) => Self::field("target", why),
            PublishError::InvalidDeliverAt(why) => Self::field("deliver_at", why),
            PublishError::RateLimited { retry_after } => {
                Self::new(Code::RateLimited, "too many messages to everyone or to tags a second")
                    .after(retry_after)
            }
            PublishError::TooManyEveryone => Self::new(
                Code::Full,
                "the app has as many unexpired messages to everyone or to tags as it may",
            ),
            PublishError::DuplicateId(_) => {
                Self::new(Code::Unavailable, "try again; nothing was accepted").after(COME_BACK)
            }
            PublishError::Store(error) => error.into(),
        }
    }
}

impl From<RecallError> for Problem {
    fn from(error: RecallError) -> Self {
        match error {
            RecallError::NotFound => Self::new(Code::NotFound, "no such message, or it has ended"),
            RecallError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotFound => Self::new(Code::NotFound, "no such registration"),
            ChangeError::TooLarge { what, .. } => Self::new(Code::TooMany, error.to_string()).at(what),
            ChangeError::Conflict | ChangeError::NotPermitted => Self::new(Code::Conflict, error.to_string()),
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<ReceiptError> for Problem {
    fn from(error: ReceiptError) -> Self {
        match error {
            ReceiptError::NotFound => {
                Self::new(Code::Unauthorized, "send Authorization: Registration ID.SECRET")
            }
            ReceiptError::Store(error) => error.into(),
        }
    }
}
