//! The simulator holds the policies to what `docs/HEARTBEAT.md` says of them. Its bars are judged over
//! seeds that nobody tuned with; here they are held, with room for small worlds, so that a change of the
//! machine that makes it worse is seen.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, reason = "a test says where it stopped")]

use pulsegate_proto::sim::{DECISIONS, Path, Policy, Row, Setting, Stratum, decisions, rows, silences};

const SETTING: Setting = Setting { seed: 40_961, clients: 12, days: 14 };

fn row(rows: &[Row], policy: Policy) -> Row {
    rows.iter().find(|row| row.policy == policy.name()).unwrap().clone()
}

#[test]
fn the_ladder_stays_near_the_oracle_in_every_stratum() {
    for &stratum in Stratum::ALL {
        let table = rows(SETTING, stratum, &[Policy::Ladder]);
        let ladder = row(&table, Policy::Ladder);
        let bar = if stratum == Stratum::Mix { 1.15 } else { 1.36 };
        assert!(ladder.cost_vs_oracle <= bar, "{ladder:?}");
        assert!(ladder.idle_deaths_per_day <= 1.0, "{ladder:?}");
    }
}

#[test]
fn the_ladder_costs_a_fraction_of_what_is_usual() {
    let many = Setting { clients: 80, ..SETTING };
    let table = rows(many, Stratum::Mix, Policy::ALL);
    let [oracle, ladder, stepped, fixed] =
        [Policy::Oracle, Policy::Ladder, Policy::Stepped, Policy::Fixed(25)]
            .map(|policy| row(&table, policy));
    assert!(ladder.beats_per_day <= 1.25 * oracle.beats_per_day);
    assert!(ladder.kb_per_day <= 0.2 * fixed.kb_per_day);
    assert!(ladder.kb_per_day <= 0.15 * stepped.kb_per_day);
    assert!(
        ladder.push_delay_mean_s <= 0.8
            && ladder.push_delay_p99_s <= 5.0
            && ladder.push_delay_p999_s <= 280.0
    );
    assert!(ladder.hours_to_90_median <= 0.25 && ladder.never_share <= 0.15);
    assert!(stepped.idle_deaths_per_day > 100.0, "the client's own pings learn the wrong number");
}

#[test]
fn the_oracle_is_not_beaten_and_a_cheat_is_caught() {
    for &stratum in Stratum::ALL {
        let table =
            rows(SETTING, stratum, &[Policy::Ladder, Policy::Stepped, Policy::Never, Policy::Fixed(120)]);
        for row in &table {
            assert!(row.cost_vs_oracle >= 0.98, "{row:?}");
        }
        let cheat = row(&table, Policy::Never);
        assert!(cheat.beats_per_day < 50.0, "it saves the beats ...");
        assert!(cheat.cost_vs_oracle > 3.0, "... and pays for it: {cheat:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let small = Setting { clients: 10, days: 3, ..SETTING };
    let policies = [Policy::Ladder, Policy::Stepped];
    assert_eq!(rows(small, Stratum::Stress, &policies), rows(small, Stratum::Stress, &policies));
    let other = Setting { seed: 1, ..small };
    assert_ne!(rows(small, Stratum::Stress, &policies), rows(other, Stratum::Stress, &policies));
}

#[test]
fn on_a_named_path_the_ladder_ends_on_the_largest_rung_below_its_timeout() {
    let last = |path, policy| silences(path, policy, 14.0 * 24.0).last().map(|&(_, silence)| silence);
    assert_eq!(last(Path::Proxy60, Policy::Ladder), Some(55.0));
    assert_eq!(last(Path::Loose120, Policy::Ladder), Some(115.0));
    assert_eq!(last(Path::Strict300, Policy::Ladder), Some(285.0));
    assert_eq!(last(Path::Long, Policy::Ladder), Some(580.0));
    assert_eq!(last(Path::Rising, Policy::Ladder), Some(580.0));
}

#[test]
fn a_loose_nat_fools_who_pings_first_and_not_the_ladder() {
    let ends = |policy| silences(Path::Loose120, policy, 72.0).last().unwrap().1;
    assert!(ends(Policy::Stepped) > 800.0, "every ping was answered, and every push of hours was late");
    assert!(ends(Policy::Ladder) < 120.0);
}

#[test]
fn a_native_build_decides_to_the_bit_as_a_browser_does() {
    assert_eq!(decisions(100_000), DECISIONS, "client-wasm/tests/ladder.rs asks the same of wasm");
}
