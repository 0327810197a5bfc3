//! Durable publishes a second and a sync, at 1, 16 and 256 publishers, beside the floor: a file
//! that is appended to and synced, in the same run on the same disk.
//!
//! `cargo run --release -p pulsegate-routing --example publish_bench [DIR] [SECONDS]`

use bytes::Bytes;
use pulsegate_proto::id::{AppId, MessageId, Topic};
use pulsegate_proto::time::UnixMs;
use pulsegate_routing::store::Store;
use pulsegate_routing::{
    Clock, Draft, EmbeddedSettings, NobodyListens, Router, RouterSettings, SystemClock, Target,
};
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const BODY: usize = 200;
const INBOXES: u64 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let dir = dir.join(format!("pulsegate-publish-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let outcome = run(&dir, Duration::from_secs(seconds));
    std::fs::remove_dir_all(&dir)?;
    outcome
}

fn run(dir: &Path, each: Duration) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for publishers in [1, 16, 256] {
        // Before each: on a shared disk the floor moves.
        let floor = synced_file(&dir.join("floor"), each)?;
        writeln!(out, "bare synced file, {BODY} B a write: {floor:.0} syncs/s")?;
        let place = dir.join(format!("store-{publishers}"));
        let line = runtime.block_on(publish(&place, publishers, each))?;
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn synced_file(path: &Path, each: Duration) -> Result<f64, Box<dyn Error>> {
    let mut file = std::fs::File::create(path)?;
    file.set_len(64 * 1024 * 1024)?;
    file.sync_all()?;
    let (start, mut syncs) = (Instant::now(), 0u32);
    while start.elapsed() < each {
        file.write_all(&[7; BODY])?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(f64::from(syncs) / start.elapsed().as_secs_f64())
}

async fn publish(path: &Path, publishers: u64, each: Duration) -> Result<String, Box<dyn Error>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Store::embedded(EmbeddedSettings::new(path), clock.clone())?;
    let settings = RouterSettings { everyone_per_second: 0, ..RouterSettings::default() };
    let router = Router::open(store, settings, clock, Arc::new(NobodyListens)).await?;
    let ids = Arc::new(AtomicU64::new(1));
    let before = router.stats();
    let start = Instant::now();
    let mut tasks = Vec::new();
    for publisher in 0..publishers {
        let (router, ids) = (router.clone(), ids.clone());
        tasks.push(tokio::spawn(async move { publish_until(&router, publisher, &ids, start + each).await }));
    }
    for task in tasks {
        task.await?.map_err(std::io::Error::other)?;
    }
    let took = start.elapsed().as_secs_f64();
    let after = router.stats();
    let published = after.publishes - before.publishes;
    let syncs = after.syncs - before.syncs;
    router.shutdown().await?;
    Ok(format!(
        "{publishers:>3} publishers: {:.0} publishes/s, {:.0} syncs/s, {:.1} publishes/sync",
        published as f64 / took,
        syncs as f64 / took,
        published as f64 / syncs.max(1) as f64,
    ))
}

async fn publish_until(router: &Router, publisher: u64, ids: &AtomicU64, end: Instant) -> Result<(), String> {
    let app = AppId::parse("bench").map_err(|error| error.to_string())?;
    let mut inbox = publisher.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    while Instant::now() < end {
        inbox = inbox.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let topic = Topic::parse(&format!("inbox/{}", (inbox >> 33) % INBOXES));
        let topic = topic.map_err(|error| error.to_string())?;
        let mut id = [0u8; 16];
        id[..8].copy_from_slice(&ids.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let now: UnixMs = SystemClock.now();
        let body = Bytes::from(vec![7u8; BODY]);
        let draft = Draft::new(MessageId(id), now, Target::Topic(topic), body);
        router.publish(&app, draft).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}
