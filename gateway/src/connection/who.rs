//! Who a connection turned out to be.

use crate::auth::PublishGrants;
use pulsegate_proto::id::{Tag, UserId};
use pulsegate_routing::{Grants, SessionRef};
use std::sync::Arc;

/// A welcomed device, and what its token grants.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) session: SessionRef,
    pub(super) user: Option<UserId>,
    pub(super) tags: Arc<[Tag]>,
    pub(super) grants: Grants,
    pub(super) publish: PublishGrants,
}
