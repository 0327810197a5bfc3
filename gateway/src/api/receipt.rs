//! `POST /v1/apps/{app}/receipts`: the road of a service worker that has no socket.

use super::cors;
use super::incoming::Incoming;
use super::problem::{Code, Problem};
use super::request::{self, Path};
use crate::state::AppState;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pulsegate_proto::frame::{Receipt, Stage, decode_receipts};
use pulsegate_proto::id::{AppId, RegistrationId};
use pulsegate_proto::limits;
use pulsegate_routing::{ReceiptIn, ReceiptStage};
use std::sync::Arc;

pub(super) async fn report(
    State(state): State<Arc<AppState>>,
    Path(app): Path<String>,
    headers: HeaderMap,
    mut body: Incoming,
) -> Response {
    let allowed = allowed(&state, &app, &headers);
    let outcome = match allowed {
        true => take(&state, &app, &headers, &mut body).await,
        false => Err(Problem::new(Code::OriginNotAllowed, "the app does not list this origin")),
    };
    cors::readable(outcome.into_response(), &headers, allowed)
}

pub(super) async fn preflight(
    State(state): State<Arc<AppState>>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Response {
    cors::preflight(&headers, allowed(&state, &app, &headers), "POST")
}

/// No Origin is no browser, and an app that is not there has no page to keep out: the secret is
/// asked for next.
fn allowed(state: &AppState, app: &str, headers: &HeaderMap) -> bool {
    let origin = cors::origin(headers);
    match state.auth.app(app) {
        Some(app) => state.auth.allowed_for_app(&app.id, origin),
        None => origin.is_none(),
    }
}

async fn take(
    state: &AppState,
    app: &str,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<StatusCode, Problem> {
    let (app, registration) = device(state, app, headers).await?;
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let plain = media.map(|media| media.split(';').next().unwrap_or_default().trim());
    if !matches!(plain, None | Some("application/x-protobuf" | "application/protobuf")) {
        return Err(Problem::new(
            Code::UnsupportedMedia,
            "expected a ReceiptReport as application/x-protobuf",
        ));
    }
    let patience = state.config.load().limits.request_body;
    let bytes = request::whole(headers, body, limits::FRAME_BYTES as u64, patience).await?;
    let receipts =
        decode_receipts(&bytes).map_err(|_| Problem::new(Code::Malformed, "the body is no ReceiptReport"))?;
    if receipts.len() > limits::RECEIPTS {
        return Err(Problem::new(Code::TooLarge, format!("at most {} receipts a request", limits::RECEIPTS)));
    }
    let receipts = receipts.iter().map(counted).collect();
    let counted = state.router.receipts(&app, &registration, receipts).await?;
    state.metrics.receipts(u64::from(counted));
    Ok(StatusCode::NO_CONTENT)
}

fn counted(receipt: &Receipt) -> ReceiptIn {
    ReceiptIn {
        message: receipt.message,
        stage: match receipt.stage {
            Stage::Received => ReceiptStage::Received,
            Stage::Displayed => ReceiptStage::Displayed,
            Stage::Clicked => ReceiptStage::Clicked,
            Stage::Dismissed => ReceiptStage::Dismissed,
            Stage::Handled => ReceiptStage::Handled,
        },
    }
}

/// Which device `Authorization: Registration ID.SECRET` proves to be. An unknown app, an unknown
/// registration and a wrong secret are the same to the asker.
async fn device(
    state: &AppState,
    app: &str,
    headers: &HeaderMap,
) -> Result<(AppId, RegistrationId), Problem> {
    let refused = || Problem::new(Code::Unauthorized, "send Authorization: Registration ID.SECRET-base64url");
    let (id, secret) = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(credentials)
        .ok_or_else(refused)?;
    let app = state.auth.app(app).ok_or_else(refused)?.id.clone();
    match state.router.check_secret(&app, &id, &secret).await? {
        Some(true) => Ok((app, id)),
        Some(false) | None => Err(refused()),
    }
}

fn credentials(header: &str) -> Option<(RegistrationId, Vec<u8>)> {
    let (scheme, rest) = header.split_once(' ')?;
    let (id, secret) = rest.trim().split_once('.')?;
    if !scheme.eq_ignore_ascii_case("registration") {
        return None;
    }
    let secret = URL_SAFE_NO_PAD.decode(secret.trim_end_matches('=')).ok()?;
    Some((RegistrationId::parse(id).ok()?, secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_an_id_and_a_secret() {
        let (id, secret) = credentials("registration  r-1.AAEC").unwrap();
        assert_eq!((id.as_str(), &secret[..]), ("r-1", &[0, 1, 2][..]));
        for wrong in ["Registration r1", "Bearer r1.AAEC", "Registration r1.!", "Registration .AAEC", ""] {
            assert!(credentials(wrong).is_none(), "{wrong}");
        }
    }
}
