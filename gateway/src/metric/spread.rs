//! A number that every delivery of every thread adds to.

use prometheus_client::metrics::counter::Atomic;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// More threads than this share lanes, which costs them time and the count nothing.
const LANES: usize = 16;

/// Alone in its cache lines: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane(AtomicU64);

/// One lane a thread, added up when somebody asks: a single number would travel between the processors with every
/// delivery.
#[derive(Debug, Default)]
pub(super) struct Spread([Lane; LANES]);

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % LANES;
}

impl Atomic<u64> for Spread {
    fn inc(&self) -> u64 {
        self.inc_by(1)
    }

    /// Answers what this thread's lane held.
    fn inc_by(&self, v: u64) -> u64 {
        self.0[MINE.with(|mine| *mine)].0.fetch_add(v, Ordering::Relaxed)
    }

    fn get(&self) -> u64 {
        self.0.iter().map(|lane| lane.0.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a thread that panics is a broken test
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_all_threads_counted_is_added_up() {
        let spread: Arc<Spread> = Arc::default();
        let threads: Vec<_> = (0..LANES as u64 + 3)
            .map(|n| {
                let spread = Arc::clone(&spread);
                std::thread::spawn(move || spread.inc_by(n))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        spread.inc();
        assert_eq!(spread.get(), (0..LANES as u64 + 3).sum::<u64>() + 1);
    }
}
