//! Durable publishes a second and a sync, over HTTP, at 1, 16 and 256 publishers.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use pulsegate_tests::{gateway::Gateway, load, process, publisher::Publisher};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SPELL: Duration = Duration::from_secs(5);
/// Counts the syncs of the store's one writer.
const SYNCS: &str = "pulsegate_store_syncs_total";

#[tokio::main]
async fn main() {
    let setup = load::setup();
    let gateway = Gateway::start(&setup).await;
    let backend = Publisher::new(&gateway, &setup.key);
    for publishers in [1, 16, 256] {
        spell(&gateway, &backend, publishers, Duration::from_secs(1)).await;
        let syncs = gateway.metrics().await.sum(SYNCS);
        let used = process::processor_time(gateway.pid());
        let begun = Instant::now();
        let accepted = spell(&gateway, &backend, publishers, SPELL).await;
        let took = begun.elapsed().as_secs_f64();
        let used = process::processor_time(gateway.pid()) - used;
        let syncs = gateway.metrics().await.sum(SYNCS) - syncs;
        println!(
            "publish: {publishers} publishers: {:.0} durable publishes a second, {:.1} a sync, \
             {:.0} µs of the gateway's processor time each",
            accepted as f64 / took,
            accepted as f64 / syncs,
            used.as_secs_f64() * 1e6 / accepted as f64,
        );
    }
}

/// Publishes for a while, each publisher one after the other; how many were accepted.
async fn spell(gateway: &Gateway, backend: &Publisher, publishers: u64, how_long: Duration) -> u64 {
    let until = Instant::now() + how_long;
    let mut crowd = JoinSet::new();
    for number in 0..publishers {
        let backend = backend.clone();
        crowd.spawn(async move {
            let mut accepted = 0_u64;
            while Instant::now() < until {
                let topic = format!("bench/{number}/{}", accepted % 10);
                let message = json!({"target": {"topic": topic}, "body": "x".repeat(200)});
                let answer = backend.post(&message).await;
                assert_eq!(answer.status, 202, "{answer:?}");
                accepted += 1;
            }
            accepted
        });
    }
    let accepted = crowd.join_all().await.into_iter().sum();
    assert!(gateway.ready().await.is_some());
    accepted
}
