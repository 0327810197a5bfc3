//! Between the generated types and the valid ones, for the gateway's side.

use crate::frame::{DeviceTarget, Message, Notification, NotificationAction, NotifyBody, Stage, Urgency};
use crate::generated as wire;
use crate::id::{Cursor, LogName, MessageId, Position};
use crate::time::UnixMs;
use bytes::Bytes;

impl From<Cursor> for wire::Cursor {
    fn from(cursor: Cursor) -> Self {
        Self { log: log_text(&cursor.log), epoch: cursor.at.epoch, seq: cursor.at.seq }
    }
}

/// `None`: the log's name is none of ours.
pub(super) fn cursor(wire: &wire::Cursor) -> Option<Cursor> {
    Some(Cursor { log: LogName::parse(&wire.log).ok()?, at: Position { epoch: wire.epoch, seq: wire.seq } })
}

/// The log's name; `to_string` without the formatting machinery, which weighs in the browser.
pub(super) fn log_text(log: &LogName) -> String {
    let (kind, name) = super::log_parts(log);
    let mut text = String::with_capacity(kind.len() + name.len());
    text.push_str(kind);
    text.push_str(name);
    text
}

pub(super) fn id_bytes(id: MessageId) -> Bytes {
    Bytes::copy_from_slice(&id.0)
}

impl From<NotifyBody> for wire::NotifyBody {
    fn from(body: NotifyBody) -> Self {
        Self { app: body.app, body: body.body, ext: body.ext }
    }
}

impl From<wire::NotifyBody> for NotifyBody {
    fn from(body: wire::NotifyBody) -> Self {
        Self { app: body.app, body: body.body, ext: body.ext }
    }
}

impl From<Notification> for wire::Notification {
    fn from(n: Notification) -> Self {
        Self {
            title: n.title,
            body: n.body,
            icon: n.icon,
            image: n.image,
            badge: n.badge,
            url: n.url,
            tag: n.tag,
            lang: n.lang,
            actions: n
                .actions
                .into_iter()
                .map(|a| wire::NotificationAction {
                    action: a.action,
                    title: a.title,
                    icon: a.icon,
                    url: a.url,
                })
                .collect(),
            require_interaction: n.require_interaction,
            silent: n.silent,
            renotify: n.renotify,
            dir: n.dir,
        }
    }
}

impl From<wire::Notification> for Notification {
    fn from(n: wire::Notification) -> Self {
        Self {
            title: n.title,
            body: n.body,
            icon: n.icon,
            image: n.image,
            badge: n.badge,
            url: n.url,
            tag: n.tag,
            lang: n.lang,
            actions: n
                .actions
                .into_iter()
                .map(|a| NotificationAction { action: a.action, title: a.title, icon: a.icon, url: a.url })
                .collect(),
            require_interaction: n.require_interaction,
            silent: n.silent,
            renotify: n.renotify,
            dir: n.dir,
        }
    }
}

impl From<Urgency> for wire::Urgency {
    fn from(urgency: Urgency) -> Self {
        match urgency {
            Urgency::Normal => Self::Normal,
            Urgency::VeryLow => Self::VeryLow,
            Urgency::Low => Self::Low,
            Urgency::High => Self::High,
        }
    }
}

fn urgency(number: i32) -> Urgency {
    match wire::Urgency::try_from(number) {
        Ok(wire::Urgency::VeryLow) => Urgency::VeryLow,
        Ok(wire::Urgency::Low) => Urgency::Low,
        Ok(wire::Urgency::High) => Urgency::High,
        Ok(wire::Urgency::Normal) | Err(_) => Urgency::Normal,
    }
}

impl From<Message> for wire::Message {
    fn from(message: Message) -> Self {
        Self {
            id: id_bytes(message.id),
            body: Some(message.body.into()),
            notification: message.notification.map(Into::into),
            published_ms: message.published.0,
            expires_ms: message.expires.0,
            urgency: wire::Urgency::from(message.urgency) as i32,
            collapse_key: message.collapse_key,
        }
    }
}

/// `None`: its id is not 16 bytes.
pub(super) fn message(wire: wire::Message) -> Option<Message> {
    Some(Message {
        id: MessageId::from_slice(&wire.id)?,
        body: wire.body.map(Into::into).unwrap_or_default(),
        notification: wire.notification.map(Into::into),
        published: UnixMs(wire.published_ms),
        expires: UnixMs(wire.expires_ms),
        urgency: urgency(wire.urgency),
        collapse_key: wire.collapse_key,
    })
}

impl From<Stage> for wire::Stage {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Received => Self::Received,
            Stage::Displayed => Self::Displayed,
            Stage::Clicked => Self::Clicked,
            Stage::Dismissed => Self::Dismissed,
            Stage::Handled => Self::Handled,
        }
    }
}

impl From<DeviceTarget> for wire::publish::Target {
    fn from(target: DeviceTarget) -> Self {
        match target {
            DeviceTarget::Topic(topic) => Self::Topic(topic.as_str().to_owned()),
            DeviceTarget::User(user) => Self::User(user.as_str().to_owned()),
        }
    }
}
