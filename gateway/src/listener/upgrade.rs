//! `/v1/connect`: is this a WebSocket handshake we take? Nothing is taken on trust here: the ready-made
//! extractors accept a malformed key and any Origin.
//!
//! Refusals a browser should read come after the upgrade, as `Closing` and a close code, since a page learns
//! nothing of an HTTP status. What no browser can produce is refused here.

use super::{Peer, Rate, Stream, Verdict, forwarded};
use crate::api::problem::{Code, Problem};
use crate::connection::{self, Incoming, Turned};
use crate::state::AppState;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Instant;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The subprotocol we speak.
const SPOKEN: &str = "pulsegate.v1";
/// What ours are called, whatever the version.
const FAMILY: &str = "pulsegate.v";
/// The one WebSocket version there is (RFC 6455).
const WEBSOCKET_VERSION: &str = "13";

/// Answers a request for `/v1/connect`: 101 and a connection of its own, or a refusal.
pub async fn upgrade(State(state): State<Arc<AppState>>, mut request: Request) -> Response {
    let offer = match Offer::read(&request) {
        Ok(offer) => offer,
        Err(problem) => return refuse(&state, problem),
    };
    let origin = header_text(request.headers(), header::ORIGIN);
    if !state.auth.allowed_at_upgrade(origin.as_deref()) {
        return refuse(&state, Problem::new(Code::OriginNotAllowed, "this origin belongs to no app here"));
    }
    let Some(peer) = request.extensions().get::<Peer>().copied() else {
        return refuse(&state, Problem::new(Code::Internal, "the request came through no listener"));
    };
    let config = state.config.load();
    let address = forwarded(request.headers(), peer.address, &config.trusted_proxies);
    let rate = Rate::per_second(config.limits.handshakes_per_second);
    drop(config);
    let turned = match state.hub.gate.handshakes.take(address, rate, Instant::now()) {
        // This address was told a whole burst of times already: no more sockets are opened to say so.
        Verdict::Drop(after) => {
            return refuse(&state, Problem::new(Code::RateLimited, "too many handshakes").after(after));
        }
        _ if !offer.spoken => Some(Turned::Version),
        Verdict::Refuse(after) => Some(Turned::Overload(after)),
        Verdict::Pass => None,
    };
    let upgrading = hyper::upgrade::on(&mut request);
    let answer = switching(&offer);
    drop(request);
    tokio::spawn(async move {
        // Fails if the peer is gone before the 101 was written.
        let Ok(upgraded) = upgrading.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<Stream>>() else { return };
        let early = parts.read_buf.to_vec();
        connection::start(state, Incoming { stream: parts.io.into_inner(), early, address, origin, turned });
    });
    answer
}

/// What a handshake asks for, once it is known to be one.
struct Offer {
    key: HeaderValue,
    protocol: HeaderValue,
    /// Whether `protocol` is one we speak.
    spoken: bool,
}

impl Offer {
    /// RFC 6455, section 4.2.1, and our own rules on the subprotocol.
    fn read(request: &Request) -> Result<Self, Problem> {
        let headers = request.headers();
        let bad = |detail: &str| Problem::new(Code::BadUpgrade, detail);
        if request.method() != Method::GET {
            return Err(Problem::new(Code::MethodNotAllowed, "a WebSocket handshake is a GET"));
        }
        if request.version() < Version::HTTP_11 {
            return Err(bad("a WebSocket handshake needs HTTP/1.1"));
        }
        if !has_token(headers, header::CONNECTION, "upgrade")
            || !has_token(headers, header::UPGRADE, "websocket")
        {
            return Err(Problem::new(Code::UpgradeRequired, "this is a WebSocket endpoint"));
        }
        if header_text(headers, header::SEC_WEBSOCKET_VERSION).as_deref() != Some(WEBSOCKET_VERSION) {
            return Err(Problem::new(Code::UpgradeRequired, "Sec-WebSocket-Version must be 13"));
        }
        let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Err(bad("exactly one Sec-WebSocket-Key is needed"));
        };
        if !STANDARD.decode(key.as_bytes()).is_ok_and(|nonce| nonce.len() == 16) {
            return Err(bad("Sec-WebSocket-Key must be 16 bytes in base64"));
        }
        let (protocol, spoken) =
            protocol(headers).ok_or_else(|| bad("Sec-WebSocket-Protocol must offer pulsegate.v1"))?;
        Ok(Self { key: key.clone(), protocol, spoken })
    }
}

/// The subprotocol to name in the answer: ours if offered, else one of our family in a version we do not speak,
/// or the browser could not read why it is sent away.
fn protocol(headers: &HeaderMap) -> Option<(HeaderValue, bool)> {
    let offered: Vec<&str> = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect();
    if offered.contains(&SPOKEN) {
        return Some((HeaderValue::from_static(SPOKEN), true));
    }
    let version = |name: &&&str| {
        name.strip_prefix(FAMILY).is_some_and(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()))
    };
    let unknown = offered.iter().find(version)?;
    Some((HeaderValue::from_str(unknown).ok()?, false))
}

fn switching(offer: &Offer) -> Response {
    let accept = derive_accept_key(offer.key.as_bytes());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, offer.protocol.clone());
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

fn refuse(state: &AppState, problem: Problem) -> Response {
    let code = problem.code();
    state.metrics.handshake_refused(code.as_str());
    let mut response = problem.into_response();
    if code == Code::UpgradeRequired {
        let headers = response.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(WEBSOCKET_VERSION));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    response
}

fn header_text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    // A value that is not text is no origin or version of anybody: it must not read as "absent".
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|have| have.trim().eq_ignore_ascii_case(token))
}
