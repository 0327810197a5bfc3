//! Redirect: a second link is welcomed before the first is let go.

use super::{ClientSession, Effect, Why};
use crate::frame::{Endpoint, Redirect};
use core::time::Duration;

/// A move that failed is tried again after this; the old link still serves.
const AGAIN: Duration = Duration::from_secs(5);

impl ClientSession {
    pub(super) fn redirected(&mut self, redirect: Redirect) {
        self.url = self.choose(redirect.endpoints);
        self.timers.set(Why::Move, self.now.after_millis(u64::from(redirect.after_ms)));
    }

    /// One of them, by weight; `None`: the configured gateway.
    fn choose(&mut self, mut endpoints: Vec<Endpoint>) -> Option<String> {
        let weight = |endpoint: &Endpoint| u64::from(endpoint.weight.max(1));
        let mut pick = self.backoff.choose(endpoints.iter().map(weight).sum());
        while let Some(endpoint) = endpoints.pop() {
            let share = weight(&endpoint);
            if pick < share {
                return Some(endpoint.url).filter(|url| !url.is_empty());
            }
            pick -= share;
        }
        None
    }

    /// The time the gateway gave has come.
    pub(super) fn move_now(&mut self) {
        if let Some(next) = self.next.take() {
            // It was not welcomed in time.
            self.emit(Effect::CloseSocket { socket: next.socket });
            return self.move_failed();
        }
        if self.welcomed {
            if self.token().is_some() {
                let next = self.connect();
                self.next = Some(next);
                self.timers.set(Why::Move, self.now + AGAIN * 2);
            } else {
                self.timers.set(Why::Move, self.now + AGAIN);
            }
        }
    }

    pub(super) fn move_failed(&mut self) {
        self.url = None;
        self.timers.set(Why::Move, self.now + AGAIN);
    }

    /// The new link is welcomed: the old one goes.
    pub(super) fn moved(&mut self) {
        self.timers.clear(Why::Move);
        if let Some(next) = self.next.take() {
            self.forget_link();
            if let Some(old) = self.link.replace(next) {
                self.emit(Effect::CloseSocket { socket: old.socket });
            }
        }
    }
}
