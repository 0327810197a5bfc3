//! Who is connected to this node, and what wakes them.
//!
//! ```text
//! routing commits -> Wake -> board of the log -> ring keeps the tail, each parked reader's bit is set, its task woken
//!                         -> links of the registration: superseded, logs changed, deleted
//! ```
//!
//! A wake is a hint: it carries no entry. The reader asks the board, and the store where the board's ring does not
//! go back far enough.

mod board;
mod link;
mod ring;
mod waiter;

pub use board::{Board, Seat};
pub use waiter::{Mail, Marks, Vital, Waiter};

use crate::connection::NetworkNames;
use crate::listener::{AddressRate, Budget};
use crate::metric::Metrics;
use arc_swap::ArcSwap;
use link::Links;
use pulsegate_proto::id::{AppId, LogName, RegistrationId, Seq, Tag, UserId};
use pulsegate_proto::session::server::{Settings, Slot};
use pulsegate_routing::{Entry, GapInfo, LogKey, SessionRef, StartInfo, Wake};
use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Independent locks of the table of boards: a publish and a connecting device rarely meet.
const SHARDS: usize = 64;

/// A board, found by its log: the key is not stored twice.
struct ByLog(Arc<Board>);

impl Borrow<LogKey> for ByLog {
    fn borrow(&self) -> &LogKey {
        self.0.key()
    }
}

impl Hash for ByLog {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}

impl PartialEq for ByLog {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for ByLog {}

type Boards = HashSet<ByLog>;

/// What stands between a stranger and this node's memory.
pub struct Gate {
    /// Bytes held for who has not proved who they are.
    pub budget: Budget,
    /// WebSocket handshakes by address.
    pub handshakes: AddressRate,
    /// TLS handshakes by address.
    pub tls: AddressRate,
    /// New registrations by address.
    pub registrations: AddressRate,
}

/// A reader's place at a log. Give it back with [`Hub::leave`].
#[derive(Debug)]
pub struct Place {
    /// The log's board.
    pub board: Arc<Board>,
    seat: Seat,
}

/// The connections of this node.
pub struct Hub {
    hasher: RandomState,
    boards: Vec<Mutex<Boards>>,
    warm: Mutex<Vec<Arc<Board>>>,
    links: Links,
    connections: AtomicUsize,
    metrics: Arc<Metrics>,
    /// Rates and budget of who comes in.
    pub gate: Gate,
    /// Names of network paths.
    pub networks: NetworkNames,
    origin: Instant,
    settings: ArcSwap<Settings>,
}

impl Hub {
    /// A hub without connections. Strangers together may hold `unauthenticated_bytes`.
    #[must_use]
    pub fn new(unauthenticated_bytes: usize, networks: NetworkNames, metrics: Arc<Metrics>) -> Self {
        Self {
            hasher: RandomState::new(),
            boards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            warm: Mutex::default(),
            links: Links::default(),
            connections: AtomicUsize::new(0),
            metrics,
            gate: Gate {
                budget: Budget::new(unauthenticated_bytes),
                handshakes: AddressRate::default(),
                tls: AddressRate::default(),
                registrations: AddressRate::default(),
            },
            networks,
            origin: Instant::now(),
            settings: ArcSwap::from_pointee(Settings::default()),
        }
    }

    /// Parks `waiter` at `log`: from now on every append marks `slot`.
    #[must_use]
    pub fn sit(&self, log: &LogKey, waiter: &Arc<Waiter>, slot: Slot) -> Place {
        let mut boards = self.shard(log);
        if let Some(ByLog(board)) = boards.get(log)
            && let Some(seat) = board.sit(waiter, slot)
        {
            return Place { board: Arc::clone(board), seat };
        }
        // None yet, or its last reader left a moment ago and is about to take it off the table.
        let (board, seat) = Board::with(log.clone(), waiter, slot);
        let board = Arc::new(board);
        boards.replace(ByLog(Arc::clone(&board)));
        Place { board, seat }
    }

    /// Gives a place back.
    pub fn leave(&self, place: Place) {
        if place.board.leave(place.seat) {
            let mut boards = self.shard(place.board.key());
            if boards.get(place.board.key()).is_some_and(|found| Arc::ptr_eq(&found.0, &place.board)) {
                boards.remove(place.board.key());
            }
        }
    }

    /// Names a link, so that what concerns its registration finds it. Before the router is asked, or the moment
    /// between its answer and this call would lose what happens in it.
    pub fn join(&self, session: &SessionRef, waiter: &Arc<Waiter>) {
        self.links.join(session, waiter);
    }

    /// The link is welcomed: it counts as presence of its user.
    pub fn welcome(&self, session: &SessionRef, user: Option<&UserId>) {
        self.links.welcome(session, user);
    }

    /// The link is gone.
    pub fn part(&self, session: &SessionRef) {
        self.links.part(session);
    }

    /// Whether the device is connected here.
    #[must_use]
    pub fn online(&self, app: &AppId, registration: &RegistrationId) -> bool {
        self.links.online(app, registration)
    }

    /// How many links the user's devices have here.
    #[must_use]
    pub fn online_users(&self, app: &AppId, user: &UserId) -> usize {
        self.links.of_user(app, user)
    }

    /// Open WebSockets, welcomed or not.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Settings of the sessions that begin from now on.
    pub fn set_session_settings(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Settings of a session that begins now.
    #[must_use]
    pub fn session_settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Now, as the sessions of this node count time.
    #[must_use]
    pub fn now(&self) -> pulsegate_proto::time::Instant {
        pulsegate_proto::time::Instant::new(self.origin.elapsed())
    }

    /// That time as the timer of the system takes it.
    #[must_use]
    pub fn system_time(&self, at: pulsegate_proto::time::Instant) -> Instant {
        self.origin + at.since_origin()
    }

    /// Now, milliseconds since this hub began.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now().as_millis()
    }

    /// When a link of this node was last heard.
    #[must_use]
    pub fn vital(&self, session: &SessionRef) -> Option<Vital> {
        self.links.vital(session)
    }

    /// Everybody who is welcomed, to be told one by one.
    #[must_use]
    pub fn everybody(&self) -> Vec<Arc<Waiter>> {
        self.links.everybody()
    }

    pub(crate) fn opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Lets go of tails that were kept long enough. Call every few seconds.
    pub fn age(&self, now: Instant) {
        let warm = std::mem::take(&mut *lock(&self.warm));
        let still: Vec<_> = warm.into_iter().filter(|board| board.age(now)).collect();
        lock(&self.warm).extend(still);
    }

    fn shard(&self, log: &LogKey) -> MutexGuard<'_, Boards> {
        // The remainder fits whatever the width of usize.
        lock(&self.boards[(self.hasher.hash_one(log) % SHARDS as u64) as usize])
    }

    fn board(&self, log: &LogKey) -> Option<Arc<Board>> {
        self.shard(log).get(log).map(|found| Arc::clone(&found.0))
    }
}

impl Wake for Hub {
    fn appended(&self, log: &LogKey, entries: &[Arc<Entry>]) {
        let Some(board) = self.board(log) else { return };
        if board.appended(entries, Instant::now()) {
            lock(&self.warm).push(board);
        }
    }

    fn live(&self, log: &LogKey, entry: &Arc<Entry>) {
        if let Some(board) = self.board(log) {
            self.metrics.live_dropped(board.live(entry));
        }
    }

    fn removed(&self, log: &LogKey, seq: Seq) {
        if let Some(board) = self.board(log) {
            board.removed(seq);
        }
    }

    fn superseded(&self, session: &SessionRef, generation: u64, link_only: bool) {
        self.links.tell(session, Mail::Superseded { generation, link_only });
    }

    fn logs_changed(
        &self,
        app: &AppId,
        registration: &RegistrationId,
        started: &[StartInfo],
        ended: &[LogName],
    ) {
        self.links.tell_device(app, registration, || Mail::LogsChanged {
            started: started.to_vec(),
            ended: ended.to_vec(),
        });
    }

    fn tags_changed(&self, app: &AppId, registration: &RegistrationId, tags: &[Tag]) {
        let tags: Arc<[Tag]> = tags.into();
        self.links.tell_device(app, registration, || Mail::TagsChanged(Arc::clone(&tags)));
    }

    fn deleted(&self, app: &AppId, registration: &RegistrationId) {
        self.links.tell_device(app, registration, || Mail::Deleted);
    }

    fn trimmed(&self, log: &LogKey, _: &GapInfo) {
        if let Some(board) = self.board(log) {
            board.trimmed();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
