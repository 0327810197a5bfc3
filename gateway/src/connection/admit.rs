//! Hello: is this device who it says, and may it come in now?
//!
//! ```text
//! token -> origin belongs to the app -> rate of new registrations -> registry row (compare-and-set) -> Welcome
//! ```

use super::convert;
use super::who::Who;
use crate::auth::DeviceRefused;
use crate::hub::Waiter;
use crate::listener::{Rate, Verdict};
use crate::state::AppState;
use pulsegate_proto::frame::{CloseCode, Hello, LastSeen};
use pulsegate_proto::id::{RegistrationId, SessionId};
use pulsegate_proto::session::server::{Admission, Refusal, TokenTimes};
use pulsegate_routing::{Connect, ConnectRefused, Connected, LinkEnd, ReaderView, SessionRef, StartInfo};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the store's trouble costs a device: long enough that a full disk is not hammered, short enough that nobody
/// notices once it is over.
const STORE_TROUBLE: Duration = Duration::from_secs(5);
/// When a device may ask again while the app's key set cannot be fetched.
const KEYS_TROUBLE: Duration = Duration::from_secs(10);

/// A device that came in.
pub(super) struct Admitted {
    pub(super) who: Who,
    pub(super) admission: Box<Admission>,
    pub(super) starts: Vec<StartInfo>,
}

/// Decides about `hello`, which came from `address` and a page of `origin`.
pub(super) async fn admit(
    state: Arc<AppState>,
    waiter: Arc<Waiter>,
    address: IpAddr,
    origin: Option<String>,
    hello: Box<Hello>,
) -> Result<Admitted, Refusal> {
    if state.is_draining() {
        return Err(refusal(CloseCode::Draining, "this gateway is going away", Duration::from_secs(1)));
    }
    let now = crate::clock::now();
    let identity = state.auth.device(&hello.app, &hello.token, now).await.map_err(unauthenticated)?;
    if !state.auth.allowed_for_app(&hello.app, origin.as_deref()) {
        return Err(refusal(CloseCode::Forbidden, "this origin does not belong to the app", Duration::ZERO));
    }
    // The configuration's own copy: all connections of an app share one.
    let app = state.auth.app(hello.app.as_str()).map_or_else(|| hello.app.clone(), |app| app.id.clone());
    let claimed = hello.registration.as_ref().map(|(id, _)| id.clone());
    let registration_rate = pace(&state, &app, claimed.as_ref(), address).await?;

    let session = SessionId::parse(&crate::auth::random_id())
        .map_err(|_| refusal(CloseCode::Internal, "no session id", STORE_TROUBLE))?;
    // Joined under the id it claims before the row is taken: what is told to the device from that moment on must
    // find it. A claim that turns out false is taken back; until then nothing it hears is acted upon.
    let joined = claimed.map(|registration| Joined {
        state: &state,
        session: SessionRef { app: app.clone(), registration, session: session.clone() },
        keep: false,
    });
    if let Some(joined) = &joined {
        state.hub.join(&joined.session, &waiter);
    }
    let ask = Connect {
        user: identity.user.clone(),
        grants: identity.grants.clone(),
        registration: hello.registration.map(|(id, secret)| (id, secret.to_vec())),
        generation: hello.generation,
        link: hello.link,
        cursors: hello.cursors,
        ephemeral: hello.ephemeral,
        agent: hello.agent,
        session: session.clone(),
        boot: state.boot_id.clone(),
    };
    let connected = state.router.connect(&app, ask).await.map_err(refused)?;

    let session = SessionRef { app, registration: connected.registration.clone(), session };
    match joined {
        Some(mut joined) if joined.session == session => joined.keep = true,
        _ => state.hub.join(&session, &waiter),
    }
    if connected.secret.is_some()
        && let Some(rate) = registration_rate
    {
        let _ = state.hub.gate.registrations.take(address, rate, Instant::now());
    }
    let last_seen = last_seen(&state, &connected);
    let admission = Admission {
        registration: connected.registration.clone(),
        secret: connected.secret,
        session: session.session.clone(),
        boot_id: state.boot_id.clone(),
        network_key: state.hub.networks.name(&session.app, &session.registration, address),
        server_time: now,
        token: TokenTimes { issued: identity.issued, expires: identity.expires, now },
        started: connected.starts.iter().map(convert::started).collect(),
        topics: connected.topics,
        tags: connected.tags.clone(),
        user: connected.user.clone(),
        last_seen,
    };
    let view = ReaderView {
        registration: session.registration.clone(),
        user: connected.user,
        tags: connected.tags.into(),
        began: 0,
        had: 0,
    };
    let who = Who { session, view, grants: identity.grants, publish: identity.publish };
    Ok(Admitted { who, admission: Box::new(admission), starts: connected.starts })
}

/// A link that is known to the hub, taken back unless it is kept: also when the future is dropped half-way.
struct Joined<'a> {
    state: &'a AppState,
    session: SessionRef,
    keep: bool,
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        if !self.keep {
            self.state.hub.part(&self.session);
        }
    }
}

/// New registrations are paced by address. One that names a registration is a new one too if that is unknown: it is
/// looked up only where the address has used its share up, so that a reconnect costs no extra read. Answers the
/// rate a new registration is still to be counted by.
async fn pace(
    state: &AppState,
    app: &pulsegate_proto::id::AppId,
    claimed: Option<&RegistrationId>,
    address: IpAddr,
) -> Result<Option<Rate>, Refusal> {
    let rate = Rate::per_minute(state.config.load().limits.registrations_per_minute);
    let gate = &state.hub.gate.registrations;
    let verdict = match claimed {
        None => gate.take(address, rate, Instant::now()),
        Some(_) => gate.peek(address, rate, Instant::now()),
    };
    let after = match (verdict, claimed) {
        (Verdict::Pass, None) => return Ok(None),
        (Verdict::Pass, Some(_)) => return Ok(Some(rate)),
        (Verdict::Refuse(after) | Verdict::Drop(after), None) => after,
        (Verdict::Refuse(after) | Verdict::Drop(after), Some(id)) => {
            match state.router.registration(app, id).await {
                Ok(None) => after,
                // Unknown for now: the router says what is wrong with the store.
                Ok(Some(_)) | Err(_) => return Ok(None),
            }
        }
    };
    state.metrics.rate_limited("registrations");
    Err(refusal(CloseCode::TooManyRequests, "too many new registrations from this address", after))
}

/// What is known of the previous link: the registry's record, or, where that link is still open on this node, what
/// it has heard until now.
fn last_seen(state: &AppState, connected: &Connected) -> Option<LastSeen> {
    let record = connected.last_seen.as_ref()?;
    let mut seen = convert::last_seen(record, &state.boot_id, crate::clock::now());
    if record.end == LinkEnd::Unknown
        && record.boot == state.boot_id
        && let Some(vital) = connected.superseded.as_ref().and_then(|old| state.hub.vital(old))
    {
        seen.heard_ms_ago = state.hub.now_ms().saturating_sub(vital.heard_ms);
        seen.beat_unanswered = vital.unanswered;
    }
    Some(seen)
}

fn unauthenticated(refused: DeviceRefused) -> Refusal {
    let after = match refused {
        DeviceRefused::Unavailable(_) => spread(KEYS_TROUBLE),
        DeviceRefused::Unauthenticated(_) | DeviceRefused::Expired => Duration::ZERO,
    };
    refusal(refused.close_code(), refused.reason(), after)
}

fn refused(refused: ConnectRefused) -> Refusal {
    match refused {
        ConnectRefused::Replaced { generation } => {
            let mut refusal =
                refusal(CloseCode::Replaced, "a newer link of this device rules", Duration::ZERO);
            refusal.generation = generation;
            refusal
        }
        ConnectRefused::WrongSecret => {
            refusal(CloseCode::RegistrationInvalid, "wrong registration secret", Duration::ZERO)
        }
        ConnectRefused::Store(error) => {
            tracing::warn!(%error, "a device cannot be admitted");
            refusal(CloseCode::Internal, "the store is not available", spread(STORE_TROUBLE))
        }
    }
}

/// `code` for `reason`, to come back no earlier than `after`.
pub(super) fn refusal(code: CloseCode, reason: &str, after: Duration) -> Refusal {
    Refusal {
        code,
        reason: reason.to_owned(),
        generation: 0,
        reconnect_after_ms: u32::try_from(after.as_millis()).unwrap_or(u32::MAX),
    }
}

/// From `least` to twice that: who is turned away in one moment must not come back in one. Where an address's rate
/// turns them away they are spread already: each is told when its own turn comes.
pub(super) fn spread(least: Duration) -> Duration {
    least + least.mul_f64(f64::from(u32::from_le_bytes(crate::auth::random_bytes())) / 2f64.powi(32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_in_one_moment_comes_back_spread_over_as_long_again() {
        let mut quarters = [0; 4];
        for _ in 0..4000 {
            let after = spread(Duration::from_secs(1)).as_millis();
            assert!((1000..2000).contains(&after), "{after}");
            quarters[(after as usize - 1000) / 250] += 1;
        }
        assert!(quarters.iter().all(|n| (800..1200).contains(n)), "{quarters:?}");
        assert_eq!(spread(Duration::ZERO), Duration::ZERO, "who may come at once is not held up");
    }
}
