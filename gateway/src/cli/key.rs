//! `pulsegate key new`: a server key. The secret is shown once; the file gets its hash.

use super::exit::{Exit, Outcome, USAGE};
use super::say;
use crate::auth::{hash_of_secret, random_bytes};
use crate::config::Scope;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use pulsegate_proto::id::AppId;

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Makes a key: prints it once, and the block to paste into the configuration.
    New {
        /// The app it is for.
        #[arg(long)]
        app: String,
        /// What it may do.
        #[arg(long, value_delimiter = ',', default_value = "publish,read,admin")]
        scope: Vec<String>,
        /// Its id in the file and in logs; default: a new one.
        #[arg(long)]
        id: Option<String>,
    },
}

pub(super) fn run(command: &KeyCommand) -> Outcome {
    let KeyCommand::New { app, scope, id } = command;
    let app = AppId::parse(app).map_err(|invalid| Exit::new(USAGE, format!("--app is {invalid}")))?;
    let scopes = scope
        .iter()
        .map(|name| {
            Scope::parse(name.trim())
                .ok_or_else(|| Exit::new(USAGE, format!("--scope '{name}': expected publish, read or admin")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let id = id.clone().unwrap_or_else(new_id);
    if AppId::parse(&id).is_err() {
        return Err(Exit::new(USAGE, "--id: expected 1 to 32 of a-z 0-9 -"));
    }
    let made = make(app.as_str(), &id, &scopes);
    say(&format!("{}\n\n{}", made.text, made.block))
}

/// Unlike the others of the app, most likely; a clash is refused when the file is read.
fn new_id() -> String {
    let [a, b, c] = random_bytes::<3>();
    format!("k{a:02x}{b:02x}{c:02x}")
}

/// A new key.
pub(super) struct Made {
    /// `pg_<app>_<keyid>_<secret>`.
    pub text: String,
    /// What the configuration keeps of it.
    pub block: String,
}

/// Makes a key of 256 random bits.
pub(super) fn make(app: &str, id: &str, scopes: &[Scope]) -> Made {
    let secret = URL_SAFE_NO_PAD.encode(random_bytes::<32>());
    let hash = blake3::Hash::from_bytes(hash_of_secret(&secret));
    let names: Vec<String> = scopes.iter().map(|scope| format!("\"{}\"", scope.as_str())).collect();
    Made {
        text: format!("pg_{app}_{id}_{secret}"),
        block: format!(
            "[[apps.keys]]\nid = \"{id}\"\nblake3 = \"{hash}\"\nscopes = [{}]\n",
            names.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that cannot parse its own text should fail there
    use super::*;
    use crate::auth::Authenticator;
    use crate::config::parse;

    #[test]
    fn a_new_key_opens_the_app_whose_file_holds_its_block() {
        let made = make("demo", "k1", &[Scope::Read]);
        let config = parse(&format!("[[apps]]\nid = \"demo\"\n{}", made.block)).unwrap();
        let auth = Authenticator::new(&config);
        let header = format!("Bearer {}", made.text);
        assert!(auth.server("demo", Some(&header), Scope::Read).is_ok());
        assert!(auth.server("demo", Some(&header), Scope::Publish).is_err());
    }
}
