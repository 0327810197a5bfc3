//! What a connection waits for besides its socket: admission, commits in order, one read of the store at a time.

use super::admit::Admitted;
use super::commit::Committed;
use pulsegate_proto::id::Seq;
use pulsegate_proto::session::server::{Op, Refusal, Slot};
use pulsegate_routing::{ReadBatch, StoreError};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future on the heap.
pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Commits a connection may have waiting. Its socket is not read while there are more: a slow store slows the
/// device down, and costs a bounded number of frames.
const COMMITS: usize = 16;

/// What came back.
pub(super) enum Answer {
    Admitted(Result<Admitted, Refusal>),
    Committed { request: u32, committed: Committed },
    Read { slot: Slot, after: Seq, result: Result<ReadBatch, StoreError> },
}

/// A commit in its turn.
pub(super) struct Waiting {
    pub(super) request: u32,
    pub(super) op: Op,
}

/// The jobs of one connection; nothing is held for those that are not under way.
#[derive(Default)]
pub(super) struct Jobs {
    /// Admission, or the commit under way.
    registry: Option<Boxed<Answer>>,
    read: Option<Boxed<Answer>>,
    commits: VecDeque<Waiting>,
}

impl Jobs {
    /// Whether the socket should be left alone until something is done.
    pub(super) fn is_full(&self) -> bool {
        self.commits.len() >= COMMITS
    }

    pub(super) fn start_registry(&mut self, job: impl Future<Output = Answer> + Send + 'static) {
        self.registry = Some(Box::pin(job));
    }

    pub(super) fn start_read(&mut self, job: impl Future<Output = Answer> + Send + 'static) {
        self.read = Some(Box::pin(job));
    }

    pub(super) fn queue(&mut self, waiting: Waiting) {
        self.commits.push_back(waiting);
    }

    /// The next commit, if its turn has come.
    pub(super) fn next(&mut self) -> Option<Waiting> {
        if self.registry.is_some() {
            return None;
        }
        let next = self.commits.pop_front();
        if self.commits.is_empty() {
            self.commits = VecDeque::new();
        }
        next
    }

    /// What is left of the registry's work when the connection is over: a device that says something and hangs up
    /// has said it. The read is dropped: nobody would get what it finds.
    pub(super) fn into_rest(self) -> (Option<Boxed<Answer>>, VecDeque<Waiting>) {
        (self.registry, self.commits)
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        for job in [&mut self.registry, &mut self.read] {
            if let Some(future) = job
                && let Poll::Ready(answer) = future.as_mut().poll(cx)
            {
                *job = None;
                return Poll::Ready(answer);
            }
        }
        Poll::Pending
    }
}
