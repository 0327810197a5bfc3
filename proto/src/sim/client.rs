//! One client in its world under one policy: what happens to its link.

use super::policy::{Mind, Policy};
use super::tally::Tally;
use super::world::{Event, Kind, World};
use crate::heartbeat::{Conditions, End, How, Reopened};

/// Grace of the watchdog, seconds: a person looks, nobody does.
const GRACE: (f64, f64) = (2.0, 4.0);
/// How long a Probe may go unanswered, seconds: the same.
const PROBE: (f64, f64) = (4.0, 8.0);
/// After a signal of the network or of a person, seconds.
const PROMPT_PROBE: f64 = 3.0;
/// Longer silence than this is looked into when a tab becomes visible, seconds.
const QUIET: f64 = 15.0;
/// A ping of the original design may go unanswered this long, seconds.
const PONG: f64 = 10.0;
/// Timers of a hidden, throttled page, seconds.
const GRID: f64 = 60.0;
/// Restart of a gateway, seconds.
const RESTART: f64 = 2.0;
/// First retransmission of TCP, seconds; each next one takes twice as long.
const RETRANSMIT: f64 = 0.2;
/// The longest wait between attempts, seconds.
const LONGEST_WAIT: f64 = 60.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    /// The mapping expired.
    Idle,
    /// The device is in another network, or the gateway is gone.
    Gone,
}

#[derive(Clone, Debug)]
struct Live {
    /// Last traffic that passed.
    spoke: f64,
    planned: f64,
    dead: Option<Death>,
    /// Something of the gateway's was sent and did not come.
    lost: Option<f64>,
    /// A Probe, or a ping of the client's, is out: when it is given up.
    probe: Option<f64>,
    network: usize,
    boot: u32,
}

#[derive(Clone, Debug)]
struct Ended {
    at: f64,
    end: End,
    live: Live,
}

#[derive(Clone, Debug)]
enum Link {
    Up(Live),
    Down { retry: f64, attempt: u32, last: Option<Box<Ended>> },
}

/// What the link does next by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Expire,
    Beat,
    Watch,
    GiveUp,
    Retry,
}

pub(super) struct Client<'w> {
    world: &'w World,
    mind: Mind,
    tally: Tally,
    now: f64,
    network: usize,
    boot: u32,
    /// The gateway takes nobody before this.
    restarted: f64,
    passes: bool,
    visible: bool,
    night: bool,
    link: Link,
    /// Published and not yet delivered.
    pending: Vec<f64>,
    /// For the backoff's jitter; of its own, so that policies do not change the world.
    jitter: super::random::Dice,
    /// Silences asked for, if anybody wants to know.
    watched: Option<Vec<(f64, f64)>>,
}

impl<'w> Client<'w> {
    pub(super) fn new(world: &'w World, policy: Policy, seed: u64) -> Self {
        Self {
            world,
            mind: Mind::new(policy),
            tally: Tally::default(),
            now: 0.0,
            network: 0,
            boot: 0,
            restarted: 0.0,
            passes: true,
            visible: false,
            night: true,
            link: Link::Down { retry: 0.0, attempt: 0, last: None },
            pending: Vec::new(),
            jitter: super::random::Dice::new(seed),
            watched: None,
        }
    }

    /// A whole life: what it cost.
    pub(super) fn live(mut self) -> Tally {
        self.run();
        self.tally
    }

    /// A whole life: when the silence asked for changed, and to what.
    pub(super) fn watched(mut self) -> Vec<(f64, f64)> {
        self.watched = Some(Vec::new());
        self.run();
        self.watched.unwrap_or_default()
    }

    fn run(&mut self) {
        for &(at, event) in &self.world.events {
            self.until(at);
            self.happens(event);
        }
        self.until(self.world.end);
    }

    /// Everything the link does by itself up to a time.
    fn until(&mut self, end: f64) {
        while let Some((at, step)) = self.next(end) {
            if at > end {
                break;
            }
            self.pass(at.max(self.now));
            match step {
                Step::Expire => self.expire(),
                Step::Beat => self.beat(end),
                Step::Watch => self.probe(if self.visible { PROBE.0 } else { PROBE.1 }),
                Step::GiveUp => self.give_up(),
                Step::Retry => self.retry(),
            }
        }
        self.pass(end);
    }

    /// Time goes by in the state that is.
    fn pass(&mut self, to: f64) {
        let reachable = match &self.link {
            Link::Up(live) => live.dead.is_none(),
            Link::Down { .. } => false,
        };
        let long = to - self.now;
        if self.passes && !reachable {
            self.tally.unreachable(long, self.visible);
        }
        if self.network == 0 {
            self.tally.at_home += long;
        }
        self.now = to;
    }

    fn next(&self, end: f64) -> Option<(f64, Step)> {
        let live = match &self.link {
            Link::Down { retry, .. } => return Some((*retry, Step::Retry)),
            Link::Up(live) => live,
        };
        let mut first = (f64::INFINITY, Step::Expire);
        let mut consider = |at: f64, step: Step| {
            if at < first.0 {
                first = (at, step);
            }
        };
        if let Some(at) = live.probe {
            consider(at, Step::GiveUp);
        }
        if live.dead.is_none() {
            let timeout = self.world.networks[live.network].timeout(live.spoke);
            consider(live.spoke + timeout, Step::Expire);
        }
        let due = live.spoke + live.planned;
        if self.mind.gateway_first() {
            if live.lost.is_none() {
                consider(due, Step::Beat);
            }
            if live.probe.is_none() {
                let grace = if self.visible { GRACE.0 } else { GRACE.1 };
                consider(self.timer(due + grace), Step::Watch);
            }
        } else if live.probe.is_none() {
            consider(self.timer(due), Step::Watch);
        }
        (first.0 <= end).then_some(first)
    }

    /// When a timer set for `at` goes off.
    fn timer(&self, at: f64) -> f64 {
        if self.world.throttled && !self.visible { (at / GRID).ceil() * GRID } else { at }
    }

    fn conditions(&self) -> Conditions {
        Conditions { visible: self.visible, night: self.night }
    }

    /// What would be asked for now.
    fn wish(&self) -> f64 {
        self.mind.silence(self.conditions(), &self.world.networks[self.network], self.now)
    }

    /// Traffic passed, in either direction.
    fn spoken(&mut self) {
        let wish = self.wish();
        if let Link::Up(live) = &mut self.link {
            live.spoke = self.now;
            live.planned = wish;
            live.probe = None;
            live.lost = None;
        }
        let half = self.world.rtt / 2.0;
        for published in std::mem::take(&mut self.pending) {
            self.tally.delay(self.now - published + half);
        }
        self.look();
    }

    /// Whether the silence is what this path could bear.
    fn look(&mut self) {
        let wish = self.wish();
        if let Some(watched) = &mut self.watched
            && watched.last().is_none_or(|(_, last)| (last - wish).abs() > 0.5)
        {
            watched.push((self.now, wish));
        }
        if self.network == 0 && self.tally.reached.is_none() {
            let network = &self.world.networks[0];
            let wish = self.mind.silence(Conditions::default(), network, self.now);
            let timeout = network.timeout(self.now);
            if wish >= 0.9 * timeout.min(580.0) && wish < timeout {
                self.tally.reached = Some(self.tally.at_home);
            }
        }
    }

    fn expire(&mut self) {
        let passes = self.passes;
        let Link::Up(live) = &mut self.link else { return };
        live.dead = Some(Death::Idle);
        if passes {
            self.tally.idle_deaths += 1.0;
            if self.world.networks[live.network].kind == Kind::Proxy {
                self.mind.unanswered();
                self.end(How::Eof);
            }
        }
    }

    /// The gateway beats.
    fn beat(&mut self, end: f64) {
        let passes = self.passes;
        let wish = self.wish();
        let Link::Up(live) = &mut self.link else { return };
        self.tally.beats += 1.0;
        if live.dead.is_some() || !passes {
            live.lost = Some(self.now);
            return;
        }
        let (gap, mut more) = (live.planned, 0.0);
        if !self.mind.learns() && (wish - gap).abs() < f64::EPSILON {
            // Nothing will change until something happens.
            more = ((end - self.now) / gap).floor().max(0.0);
        }
        self.tally.beats += more;
        self.pass(self.now + more * gap);
        self.mind.survived(gap, self.now);
        self.spoken();
    }

    /// Asks whether the path is alive; a client-first policy's ping is the same.
    fn probe(&mut self, within: f64) {
        let first = self.mind.gateway_first();
        let within = if first { within } else { PONG };
        let (passes, now) = (self.passes, self.now);
        let Link::Up(live) = &mut self.link else { return };
        self.tally.beats += 1.0;
        let kind = self.world.networks[live.network].kind;
        live.probe = Some(now + within);
        match live.dead {
            None if passes => {
                // The answer tells of a beat that did not come.
                if live.lost.is_some() {
                    let planned = live.planned;
                    self.mind.lapsed(planned);
                }
                self.mind.answered();
                self.spoken();
            }
            Some(Death::Idle) if passes && kind == Kind::Loose => {
                // A mapping again; what the gateway had sent comes with its next retransmission, and
                // the answer behind it.
                let mut again = now;
                if let Some(lost) = live.lost {
                    let mut wait = RETRANSMIT;
                    again = lost;
                    while again < now {
                        again += wait;
                        wait *= 2.0;
                    }
                }
                if again > now + within {
                    return;
                }
                live.dead = None;
                let (planned, lost) = (live.planned, live.lost.is_some());
                if lost {
                    self.mind.lapsed(planned);
                }
                self.mind.answered();
                self.pass(again);
                self.spoken();
            }
            Some(Death::Idle) if passes && kind == Kind::Reset => {
                self.mind.unanswered();
                self.end(How::Reset);
            }
            _ => {}
        }
    }

    /// No answer in time: a second link, which is the better one if the first is dead.
    fn give_up(&mut self) {
        let passes = self.passes;
        if let Link::Up(live) = &mut self.link {
            if live.dead.is_none() && !passes {
                // Neither link can answer; what comes first when packets pass again is told there.
                live.probe = Some(self.now + LONGEST_WAIT);
                return;
            }
            self.mind.unanswered();
            self.end(How::TimedOut { probed: true });
        }
    }

    fn end(&mut self, how: How) {
        self.end_with(how, false);
    }

    fn end_with(&mut self, how: How, slept: bool) {
        let retry = (self.now + self.jitter.unit()).max(self.restarted);
        let Link::Up(live) = &self.link else { return };
        let end = End { how, silence_s: self.now - live.spoke, planned_s: live.planned, slept };
        let last = Some(Box::new(Ended { at: self.now, end, live: live.clone() }));
        self.link = Link::Down { retry, attempt: 0, last };
    }

    fn retry(&mut self) {
        let opened = self.now + 4.0 * self.world.rtt;
        let Link::Down { retry, attempt, last } = &mut self.link else { return };
        if !self.passes {
            let wait = f64::from(1 << (*attempt).min(6)).min(LONGEST_WAIT);
            *attempt += 1;
            *retry = self.now + wait * self.jitter.unit() + 1.0;
            return;
        }
        let last = last.take();
        self.tally.reconnects += 1.0;
        self.pass(opened);
        self.mind.welcomed(self.network, self.now);
        if let Some(ended) = last {
            let Ended { at, end, live } = *ended;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number")]
            let reopened = Reopened {
                after_ms: ((self.now - at) * 1000.0) as u64,
                same_network: live.network == self.network,
                gateway_lived: live.boot == self.boot,
                beat_unanswered: live.lost.is_some(),
                gateway_closed: false,
            };
            self.mind.ended(&end, &reopened);
        }
        let planned = self.wish();
        self.link = Link::Up(Live {
            spoke: self.now,
            planned,
            dead: None,
            lost: None,
            probe: None,
            network: self.network,
            boot: self.boot,
        });
        self.spoken();
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Push => self.pushed(),
            Event::Visible => self.seen(),
            Event::Hidden => self.visible = false,
            Event::Night(night) => self.night = night,
            Event::Changed => {}
            Event::Down { .. } => self.passes = false,
            Event::Up { woke, told } => self.up(woke, told),
            Event::Roam { to, told } => {
                self.network = to;
                if let Link::Up(live) = &mut self.link {
                    live.dead = Some(Death::Gone);
                }
                self.signal(told);
            }
            Event::Dropped => {
                if let Link::Up(live) = &mut self.link {
                    live.dead = Some(Death::Gone);
                }
            }
            Event::GatewayDies => {
                self.boot += 1;
                self.restarted = self.now + RESTART;
                if let Link::Up(live) = &mut self.link {
                    if live.dead.is_none() && self.passes {
                        self.end(How::Eof);
                    } else {
                        live.dead = Some(Death::Gone);
                    }
                }
            }
        }
    }

    fn pushed(&mut self) {
        self.pending.push(self.now);
        if let Link::Up(live) = &mut self.link {
            if live.dead.is_none() && self.passes {
                let gap = self.now - live.spoke;
                self.mind.survived(gap, self.now);
                self.spoken();
            } else {
                live.lost.get_or_insert(self.now);
            }
        }
    }

    /// A person looks.
    fn seen(&mut self) {
        self.visible = true;
        if let Link::Up(live) = &self.link {
            if !self.mind.gateway_first() {
                return;
            }
            if live.dead.is_some() || self.now - live.spoke > QUIET {
                self.probe(PROMPT_PROBE);
            } else if self.passes {
                self.spoken();
            }
        }
    }

    fn up(&mut self, woke: bool, told: bool) {
        self.passes = true;
        // What was published while nothing could arrive is not late before now.
        let now = self.now;
        for published in &mut self.pending {
            *published = now;
        }
        if let Link::Up(live) = &mut self.link {
            if woke {
                // The gateway has given the link up long ago.
                live.dead = Some(Death::Gone);
                return self.end_with(How::TimedOut { probed: true }, true);
            }
            if live.dead.is_none() {
                // TCP sends what it held back.
                if live.lost.is_some() || live.probe.is_some() {
                    self.spoken();
                }
                return;
            }
        }
        self.signal(told);
    }

    /// The network changed; the browser says so, or not.
    fn signal(&mut self, told: bool) {
        if !told {
            return;
        }
        match &mut self.link {
            Link::Up(live) if !self.mind.gateway_first() && live.dead.is_some() => {
                self.mind.unanswered();
                self.end(How::TimedOut { probed: false });
            }
            Link::Up(_) => self.probe(PROMPT_PROBE),
            Link::Down { retry, .. } => *retry = retry.min(self.now + self.jitter.unit()).max(self.restarted),
        }
    }
}
