//! Every key of the file as an environment variable: `PULSEGATE_SECTION_KEY`.

use super::error::ConfigError;
use super::file::{File, Limits};
use super::load::friendly;
use toml::{Table, Value};

const PREFIX: &str = "PULSEGATE_";

/// How a variable's text becomes a value.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    /// `a,b` or a TOML array.
    List,
    /// A number where it is one, else a text: limits are counts or spans.
    Limit,
    /// TOML.
    Toml,
}

const KEYS: &[(&[&str], Kind)] = &[
    (&["listen"], Kind::Text),
    (&["admin_listen"], Kind::Text),
    (&["admin_exposed"], Kind::Toml),
    (&["data_dir"], Kind::Text),
    (&["trusted_proxies"], Kind::List),
    (&["public_url"], Kind::Text),
    (&["tls", "cert"], Kind::Text),
    (&["tls", "key"], Kind::Text),
    (&["gateways", "urls"], Kind::List),
    (&["gateways", "weight"], Kind::Limit),
    (&["gateways", "region"], Kind::Text),
    (&["gateways", "ttl"], Kind::Text),
    (&["store", "engine"], Kind::Text),
    (&["store", "nats_url"], Kind::Text),
    (&["store", "nats_monitor_url"], Kind::Text),
    (&["store", "retention"], Kind::Text),
    (&["store", "fsync"], Kind::Text),
    (&["store", "fsync_interval"], Kind::Text),
    (&["heartbeat", "policy"], Kind::Text),
    (&["apps"], Kind::Toml),
];

/// Sections whose variables can only be meant for this program, so that an unknown one is a fault.
const SECTIONS: &[&str] = &["TLS_", "GATEWAYS_", "STORE_", "HEARTBEAT_", "LIMITS_"];

/// `file` with what the variables say put over it.
pub(super) fn over(
    file: File,
    text: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<File, ConfigError> {
    let mut ours: Vec<(String, String)> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort();
    let mut file = file;
    let mut table: Option<Table> = None;
    for (name, written) in ours {
        let Some((path, kind)) = key_of(&name) else {
            let rest = &name[PREFIX.len()..];
            // Kubernetes adds such variables for a service that happens to be called like us.
            let injected = rest.contains("_SERVICE_") || rest.contains("_PORT");
            if !injected && SECTIONS.iter().any(|section| rest.starts_with(section)) {
                return Err(ConfigError::new(name, "no key of the configuration has this name"));
            }
            continue;
        };
        let value = value_of(&written, kind).map_err(|problem| ConfigError::new(&name, problem))?;
        let whole = match table.as_mut() {
            Some(table) => table,
            None => table.insert(
                toml::from_str(text).map_err(|error| ConfigError::new(&name, error.message().to_owned()))?,
            ),
        };
        put(whole, &path, value);
        file = whole
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| ConfigError::new(&name, friendly(error.message(), None)))?;
    }
    Ok(file)
}

fn key_of(name: &str) -> Option<(Vec<&str>, Kind)> {
    let rest = name.strip_prefix(PREFIX)?;
    let listed = KEYS
        .iter()
        .find(|(path, _)| path.join("_").eq_ignore_ascii_case(rest) && rest == rest.to_ascii_uppercase());
    if let Some((path, kind)) = listed {
        return Some((path.to_vec(), *kind));
    }
    let limit = rest.strip_prefix("LIMITS_")?.to_ascii_lowercase();
    Limits::NAMES.iter().find(|known| **known == limit).map(|known| (vec!["limits", *known], Kind::Limit))
}

fn value_of(written: &str, kind: Kind) -> Result<Value, String> {
    let as_toml = || {
        let mut held: Table =
            toml::from_str(&format!("value = {written}")).map_err(|error| error.message().to_owned())?;
        held.remove("value").ok_or_else(|| "not a TOML value".to_owned())
    };
    match kind {
        Kind::Text => Ok(Value::String(written.to_owned())),
        Kind::Limit => {
            Ok(written.parse().map(Value::Integer).unwrap_or_else(|_| Value::String(written.to_owned())))
        }
        Kind::List if written.trim_start().starts_with('[') => as_toml(),
        Kind::List => Ok(Value::Array(
            written
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(|part| Value::String(part.to_owned()))
                .collect(),
        )),
        Kind::Toml => as_toml(),
    }
}

fn put(table: &mut Table, path: &[&str], value: Value) {
    match path {
        [] => {}
        [last] => {
            table.insert((*last).to_owned(), value);
        }
        [section, rest @ ..] => {
            let inner = table.entry((*section).to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}
