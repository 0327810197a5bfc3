//! What the tabs want: kept until the gateway replied, sent again on a new link.

use super::{ClientSession, Effect, Why, Wish, WishId};
use crate::frame::{Activity, ErrorCode, Receipt, Reply, say};
use crate::id::{LogName, Topic};
use crate::limits;

/// Requests under way at once: far below the gateway's frames a second.
const UNDER_WAY: usize = 8;
/// A wish that was put off without a time is tried again after this.
pub(super) const AGAIN_MS: u32 = 1000;
/// A link that is not the newest is closed within this; the wish goes out on the next one.
const OLDER_MS: u32 = limits::OLDER_LINK.as_secs() as u32 * 1000;

/// A topic some tab wants, or wants no more.
#[derive(Debug)]
struct Wanted {
    topic: Topic,
    leaving: bool,
    request: u32,
    /// Answered: on, gone or refused. Nothing is to be sent.
    settled: bool,
    /// What the app was told last.
    error: ErrorCode,
    /// The app was told that it is subscribed.
    told: bool,
    /// It had to be subscribed anew under another registration: what lay between is lost.
    lost: bool,
}

impl Wanted {
    fn subscribed(&mut self, recovered: bool) -> Effect {
        self.settled = true;
        self.error = ErrorCode::Ok;
        self.told = true;
        let lost = core::mem::take(&mut self.lost);
        Effect::Subscribed { topic: self.topic.clone(), recovered: recovered && !lost }
    }
}

/// Another wish.
#[derive(Debug)]
struct Queued {
    wish: WishId,
    request: u32,
    /// The encoded frame, the same on every link.
    frame: Vec<u8>,
    /// Whether it goes out at all: not while an earlier sending of it awaits its Reply.
    sent: bool,
    /// It may meet CONFLICT for its own sake, not only because a newer link rules.
    conflicts: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    topics: Vec<Wanted>,
    queue: Vec<Queued>,
    receipts: Vec<Receipt>,
    receipts_out: (u32, usize),
    activity: Option<Activity>,
    activity_sent: Option<Activity>,
    last_request: u32,
    put_off: bool,
}

impl Wishes {
    /// A number for the next request; never 0.
    pub(super) fn request(&mut self) -> u32 {
        self.last_request = self.last_request.wrapping_add(1).max(1);
        self.last_request
    }

    /// The link is gone: what was not replied goes out again on the next.
    pub(super) fn link_lost(&mut self) {
        for wanted in &mut self.topics {
            wanted.request = 0;
        }
        for queued in &mut self.queue {
            queued.sent = false;
        }
        self.receipts_out = (0, 0);
        self.activity_sent = None;
        self.put_off = false;
    }

    /// The registration is another one: what was subscribed under the old is missing something.
    pub(super) fn renewed(&mut self) {
        for wanted in &mut self.topics {
            wanted.lost |= wanted.told;
        }
    }

    fn under_way(&self) -> usize {
        self.queue.iter().filter(|queued| queued.sent).count()
    }

    /// The entry of a topic, and whether the opposite of this is being asked for.
    fn want(&mut self, topic: Topic, leaving: bool) -> (&mut Wanted, bool) {
        let index = match self.topics.iter().position(|wanted| wanted.topic == topic) {
            Some(index) => index,
            None => {
                self.topics.push(Wanted {
                    topic,
                    leaving,
                    request: 0,
                    settled: false,
                    error: ErrorCode::Ok,
                    told: false,
                    lost: false,
                });
                self.topics.len() - 1
            }
        };
        let wanted = &mut self.topics[index];
        let turned = wanted.leaving != leaving && wanted.request != 0;
        if wanted.leaving != leaving {
            wanted.leaving = leaving;
            wanted.request = 0;
        }
        wanted.settled = false;
        wanted.error = ErrorCode::Ok;
        (wanted, turned)
    }

    /// Takes the topics that are to be sent, as one request of at most a hundred.
    fn take_topics(&mut self, leaving: bool) -> Option<(u32, Vec<Topic>)> {
        let waits = |wanted: &Wanted| wanted.leaving == leaving && wanted.request == 0 && !wanted.settled;
        if !self.topics.iter().any(waits) {
            return None;
        }
        let request = self.request();
        let mut topics = Vec::new();
        for wanted in &mut self.topics {
            if waits(wanted) && topics.len() < limits::TOPICS {
                wanted.request = request;
                topics.push(wanted.topic.clone());
            }
        }
        Some((request, topics))
    }
}

impl ClientSession {
    pub(super) fn subscribe(&mut self, topics: Vec<Topic>) {
        for topic in topics {
            let log = LogName::Topic(topic.clone());
            let (wanted, turned) = self.wishes.want(topic, false);
            if let Some(recovered) = self.logs.recovered(&log)
                && self.welcomed
                && !turned
            {
                let told = wanted.subscribed(recovered);
                self.emit(told);
            }
        }
    }

    pub(super) fn unsubscribe(&mut self, topics: Vec<Topic>) {
        for topic in topics {
            self.wishes.want(topic, true);
        }
    }

    pub(super) fn wish(&mut self, wish: WishId, what: Wish) {
        let request = self.wishes.request();
        let Wish { mut frame, conflicts } = what;
        say::ask(&mut frame, request);
        self.wishes.queue.push(Queued { wish, request, frame, sent: false, conflicts });
    }

    pub(super) fn receipts(&mut self, receipts: Vec<Receipt>) {
        for receipt in receipts {
            if self.wishes.receipts.len() < limits::RECEIPTS {
                self.wishes.receipts.push(receipt);
            }
        }
    }

    pub(super) fn activity(&mut self, activity: Activity) {
        let before = self.wishes.activity.replace(activity).map_or(0, |before| before.visible_tabs);
        self.visible = activity.visible_tabs > 0;
        if activity.visible_tabs > before {
            self.visible();
        }
        if self.welcomed {
            _ = self.ask_silence();
            self.arm_watch();
        }
    }

    /// After Welcome: topics that are on are told, the others go out again.
    pub(super) fn reconcile_topics(&mut self) {
        for wanted in &mut self.wishes.topics {
            wanted.settled = false;
            if wanted.leaving {
                continue;
            }
            let log = LogName::Topic(wanted.topic.clone());
            if let Some(recovered) = self.logs.recovered(&log) {
                self.effects.push(wanted.subscribed(recovered));
            }
        }
    }

    /// Sends what waits, if the link is welcomed.
    pub(super) fn flush_wishes(&mut self) {
        if !self.welcomed || self.wishes.put_off {
            return;
        }
        if self.forgetting {
            return self.send_forget();
        }
        for leaving in [true, false] {
            while let Some((request, topics)) = self.wishes.take_topics(leaving) {
                self.ask(request, say::topics(leaving, &topics));
            }
        }
        let mut room = UNDER_WAY.saturating_sub(self.wishes.under_way());
        if let Some(link) = &self.link {
            for queued in &mut self.wishes.queue {
                if room > 0 && !queued.sent {
                    room -= 1;
                    queued.sent = true;
                    let (socket, bytes) = (link.socket, queued.frame.clone());
                    self.said_at = self.now;
                    self.effects.push(Effect::Send { socket, bytes });
                }
            }
        }
        if self.wishes.receipts_out.0 == 0 && !self.wishes.receipts.is_empty() {
            let request = self.wishes.request();
            self.wishes.receipts_out = (request, self.wishes.receipts.len());
            let bytes = say::receipts(&self.wishes.receipts);
            self.ask(request, bytes);
        }
        if self.wishes.activity != self.wishes.activity_sent
            && let Some(activity) = self.wishes.activity
        {
            self.wishes.activity_sent = Some(activity);
            self.say(say::activity(activity));
        }
    }

    pub(super) fn wish_again(&mut self) {
        self.wishes.put_off = false;
    }

    /// A Reply to one of the wishes.
    pub(super) fn wish_replied(&mut self, reply: &Reply) {
        let request = reply.request_id;
        if request == 0 {
            return;
        }
        if request == self.wishes.receipts_out.0 {
            self.receipts_replied(reply);
        } else if let Some(index) =
            self.wishes.queue.iter().position(|queued| queued.sent && queued.request == request)
        {
            self.queued_replied(index, reply);
        } else {
            self.topics_replied(reply);
        }
    }

    fn receipts_replied(&mut self, reply: &Reply) {
        let (_, count) = core::mem::take(&mut self.wishes.receipts_out);
        if reply.error.is_temporary() {
            return self.put_off(reply.retry_after_ms, AGAIN_MS);
        }
        self.wishes.receipts = self.wishes.receipts.split_off(count);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.emit(Effect::ReceiptsTaken(count));
    }

    fn queued_replied(&mut self, index: usize, reply: &Reply) {
        let queued = &mut self.wishes.queue[index];
        let older = reply.error == ErrorCode::Conflict && !queued.conflicts;
        if older || reply.error.is_temporary() {
            queued.sent = false;
            return self.put_off(reply.retry_after_ms, if older { OLDER_MS } else { AGAIN_MS });
        }
        let queued = self.wishes.queue.remove(index);
        self.emit(Effect::Settled { wish: queued.wish, error: reply.error, message: reply.message });
    }

    fn topics_replied(&mut self, reply: &Reply) {
        let older = reply.error == ErrorCode::Conflict;
        let again = older || reply.error.is_temporary();
        let mut index = 0;
        let mut mine = false;
        while index < self.wishes.topics.len() {
            let wanted = &mut self.wishes.topics[index];
            if wanted.request != reply.request_id {
                index += 1;
                continue;
            }
            mine = true;
            wanted.request = 0;
            let topic = wanted.topic.clone();
            let denied = reply.denied.iter().any(|name| name == topic.as_str());
            let error = if denied { ErrorCode::NotPermitted } else { reply.error };
            wanted.settled = !again;
            if wanted.leaving {
                if error == ErrorCode::Ok {
                    self.wishes.topics.swap_remove(index);
                    let log = LogName::Topic(topic.clone());
                    if self.logs.end(&log) {
                        self.outgoing.end(log);
                    }
                    self.emit(Effect::Unsubscribed { topic });
                    continue;
                }
            } else if error == ErrorCode::Ok {
                let recovered = self.logs.recovered(&LogName::Topic(topic)).unwrap_or(true);
                let told = wanted.subscribed(recovered);
                self.effects.push(told);
            } else if wanted.error != error {
                wanted.error = error;
                self.emit(Effect::SubscribeFailed { topic, error });
            }
            index += 1;
        }
        if mine && again {
            self.put_off(reply.retry_after_ms, if older { OLDER_MS } else { AGAIN_MS });
        }
    }

    /// A topic's log ended without us asking: it is not asked for again on this link, unless a tab
    /// does.
    pub(super) fn topic_ended(&mut self, log: &LogName, why: ErrorCode) {
        if let LogName::Topic(topic) = log
            && let Some(wanted) = self.wishes.topics.iter_mut().find(|w| w.topic == *topic)
        {
            wanted.settled = true;
            wanted.request = 0;
            wanted.error = why;
        }
    }

    /// Nothing more is asked for a while.
    pub(super) fn put_off(&mut self, after_ms: u32, least_ms: u32) {
        let after = u64::from(after_ms.max(least_ms));
        self.wishes.put_off = true;
        self.timers.set(Why::Wish, self.now.after_millis(after));
    }
}
