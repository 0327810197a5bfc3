//! Kills the gateway over and over under load: `chaos_kill [KILLS] [SEED]`; 1,000 kills unless
//! told otherwise. Prints its counts; fails if anything accepted was lost, doubled or disordered.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use pulsegate_tests::chaos::kill::{Plan, run};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u32>());
    let mut next = |default| match arguments.next() {
        Some(number) => number.unwrap_or_else(|_| panic!("usage: chaos_kill [KILLS] [SEED]")),
        None => default,
    };
    let plan = Plan { kills: next(1000), seed: u64::from(next(1)), ..Plan::default() };
    let report = run(plan).await;
    println!("{report}");
    report.verdict.assert_clean();
}
