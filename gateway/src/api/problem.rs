//! Problem documents (RFC 9457): the only home of refusal statuses. `code` is stable, `detail` is
//! for people.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// Media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What went wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Not JSON, not NDJSON, not protobuf, not UTF-8, a bad header.
    Malformed,
    /// `Idempotency-Key` on a batch.
    HeaderNotAllowed,
    /// The upgrade is not one, or offers no subprotocol of ours.
    BadUpgrade,
    /// The path is for WebSockets of version 13.
    UpgradeRequired,
    /// No key, a wrong one, an unknown app.
    Unauthorized,
    /// A right key without the scope.
    Forbidden,
    /// An origin that no app lists.
    OriginNotAllowed,
    /// No such route, message, registration, user, file.
    NotFound,
    /// The route is there, the method is not.
    MethodNotAllowed,
    /// The body did not come in time.
    Timeout,
    /// The request changed under us, or contradicts what is there.
    Conflict,
    /// Body or encoded message too large.
    TooLarge,
    /// Another media type was expected.
    UnsupportedMedia,
    /// A field of the body is wrong.
    InvalidField,
    /// A field nobody knows.
    UnknownField,
    /// `target` names a registration that is not there.
    UnknownRegistration,
    /// The same idempotency key with another body.
    KeyReused,
    /// Over 100 topics, over 64 tags.
    TooMany,
    /// Too often.
    RateLimited,
    /// A fault of ours.
    Internal,
    /// Not available at the moment; nothing was accepted.
    Unavailable,
    /// This node is going away.
    Draining,
    /// The store takes no writes until it is looked after.
    ReadOnly,
    /// The outcome is not known: retry with the same idempotency key.
    OutcomeUnknown,
    /// The disk, or the app's `all` log, is full.
    Full,
}

impl Code {
    /// All of them, for the documents.
    pub const ALL: &'static [Self] = &[
        Self::Malformed,
        Self::HeaderNotAllowed,
        Self::BadUpgrade,
        Self::UpgradeRequired,
        Self::Unauthorized,
        Self::Forbidden,
        Self::OriginNotAllowed,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Timeout,
        Self::Conflict,
        Self::TooLarge,
        Self::UnsupportedMedia,
        Self::InvalidField,
        Self::UnknownField,
        Self::UnknownRegistration,
        Self::KeyReused,
        Self::TooMany,
        Self::RateLimited,
        Self::Internal,
        Self::Unavailable,
        Self::Draining,
        Self::ReadOnly,
        Self::OutcomeUnknown,
        Self::Full,
    ];

    /// As it is written, and for people, and its status.
    fn parts(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::Malformed => ("malformed", "The request cannot be read", StatusCode::BAD_REQUEST),
            Self::HeaderNotAllowed => {
                ("header_not_allowed", "A header that does not belong here", StatusCode::BAD_REQUEST)
            }
            Self::BadUpgrade => ("bad_upgrade", "Not an upgrade of ours", StatusCode::BAD_REQUEST),
            Self::UpgradeRequired => {
                ("upgrade_required", "This path is for WebSockets", StatusCode::UPGRADE_REQUIRED)
            }
            Self::Unauthorized => {
                ("unauthorized", "A valid key for this app is needed", StatusCode::UNAUTHORIZED)
            }
            Self::Forbidden => ("forbidden", "The key lacks the scope", StatusCode::FORBIDDEN),
            Self::OriginNotAllowed => {
                ("origin_not_allowed", "No app lists this origin", StatusCode::FORBIDDEN)
            }
            Self::NotFound => ("not_found", "There is no such thing", StatusCode::NOT_FOUND),
            Self::MethodNotAllowed => {
                ("method_not_allowed", "Not with this method", StatusCode::METHOD_NOT_ALLOWED)
            }
            Self::Timeout => ("timeout", "The body did not come in time", StatusCode::REQUEST_TIMEOUT),
            Self::Conflict => ("conflict", "In conflict with what is there", StatusCode::CONFLICT),
            Self::TooLarge => ("too_large", "Too large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::UnsupportedMedia => (
                "unsupported_media_type",
                "Another media type is expected",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ),
            Self::InvalidField => ("invalid_field", "A field is wrong", StatusCode::UNPROCESSABLE_ENTITY),
            Self::UnknownField => {
                ("unknown_field", "A field that is not known", StatusCode::UNPROCESSABLE_ENTITY)
            }
            Self::UnknownRegistration => {
                ("unknown_registration", "No such registration", StatusCode::UNPROCESSABLE_ENTITY)
            }
            Self::KeyReused => (
                "key_reused",
                "The idempotency key was used with another body",
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            Self::TooMany => {
                ("too_many", "More than a registration may have", StatusCode::UNPROCESSABLE_ENTITY)
            }
            Self::RateLimited => ("rate_limited", "Too often", StatusCode::TOO_MANY_REQUESTS),
            Self::Internal => ("internal", "A fault of the gateway", StatusCode::INTERNAL_SERVER_ERROR),
            Self::Unavailable => (
                "unavailable",
                "Not available at the moment; nothing was accepted",
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            Self::Draining => ("draining", "This node is going away", StatusCode::SERVICE_UNAVAILABLE),
            Self::ReadOnly => (
                "read_only",
                "The store takes no writes; nothing was accepted",
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            Self::OutcomeUnknown => (
                "outcome_unknown",
                "It may or may not have been accepted: retry with the same key",
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            Self::Full => ("full", "No room; nothing was accepted", StatusCode::INSUFFICIENT_STORAGE),
        }
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.parts().0
    }

    /// Its HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.parts().2
    }
}

/// A refusal on its way to being a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    detail: String,
    field: Option<String>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// `code`, with `detail` for people.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), field: None, retry_after: None }
    }

    /// Names the field at fault, from the body's top: `notification.actions[0].title`.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// When to come back. Whole seconds, at least one, reach the header.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// A field of the body that is wrong.
    #[must_use]
    pub fn field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidField, detail).at(field)
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> ProblemDocument {
        let (code, title, status) = self.code.parts();
        ProblemDocument {
            r#type: "about:blank",
            title,
            status: status.as_u16(),
            code,
            detail: self.detail.clone(),
            field: self.field.clone(),
            retry_after_s: self.retry_after.map(whole_seconds),
        }
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).clamp(1, 86_400) as u64
}

/// A problem document as it travels.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProblemDocument {
    /// Always `about:blank`: `code` says more.
    pub r#type: &'static str,
    /// What the code means.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub detail: String,
    /// The field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// As the header Retry-After: a line of a batch has no header of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = self.document();
        let mut response = plain_json(self.code.status(), &document);
        let headers = response.headers_mut();
        if let Some(seconds) = document.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == Code::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn plain_json(status: StatusCode, document: &ProblemDocument) -> Response {
    let body = serde_json::to_vec(document).unwrap_or_default();
    (status, [(CONTENT_TYPE, PROBLEM_JSON)], body).into_response()
}

/// A refusal outside the API's own routes, where the status is the protocol's (an upgrade).
#[must_use]
pub fn plain(status: StatusCode, code: &'static str, detail: &str) -> Response {
    plain_json(
        status,
        &ProblemDocument {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Refused"),
            status: status.as_u16(),
            code,
            detail: detail.to_owned(),
            field: None,
            retry_after_s: None,
        },
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that cannot parse its own text should fail there
    use super::*;

    #[test]
    fn codes_are_unique_and_their_statuses_are_refusals() {
        let mut codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| code.status().as_u16() >= 400));
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_as_zero() {
        for (ms, header) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2")] {
            let problem = Problem::new(Code::RateLimited, "x").after(Duration::from_millis(ms));
            let response = problem.into_response();
            assert_eq!(response.headers()[RETRY_AFTER], header);
            assert_eq!(response.status().as_u16(), 429);
        }
    }

    #[test]
    fn the_document_names_the_field() {
        let text = serde_json::to_string(&Problem::field("ttl_s", "too long").document()).unwrap();
        assert_eq!(
            text,
            r#"{"type":"about:blank","title":"A field is wrong","status":422,"code":"invalid_field","detail":"too long","field":"ttl_s"}"#
        );
    }
}
