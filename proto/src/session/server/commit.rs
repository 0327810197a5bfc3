//! What a client asks of the registry, and the answers.

use super::hello::start;
use super::{Counted, Effect, Op, Outcome, Phase, ServerSession, Started};
use crate::frame::{CloseCode, ErrorCode, Reply, ServerFrame};
use crate::id::{LogName, MessageId, Topic};

/// Commits a link may have out: beyond them a client asks faster than a store answers.
const COMMITS: u32 = 32;
/// Then it is told to wait this long.
const WAIT_MS: u32 = 1000;

impl ServerSession {
    pub(super) fn commit(&mut self, request: u32, op: Op) {
        let Phase::Live(live) = &mut self.phase else {
            return;
        };
        let changes_registration = match &op {
            Op::Subscribe(_) | Op::Unsubscribe(_) | Op::SetTags { .. } | Op::WebPush(_) | Op::Forget => true,
            Op::Refresh(_) | Op::Publish(_) | Op::Receipts(_) | Op::Activity(_) => false,
        };
        if live.older && changes_registration {
            return self.reply(request, ErrorCode::Conflict, "a newer link of this device rules");
        }
        if live.commits >= COMMITS {
            self.effects.push_back(Effect::Count(Counted::RateLimited));
            return self.refuse(request, ErrorCode::RateLimited, String::new(), WAIT_MS);
        }
        live.commits += 1;
        self.effects.push_back(Effect::Commit { request, op });
    }

    pub(super) fn done(&mut self, request: u32, outcome: Outcome) {
        let Phase::Live(live) = &mut self.phase else {
            return;
        };
        live.commits = live.commits.saturating_sub(1);
        match outcome {
            Outcome::Done => self.reply(request, ErrorCode::Ok, ""),
            Outcome::Subscribed { started, already, denied } => {
                self.subscribed(request, started, already, &denied)
            }
            Outcome::Unsubscribed(topics) => {
                for topic in topics {
                    self.detach(&LogName::Topic(topic));
                }
                self.reply(request, ErrorCode::Ok, "");
                self.pump();
            }
            Outcome::Refreshed { token, started, ended } => {
                self.reply(request, ErrorCode::Ok, "");
                self.arm_token(token);
                self.logs_changed(started, ended);
            }
            Outcome::Published(message) => self.published(request, message),
            Outcome::Forgotten => {
                self.reply(request, ErrorCode::Ok, "");
                self.close(CloseCode::Unauthenticated, "the registration is forgotten");
            }
            Outcome::Refused { error, detail, retry_after_ms } => {
                self.refuse(request, error, detail, retry_after_ms)
            }
        }
    }

    /// OK while anything was granted, NOT_PERMITTED if nothing was.
    fn subscribed(&mut self, request: u32, started: Vec<Started>, already: u32, denied: &[Topic]) {
        let Phase::Live(live) = &mut self.phase else {
            return;
        };
        // A log that is read on this link already keeps its place: a second Start would rewind it.
        let nothing = started.is_empty() && already == 0 && !denied.is_empty();
        let started: Vec<Started> =
            started.into_iter().filter(|it| live.logs.find(&it.log).is_none()).collect();
        if request != 0 {
            self.send(ServerFrame::Reply(Box::new(Reply {
                request_id: request,
                error: if nothing { ErrorCode::NotPermitted } else { ErrorCode::Ok },
                detail: String::new(),
                message: None,
                retry_after_ms: 0,
                starts: started.iter().map(start).collect(),
                denied: denied.iter().map(|topic| topic.as_str().to_owned()).collect(),
            })));
        } else if !started.is_empty() {
            // Nobody waits for a Reply, but a client must know a log before its first Deliver.
            self.send(ServerFrame::Logs { started: started.iter().map(start).collect(), ended: Vec::new() });
        }
        self.attach(started);
    }

    fn published(&mut self, request: u32, message: MessageId) {
        if request != 0 {
            self.send(ServerFrame::Reply(Box::new(Reply {
                request_id: request,
                error: ErrorCode::Ok,
                detail: String::new(),
                message: Some(message),
                retry_after_ms: 0,
                starts: Vec::new(),
                denied: Vec::new(),
            })));
        }
    }

    fn refuse(&mut self, request: u32, error: ErrorCode, detail: String, retry_after_ms: u32) {
        if request != 0 {
            self.send(ServerFrame::Reply(Box::new(Reply {
                request_id: request,
                error,
                detail,
                message: None,
                retry_after_ms,
                starts: Vec::new(),
                denied: Vec::new(),
            })));
        }
    }
}
