//! `pulsegate dev`: everything on this machine, with keys that live as long as the process.

use super::exit::{Exit, FAILED, Outcome};
use super::serve::{served, start};
use super::{Over, block_on, key};
use crate::auth::{random_bytes, random_id};
use crate::config::{self, DevConfig, Scope, Secret};
use crate::node::{Node, NodeOptions};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The app that `dev` has.
pub const DEMO_APP: &str = "demo";
/// What the demo page subscribes to at first, and the printed line publishes to.
const DEMO_TOPIC: &str = "news";

/// Options of `dev`.
#[derive(Debug, Args)]
pub(super) struct DevArgs {
    #[command(flatten)]
    over: Over,
}

pub(super) fn run(args: &DevArgs) -> Outcome {
    let made = key::make(DEMO_APP, "dev", &Scope::ALL);
    let data = Data::of(args)?;
    let mut over = args.over.variables();
    over.push(("PULSEGATE_DATA_DIR".to_owned(), data.path.display().to_string()));
    let token_secret = URL_SAFE_NO_PAD.encode(random_bytes::<32>());
    let mut config = config::from_text(&file(&made, &token_secret), "dev", &over)?;
    // What is said of `dev` is said here; nobody runs it where the warnings would matter.
    config.warnings.clear();
    config.dev = Some(DevConfig {
        publish_key: Secret::new(made.text.clone()),
        token_secret: Secret::new(token_secret),
    });
    block_on(async {
        let node = start(config, NodeOptions::default()).await?;
        let more = for_people(&node, &made.text);
        served(node, &more).await
    })
}

/// The file somebody would write for the demo.
fn file(key: &key::Made, token_secret: &str) -> String {
    format!(
        "[limits]\nregistrations_per_minute = 0\n\
         [[apps]]\nid = \"{DEMO_APP}\"\norigins = [\"*\"]\nanonymous = true\n\
         anonymous_topics = [\"#\"]\n{}\n\
         [[apps.tokens]]\nkid = \"dev\"\nalg = \"HS256\"\nsecret = \"{token_secret}\"\n",
        key.block
    )
}

/// What comes after the addresses: where to look, and a line that makes a notification appear.
fn for_people(node: &Node, key: &str) -> String {
    let scheme = match node.state().config.load().tls {
        Some(_) => "https",
        None => "http",
    };
    let url = format!("{scheme}://{}", dialled(node.public_addr()));
    let console = format!("http://{}/console", dialled(node.admin_addr()));
    let message = format!(
        r#"{{"target":{{"topic":"{DEMO_TOPIC}"}},"notification":{{"title":"Hello","body":"from a terminal"}}}}"#
    );
    format!(
        "demo page    {url}/demo/\n\
         console      {console}\n\
         publish key  {key}\n\
         curl -X POST {url}/v1/apps/{DEMO_APP}/messages -H 'Authorization: Bearer {key}' \
         -H 'Content-Type: application/json' -d '{message}'\n"
    )
}

/// Nobody can dial "any address"; whoever reads this sits on the same machine.
fn dialled(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The data directory: one that was named is kept, one of our own goes with us.
struct Data {
    path: PathBuf,
    ours: bool,
}

impl Data {
    fn of(args: &DevArgs) -> Result<Self, Exit> {
        let named = args.over.data_dir.clone().or_else(|| std::env::var("PULSEGATE_DATA_DIR").ok());
        if let Some(path) = named {
            let path = PathBuf::from(path);
            return Ok(Self { path, ours: false });
        }
        let path = std::env::temp_dir().join(format!("pulsegate-dev-{}", random_id()));
        make_private(&path)
            .map_err(|error| Exit::new(FAILED, format!("{} cannot be made: {error}", path.display())))?;
        Ok(Self { path, ours: true })
    }
}

/// Readable by this user only: other people may share the machine's folder for such things.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

impl Drop for Data {
    fn drop(&mut self) {
        if self.ours {
            // What cannot be removed is left to whoever cleans that folder.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that cannot parse its own text should fail there
    use super::*;

    #[test]
    fn the_file_of_the_demo_is_a_good_one() {
        let made = key::make(DEMO_APP, "dev", &Scope::ALL);
        let config = config::parse(&file(&made, &URL_SAFE_NO_PAD.encode([7; 32]))).unwrap();
        let app = config.app(DEMO_APP).unwrap();
        assert!(app.anonymous && app.origins == ["*"]);
        assert_eq!(app.tokens.len(), 1, "its people can sign in");
        assert!(Scope::ALL.iter().all(|scope| app.keys[0].scopes.holds(*scope)));
    }

    #[test]
    fn any_address_is_dialled_as_this_machine() {
        for (bound, shown) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.1.2.3:80", "10.1.2.3:80")]
        {
            assert_eq!(dialled(bound.parse().unwrap()).to_string(), shown);
        }
    }
}
