//! Shapes of the requests, for the OpenAPI description. `fields` reads them; a test holds the two
//! together.
#![allow(dead_code)] // described, never built: a request is read field by field to name its faults

use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A message to publish.
#[derive(ToSchema)]
pub(super) struct PublishRequest {
    target: TargetRequest,
    notification: Option<NotificationRequest>,
    /// Any text the app wants.
    body: Option<String>,
    /// A JSON object, handed on as it is written.
    ext: Option<BTreeMap<String, Value>>,
    /// Seconds it is worth delivering; 0: now or never, nothing is stored. Default and most: the
    /// store's retention.
    ttl_s: Option<u32>,
    /// `very-low`, `low`, `normal` or `high`.
    urgency: Option<String>,
    /// A newer message of the same log with the same key hides this one.
    collapse_key: Option<String>,
    /// RFC 3339, at most 90 days ahead; the time-to-live counts from it.
    deliver_at: Option<String>,
}

/// A line of a batch.
#[derive(ToSchema)]
pub(super) struct BatchLine {
    #[schema(inline)]
    #[schema(example = "order-4711")]
    /// As the header of a single publish.
    idempotency_key: Option<String>,
    target: TargetRequest,
    notification: Option<NotificationRequest>,
    /// Any text the app wants.
    body: Option<String>,
    /// A JSON object, handed on as it is written.
    ext: Option<BTreeMap<String, Value>>,
    /// See `PublishRequest`.
    ttl_s: Option<u32>,
    /// See `PublishRequest`.
    urgency: Option<String>,
    /// See `PublishRequest`.
    collapse_key: Option<String>,
    /// See `PublishRequest`.
    deliver_at: Option<String>,
}

/// Whom a message is for: exactly one kind, and who is left out.
#[derive(ToSchema)]
pub(super) struct TargetRequest {
    registration: Option<String>,
    /// At most 1,000.
    registrations: Option<Vec<String>>,
    user: Option<String>,
    /// At most 1,000.
    users: Option<Vec<String>>,
    topic: Option<String>,
    /// An expression over tags: `and`, `or`, `not`, parentheses.
    tags: Option<String>,
    /// Only `true`.
    everyone: Option<bool>,
    exclude: Option<ExcludeRequest>,
}

/// Who is left out.
#[derive(ToSchema)]
pub(super) struct ExcludeRequest {
    registrations: Option<Vec<String>>,
    users: Option<Vec<String>>,
}

/// What a person sees.
#[derive(ToSchema)]
pub(super) struct NotificationRequest {
    title: String,
    body: Option<String>,
    icon: Option<String>,
    image: Option<String>,
    badge: Option<String>,
    /// Where a click goes.
    url: Option<String>,
    /// A newer notification with the same tag takes its place on the screen.
    tag: Option<String>,
    lang: Option<String>,
    /// `auto`, `ltr` or `rtl`.
    dir: Option<String>,
    actions: Option<Vec<ActionRequest>>,
    require_interaction: Option<bool>,
    silent: Option<bool>,
    renotify: Option<bool>,
}

/// A button.
#[derive(ToSchema)]
pub(super) struct ActionRequest {
    action: String,
    title: String,
    icon: Option<String>,
    url: Option<String>,
}

/// A target to count.
#[derive(ToSchema)]
pub(super) struct CountRequest {
    target: TargetRequest,
}

/// A change of a registration's tags; a plain list in place of the object sets all of them.
#[derive(ToSchema)]
pub(super) struct PatchRequest {
    tags: TagChangeRequest,
}

/// Tags to set and to drop.
#[derive(ToSchema)]
pub(super) struct TagChangeRequest {
    add: Option<Vec<String>>,
    remove: Option<Vec<String>>,
}
