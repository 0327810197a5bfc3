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
/// A list is asked for again no earlier than this.
const AGAIN_MS: u64 = 60_000;

/// A gateway, by its number in [`Known`]: numbers need no room and no care. 0 is the configured one.
pub type Gateway = u8;
/// The configured gateway.
pub const CONFIGURED: Gateway = 0;

/// A gateway and its share of clients against the others'.
pub type Weighted = (Gateway, u32);

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
#[derive(Clone, Copy, Debug)]
struct Candidate {
    gateway: Gateway,
    stage: Stage,
    socket: u32,
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
    /// Begins, or lets more join who are not there yet; best first. `careful`: also a single candidate has to answer
    /// a Probe, since there is something to lose.
    pub fn begin(&mut self, now: Instant, gateways: &[Gateway], careful: bool) {
        if self.is_on() {
            self.due = self.due.min(now.after_millis(STAGGER_MS));
        } else {
            self.careful = careful;
            self.due = now;
        }
        for &gateway in gateways {
            if !self.candidates.iter().any(|candidate| candidate.gateway == gateway) {
                self.candidates.push(Candidate { gateway, stage: Stage::Waiting, socket: 0 });
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

    /// Who to dial now with `socket`, if it is time for one.
    pub fn dial(&mut self, now: Instant, socket: u32) -> Option<Gateway> {
        if self.chosen != 0 || self.due > now {
            return None;
        }
        let next = self.candidates.iter_mut().find(|candidate| candidate.stage == Stage::Waiting)?;
        next.stage = Stage::Dialled;
        next.socket = socket;
        let gateway = next.gateway;
        self.due = now.after_millis(if self.is_somebody_waiting() { STAGGER_MS } else { ANSWER_MS });
        Some(gateway)
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
        self.running(0)
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
        self.chosen == 0 && self.gateway(socket).is_some()
    }

    /// Where the socket leads.
    #[must_use]
    pub fn gateway(&self, socket: u32) -> Option<Gateway> {
        let found = self.candidates.iter().find(|it| it.stage == Stage::Dialled && it.socket == socket)?;
        Some(found.gateway)
    }

    /// The Hello goes to this one, and it has so long to be welcomed. Call [`Self::other`] first.
    pub fn choose(&mut self, now: Instant, socket: u32) {
        self.chosen = socket;
        self.due = now.after_millis(if self.is_somebody_waiting() { WELCOME_MS } else { ANSWER_MS });
    }

    /// Takes a socket without Hello other than this one out of the race, until there is none: close it. Its gateway
    /// may be dialled again.
    pub fn other(&mut self, but: u32) -> Option<u32> {
        let chosen = self.chosen;
        let running =
            |it: &&mut Candidate| it.stage == Stage::Dialled && it.socket != but && it.socket != chosen;
        let other = self.candidates.iter_mut().find(running)?;
        other.stage = Stage::Waiting;
        Some(other.socket)
    }

    /// The socket is gone, or its gateway refuses us for now: the next one's turn. `None`: it belongs to nobody here.
    pub fn failed(&mut self, now: Instant, socket: u32) -> Option<Gateway> {
        let running = |it: &&mut Candidate| it.stage == Stage::Dialled && it.socket == socket;
        let candidate = self.candidates.iter_mut().find(running)?;
        candidate.stage = Stage::Failed;
        let gateway = candidate.gateway;
        if self.chosen == socket {
            self.chosen = 0;
        }
        // Where nobody is left to dial, those that run keep the time they have.
        if self.is_somebody_waiting() {
            self.due = now;
        }
        Some(gateway)
    }

    /// The race is over. Call [`Self::other`] first.
    pub fn end(&mut self) {
        self.candidates.clear();
        self.chosen = 0;
    }

    fn is_somebody_waiting(&self) -> bool {
        self.candidates.iter().any(|candidate| candidate.stage == Stage::Waiting)
    }

    fn running(&self, but: u32) -> Option<u32> {
        let found = self.candidates.iter().find(|it| it.stage == Stage::Dialled && it.socket != but)?;
        Some(found.socket)
    }
}

/// What is known of gateways between the races.
#[derive(Debug)]
pub struct Known {
    /// By number; the configured one's is empty.
    urls: Vec<String>,
    /// As `GET /v1/gateways` gave it; empty: nobody but the configured one.
    list: Vec<Weighted>,
    /// Then the list is old.
    old_at: Instant,
    /// Where we think we are: the network of the last Welcome, unless something has changed since. 0: nobody knows.
    network: u64,
    winners: Vec<Winner>,
    /// The last candidates were led by the winner of that network.
    by_memory: bool,
}

#[derive(Clone, Copy, Debug)]
struct Winner {
    network: u64,
    gateway: Gateway,
    until: Instant,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            urls: vec![String::new()],
            list: Vec::new(),
            old_at: Instant::ZERO,
            network: 0,
            winners: Vec::new(),
            by_memory: false,
        }
    }
}

impl Known {
    /// The number of the gateway at `url`, which is as a socket dials it. The 256th gateway is the configured one.
    pub fn number(&mut self, url: String) -> Gateway {
        let at = self.urls.iter().position(|have| *have == url).unwrap_or_else(|| {
            self.urls.push(url);
            self.urls.len() - 1
        });
        Gateway::try_from(at).unwrap_or(CONFIGURED)
    }

    /// The address of a gateway; `None`: the configured one.
    #[must_use]
    pub fn url(&self, gateway: Gateway) -> Option<&str> {
        self.urls.get(usize::from(gateway)).map(String::as_str).filter(|url| !url.is_empty())
    }

    /// Whether the list should be fetched. `again`: somebody just failed, or the network is another one; otherwise a
    /// list that holds nobody else is asked for but once, so that an app with one gateway costs it nothing.
    pub fn wants_list(&mut self, now: Instant, again: bool) -> bool {
        let wanted = now >= self.old_at && (again || self.is_choice() || self.old_at == Instant::ZERO);
        if wanted {
            self.old_at = now.after_millis(AGAIN_MS);
        }
        wanted
    }

    /// The list came, and is good for so long.
    pub fn listed(&mut self, now: Instant, list: Vec<Weighted>, ttl_s: u32) {
        self.list = list;
        self.old_at = now.after_millis((u64::from(ttl_s) * 1000).max(AGAIN_MS));
    }

    /// Whether there is a choice: a list of one gateway alone is none.
    #[must_use]
    pub fn is_choice(&self) -> bool {
        self.list.len() > 1
    }

    /// Candidates for a race: the winner of this network, the listed ones in a random order by weight, and at last
    /// the configured one, whatever else is known. Some may be there twice.
    pub fn candidates(&mut self, now: Instant, random: &mut Backoff) -> Vec<Gateway> {
        let network = self.network;
        let known = self.winners.iter().find(|winner| winner.network == network && winner.until > now);
        self.by_memory = known.is_some();
        let mut order: Vec<Gateway> = Vec::new();
        if let Some(winner) = known {
            order.push(winner.gateway);
        }
        if self.is_choice() {
            by_weight(self.list.clone(), random, &mut order);
        }
        order.push(CONFIGURED);
        order
    }

    /// This one welcomed us, from `network`. True: the network is another than we thought, so that what we knew of
    /// it led us here, and a new look is due.
    pub fn won(&mut self, now: Instant, network: &str, gateway: Gateway) -> bool {
        let network = hash(network);
        let elsewhere = self.is_choice() && self.by_memory && self.network != network;
        self.network = network;
        if !elsewhere && (self.is_choice() || gateway != CONFIGURED) {
            if self.winners.len() >= NETWORKS {
                self.winners.remove(0);
            }
            self.lost_in(network);
            self.winners.push(Winner { network, gateway, until: now.after_millis(REMEMBERED_MS) });
        }
        elsewhere
    }

    /// This one failed: it is not this network's favourite any more.
    pub fn lost(&mut self, gateway: Gateway) {
        if self.winners.iter().any(|winner| winner.network == self.network && winner.gateway == gateway) {
            self.lost_in(self.network);
        }
    }

    /// The network may be another one.
    pub fn network_changed(&mut self) {
        self.network = 0;
    }

    fn lost_in(&mut self, network: u64) {
        self.winners.retain(|winner| winner.network != network);
    }
}

/// Puts gateways behind those in `order`, at random, so that one of twice the weight comes first twice as often.
pub fn by_weight(mut list: Vec<Weighted>, random: &mut Backoff, order: &mut Vec<Gateway>) {
    let weight = |weighted: &Weighted| u64::from(weighted.1.max(1));
    while !list.is_empty() {
        let mut pick = random.choose(list.iter().map(weight).sum());
        let mut at = 0;
        while let Some(share) = list.get(at).map(weight)
            && pick >= share
        {
            pick -= share;
            at += 1;
        }
        order.push(list.remove(at.min(list.len() - 1)).0);
    }
}

/// FNV-1a of 64 bits (Fowler, Noll, Vo): tells some dozens of networks of one device apart.
fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    text.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step)
}
