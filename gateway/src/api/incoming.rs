//! The body of a request, read to its end even where it is refused.

use super::problem::{Code, Problem};
use super::request::timed_out;
use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use std::convert::Infallible;
use std::time::Duration;

/// What is read of a body after its refusal, before the connection is given up.
const DISCARDED: usize = 16 * 1024 * 1024;
/// … and for how long.
const DISCARDING: Duration = Duration::from_secs(5);

/// A body on its way in. Dropped before its end, it is read on for a while and thrown away while the
/// answer is on its way: a socket that is closed over unread bytes is reset, and the asker, who is
/// still sending, would never see why it was refused.
pub(super) struct Incoming {
    body: Body,
    ended: bool,
}

impl<S: Send + Sync> FromRequest<S> for Incoming {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        Ok(Self { body: request.into_body(), ended: false })
    }
}

impl Incoming {
    /// The next piece of data; trailers are passed over.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|_| {
                self.ended = true;
                Problem::new(Code::Malformed, "the body broke off")
            })?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        self.ended = true;
        Ok(None)
    }

    /// The next piece of data within `patience`; 0 = any time.
    pub(super) async fn next_within(&mut self, patience: Duration) -> Result<Option<Bytes>, Problem> {
        if patience.is_zero() {
            return self.next().await;
        }
        tokio::time::timeout(patience, self.next()).await.unwrap_or_else(|_| Err(timed_out()))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.ended || self.body.is_end_stream() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut rest = std::mem::take(&mut self.body);
        runtime.spawn(async move {
            let mut left = DISCARDED;
            let read = async {
                while let Some(Ok(frame)) = rest.frame().await {
                    left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                    if left == 0 {
                        break;
                    }
                }
            };
            // Whoever is still sending after that is not listening.
            let _ = tokio::time::timeout(DISCARDING, read).await;
        });
    }
}
