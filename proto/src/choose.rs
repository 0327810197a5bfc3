//! Choosing a gateway: a list, a race up to the first answered Probe, and who won before.
//!
//! ```text
//! session            race
//!   begin      ->    candidates, best first
//!   dial       ->    the first; the next after 250 ms, or at once when one fails
//!   open       ->    Probe, or Hello where nobody else runs
//!   answered   ->    the others are closed, Hello goes to this one alone
//!   failed     ->    the next; also when no Welcome came in 4 s
//! ```
//!
//! The staggered start is that of "Happy Eyeballs" (RFC 8305, section 5). A gateway that is up but overloaded opens
//! sockets all the same: only an answer shows that somebody works there, and only a Welcome that it works for us.

use crate::frame::Endpoint;
use crate::reconnect::Backoff;
use crate::time::Instant;

/// The next candidate is dialled this long after the one before (RFC 8305, section 5).
pub const STAGGER_MS: u64 = 250;
/// A candidate that answered has this long for its Welcome while others are left.
pub const WELCOME_MS: u64 = 4000;
/// The last one has this long to open and to answer, and then again for its Welcome.
pub const ANSWER_MS: u64 = 10_000;
/// Who won is dialled first for this long: an hour, so that a gateway that was slow once is not shunned for a day.
const REMEMBERED_MS: u64 = 3_600_000;
/// Networks whose winner is remembered (`HEARTBEAT.md`: a device meets some dozens).
const NETWORKS: usize = 32;
/// A list that could not be fetched, or holds nobody else, is asked for again no earlier than this.
const AGAIN_MS: u64 = 60_000;

/// What a candidate's open socket says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Nothing: no candidate has this socket.
    Nothing,
    /// A Probe, then [`Race::choose`] when it is answered.
    Probe,
    /// Hello: nobody else runs. [`Race::choose`] it.
    Hello,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Dialled,
    Failed,
}

/// A gateway that runs, or may.
#[derive(Debug)]
struct Candidate {
    url: String,
    socket: u32,
    stage: Stage,
}

/// One look for a gateway: sockets without Hello, and then the one that has it until it is welcomed.
#[derive(Debug, Default)]
pub struct Race {
    candidates: Vec<Candidate>,
    /// The socket that has the Hello; 0: none yet.
    chosen: u32,
    /// Somebody has to answer a Probe before it gets the Hello.
    careful: bool,
    due: Instant,
}

impl Race {
    /// Begins anew with these addresses, best first; the empty one is the configured gateway. `careful`: also a
    /// single candidate has to answer a Probe, since there is something to lose. Sockets of a race that was on are
    /// forgotten: [`Self::end`] it before.
    pub fn begin(&mut self, now: Instant, urls: Vec<String>, careful: bool) {
        self.careful = careful || urls.len() > 1;
        let candidate = |url| Candidate { url, socket: 0, stage: Stage::Waiting };
        self.candidates = urls.into_iter().map(candidate).collect();
        self.chosen = 0;
        self.due = now;
    }

    /// More candidates for a race that is on, after those that are there.
    pub fn join(&mut self, urls: Vec<String>) {
        for url in urls {
            if self.candidates.iter().all(|candidate| candidate.url != url) {
                self.candidates.push(Candidate { url, socket: 0, stage: Stage::Waiting });
            }
        }
        self.careful |= self.candidates.len() > 1;
    }

    /// Whether there is anybody: running, or chosen and not yet welcomed.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.candidates.is_empty()
    }

    /// Whether a Hello is out.
    #[must_use]
    pub fn is_chosen(&self) -> bool {
        self.chosen != 0
    }

    /// Whether everybody has failed.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.candidates.iter().all(|candidate| candidate.stage == Stage::Failed)
    }

    /// When to call [`Self::dial`] and [`Self::late`] again.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.due
    }

    /// The address to dial now with `socket`, if it is time for one.
    pub fn dial(&mut self, now: Instant, socket: u32) -> Option<&str> {
        if self.chosen != 0 || self.due > now {
            return None;
        }
        let next = self.candidates.iter().position(|candidate| candidate.stage == Stage::Waiting)?;
        let more = self.waiting() > 1;
        self.due = now.after_millis(if more { STAGGER_MS } else { ANSWER_MS });
        let candidate = &mut self.candidates[next];
        candidate.stage = Stage::Dialled;
        candidate.socket = socket;
        Some(&candidate.url)
    }

    /// The socket that is out of time at `now`: the chosen one, or one of those that did not answer.
    #[must_use]
    pub fn late(&self, now: Instant) -> Option<u32> {
        if self.due > now {
            return None;
        }
        if self.chosen != 0 {
            return Some(self.chosen);
        }
        self.sockets().next()
    }

    /// What the socket says first, now that it is open.
    #[must_use]
    pub fn open(&self, socket: u32) -> First {
        match self.has(socket) {
            false => First::Nothing,
            true if self.careful => First::Probe,
            true => First::Hello,
        }
    }

    /// Whether the socket belongs to a candidate without Hello.
    #[must_use]
    pub fn has(&self, socket: u32) -> bool {
        self.chosen == 0 && self.sockets().any(|have| have == socket)
    }

    /// The Hello goes to this one. Answers the sockets of the others: close them; they may be dialled again.
    pub fn choose(&mut self, now: Instant, socket: u32) -> Vec<u32> {
        let others = self.sockets().filter(|other| *other != socket).collect();
        for candidate in &mut self.candidates {
            if candidate.stage == Stage::Dialled && candidate.socket != socket {
                candidate.stage = Stage::Waiting;
            }
        }
        self.chosen = socket;
        self.due = now.after_millis(if self.waiting() > 0 { WELCOME_MS } else { ANSWER_MS });
        others
    }

    /// The socket is gone, or its gateway refuses us for now: the next one's turn. False: it belongs to nobody here.
    pub fn failed(&mut self, now: Instant, socket: u32) -> bool {
        let found = self.candidates.iter_mut();
        let Some(candidate) = found.into_iter().find(|it| it.socket == socket && it.stage == Stage::Dialled)
        else {
            return false;
        };
        candidate.stage = Stage::Failed;
        if self.chosen == socket {
            self.chosen = 0;
        }
        // Where nobody is left to dial, those that run keep the time they have.
        if self.waiting() > 0 {
            self.due = now;
        }
        true
    }

    /// The race is over. Answers the sockets without Hello: close them.
    pub fn end(&mut self) -> Vec<u32> {
        let running = if self.chosen == 0 { self.sockets().collect() } else { Vec::new() };
        self.candidates = Vec::new();
        self.chosen = 0;
        running
    }

    /// Where the socket leads.
    #[must_use]
    pub fn url(&self, socket: u32) -> Option<&str> {
        let found = self.candidates.iter().find(|it| it.socket == socket && it.stage == Stage::Dialled)?;
        Some(&found.url)
    }

    fn waiting(&self) -> usize {
        self.candidates.iter().filter(|candidate| candidate.stage == Stage::Waiting).count()
    }

    fn sockets(&self) -> impl Iterator<Item = u32> + '_ {
        let running = self.candidates.iter().filter(|candidate| candidate.stage == Stage::Dialled);
        running.map(|candidate| candidate.socket)
    }
}

/// What is known of gateways between the races.
#[derive(Debug, Default)]
pub struct Known {
    /// As `GET /v1/gateways` gave it; empty: nobody but the configured one.
    list: Vec<Endpoint>,
    /// Then the list is old.
    old_at: Instant,
    /// Where we think we are: the network of the last Welcome, unless something has changed since.
    network: String,
    winners: Vec<Winner>,
    /// The last candidates were led by the winner of that network.
    by_memory: bool,
}

#[derive(Debug)]
struct Winner {
    network: String,
    url: String,
    until: Instant,
}

impl Known {
    /// Whether the list should be fetched. `again`: somebody just failed, or the network is another one; otherwise a
    /// list that holds nobody else is asked for but once, so that an app with one gateway costs it nothing.
    pub fn wants_list(&mut self, now: Instant, again: bool) -> bool {
        let wanted = now >= self.old_at && (again || !self.list.is_empty() || self.old_at == Instant::ZERO);
        if wanted {
            self.old_at = now.after_millis(AGAIN_MS);
        }
        wanted
    }

    /// The list came. Addresses are as sockets dial them; the configured gateway's is empty.
    pub fn listed(&mut self, now: Instant, list: Vec<Endpoint>, ttl_s: u32) {
        let alone = list.len() < 2;
        self.list = if alone { Vec::new() } else { list };
        self.old_at = now.after_millis((u64::from(ttl_s) * 1000).max(AGAIN_MS));
    }

    /// Whether there is a choice.
    #[must_use]
    pub fn is_choice(&self) -> bool {
        !self.list.is_empty()
    }

    /// Candidates for a race: the winner of this network, the listed ones in a random order by weight, and at last
    /// the configured one, whatever else is known.
    pub fn candidates(&mut self, now: Instant, random: &mut Backoff) -> Vec<String> {
        self.winners.retain(|winner| winner.until > now);
        let known = self.winners.iter().find(|winner| winner.network == self.network);
        let mut urls: Vec<String> = known.map(|winner| winner.url.clone()).into_iter().collect();
        self.by_memory = !urls.is_empty();
        for url in by_weight(self.list.clone(), random).into_iter().chain([String::new()]) {
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        urls
    }

    /// This one welcomed us, from `network`. True: the network is another than we thought, so that what we knew of
    /// it led us here, and a new look is due.
    pub fn won(&mut self, now: Instant, network: String, url: String) -> bool {
        let elsewhere = self.is_choice() && self.by_memory && self.network != network;
        self.network.clone_from(&network);
        if !elsewhere && !network.is_empty() && (self.is_choice() || !url.is_empty()) {
            self.winners.retain(|winner| winner.network != network);
            if self.winners.len() >= NETWORKS {
                self.winners.remove(0);
            }
            self.winners.push(Winner { network, url, until: now.after_millis(REMEMBERED_MS) });
        }
        elsewhere
    }

    /// This one failed: it is nobody's favourite any more.
    pub fn lost(&mut self, url: &str) {
        self.winners.retain(|winner| winner.url != url);
    }

    /// The network may be another one.
    pub fn network_changed(&mut self) {
        self.network.clear();
    }
}

/// The addresses in a random order, in which a gateway of twice the weight comes first twice as often.
pub fn by_weight(mut endpoints: Vec<Endpoint>, random: &mut Backoff) -> Vec<String> {
    let weight = |endpoint: &Endpoint| u64::from(endpoint.weight.max(1));
    let mut urls = Vec::new();
    while !endpoints.is_empty() {
        let mut pick = random.choose(endpoints.iter().map(weight).sum());
        let at = endpoints.iter().position(|endpoint| {
            let here = pick < weight(endpoint);
            pick = pick.wrapping_sub(weight(endpoint));
            here
        });
        urls.push(endpoints.remove(at.unwrap_or(0)).url);
    }
    urls
}
