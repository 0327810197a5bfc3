//! `pulsegate serve`: production.

use super::exit::{Exit, FAILED, Outcome};
use super::{ServeArgs, block_on, say};
use crate::config::{self, Config};
use crate::node::{Node, NodeOptions, Signals};

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
    let data_dir = config.data_dir.clone();
    let node = Node::start(config, options).await?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        listen = %node.public_addr(),
        admin_listen = %node.admin_addr(),
        data_dir = %data_dir.display(),
        "serving"
    );
    Ok(node)
}

/// Says where the node is, then `more`, and serves until a signal ends it.
pub(super) async fn served(node: Node, more: &str) -> Outcome {
    let signals =
        Signals::hear().map_err(|error| Exit::new(FAILED, format!("signals cannot be heard: {error}")))?;
    say(&addresses(&node))?;
    say(more)?;
    node.run_until_signal(signals).await;
    Ok(())
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
