//! `pulsegate publish`: one message.

use super::backend::Backend;
use super::exit::{Exit, Outcome, USAGE};
use super::{block_on, say};
use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};

/// Options of `publish`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("target").required(true)
    .args(["topic", "user", "registration", "tags", "everyone"])))]
pub(super) struct PublishArgs {
    #[command(flatten)]
    backend: Backend,
    /// To whoever subscribes to the topic.
    #[arg(long)]
    topic: Option<String>,
    /// To all devices of the user.
    #[arg(long)]
    user: Option<String>,
    /// To one device.
    #[arg(long)]
    registration: Option<String>,
    /// To devices whose tags satisfy the expression.
    #[arg(long)]
    tags: Option<String>,
    /// To every device of the app.
    #[arg(long)]
    everyone: bool,
    /// Title of the notification; without one, only the page gets the message.
    #[arg(long)]
    title: Option<String>,
    /// Text of the notification, or of the message where there is no title.
    #[arg(long, default_value = "")]
    body: String,
    /// Where a click goes.
    #[arg(long)]
    click: Option<String>,
    /// Seconds it is worth delivering.
    #[arg(long)]
    ttl: Option<u32>,
}

pub(super) fn run(args: &PublishArgs) -> Outcome {
    let message = message(args)?;
    let answer = block_on(args.backend.post("messages", &message))?;
    say(&format!("{answer}\n"))
}

fn message(args: &PublishArgs) -> Result<Value, Exit> {
    let target = match (&args.topic, &args.user, &args.registration, &args.tags) {
        (Some(topic), ..) => json!({ "topic": topic }),
        (_, Some(user), ..) => json!({ "user": user }),
        (_, _, Some(registration), _) => json!({ "registration": registration }),
        (_, _, _, Some(tags)) => json!({ "tags": tags }),
        _ => json!({ "everyone": true }),
    };
    let mut message = Map::from_iter([("target".to_owned(), target)]);
    match (&args.title, &args.click) {
        (Some(title), click) => {
            let mut notification = json!({ "title": title, "body": args.body });
            if let Some(url) = click {
                notification["url"] = url.clone().into();
            }
            message.insert("notification".to_owned(), notification);
        }
        (None, Some(_)) => return Err(Exit::new(USAGE, "--click needs a --title")),
        (None, None) => {
            message.insert("body".to_owned(), args.body.clone().into());
        }
    }
    if let Some(ttl) = args.ttl {
        message.insert("ttl_s".to_owned(), ttl.into());
    }
    Ok(message.into())
}
