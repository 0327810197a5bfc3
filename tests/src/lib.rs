//! The workbench of the end-to-end tests: the real gateway binary as a child process, devices and
//! publishers that talk to it, a network that misbehaves, and an oracle that counts.
//!
//! Nothing here knows the gateway's code: everything goes through the wire contract, the HTTP
//! contract and the command line.

#![allow(
    clippy::unwrap_used,
    reason = "a workbench that cannot do what a test asked for should fail right there"
)]

pub mod chaos;
pub mod contract;
pub mod device;
pub mod floor;
pub mod gateway;
pub mod keys;
pub mod ledger;
pub mod load;
#[cfg(target_os = "linux")]
pub mod nat;
pub mod oracle;
pub mod process;
pub mod proxy;
pub mod publisher;
pub mod random;
pub mod wire;

use std::time::Duration;

/// How long anything awaited may take before a test gives up. Generous: two cores are shared with
/// a whole test suite, and a test that passes never waits for it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for `what`, at most [`PATIENCE`].
///
/// # Panics
/// If it takes longer; `what` is named.
pub async fn patiently<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {PATIENCE:?} in vain for: {what}"),
    }
}

/// Asks `probe` again and again, 20 ms apart, until it answers `Some`; for states that announce
/// themselves by nothing but a query (a status page, a file).
///
/// # Panics
/// If it takes longer than [`PATIENCE`]; `what` is named.
pub async fn until<T, F, P>(what: &str, mut probe: P) -> T
where
    F: Future<Output = Option<T>>,
    P: FnMut() -> F,
{
    until_within(PATIENCE, what, async || probe().await).await
}

/// As [`until`], for what takes its time by nature.
///
/// # Panics
/// If it takes longer than that.
pub async fn until_within<T>(patience: Duration, what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(patience, asking).await {
        Ok(found) => found,
        Err(_) => panic!("waited {patience:?} in vain for: {what}"),
    }
}
