//! `notification`: what a person sees.

use crate::api::fields::Fields;
use crate::api::problem::Problem;
use pulsegate_proto::frame::{Notification, NotificationAction};

/// More buttons than any platform shows (Chromium: 2); beyond it is a mistake.
const ACTIONS: usize = 8;

pub(super) fn read(mut fields: Fields<'_>) -> Result<Notification, Problem> {
    let mut text = |name: &str| fields.text(name).map(Option::unwrap_or_default);
    let mut notification = Notification {
        title: text("title")?,
        body: text("body")?,
        icon: text("icon")?,
        image: text("image")?,
        badge: text("badge")?,
        url: text("url")?,
        tag: text("tag")?,
        lang: text("lang")?,
        dir: text("dir")?,
        ..Notification::default()
    };
    let mut flag = |name: &str| fields.boolean(name).map(Option::unwrap_or_default);
    notification.require_interaction = flag("require_interaction")?;
    notification.silent = flag("silent")?;
    notification.renotify = flag("renotify")?;
    if notification.title.is_empty() {
        return Err(Problem::field(fields.path_of("title"), "a notification needs a title"));
    }
    if !matches!(notification.dir.as_str(), "" | "auto" | "ltr" | "rtl") {
        return Err(Problem::field(fields.path_of("dir"), "expected auto, ltr or rtl"));
    }
    for (name, url) in [
        ("url", &notification.url),
        ("icon", &notification.icon),
        ("image", &notification.image),
        ("badge", &notification.badge),
    ] {
        check_url(&fields.path_of(name), url)?;
    }
    notification.actions = actions(&mut fields)?;
    fields.finish()?;
    Ok(notification)
}

fn actions(fields: &mut Fields<'_>) -> Result<Vec<NotificationAction>, Problem> {
    let path = fields.path_of("actions");
    let Some(list) = fields.list("actions")? else {
        return Ok(Vec::new());
    };
    if list.len() > ACTIONS {
        return Err(Problem::field(path, format!("at most {ACTIONS} of them")));
    }
    list.into_iter()
        .enumerate()
        .map(|(i, raw)| {
            let mut fields = Fields::of(raw, format!("{path}[{i}]"))?;
            let mut text = |name: &str| fields.text(name).map(Option::unwrap_or_default);
            let action = NotificationAction {
                action: text("action")?,
                title: text("title")?,
                icon: text("icon")?,
                url: text("url")?,
            };
            if action.action.is_empty() || action.title.is_empty() {
                return Err(Problem::field(
                    fields.path_of(if action.action.is_empty() { "action" } else { "title" }),
                    "an action needs an action and a title",
                ));
            }
            check_url(&fields.path_of("url"), &action.url)?;
            check_url(&fields.path_of("icon"), &action.icon)?;
            fields.finish()?;
            Ok(action)
        })
        .collect()
}

/// A URL that a browser would run instead of open has no business in a notification.
fn check_url(path: &str, url: &str) -> Result<(), Problem> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.trim().to_ascii_lowercase()).filter(|scheme| {
        scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    });
    let runs = matches!(scheme.as_deref(), Some("javascript" | "vbscript"));
    if runs || url.chars().any(char::is_control) {
        return Err(Problem::field(path, "not a URL to open"));
    }
    Ok(())
}
