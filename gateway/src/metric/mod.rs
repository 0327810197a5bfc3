//! Counters and gauges: the one home of their names.

mod name;
mod spread;

pub use name::Name;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::time::Duration;

/// What every name begins with when it is scraped, before an underscore.
pub const PREFIX: &str = "pulsegate";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Why {
    why: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Closed {
    code: u16,
    cause: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Death {
    cause: &'static str,
    unanswered: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    route: &'static str,
    status: u16,
}

/// The rungs of the heartbeat's ladder between the shortest and the longest silence a gateway keeps, seconds
/// (`HEARTBEAT.md`): a bucket holds who settled on that rung. Networks have no label: there are as many as there are
/// customers.
const SILENCES: [f64; 18] = [
    15.0, 20.0, 40.0, 50.0, 55.0, 70.0, 95.0, 115.0, 170.0, 230.0, 285.0, 340.0, 440.0, 580.0, 880.0, 1180.0,
    1770.0, 1800.0,
];

/// Counted with every delivery.
type Often = Counter<u64, spread::Spread>;

/// What this node counts. Every method is cheap enough for a connection's path.
pub struct Metrics {
    registry: Registry,
    handshakes_refused: Family<Why, Counter>,
    connections: Gauge,
    connections_closed: Family<Closed, Counter>,
    welcomed: Counter,
    frames_in: Often,
    frames_out: Often,
    bytes_out: Often,
    delivered: Often,
    beats: Counter,
    silence_seconds: Histogram,
    deaths: Family<Death, Counter>,
    death_silence_seconds: Histogram,
    moved: Counter,
    acks_ahead: Counter,
    rate_limited: Family<Why, Counter>,
    outbox_bytes: Gauge,
    outbox_overflows: Counter,
    live_dropped: Counter,
    requests: Family<Answer, Counter>,
    published: Counter,
    publish_seconds: Histogram,
    batch_lines: Counter,
    receipts: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Everything at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix(PREFIX),
            handshakes_refused: Family::default(),
            connections: Gauge::default(),
            connections_closed: Family::default(),
            welcomed: Counter::default(),
            frames_in: Often::default(),
            frames_out: Often::default(),
            bytes_out: Often::default(),
            delivered: Often::default(),
            beats: Counter::default(),
            silence_seconds: Histogram::new(SILENCES),
            deaths: Family::default(),
            death_silence_seconds: Histogram::new(SILENCES),
            moved: Counter::default(),
            acks_ahead: Counter::default(),
            rate_limited: Family::default(),
            outbox_bytes: Gauge::default(),
            outbox_overflows: Counter::default(),
            live_dropped: Counter::default(),
            requests: Family::default(),
            published: Counter::default(),
            // 0.5 ms (memory) to 8 s (a disk that is giving up).
            publish_seconds: Histogram::new(exponential_buckets(0.0005, 2.0, 15)),
            batch_lines: Counter::default(),
            receipts: Counter::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        macro_rules! put {
            ($($name:ident: $metric:ident,)*) => {$(
                let name = Name::$name;
                self.registry
                    .register(name.as_str(), name.help(), self.$metric.clone());
            )*};
        }
        put! {
            HandshakesRefused: handshakes_refused,
            Connections: connections,
            ConnectionsClosed: connections_closed,
            Welcomed: welcomed,
            FramesIn: frames_in,
            FramesOut: frames_out,
            BytesOut: bytes_out,
            Delivered: delivered,
            Beats: beats,
            SilenceSeconds: silence_seconds,
            Deaths: deaths,
            DeathSilenceSeconds: death_silence_seconds,
            Moved: moved,
            AcksAhead: acks_ahead,
            RateLimited: rate_limited,
            OutboxBytes: outbox_bytes,
            OutboxOverflows: outbox_overflows,
            LiveDropped: live_dropped,
            Requests: requests,
            Published: published,
            PublishSeconds: publish_seconds,
            BatchLines: batch_lines,
            Receipts: receipts,
        }
    }

    /// A connection was turned away before or at the upgrade.
    pub fn handshake_refused(&self, why: &'static str) {
        self.handshakes_refused.get_or_create(&Why { why }).inc();
    }

    /// A socket was opened.
    pub fn connection_opened(&self) {
        self.connections.inc();
    }

    /// A socket was closed with `code`, for `cause`.
    pub fn connection_closed(&self, code: u16, cause: &'static str) {
        self.connections.dec();
        self.connections_closed.get_or_create(&Closed { code, cause }).inc();
    }

    /// A device was welcomed.
    pub fn welcomed(&self) {
        self.welcomed.inc();
    }

    /// Frames came from devices.
    pub fn frames_in(&self, n: u64) {
        self.frames_in.inc_by(n);
    }

    /// Frames went to devices.
    pub fn frames_out(&self, n: u64) {
        self.frames_out.inc_by(n);
    }

    /// Bytes went to devices.
    pub fn bytes_out(&self, n: u64) {
        self.bytes_out.inc_by(n);
    }

    /// Entries went to devices, each in a frame of its own.
    pub fn delivered(&self, n: u64) {
        self.frames_out.inc_by(n);
        self.delivered.inc_by(n);
    }

    /// Beats went to devices.
    pub fn beats(&self, n: u64) {
        self.beats.inc_by(n);
    }

    /// A device asks for a silence of so many seconds.
    pub fn silence(&self, seconds: u64) {
        // At most half an hour.
        self.silence_seconds.observe(seconds as f64);
    }

    /// A welcomed link ended without a goodbye of either side, its device unheard for so long.
    pub fn death(&self, cause: &'static str, unanswered: bool, unheard: Duration) {
        let unanswered = if unanswered { "yes" } else { "no" };
        self.deaths.get_or_create(&Death { cause, unanswered }).inc();
        self.death_silence_seconds.observe(unheard.as_secs_f64());
    }

    /// A drain told a device to go.
    pub fn moved(&self) {
        self.moved.inc();
    }

    /// How many devices drains have told to go.
    #[must_use]
    pub fn moved_so_far(&self) -> u64 {
        self.moved.get()
    }

    /// A device acked what it was not sent.
    pub fn ack_ahead(&self) {
        self.acks_ahead.inc();
    }

    /// Somebody asked too often.
    pub fn rate_limited(&self, why: &'static str) {
        self.rate_limited.get_or_create(&Why { why }).inc();
    }

    /// Bytes waiting for sockets changed by `delta`.
    pub fn outbox(&self, delta: i64) {
        self.outbox_bytes.inc_by(delta);
    }

    /// A socket took nothing until its bound was reached.
    pub fn outbox_overflow(&self) {
        self.outbox_overflows.inc();
    }

    /// Messages with time-to-live 0 were dropped for sockets that had no room.
    pub fn live_dropped(&self, n: u64) {
        self.live_dropped.inc_by(n);
    }

    /// An HTTP request was answered.
    pub fn answered(&self, route: &'static str, status: u16) {
        self.requests.get_or_create(&Answer { route, status }).inc();
    }

    /// A message was accepted, after `took`.
    pub fn published(&self, took: Duration) {
        self.published.inc();
        self.publish_seconds.observe(took.as_secs_f64());
    }

    /// Lines of batches were read.
    pub fn batch_lines(&self, n: u64) {
        self.batch_lines.inc_by(n);
    }

    /// Receipts were counted, from sockets and over HTTP.
    pub fn receipts(&self, n: u64) {
        self.receipts.inc_by(n);
    }

    /// Everything in the OpenMetrics text format; `now` is what somebody else counts.
    #[must_use]
    pub fn encode(&self, now: &[(Name, u64)]) -> String {
        use prometheus_client::encoding::text;
        let mut moment = Registry::with_prefix(PREFIX);
        for (name, value) in now {
            if name.is_counter() {
                let counter = Counter::<u64>::default();
                counter.inc_by(*value);
                moment.register(name.as_str(), name.help(), counter);
            } else {
                let gauge = Gauge::<i64>::default();
                gauge.set(i64::try_from(*value).unwrap_or(i64::MAX));
                moment.register(name.as_str(), name.help(), gauge);
            }
        }
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = text::encode_registry(&mut out, &self.registry);
        let _ = text::encode_registry(&mut out, &moment);
        let _ = text::encode_eof(&mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_open_metrics_and_counts() {
        let metrics = Metrics::new();
        metrics.connection_opened();
        metrics.connection_opened();
        metrics.connection_closed(4503, "drain");
        metrics.published(Duration::from_millis(3));
        metrics.silence(55);
        metrics.death("eof", true, Duration::from_secs(60));
        let text = metrics.encode(&[(Name::Apps, 2)]);
        for line in [
            "pulsegate_connections 1",
            "pulsegate_connections_closed_total{code=\"4503\",cause=\"drain\"} 1",
            "pulsegate_published_total 1",
            "pulsegate_silence_seconds_bucket{le=\"40.0\"} 0",
            "pulsegate_silence_seconds_bucket{le=\"55.0\"} 1",
            "pulsegate_deaths_total{cause=\"eof\",unanswered=\"yes\"} 1",
            "pulsegate_death_silence_seconds_sum 60.0",
            "pulsegate_apps 2",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        assert_eq!(text.matches("# EOF").count(), 1);
    }

    #[test]
    fn names_are_unique_and_documented() {
        let mut names: Vec<_> = Name::ALL.iter().map(|name| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Name::ALL.len());
        assert!(Name::ALL.iter().all(|name| !name.help().is_empty()));
    }
}
