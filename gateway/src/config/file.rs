//! The file as it is written: every key known, none required.

use super::limit::limit_table;
use super::span::parse_span;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use std::time::Duration;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub listen: Option<String>,
    pub admin_listen: Option<String>,
    pub admin_exposed: bool,
    pub data_dir: Option<String>,
    pub trusted_proxies: Vec<String>,
    pub public_url: Option<String>,
    pub tls: Option<Tls>,
    pub gateways: Gateways,
    pub store: Store,
    pub heartbeat: Heartbeat,
    pub limits: Limits,
    pub apps: Vec<App>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tls {
    pub cert: Option<String>,
    pub key: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Gateways {
    pub urls: Vec<Listed>,
    pub weight: Option<u32>,
    pub region: String,
    pub ttl: Option<Span>,
}

/// A gateway by its URL alone, or with what else clients are told of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a URL, or a table with url, weight and region")]
pub(super) enum Listed {
    Url(String),
    Table(ListedTable),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListedTable {
    pub url: String,
    pub weight: Option<u32>,
    #[serde(default)]
    pub region: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Store {
    pub engine: Option<String>,
    pub nats_url: Option<String>,
    pub nats_monitor_url: Option<String>,
    pub retention: Option<Span>,
    pub fsync: Option<String>,
    pub fsync_interval: Option<Span>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Heartbeat {
    pub policy: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct App {
    pub id: Option<String>,
    pub origins: Vec<String>,
    pub anonymous: bool,
    pub anonymous_topics: Vec<String>,
    pub keys: Vec<Key>,
    pub tokens: Vec<Token>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Key {
    pub id: Option<String>,
    pub blake3: Option<String>,
    pub scopes: Option<Vec<String>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Token {
    pub kid: Option<String>,
    pub alg: Option<String>,
    pub secret: Option<String>,
    pub public_key: Option<String>,
    pub jwks_url: Option<String>,
    pub iss: Option<String>,
    pub aud: Option<String>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("kid", &self.kid)
            .field("alg", &self.alg)
            .field("secret", &self.secret.as_ref().map(|_| "[redacted]"))
            .finish_non_exhaustive()
    }
}

/// A span of time: a text with units, or the number 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a span of time such as \"7d\", \"10m\" or \"500ms\", or 0 for none")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                parse_span(text).map(Span).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Span, E> {
                if number == 0 {
                    Ok(Span(Duration::ZERO))
                } else {
                    Err(E::invalid_value(de::Unexpected::Signed(number), &self))
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// How a limit of each type is written.
trait Written {
    type As: for<'de> Deserialize<'de> + Clone + std::fmt::Debug;
    fn read(written: Self::As) -> Self;
}

macro_rules! written_as_itself {
    ($($kind:ty)*) => {$(
        impl Written for $kind {
            type As = Self;
            fn read(written: Self) -> Self {
                written
            }
        }
    )*};
}
written_as_itself!(u32 u64);

impl Written for Duration {
    type As = Span;
    fn read(written: Span) -> Self {
        written.0
    }
}

macro_rules! limits_section {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $default:expr;)*) => {
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct Limits {
            $($name: Option<<$kind as Written>::As>,)*
        }

        impl Limits {
            /// The limits with what the file says put over the defaults.
            pub(super) fn over_defaults(self) -> super::limit::Limits {
                let mut limits = super::limit::Limits::default();
                $(if let Some(written) = self.$name {
                    limits.$name = <$kind as Written>::read(written);
                })*
                limits
            }

            /// Names of all limits.
            pub(super) const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];
        }
    };
}

limit_table!(limits_section);
