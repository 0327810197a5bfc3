//! From what is written to values that cannot be wrong.

use super::error::ConfigError;
use super::file::{self, File};
use super::{Config, Engine, GatewayEntry, Gateways, HeartbeatConfig, HeartbeatKind, StoreConfig, TlsFiles};
use ipnet::IpNet;
use pulsegate_routing::Fsync;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

/// A week: what the contract's example says.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
/// Beyond ten years a time-to-live is a typing error, and its seconds would not fit `ttl_s`.
const RETENTION_MAX: Duration = Duration::from_secs(3650 * 24 * 3600);

/// Clients ask for the list again after this: a node that is added is found before the next deploy.
const GATEWAYS_TTL: Duration = Duration::from_secs(300);
/// Sums of weights stay far within 32 bits.
const WEIGHT_MAX: u32 = 1000;
/// A region is a word for people, told to every client.
const REGION_BYTES: usize = 64;
/// What a power loss may take, unless told otherwise: a second, as the databases that offer it do
/// (Redis: `appendfsync everysec`).
const FSYNC_INTERVAL: Duration = Duration::from_secs(1);
/// More often, and a sync a group costs about the same.
const FSYNC_LEAST: Duration = Duration::from_millis(10);
/// Beyond a minute the system writes by itself (Linux, `dirty_expire_centisecs`: 30 s).
const FSYNC_MOST: Duration = Duration::from_secs(60);

pub(super) type Checked<T> = Result<T, ConfigError>;

/// A fault of the key `place`.
pub(super) fn wrong<T>(place: impl Into<String>, problem: impl Into<String>) -> Checked<T> {
    Err(ConfigError::new(place, problem))
}

pub(super) fn check(file: File) -> Checked<Config> {
    let mut warnings = Vec::new();
    let listen = address("listen", file.listen.as_deref().unwrap_or("127.0.0.1:8080"))?;
    // Whoever asks for any free port does not expect a fixed one to be taken.
    let beside = if listen.port() == 0 { "127.0.0.1:0" } else { "127.0.0.1:8081" };
    let admin_listen = address("admin_listen", file.admin_listen.as_deref().unwrap_or(beside))?;
    check_topology(listen, admin_listen, file.admin_exposed)?;
    let tls = file.tls.map(tls).transpose()?;
    let trusted_proxies = proxies(&file.trusted_proxies)?;
    if !listen.ip().is_loopback() && tls.is_none() && trusted_proxies.is_empty() {
        warnings.push(format!(
            "listen {listen} is plain text and reachable from outside: set [tls], or name the \
             proxy that ends TLS in trusted_proxies"
        ));
    }
    let public_url = match file.public_url.as_deref() {
        None | Some("") => None,
        Some(url) => Some(address_of_gateway("public_url", url)?),
    };
    let gateways = gateways(file.gateways)?;
    let limits = file.limits.over_defaults();
    check_limits(&limits)?;
    let apps = super::check_app::check_apps(file.apps, &mut warnings)?;
    Ok(Config {
        listen,
        admin_listen,
        data_dir: PathBuf::from(file.data_dir.unwrap_or_else(|| "data".to_owned())),
        trusted_proxies,
        public_url,
        tls,
        gateways,
        store: store(&file.store)?,
        heartbeat: HeartbeatConfig { policy: policy(file.heartbeat.policy.as_deref())? },
        limits,
        apps,
        dev: None,
        warnings,
    })
}

/// An address to bind: `IP:PORT`, or `NAME:PORT` if the name can be looked up.
fn address(place: &str, text: &str) -> Checked<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    text.to_socket_addrs().ok().and_then(|mut found| found.next()).map_or_else(
        || wrong(place, format!("'{text}' is no address; expected IP:PORT such as 127.0.0.1:8080")),
        Ok,
    )
}

/// Console, metrics and health on the public listener, or the console on an address strangers can
/// reach, must be asked for in so many words.
fn check_topology(listen: SocketAddr, admin: SocketAddr, exposed: bool) -> Checked<()> {
    let same_port = listen.port() == admin.port() && listen.port() != 0;
    let overlap = listen.ip() == admin.ip() || listen.ip().is_unspecified() || admin.ip().is_unspecified();
    if same_port && overlap {
        return wrong(
            "admin_listen",
            format!("{admin} is the public listener too; console and metrics need an address of their own"),
        );
    }
    if !admin.ip().is_loopback() && !exposed {
        return wrong(
            "admin_listen",
            format!(
                "{admin} is not a loopback address; the admin listener asks nobody who they are, so \
                 bind it to 127.0.0.1, or set admin_exposed = true if a firewall guards it"
            ),
        );
    }
    Ok(())
}

fn tls(written: file::Tls) -> Checked<TlsFiles> {
    let readable = |place: &str, path: Option<String>| match path {
        None => wrong(place, "missing; [tls] needs cert and key, two PEM files"),
        Some(path) => match std::fs::File::open(&path) {
            Ok(_) => Ok(PathBuf::from(path)),
            Err(error) => wrong(place, format!("'{path}' cannot be read: {error}")),
        },
    };
    Ok(TlsFiles { cert: readable("tls.cert", written.cert)?, key: readable("tls.key", written.key)? })
}

fn proxies(written: &[String]) -> Checked<Vec<IpNet>> {
    written
        .iter()
        .map(|text| {
            let network =
                text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
            match network {
                Ok(network) if network.prefix_len() == 0 => wrong(
                    "trusted_proxies",
                    format!("'{text}' is everybody: anyone could then claim any address"),
                ),
                Ok(network) => Ok(network),
                Err(_) => wrong(
                    "trusted_proxies",
                    format!("'{text}' is no network; expected a CIDR such as 10.0.0.0/8"),
                ),
            }
        })
        .collect()
}

fn gateways(written: file::Gateways) -> Checked<Gateways> {
    let weight = |place: &str, weight: Option<u32>| match weight.unwrap_or(1) {
        some @ 1..=WEIGHT_MAX => Ok(some),
        _ => wrong(place, format!("expected 1 to {WEIGHT_MAX}")),
    };
    let region = |place: &str, region: String| {
        if region.len() > REGION_BYTES || region.contains(char::is_control) {
            return wrong(place, format!("expected at most {REGION_BYTES} bytes without controls"));
        }
        Ok(region)
    };
    let mut others: Vec<GatewayEntry> = Vec::new();
    for listed in written.urls {
        let listed = match listed {
            file::Listed::Url(url) => file::ListedTable { url, weight: None, region: String::new() },
            file::Listed::Table(table) => table,
        };
        let url = address_of_gateway("gateways.urls", &listed.url)?;
        if others.iter().any(|other| other.url == url) {
            return wrong("gateways.urls", format!("'{url}' is listed twice"));
        }
        others.push(GatewayEntry {
            url,
            weight: weight("gateways.urls.weight", listed.weight)?,
            region: region("gateways.urls.region", listed.region)?,
        });
    }
    let ttl = written.ttl.map_or(GATEWAYS_TTL, |span| span.0);
    if ttl < Duration::from_secs(1) || ttl > Duration::from_secs(24 * 3600) {
        return wrong("gateways.ttl", "expected between 1s and 1d");
    }
    Ok(Gateways {
        others,
        weight: weight("gateways.weight", written.weight)?,
        region: region("gateways.region", written.region)?,
        ttl,
    })
}

/// The URL of a gateway: a scheme a client dials and a host, without a trailing slash.
fn address_of_gateway(place: &str, text: &str) -> Checked<String> {
    let valid = text
        .parse::<http::Uri>()
        .ok()
        .filter(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https" | "ws" | "wss"))
                && uri.host().is_some_and(|host| !host.is_empty())
                && uri.query().is_none()
        })
        .is_some();
    if valid {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        wrong(place, format!("'{text}' is no gateway; expected a URL such as https://push.example.com"))
    }
}

fn store(written: &file::Store) -> Checked<StoreConfig> {
    match written.engine.as_deref() {
        None | Some("embedded") => {}
        Some("nats") => {
            return wrong("store.engine", "'nats' is not in this version; use 'embedded' and one gateway");
        }
        Some(other) => {
            return wrong("store.engine", format!("'{other}' is no engine; expected embedded or nats"));
        }
    }
    for (place, url) in
        [("store.nats_url", &written.nats_url), ("store.nats_monitor_url", &written.nats_monitor_url)]
    {
        if url.as_ref().is_some_and(|url| url.parse::<http::Uri>().is_err()) {
            return wrong(place, "not a URL");
        }
    }
    let retention = written.retention.map_or(RETENTION, |span| span.0);
    if retention < Duration::from_secs(1) || retention > RETENTION_MAX {
        return wrong("store.retention", "expected between 1s and 3650d");
    }
    let fsync = fsync(written)?;
    Ok(StoreConfig { engine: Engine::Embedded, retention, fsync })
}

fn fsync(written: &file::Store) -> Checked<Fsync> {
    let place = "store.fsync_interval";
    let every = written.fsync_interval.map(|span| span.0);
    match (written.fsync.as_deref(), every) {
        (None | Some("always"), None) => Ok(Fsync::Always),
        (None | Some("always"), Some(_)) => wrong(place, "means something only with fsync = \"interval\""),
        (Some("interval"), every) => {
            let every = every.unwrap_or(FSYNC_INTERVAL);
            if every < FSYNC_LEAST || every > FSYNC_MOST {
                return wrong(place, "expected between 10ms and 1m");
            }
            Ok(Fsync::Every(every))
        }
        (Some(other), _) => {
            wrong("store.fsync", format!("'{other}' is no way to sync; expected always or interval"))
        }
    }
}

fn policy(written: Option<&str>) -> Checked<HeartbeatKind> {
    match written {
        None | Some("ladder") => Ok(HeartbeatKind::Ladder),
        Some("stepped") => Ok(HeartbeatKind::Stepped),
        Some("fixed") => Ok(HeartbeatKind::Fixed),
        Some(other) => {
            wrong("heartbeat.policy", format!("'{other}' is no policy; expected ladder, stepped or fixed"))
        }
    }
}

/// A limit may be lifted with 0, but one that would refuse everything is a mistake.
fn check_limits(limits: &super::Limits) -> Checked<()> {
    let at_least = |name: &str, set: u64, least: u64| {
        if set != 0 && set < least {
            wrong(format!("limits.{name}"), format!("expected 0 (none) or at least {least}"))
        } else {
            Ok(())
        }
    };
    at_least("outbox_bytes", limits.outbox_bytes, 64 * 1024)?;
    at_least("request_head_bytes", limits.request_head_bytes, 8 * 1024)?;
    at_least("request_headers", u64::from(limits.request_headers), 16)?;
    at_least("request_body_bytes", limits.request_body_bytes, 1024)?;
    at_least("batch_bytes", limits.batch_bytes, 1024)
}
