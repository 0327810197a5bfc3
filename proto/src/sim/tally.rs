//! What it cost, and what it was worth.

/// Bytes of a beat and its answer, with their TCP and IP headers and acknowledgements.
const BEAT_BYTES: f64 = 240.0;
/// Bytes of a reconnect: TCP, TLS, upgrade, Hello, Welcome.
const RECONNECT_BYTES: f64 = 5_500.0;

/// Sums over one or many clients.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) beats: f64,
    pub(super) reconnects: f64,
    pub(super) idle_deaths: f64,
    unreachable: f64,
    unreachable_visible: f64,
    /// Push delays, seconds.
    delays: Vec<f64>,
    /// Seconds in the first network.
    pub(super) at_home: f64,
    /// How many of them it took to know the first network.
    pub(super) reached: Option<f64>,
}

impl Tally {
    pub(super) fn unreachable(&mut self, seconds: f64, visible: bool) {
        self.unreachable += seconds;
        if visible {
            self.unreachable_visible += seconds;
        }
    }

    pub(super) fn delay(&mut self, seconds: f64) {
        self.delays.push(seconds);
    }
}

/// One row of the table: a policy in a stratum. Rates are a client and day.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Name of the policy.
    pub policy: String,
    /// Name of the stratum.
    pub stratum: String,
    /// Beats with their answers, and Probes.
    pub beats_per_day: f64,
    /// Kilobytes (1,000 bytes) of them and of reconnects.
    pub kb_per_day: f64,
    /// Paths that died in a silence although packets passed.
    pub idle_deaths_per_day: f64,
    /// Reconnects, for whatever reason.
    pub reconnects_per_day: f64,
    /// From publish, or from when the device had a network again, to the device; seconds.
    pub push_delay_mean_s: f64,
    /// 99 of 100 are faster.
    pub push_delay_p99_s: f64,
    /// 999 of 1,000 are faster.
    pub push_delay_p999_s: f64,
    /// Seconds in which packets passed and the link did not.
    pub unreachable_s_per_day: f64,
    /// Median over the clients that got there: hours in the first network until 90 % of what it bears,
    /// or of 580 s, was asked for.
    pub hours_to_90_median: f64,
    /// Share of clients that never got there.
    pub never_share: f64,
    /// Beats + 23 a reconnect + 0.1 a second unreachable + 1 a second unreachable while visible.
    pub cost_per_day: f64,
    /// The same, against the oracle in the same worlds.
    pub cost_vs_oracle: f64,
}

impl Row {
    #[allow(clippy::cast_precision_loss, reason = "counts of clients and pushes are small")]
    pub(super) fn new(policy: String, stratum: String, days: f64, clients: &[Tally]) -> Self {
        let per_day =
            |of: fn(&Tally) -> f64| clients.iter().map(of).sum::<f64>() / (days * clients.len() as f64);
        let mut delays: Vec<f64> = clients.iter().flat_map(|client| client.delays.iter().copied()).collect();
        delays.sort_by(f64::total_cmp);
        let mut reached: Vec<f64> = clients.iter().filter_map(|client| client.reached).collect();
        reached.sort_by(f64::total_cmp);
        let beats = per_day(|t| t.beats);
        let reconnects = per_day(|t| t.reconnects);
        let unreachable = per_day(|t| t.unreachable);
        Self {
            policy,
            stratum,
            beats_per_day: beats,
            kb_per_day: (beats * BEAT_BYTES + reconnects * RECONNECT_BYTES) / 1000.0,
            idle_deaths_per_day: per_day(|t| t.idle_deaths),
            reconnects_per_day: reconnects,
            push_delay_mean_s: delays.iter().sum::<f64>() / (delays.len().max(1) as f64),
            push_delay_p99_s: quantile(&delays, 0.99),
            push_delay_p999_s: quantile(&delays, 0.999),
            unreachable_s_per_day: unreachable,
            hours_to_90_median: quantile(&reached, 0.5) / 3_600.0,
            never_share: 1.0 - reached.len() as f64 / clients.len() as f64,
            cost_per_day: beats + 23.0 * reconnects + 0.1 * unreachable + per_day(|t| t.unreachable_visible),
            cost_vs_oracle: 1.0,
        }
    }
}

/// Nearest rank; 0 of nothing.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index"
)]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}
