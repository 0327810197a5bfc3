//! `pulsegate doctor`: looks for what would keep a gateway from working, and says so line by line.

use super::exit::{CONFIG, Exit, FAILED, Outcome};
use super::{Over, block_on, say};
use crate::clock;
use crate::config::{self, Config, SignerKey};
use crate::listener::Tls;
use clap::Args;
use pulsegate_proto::time::UnixMs;
use pulsegate_routing::store::EmbeddedSettings;
use pulsegate_routing::{OpenError, Store, SystemClock};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A clock before this is one that was never set: 2025-01-01, where the store's numbers begin too.
const CLOCK_BEGINS: UnixMs = UnixMs(1_735_689_600_000);
/// A clock wrong by more than this refuses good tokens (their leeway is 5 s).
const CLOCK_APART: Duration = Duration::from_secs(5);
/// An answer from elsewhere within this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    over: Over,
}

pub(super) fn run(args: &DoctorArgs) -> Outcome {
    let config = match config::load(&args.config, &args.over.variables()) {
        Ok(config) => config,
        Err(error) => {
            let mut findings = Findings::default();
            findings.bad("configuration", error.to_string());
            say(&findings.text)?;
            return Err(Exit::new(CONFIG, String::new()));
        }
    };
    let findings = block_on(async { Ok(examine(&config).await) })?;
    say(&findings.text)?;
    match findings.failed {
        0 => Ok(()),
        _ => Err(Exit::new(FAILED, String::new())),
    }
}

async fn examine(config: &Config) -> Findings {
    let mut findings = Findings::default();
    findings.good("configuration", format!("{} app(s)", config.apps.len()));
    for warning in &config.warnings {
        findings.look("configuration", warning.clone());
    }
    keys(config, &mut findings);
    certificate(config, &mut findings);
    let running = store(config, &mut findings).await;
    for (name, address) in [("listen", config.listen), ("admin_listen", config.admin_listen)] {
        port(name, address, running, &mut findings);
    }
    reach(config, &mut findings).await;
    findings.look("web push", "not in this version: a closed browser hears nothing");
    findings
}

/// What was found, one line each.
#[derive(Default)]
struct Findings {
    text: String,
    failed: u32,
}

impl Findings {
    fn good(&mut self, what: &str, line: impl Into<String>) {
        self.put("ok  ", what, &line.into());
    }

    fn look(&mut self, what: &str, line: impl Into<String>) {
        self.put("look", what, &line.into());
    }

    fn bad(&mut self, what: &str, line: impl Into<String>) {
        self.failed += 1;
        self.put("BAD ", what, &line.into());
    }

    fn put(&mut self, mark: &str, what: &str, line: &str) {
        self.text.push_str(&format!("{mark}  {what}: {line}\n"));
    }
}

fn keys(config: &Config, findings: &mut Findings) {
    for app in &config.apps {
        let what = format!("app {}", app.id);
        match app.keys.len() {
            0 => findings.bad(&what, "no [[apps.keys]]: no backend can publish"),
            n => findings.good(&what, format!("{n} server key(s)")),
        }
        if app.origins.is_empty() {
            findings.look(&what, "no origins: no browser can connect, only devices without one");
        }
    }
}

fn certificate(config: &Config, findings: &mut Findings) {
    if let Some(files) = &config.tls {
        match Tls::load(files) {
            Ok(_) => findings.good("tls", "certificate and key can be used"),
            Err(error) => findings.bad("tls", error.to_string()),
        }
    }
}

/// Opens the store as a gateway would. `true`: one is running on it.
async fn store(config: &Config, findings: &mut Findings) -> bool {
    let path = &config.data_dir;
    let what = format!("data_dir {}", path.display());
    if !path.exists() {
        let above = path.parent().filter(|above| !above.as_os_str().is_empty());
        match above {
            Some(above) if !above.is_dir() => {
                findings.bad(&what, "not there, and neither is the folder above it")
            }
            _ => findings.good(&what, "not there yet; the first start makes it"),
        }
        return false;
    }
    let settings = EmbeddedSettings { create: false, ..EmbeddedSettings::new(path) };
    match Store::embedded(settings, Arc::new(SystemClock)) {
        Ok(store) => {
            findings.good(&what, "opens, and takes writes");
            if let Err(error) = store.close().await {
                findings.bad(&what, format!("does not close: {error}"));
            }
        }
        Err(error @ OpenError::Locked { .. }) => {
            findings.look(&what, format!("{error}: a gateway is running on it"));
            return true;
        }
        Err(error) => findings.bad(&what, error.to_string()),
    }
    false
}

fn port(name: &str, address: SocketAddr, running: bool, findings: &mut Findings) {
    match std::net::TcpListener::bind(address) {
        Ok(_) => findings.good(name, format!("{address} can be bound")),
        Err(error) if running && error.kind() == std::io::ErrorKind::AddrInUse => {
            findings.good(name, format!("{address} is taken, by the running gateway it seems"));
        }
        Err(error) => findings.bad(name, format!("{address} cannot be bound: {error}")),
    }
}

/// The clock, and whatever the configuration makes us depend on elsewhere.
async fn reach(config: &Config, findings: &mut Findings) {
    let now = clock::now();
    if now < CLOCK_BEGINS {
        findings.bad("clock", "before 2025: it was never set, and no token will be good");
    } else {
        findings.good("clock", "set");
    }
    let client = match reqwest::Client::builder().timeout(PATIENCE).build() {
        Ok(client) => client,
        Err(error) => return findings.bad("network", error.to_string()),
    };
    let key_sets = config.apps.iter().flat_map(|app| &app.tokens).filter_map(|signer| match &signer.key {
        SignerKey::Jwks(url) => Some(url.clone()),
        _ => None,
    });
    let gateways = config.gateways.others.iter().map(|other| &other.url).chain(&config.public_url);
    for url in key_sets.chain(gateways.map(|url| dialled(url))) {
        match client.get(&url).send().await {
            Ok(answer) if answer.status().is_success() => {
                findings.good(&url, "answers");
                compare_clocks(&answer, findings);
            }
            Ok(answer) => findings.bad(&url, format!("answers {}", answer.status())),
            Err(error) => findings.bad(&url, format!("cannot be reached: {error}")),
        }
    }
}

/// A gateway's URL as something to ask.
fn dialled(url: &str) -> String {
    let http = match url.split_once("://") {
        Some(("ws", rest)) => format!("http://{rest}"),
        Some(("wss", rest)) => format!("https://{rest}"),
        _ => url.to_owned(),
    };
    format!("{http}/readyz")
}

/// Whoever answers says what time it is there, to the second.
fn compare_clocks(answer: &reqwest::Response, findings: &mut Findings) {
    let there = answer
        .headers()
        .get(reqwest::header::DATE)
        .and_then(|date| date.to_str().ok())
        .and_then(parse_http_date);
    if let Some(there) = there {
        let apart = Duration::from_millis(clock::now().0.abs_diff(there.0));
        if apart > CLOCK_APART + Duration::from_secs(1) {
            findings.bad("clock", format!("{} s apart from that one's", apart.as_secs()));
        }
    }
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
fn parse_http_date(text: &str) -> Option<UnixMs> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    crate::api::parse_time(&format!("{year}-{month:02}-{day}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_would_keep_a_gateway_from_working_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let file = |listen: &str| {
            let data = data.display();
            let text = format!("listen='{listen}'\ndata_dir='{data}'\n[[apps]]\nid='a'\nanonymous=true");
            config::parse(&text).unwrap()
        };
        let fresh = examine(&file("127.0.0.1:0")).await;
        assert!(fresh.text.contains("the first start makes it"), "{}", fresh.text);
        assert_eq!(fresh.failed, 1, "an app without a key is all: {}", fresh.text);
        let busy = examine(&file(&taken.local_addr().unwrap().to_string())).await;
        assert!(busy.text.contains("BAD   listen:"), "{}", busy.text);
        assert_eq!(busy.failed, 2);
        std::fs::write(&data, "a file").unwrap();
        let odd = examine(&file("127.0.0.1:0")).await;
        assert!(odd.text.contains("is not a directory"), "{}", odd.text);
    }

    #[tokio::test]
    async fn a_running_gateway_is_told_from_a_broken_store() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("listen='127.0.0.1:0'\ndata_dir='{}'", folder.path().display());
        let config = config::parse(&text).unwrap();
        let settings = EmbeddedSettings::new(folder.path());
        let held = Store::embedded(settings, Arc::new(SystemClock)).unwrap();
        let running = examine(&config).await;
        assert!(running.text.contains("a gateway is running on it"), "{}", running.text);
        assert_eq!(running.failed, 0, "{}", running.text);
        held.close().await.unwrap();
        drop(held);
        let stopped = examine(&config).await;
        assert!(stopped.text.contains("opens, and takes writes"), "{}", stopped.text);
    }

    #[test]
    fn the_time_elsewhere_is_read() {
        let read = parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(read, Some(UnixMs(784_111_777_000)));
        assert_eq!(parse_http_date("yesterday"), None);
    }

    #[test]
    fn a_gateways_socket_address_is_asked_over_http() {
        assert_eq!(dialled("wss://a.test"), "https://a.test/readyz");
        assert_eq!(dialled("http://a.test"), "http://a.test/readyz");
    }
}
