//! What is published, and what a person sees of it.

use crate::id::MessageId;
use crate::time::UnixMs;

/// A message as every reader of its logs gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Made by the gateway.
    pub id: MessageId,
    /// What the app gets.
    pub body: NotifyBody,
    /// What a person sees; `None`: data for the app only.
    pub notification: Option<Notification>,
    /// When it was accepted.
    pub published: UnixMs,
    /// When it stops being worth delivering.
    pub expires: UnixMs,
    /// How much it may disturb.
    pub urgency: Urgency,
    /// A newer message of the same log with the same key hides this one; empty: none.
    pub collapse_key: String,
}

/// The app's part of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifyBody {
    /// The app id, written by the gateway.
    pub app: String,
    /// Any text.
    pub body: String,
    /// A JSON value as the publisher's bytes, or empty.
    pub ext: String,
}

/// What a person sees: the options of the browser's `showNotification`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are those of the Notifications API under their own names
pub struct Notification {
    pub title: String,
    pub body: String,
    pub icon: String,
    pub image: String,
    pub badge: String,
    /// Where a click goes.
    pub url: String,
    pub tag: String,
    pub lang: String,
    pub actions: Vec<NotificationAction>,
    pub require_interaction: bool,
    pub silent: bool,
    pub renotify: bool,
    pub dir: String,
}

/// A button of a notification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are those of the Notifications API under their own names
pub struct NotificationAction {
    pub action: String,
    pub title: String,
    pub icon: String,
    /// Where a click on this button goes; empty: where the notification's goes.
    pub url: String,
}

/// How much a message may disturb: RFC 8030, section 5.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Urgency {
    /// Also what an unknown number reads as.
    #[default]
    Normal,
    /// Advertisements: on power and Wi-Fi.
    VeryLow,
    /// Topic updates: on either power or Wi-Fi.
    Low,
    /// Calls and alarms: on low battery too.
    High,
}
