//! The token: asked for before it is needed, kept while it is good, never sent again once refused.

use super::{ClientSession, Effect, Fault, Reason, TokenNeed, Why};
use crate::frame::{Reply, say};
use crate::time::{Instant, UnixMs};
use core::time::Duration;

/// A token is not used, and is refreshed, this long before it expires.
const EARLY_MS: i64 = 60_000;
/// A refresh nobody could answer is asked for again after this.
const AGAIN: Duration = Duration::from_secs(10);
/// Refusals in a row before the app is told and the session stops: the one it may have kept too
/// long, and a fresh one.
const REFUSALS: u32 = 2;

/// What is known of the token.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// `Some("")`: the app said anonymous.
    held: Option<String>,
    good_until: Option<Instant>,
    asking: Option<TokenNeed>,
    need: Option<TokenNeed>,
    refused: Option<String>,
    refusals: u32,
    refresh: Option<(u32, String, UnixMs)>,
    refreshed: Option<Instant>,
}

impl Tokens {
    pub(super) fn link_lost(&mut self) {
        self.refresh = None;
        if self.asking == Some(TokenNeed::Refresh) {
            self.asking = Some(TokenNeed::Connect);
        }
    }
}

impl ClientSession {
    /// The token to connect with; `None`: it is being asked for.
    pub(super) fn token(&mut self) -> Option<String> {
        if !self.has_tokens {
            return Some(String::new());
        }
        if self.tokens.good_until.is_some_and(|at| at <= self.now) {
            self.tokens.held = None;
        }
        if self.tokens.held.is_none() {
            let need = self.tokens.need.unwrap_or(TokenNeed::Connect);
            self.ask_token(need);
        }
        self.tokens.held.clone()
    }

    fn ask_token(&mut self, need: TokenNeed) {
        if self.tokens.asking.is_none() {
            self.tokens.asking = Some(need);
            self.emit(Effect::NeedToken(need));
        }
    }

    pub(super) fn token_came(&mut self, token: Option<String>, expires: UnixMs) {
        let Some(need) = self.tokens.asking.take() else {
            return;
        };
        let token = token.unwrap_or_default();
        if self.tokens.refused.as_ref() == Some(&token) {
            return self.token_refused(String::new());
        }
        if need == TokenNeed::Refresh && self.welcomed {
            if token.is_empty() {
                return;
            }
            let request = self.wishes.request();
            self.tokens.refresh = Some((request, token.clone(), expires));
            return self.ask(request, say::refresh_token(&token));
        }
        self.tokens.need = None;
        self.tokens.held = Some(token);
        // A fresh one that is short-lived is used all the same: none would be better.
        self.tokens.good_until = self.good_until(expires).filter(|at| *at > self.now);
    }

    pub(super) fn token_unavailable(&mut self) {
        match self.tokens.asking.take() {
            Some(TokenNeed::Refresh) => self.timers.set(Why::Token, self.now + AGAIN),
            Some(_) => self.come_back(0, Reason::TokenUnavailable),
            None => {}
        }
    }

    pub(super) fn token_denied(&mut self) {
        if self.tokens.asking.take().is_some() {
            self.tokens.held = None;
            self.stop(Reason::TokenDenied);
        }
    }

    /// The gateway says the token has expired.
    pub(super) fn token_expired(&mut self) {
        self.tokens.held = None;
        self.tokens.need = Some(TokenNeed::Expired);
    }

    /// The gateway says the token proves nothing; false: the session stopped.
    pub(super) fn ask_another_token(&mut self, reason: String) -> bool {
        self.tokens.refusals += 1;
        self.tokens.refused = self.tokens.held.take();
        self.tokens.need = Some(TokenNeed::Refused);
        if !self.has_tokens || self.tokens.refusals >= REFUSALS {
            self.token_refused(reason);
            return false;
        }
        true
    }

    fn token_refused(&mut self, reason: String) {
        self.tokens.refused = None;
        self.tokens.refusals = 0;
        self.tokens.need = None;
        self.emit(Effect::Error(Fault::TokenRefused(reason)));
        self.stop(Reason::TokenRefused);
    }

    /// A link was welcomed with the token held.
    pub(super) fn token_welcomed(&mut self, expires: UnixMs) {
        self.tokens.refused = None;
        self.tokens.refusals = 0;
        self.token_times(expires);
    }

    fn token_times(&mut self, expires: UnixMs) {
        self.timers.clear(Why::Token);
        self.tokens.good_until = self.good_until(expires);
        // A token that is short-lived anyway is refreshed when the gateway says TokenExpiring.
        if let Some(at) = self.tokens.good_until
            && self.has_tokens
            && at.millis_since(self.now) > EARLY_MS.unsigned_abs()
        {
            self.timers.set(Why::Token, at);
        }
    }

    /// On the gateway's clock, as the last Welcome told it.
    fn good_until(&self, expires: UnixMs) -> Option<Instant> {
        let (at, server) = self.server_clock?;
        if expires == UnixMs::ZERO {
            return None;
        }
        let left = expires.0.saturating_sub(server.0).saturating_sub(EARLY_MS);
        Some(at.after_millis(u64::try_from(left).unwrap_or(0)))
    }

    /// It is about to expire.
    pub(super) fn refresh_token(&mut self) {
        if !self.has_tokens || !self.welcomed || self.tokens.refresh.is_some() {
            return;
        }
        // An app that hands out the same dying token must not be asked in a circle.
        let next = self.tokens.refreshed.map_or(Instant::ZERO, |at| at + AGAIN);
        if next > self.now {
            self.timers.set(Why::Token, next);
        } else {
            self.tokens.refreshed = Some(self.now);
            self.ask_token(TokenNeed::Refresh);
        }
    }

    /// A Reply to RefreshToken; false: it was none.
    pub(super) fn refresh_replied(&mut self, reply: &Reply) -> bool {
        match self.tokens.refresh.take() {
            Some((request, token, expires)) if request == reply.request_id => {
                if reply.error.is_temporary() {
                    self.timers.set(Why::Token, self.now + AGAIN);
                } else if reply.error == crate::frame::ErrorCode::Ok {
                    self.tokens.held = Some(token);
                    self.token_times(expires);
                } else {
                    // The link lives on the old one until 4498; then another is asked for.
                    self.tokens.refused = Some(token);
                    self.emit(Effect::Error(Fault::RefreshRefused(reply.error)));
                }
                true
            }
            other => {
                self.tokens.refresh = other;
                false
            }
        }
    }
}
