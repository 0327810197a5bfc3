//! `pulsegate serve`: production.

use super::exit::{Exit, FAILED, Outcome};
use super::{ServeArgs, block_on, say};
use crate::config::{self, Config};
use crate::node::{Node, NodeOptions};
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

pub(super) fn run(args: &ServeArgs) -> Outcome {
    let (path, over) = (args.config.clone(), args.over.variables());
    let config = config::load(&path, &over)?;
    let reload = move || config::load(&path, &over);
    let options = NodeOptions { reload: Some(Box::new(reload)) };
    block_on(async {
        let node = start(config, options).await?;
        served(node, "").await
    })
}

/// Starts the node and tells the log what should be looked at.
pub(super) async fn start(config: Config, options: NodeOptions) -> Result<Node, Exit> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    if config.apps.is_empty() {
        tracing::warn!("no [[apps]] are configured: nobody can publish or connect");
    }
    Ok(Node::start(config, options).await?)
}

/// Says where the node is, then `more`, and serves until a signal ends it.
pub(super) async fn served(node: Node, more: &str) -> Outcome {
    let deaf = |error: std::io::Error| Exit::new(FAILED, format!("signals cannot be heard: {error}"));
    // Whoever reads the addresses may send a signal at once: it must not find its default action.
    let mut term = signal(SignalKind::terminate()).map_err(deaf)?;
    let mut int = signal(SignalKind::interrupt()).map_err(deaf)?;
    let _hup = signal(SignalKind::hangup()).map_err(deaf)?;
    let state = Arc::clone(node.state());
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        state.begin_drain();
    });
    say(&addresses(&node))?;
    say(more)?;
    node.run_until_signal().await.map_err(deaf)
}

/// The two lines that scripts wait for.
fn addresses(node: &Node) -> String {
    format!("listening {}\nadmin http://{}\n", public_url(node), node.admin_addr())
}

/// The public listener, as it was bound.
fn public_url(node: &Node) -> String {
    let scheme = match node.state().config.load().tls {
        Some(_) => "https",
        None => "http",
    };
    format!("{scheme}://{}", node.public_addr())
}
