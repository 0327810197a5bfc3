//! Who a connection turned out to be.

use crate::auth::PublishGrants;
use pulsegate_routing::{Grants, ReaderView, SessionRef};

/// A welcomed device, and what its token grants.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) session: SessionRef,
    /// Who reads, as predicates see it. Where it began is of the log that is being read.
    pub(super) view: ReaderView,
    pub(super) grants: Grants,
    pub(super) publish: PublishGrants,
}
