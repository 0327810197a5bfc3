//! `POST /v1/apps/{app}/messages:batch`: NDJSON in, NDJSON out, in order, each group in one sync.

use super::draft::{self, Asked, Frame, KeySource};
use super::{AcceptedAnswer, IDEMPOTENCY_KEY, too_fast};
use crate::api::fault::{self, Named};
use crate::api::incoming::Incoming;
use crate::api::problem::{Code, Problem};
use crate::api::request::{self, Path};
use crate::clock;
use crate::config::{Limits, Scope};
use crate::state::AppState;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream;
use pulsegate_proto::id::AppId;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Media type of the answer.
const NDJSON: &str = "application/x-ndjson";
/// Lines that share a commit: enough that one sync is shared by many, few enough that the first
/// answers do not wait for the last line.
const GROUP: usize = 256;

pub(in crate::api) async fn batch(
    State(state): State<Arc<AppState>>,
    Path(app): Path<String>,
    headers: HeaderMap,
    body: Incoming,
) -> Result<Response, Problem> {
    let tenant = request::tenant(&state, &app, &headers, Scope::Publish)?;
    if headers.contains_key(IDEMPOTENCY_KEY) {
        return Err(Problem::new(
            Code::HeaderNotAllowed,
            "a batch has no key of its own; give each line an idempotency_key",
        )
        .at("Idempotency-Key"));
    }
    let limits = state.config.load().limits.clone();
    request::check_head(&headers, limits.batch_bytes)?;
    // Unbounded, because a client may send everything before it reads anything: a full channel
    // would then stop the reading for ever. The number of lines bounds it.
    let (answers, answered) = unbounded_channel();
    tokio::spawn(run(state, tenant.app, limits, body, answers));
    let stream = stream::unfold(answered, next_answer).map(Ok::<_, Infallible>);
    Ok(([(CONTENT_TYPE, NDJSON)], Body::from_stream(stream)).into_response())
}

async fn next_answer(mut answered: UnboundedReceiver<Bytes>) -> Option<(Bytes, UnboundedReceiver<Bytes>)> {
    let first = answered.recv().await?;
    let Ok(second) = answered.try_recv() else {
        return Some((first, answered));
    };
    let mut joined = BytesMut::from(&first[..]);
    joined.extend_from_slice(&second);
    while joined.len() < 64 * 1024 {
        let Ok(next) = answered.try_recv() else { break };
        joined.extend_from_slice(&next);
    }
    Some((joined.freeze(), answered))
}

/// Reads lines as they come, and commits whenever a group is full or nothing more has come yet.
/// What was read is committed also where the asker is gone: half a batch by accident is what
/// idempotency keys are for.
async fn run(
    state: Arc<AppState>,
    app: AppId,
    limits: Limits,
    mut body: Incoming,
    answers: UnboundedSender<Bytes>,
) {
    let mut lines = Lines::new(limits.request_body_bytes);
    let mut group = Group::new(state, app, limits.publishes_per_second, answers);
    let (mut bytes, mut count) = (0u64, 0u64);
    loop {
        let chunk = match body.next_within(limits.request_body).await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(problem) => return group.end(Some(problem)).await,
        };
        bytes += chunk.len() as u64;
        if limits.batch_bytes != 0 && bytes > limits.batch_bytes {
            let most = limits.batch_bytes;
            let problem = Problem::new(Code::TooLarge, format!("a batch has at most {most} bytes"));
            return group.end(Some(problem)).await;
        }
        lines.push(&chunk);
        while let Some(line) = lines.next() {
            count += 1;
            if limits.batch_lines != 0 && count > limits.batch_lines {
                let most = limits.batch_lines;
                let problem = Problem::new(Code::TooLarge, format!("a batch has at most {most} lines"));
                return group.end(Some(problem)).await;
            }
            group.add(line);
            if group.waiting.len() >= GROUP {
                group.commit().await;
            }
        }
        group.commit().await;
    }
    if let Some(line) = lines.rest() {
        group.add(line);
    }
    group.end(None).await;
}

/// Lines of one commit, in order: drafts, and what was wrong with the others.
struct Group {
    state: Arc<AppState>,
    app: AppId,
    pace: u32,
    answers: UnboundedSender<Bytes>,
    waiting: Vec<Result<Asked, Problem>>,
}

impl Group {
    fn new(state: Arc<AppState>, app: AppId, pace: u32, answers: UnboundedSender<Bytes>) -> Self {
        Self { state, app, pace, answers, waiting: Vec::new() }
    }

    fn add(&mut self, line: Result<Bytes, Problem>) {
        let frame =
            Frame { app: &self.app, now: clock::now(), retention: self.state.router.settings().retention };
        let draft = line.and_then(|line| draft::read(&line, &frame, KeySource::Line)).and_then(|draft| {
            self.state
                .pace
                .publish(&self.app, 1, self.pace)
                .map_err(|wait| {
                    self.state.metrics.rate_limited("publishes_per_second");
                    too_fast(wait)
                })
                .map(|()| draft)
        });
        self.waiting.push(draft);
    }

    async fn commit(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let began = std::time::Instant::now();
        let mut drafts = Vec::new();
        let slots: Vec<Result<Named, Problem>> = self
            .waiting
            .drain(..)
            .map(|line| {
                line.map(|asked| {
                    drafts.push(asked.draft);
                    asked.named
                })
            })
            .collect();
        self.state.metrics.batch_lines(slots.len() as u64);
        let mut outcomes = if drafts.is_empty() {
            Vec::new().into_iter()
        } else {
            self.state.router.publish_batch(&self.app, drafts).await.into_iter()
        };
        let mut text = Vec::new();
        for slot in slots {
            let answer = slot.and_then(|named| match outcomes.next() {
                Some(outcome) => outcome.map_err(|error| fault::of_publish(error, &named)),
                None => Err(Problem::new(Code::Internal, "no outcome")),
            });
            match answer {
                Ok(accepted) => {
                    self.state.metrics.published(began.elapsed());
                    put_line(&mut text, &AcceptedAnswer::new(accepted.id));
                }
                Err(problem) => put_line(&mut text, &problem.document()),
            }
        }
        // Fails only where the asker is gone.
        let _ = self.answers.send(text.into());
    }

    /// Commits what waits; then a last line says why no more was read.
    async fn end(mut self, problem: Option<Problem>) {
        self.commit().await;
        if let Some(problem) = problem {
            let mut text = Vec::new();
            put_line(&mut text, &problem.document());
            let _ = self.answers.send(text.into());
        }
    }
}

fn put_line(text: &mut Vec<u8>, answer: &impl serde::Serialize) {
    // Writing to a Vec does not fail, nor do these types.
    let _ = serde_json::to_writer(&mut *text, answer);
    text.push(b'\n');
}

/// Cuts chunks into lines. An over-long line is passed over up to its end and becomes a problem.
struct Lines {
    held: BytesMut,
    searched: usize,
    longest: u64,
    skipping: bool,
}

impl Lines {
    fn new(longest: u64) -> Self {
        Self { held: BytesMut::new(), searched: 0, longest, skipping: false }
    }

    fn push(&mut self, chunk: &[u8]) {
        self.held.extend_from_slice(chunk);
    }

    fn too_long(&self) -> Problem {
        Problem::new(Code::TooLarge, format!("a line has at most {} bytes", self.longest))
    }

    /// The next whole line that is not blank.
    fn next(&mut self) -> Option<Result<Bytes, Problem>> {
        loop {
            let end = self.held[self.searched..].iter().position(|b| *b == b'\n');
            let Some(end) = end.map(|end| self.searched + end) else {
                self.searched = self.held.len();
                if self.skipping {
                    self.held.clear();
                    self.searched = 0;
                } else if self.longest != 0 && self.held.len() as u64 > self.longest {
                    self.held.clear();
                    self.searched = 0;
                    self.skipping = true;
                    return Some(Err(self.too_long()));
                }
                return None;
            };
            let line = self.held.split_to(end + 1);
            self.searched = 0;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if self.longest != 0 && line.len() as u64 > self.longest + 1 {
                return Some(Err(self.too_long()));
            }
            if !line.trim_ascii().is_empty() {
                return Some(Ok(line.freeze()));
            }
        }
    }

    /// What is left after the last line break.
    fn rest(&mut self) -> Option<Result<Bytes, Problem>> {
        let rest = self.held.split();
        (!self.skipping && !rest.trim_ascii().is_empty()).then(|| Ok(rest.freeze()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that gets no line should fail there
    use super::*;
    use proptest::prelude::*;

    fn cut(lines: &mut Lines, chunks: &[&[u8]]) -> Vec<Result<Vec<u8>, Code>> {
        let mut out = Vec::new();
        for chunk in chunks {
            lines.push(chunk);
            while let Some(line) = lines.next() {
                out.push(line);
            }
        }
        out.extend(lines.rest());
        out.into_iter()
            .map(|line| line.map(|line| line.trim_ascii().to_vec()).map_err(|p| p.code()))
            .collect()
    }

    #[test]
    fn an_over_long_line_costs_only_itself() {
        let mut lines = Lines::new(4);
        let got = cut(&mut lines, &[b"ab\nabc", b"def", b"ghi\ncd\n\n \nxx"]);
        assert_eq!(
            got,
            vec![Ok(b"ab".to_vec()), Err(Code::TooLarge), Ok(b"cd".to_vec()), Ok(b"xx".to_vec())]
        );
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_they_were_cut(
            text in "[a\n\r]{0,60}",
            cuts in prop::collection::vec(0usize..60, 0..6),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|c| *c < bytes.len()).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            let whole = cut(&mut Lines::new(0), &[bytes]);
            prop_assert_eq!(cut(&mut Lines::new(0), &chunks), whole);
        }
    }
}
