//! The shared routing core of Pulsegate: who gets what.
//!
//! A message is **appended** to the logs of its target, then the readers parked on those logs are
//! **woken**; a session is a cursor that reads logs. There is no other way to a device: one that is
//! offline differs from one that is online only in that nobody is parked on its logs.
//!
//! Nothing here knows a transport. [`Router`] is the front: it resolves targets, plans, commits
//! through a [`Store`], and tells a [`Wake`] afterwards. Bodies are opaque bytes.

mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod draft;
mod entry;
mod error;
mod grants;
mod log;
mod predicate;
mod registration;
mod router;
pub mod store;
mod wake;

pub use clock::{Clock, ManualClock, SystemClock};
pub use draft::{Accepted, Draft, Exclude, Idempotency, KeyScope, Target};
pub use entry::{Entry, EntryKind, GapInfo, GapReason, ReadBatch, ReaderView};
pub use error::{
    ChangeError, ConnectRefused, OpenError, PublishError, RecallError, ReceiptError, StoreError,
};
pub use grants::Grants;
pub use log::{Log, LogKey};
pub use predicate::{Expression, InvalidExpression, Predicate};
pub use registration::{
    Connect, Connected, LastSeenRecord, LinkEnd, MadeBy, RegistrationInfo, SessionRef, StartInfo,
    Subscription, WebPush,
};
pub use router::{
    Audience, Funnel, MessageState, MessageStatus, Notes, ReceiptIn, ReceiptStage, Router, RouterSettings,
};
pub use store::{EmbeddedSettings, Fsync, Store, StoreStats};
pub use wake::{NobodyListens, Wake};
