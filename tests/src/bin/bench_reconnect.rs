//! A reconnect storm: every device is cut at once and comes back at once.
//! `bench_reconnect [DEVICES]`; 15,000 unless told otherwise.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use pulsegate_tests::{
    gateway::Gateway,
    load::{self, Member},
    process, wire,
};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() {
    let wanted = std::env::args().nth(1).map_or(15_000, |text| text.parse().expect("a number"));
    let count = load::crowd(wanted);
    let setup = load::setup();
    let gateway = Gateway::start(&setup).await;
    let crowd = load::gather(&gateway, &setup.signer, count, |number| format!("t/{}", number % 100)).await;
    let hellos: Vec<_> = crowd
        .into_iter()
        .map(|Member { raw, hello, welcome }| {
            let linger = socket2::SockRef::from(&raw.stream).set_linger(Some(Duration::ZERO));
            linger.expect("a socket can be reset");
            wire::hello_again(&hello, &welcome, Vec::new())
        })
        .collect();
    let (begun, used) = (Instant::now(), process::processor_time(gateway.pid()));
    let to = gateway.public();
    let mut storm = JoinSet::new();
    for (number, hello) in hellos.into_iter().enumerate() {
        storm.spawn(async move {
            let mut tries = 0_u32;
            loop {
                tries += 1;
                match load::join(to, load::source(number), hello.clone()).await {
                    Ok(member) => return (member, tries),
                    Err(error) => assert!(tries < 100, "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    let back = storm.join_all().await;
    let took = begun.elapsed();
    let used = process::processor_time(gateway.pid()) - used;
    let tries: u32 = back.iter().map(|(_, tries)| tries).sum();
    let recovered =
        back.iter().filter(|(member, _)| member.welcome.starts.iter().all(|start| start.recovered)).count();
    println!(
        "reconnect storm: {} devices cut at once, all resumed in {:.1} s ({recovered} with everything \
         recovered, {tries} attempts): {:.0} µs of the gateway's processor time a resume",
        back.len(),
        took.as_secs_f64(),
        used.as_secs_f64() * 1e6 / back.len() as f64,
    );
}
