//! What can go wrong, sorted by who has to act.

use core::time::Duration;
use pulsegate_proto::id::{MessageId, RegistrationId};
use std::path::PathBuf;
use thiserror::Error;

/// The store did not do it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StoreError {
    /// No room: nothing was accepted. Heals by itself when there is room again.
    #[error("the disk is full")]
    Full,
    /// A sync failed: nothing is accepted until the process is restarted.
    #[error("the store is read-only until restart: {0}")]
    ReadOnly(String),
    /// Not available right now (being reopened, shutting down, quorum lost): nothing was accepted.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The write may or may not have happened: ask again with the same key.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(String),
    /// What was read is not what was written.
    #[error("corrupt data in the store: {0}")]
    Corrupt(String),
    /// Another failure to read.
    #[error("cannot read the store: {0}")]
    Io(String),
}

/// The store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The data directory is missing and was not to be created, or cannot be created.
    #[error("data directory {path} does not exist and cannot be created: {reason}")]
    Missing {
        /// Which directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The path is not a directory.
    #[error("{path} is not a directory")]
    NotADirectory {
        /// Which path.
        path: PathBuf,
    },
    /// The data directory cannot be written.
    #[error("data directory {path} is not writable: {reason}")]
    ReadOnly {
        /// Which directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Another process holds the data directory.
    #[error("data directory {path} is locked by another process{holder}")]
    Locked {
        /// Which directory.
        path: PathBuf,
        /// ` (process 123)` where the lock file says so, else empty.
        holder: String,
    },
    /// No room to open it.
    #[error("no room left on the disk of data directory {path}")]
    Full {
        /// Which directory.
        path: PathBuf,
    },
    /// The data is damaged in a way that cannot be told to the devices one by one.
    #[error("the store in {path} is damaged: {reason}")]
    Corrupt {
        /// Which directory.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Written by a version this one does not know.
    #[error("the store in {path} has format {found}, this version reads format {known}")]
    Format {
        /// Which directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format this version reads.
        known: u32,
    },
    /// Another failure of the system.
    #[error("cannot open the store in {path}: {reason}")]
    Io {
        /// Which directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The store answered, but not as hoped.
    #[error("cannot start on the store: {0}")]
    Store(#[from] StoreError),
}

/// A message was not published. Unless it says `OutcomeUnknown`, nothing was accepted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PublishError {
    /// The target names a registration the app does not have.
    #[error("unknown registration {0}")]
    UnknownRegistration(RegistrationId),
    /// The idempotency key was used for something else.
    #[error("the idempotency key was used for another message")]
    KeyReused,
    /// The target is empty or too long.
    #[error("invalid target: {0}")]
    InvalidTarget(&'static str),
    /// `deliver_at` lies more than 90 days ahead, or goes with a time-to-live of 0.
    #[error("invalid deliver_at: {0}")]
    InvalidDeliverAt(&'static str),
    /// Too many entries of the app's `all` log a second.
    #[error("too many messages to everyone, retry in {retry_after:?}")]
    RateLimited {
        /// When the next one will be taken.
        retry_after: Duration,
    },
    /// The app's `all` log holds as many unexpired entries as it may.
    #[error("too many unexpired messages to everyone")]
    TooManyEveryone,
    /// The message id was used before.
    #[error("message id {0} exists")]
    DuplicateId(MessageId),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A message was not recalled.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RecallError {
    /// There is no such message (any more).
    #[error("no such message")]
    NotFound,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A Hello was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConnectRefused {
    /// The pair (generation, link) is not larger than the one that rules.
    #[error("generation {generation} rules")]
    Replaced {
        /// The ruling generation.
        generation: u64,
    },
    /// The registration exists and the secret is not its secret.
    #[error("wrong registration secret")]
    WrongSecret,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A change of a registration was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ChangeError {
    /// The session no longer holds the registration's row.
    #[error("a newer link holds the registration")]
    Conflict,
    /// There is no such registration (any more).
    #[error("no such registration")]
    NotFound,
    /// More topics or tags than a registration may have; nothing was taken.
    #[error("at most {most} {what} a registration")]
    TooLarge {
        /// "topics" or "tags".
        what: &'static str,
        /// How many are allowed.
        most: usize,
    },
    /// The registration belongs to another user.
    #[error("the registration belongs to another user")]
    NotPermitted,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Receipts were not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReceiptError {
    /// There is no such registration (any more).
    #[error("no such registration")]
    NotFound,
    /// The store did not take them.
    #[error(transparent)]
    Store(#[from] StoreError),
}
