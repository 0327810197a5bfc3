//! Redirect: a second link is welcomed before the first is let go.

use super::race::Look;
use super::{ClientSession, Effect, Why};
use crate::choose;
use crate::frame::{Endpoint, Redirect};
use core::time::Duration;

/// A move that failed is tried again after this; the old link still serves.
const AGAIN: Duration = Duration::from_secs(5);

impl ClientSession {
    pub(super) fn redirected(&mut self, redirect: Redirect) {
        let number = |it: Endpoint| (self.known.number(it.url), it.weight);
        let list = redirect.endpoints.into_iter().map(number).collect();
        self.sent_to.clear();
        choose::by_weight(list, &mut self.backoff, &mut self.sent_to);
        self.timers.set(Why::Move, self.now.after_millis(u64::from(redirect.after_ms)));
    }

    /// The time the gateway gave has come.
    pub(super) fn move_now(&mut self) {
        if self.welcomed && self.token().is_some() {
            self.look(Look::Move);
        } else {
            self.move_again();
        }
    }

    /// Nobody there took us: whoever else is known.
    pub(super) fn move_again(&mut self) {
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
