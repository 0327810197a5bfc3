//! When what was committed is on the disk: before anybody is answered, or now and then.
//!
//! Now and then is what an operator chooses who would rather lose an interval at a power loss than wait for the
//! disk. A process that is killed loses nothing either way: the system has its writes. What must not happen is
//! that the loss goes unnoticed, so a mark in the data directory names the boot of the machine under which commits
//! waited; found under another boot, it changes the epoch, and every device is told of a gap.

use super::Shared;
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// The mark: there while commits may wait for their sync.
const MARK: &str = "unsynced";
/// Changes with every boot (Linux, `random(4)`).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// When what was committed is synced to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Before anybody is answered.
    Always,
    /// At this interval: what was accepted since may be lost with the machine's power.
    Every(Duration),
}

/// Syncs the tables at an interval, on a thread of its own, until it is dropped.
pub(super) struct Syncer {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    pub(super) fn start(shared: Arc<Shared>, every: Duration) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name(String::from("store-sync")).spawn(move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                match shared.tables.sync() {
                    Ok(synced) => drop(shared.stats.syncs.fetch_add(u64::from(synced), Ordering::Relaxed)),
                    Err(error) => {
                        shared.stats.failures.fetch_add(1, Ordering::Relaxed);
                        tracing::error!(?error, "a sync failed: the store is read-only until restart");
                        return;
                    }
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Where there is none, each start counts as another boot: a gap too many rather than one too few.
fn boot() -> String {
    std::fs::read_to_string(BOOT_ID).unwrap_or_default()
}

/// Whether commits waited for their sync under an earlier boot of the machine.
pub(super) fn machine_went_down(path: &Path) -> bool {
    match std::fs::read_to_string(path.join(MARK)) {
        Ok(boot_then) => boot_then.is_empty() || boot_then != boot(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// Writes the mark; it is on the disk before the first commit that is not.
pub(super) fn mark(path: &Path) -> io::Result<()> {
    let mut file = File::create(path.join(MARK))?;
    file.write_all(boot().as_bytes())?;
    file.sync_all()?;
    File::open(path)?.sync_all()
}

/// Takes the mark away, if there is one.
pub(super) fn unmark(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path.join(MARK)) {
        Ok(()) => File::open(path)?.sync_all(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
