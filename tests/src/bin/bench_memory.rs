//! Resident memory of the gateway a connection: idle, authenticated, subscribed.
//! `bench_memory [CONNECTIONS]`; 15,000 unless told otherwise: the descriptors of one process
//! end at 20,000 on small machines.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use pulsegate_tests::{gateway::Gateway, load, process};

#[tokio::main]
async fn main() {
    let wanted = std::env::args().nth(1).map_or(15_000, |text| text.parse().expect("a number"));
    let count = load::crowd(wanted);
    let setup = load::setup();
    let gateway = Gateway::start(&setup).await;
    // The first ones pay for what every process has once: pools, tables, code paged in.
    let warm = load::gather(&gateway, &setup.signer, 200, |_| "warm".into()).await;
    let before = process::resident(gateway.pid());
    let crowd = load::gather(&gateway, &setup.signer, count, |number| format!("t/{}", number % 100)).await;
    let fresh = process::resident(gateway.pid());
    println!(
        "memory: {} idle, authenticated, subscribed connections: {:.2} KiB each, their new registrations \
         in the store's tables included ({:.0} MiB before, {:.0} MiB after)",
        crowd.len(),
        load::kib(fresh - before) / crowd.len() as f64,
        load::kib(before) / 1024.0,
        load::kib(fresh) / 1024.0,
    );
    drop((warm, crowd));
}
