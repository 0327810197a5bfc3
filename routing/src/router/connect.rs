//! A Hello: which registration it is, whether its link may take the row, and where each of its
//! logs goes on.

use super::{Link, Notes, Router};
use crate::store::{
    Counters as _, Expect, Log as _, Progress, ProgressLog, PutError, Registry as _, Row, STARTS_AT_COMMIT,
};
use crate::{
    Connect, ConnectRefused, Connected, GapInfo, GapReason, LastSeenRecord, LinkEnd, Log, LogKey, MadeBy,
    ReaderView, SessionRef, StartInfo, StoreError,
};
use core::time::Duration;
use pulsegate_proto::id::{AppId, Epoch, Mark, Marks, Position, RegistrationId, Seq};
use subtle::ConstantTimeEq as _;

/// Entries looked at, a log, to count what a device stored but had not acked when its link broke.
const CATCH_UP: usize = 1024;
/// Rows are taken from under a Hello by another Hello of the same device only; that many at the
/// same moment is an attack or a loop.
const TRIES: usize = 16;

/// Who a Hello comes from.
enum Who {
    /// The device of this row.
    Known(Box<Row>),
    /// A device that is new here, or has become somebody else: nothing can be missing.
    New,
    /// A device whose registration is not known (any more).
    Lost,
}

impl Router {
    /// Takes a Hello whose token was checked. On return the row, with the session in it, is
    /// durable, and the link that held it before was told.
    ///
    /// # Errors
    /// The pair is not larger than the one that rules, the secret is wrong, or the store failed.
    pub async fn connect(&self, app: &AppId, ask: Connect) -> Result<Connected, ConnectRefused> {
        for _ in 0..TRIES {
            let outcome = match self.who(app, &ask)? {
                Who::Known(row) => self.resume(app, &ask, *row).await,
                Who::New => self.register(app, &ask, true).await,
                Who::Lost => self.register(app, &ask, false).await,
            };
            match outcome {
                Err(Refused::Conflict) => {}
                Err(Refused::For(refused)) => return Err(refused),
                Ok(connected) => return Ok(connected),
            }
        }
        let why = String::from("the registration changes too often");
        Err(ConnectRefused::Store(StoreError::Unavailable(why)))
    }

    fn who(&self, app: &AppId, ask: &Connect) -> Result<Who, ConnectRefused> {
        let Some((id, secret)) = &ask.registration else {
            return Ok(Who::New);
        };
        let row = self.0.store.row(app, id)?;
        // The same work whether the row is there or not.
        let stored = row.as_ref().map_or([0; 32], |row| row.secret_hash);
        let right = hash(secret).ct_eq(&stored);
        match row {
            None => Ok(Who::Lost),
            Some(_) if !bool::from(right) => Err(ConnectRefused::WrongSecret),
            Some(row) if row.user.is_some() && row.user != ask.user => Ok(Who::New),
            Some(row) => Ok(Who::Known(Box::new(row))),
        }
    }

    async fn resume(&self, app: &AppId, ask: &Connect, old: Row) -> Result<Connected, Refused> {
        let link = match ask.link {
            0 if ask.generation == old.generation => old.link + 1,
            link => link,
        };
        if (ask.generation, link) <= (old.generation, old.link) {
            let generation = old.generation;
            return Err(Refused::For(ConnectRefused::Replaced { generation }));
        }
        let mut row = old.clone();
        if row.user.is_none() && ask.user.is_some() {
            row.user.clone_from(&ask.user);
            row.user_began = STARTS_AT_COMMIT;
        }
        row.subscriptions.retain(|s| s.made_by == MadeBy::Backend || ask.grants.topic(&s.topic));
        (row.generation, row.link) = (ask.generation, link);
        self.take(&mut row, ask);
        let row = self.put(app, Expect::Revision(old.revision), row).await?;
        // A cursor that is not written yet counts as well.
        self.flush_device(app, &row.id).await?;
        let progress = self.0.store.progress(app, &row.id)?;
        let newly = |log: &Log| matches!(log, Log::User(_)) && old.user.is_none();
        let logs: Vec<(Log, Seq)> = row.logs().collect();
        let starts = logs
            .into_iter()
            .map(|(log, began)| {
                let fresh = newly(&log).then_some(true);
                let progress = progress.of(&log);
                self.start(app, ask, log, began, progress, fresh, old.epoch)
            })
            .collect();
        let superseded = old.session.as_ref().map(|s| Self::session(app, &old.id, s));
        if let Some(session) = &superseded {
            let link_only = old.generation == row.generation;
            self.0.wake.superseded(session, row.generation, link_only);
        }
        let last_seen = last_seen(&old);
        let connected = self.connected(app, row, None, starts, Some(last_seen), superseded);
        self.catch_up(app, &connected, &progress, ask)?;
        Ok(connected)
    }

    async fn register(&self, app: &AppId, ask: &Connect, recovered: bool) -> Result<Connected, Refused> {
        let mut random = [0u8; 48];
        getrandom::fill(&mut random)
            .map_err(|error| StoreError::Unavailable(format!("no randomness for a registration: {error}")))?;
        let mut secret = [0u8; 32];
        secret.copy_from_slice(&random[16..]);
        let id: String = random[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let id = RegistrationId::parse(&id).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let now = self.0.clock.now();
        let mut row = Row {
            id,
            revision: 0,
            secret_hash: hash(&secret),
            user: ask.user.clone(),
            began: STARTS_AT_COMMIT,
            user_began: STARTS_AT_COMMIT,
            tags: Vec::new(),
            subscriptions: Vec::new(),
            created: now,
            last_seen: now,
            idle: Duration::ZERO,
            generation: ask.generation,
            link: ask.link,
            session: None,
            boot: String::new(),
            agent: String::new(),
            ephemeral: false,
            epoch: self.0.store.epoch(),
            web_push: None,
            last_link: None,
        };
        self.take(&mut row, ask);
        let row = self.put(app, Expect::Absent, row).await?;
        let logs: Vec<(Log, Seq)> = row.logs().collect();
        let starts = logs
            .into_iter()
            .map(|(log, began)| self.start(app, ask, log, began, None, Some(recovered), row.epoch))
            .collect();
        Ok(self.connected(app, row, Some(secret), starts, None, None))
    }

    /// The new link takes the row.
    fn take(&self, row: &mut Row, ask: &Connect) {
        row.session = Some(ask.session.clone());
        row.boot.clone_from(&ask.boot);
        row.agent.clone_from(&ask.agent);
        row.ephemeral = ask.ephemeral;
        row.epoch = self.0.store.epoch();
        row.last_seen = self.0.clock.now();
        row.idle = self.0.idle.of(row);
    }

    async fn put(&self, app: &AppId, expect: Expect, row: Row) -> Result<Row, Refused> {
        self.0.store.put(app.clone(), expect, row).await.map_err(|error| match error {
            PutError::Conflict => Refused::Conflict,
            PutError::Store(error) => Refused::from(error),
        })
    }

    fn connected(
        &self,
        app: &AppId,
        row: Row,
        secret: Option<[u8; 32]>,
        starts: Vec<StartInfo>,
        last_seen: Option<LastSeenRecord>,
        superseded: Option<SessionRef>,
    ) -> Connected {
        if let Some(session) = row.session.clone() {
            let link = Link { session, joined: self.0.store.head() };
            self.0.links().insert((app.clone(), row.id.clone()), link);
        }
        Connected {
            registration: row.id,
            secret,
            starts,
            topics: row.subscriptions.into_iter().map(|s| s.topic).collect(),
            tags: row.tags,
            user: row.user,
            last_seen,
            superseded,
            generation: row.generation,
            link: row.link,
        }
    }

    /// Where `log` goes on. `fresh`: the device begins to read it now, and `false` says that
    /// something it had before is lost. `known`: the incarnation its last link was told of.
    #[expect(clippy::too_many_arguments, reason = "each decides; a struct would be made for this call alone")]
    fn start(
        &self,
        app: &AppId,
        ask: &Connect,
        log: Log,
        began: Seq,
        progress: Option<&ProgressLog>,
        fresh: Option<bool>,
        known: Epoch,
    ) -> StartInfo {
        let log = LogKey::new(app, log);
        let (epoch, head) = (self.0.store.epoch(), self.0.store.head());
        let name = log.name();
        let cursor = ask.cursors.iter().find(|cursor| cursor.log == name).map(|c| c.at);
        let own = progress.map_or(0, |progress| progress.acked).max(began);
        // What a cursor that means nothing means.
        let nothing = cursor.and_then(|cursor| match cursor {
            Position { epoch: other, .. } if other != epoch => Some(GapReason::EpochChanged),
            Position { seq, .. } if seq > head => Some(GapReason::CursorAhead),
            _ => None,
        });
        let (mut at, mut gap) = match (fresh, cursor, nothing) {
            (Some(true), ..) => (began, None),
            (Some(false), _, reason) => {
                let after = cursor.filter(|c| c.epoch == epoch).map_or(0, |c| c.seq.min(began));
                let reason = reason.unwrap_or(GapReason::Retention);
                (began, Some(GapInfo { after, resume: began, reason }))
            }
            (None, _, Some(reason)) => (own, Some(GapInfo { after: 0, resume: own, reason })),
            (None, Some(cursor), None) => (cursor.seq.max(began), None),
            // It names no place, and ours is of a store that is no more: what was lost is told all the same.
            (None, None, None) if known != epoch => {
                let reason = GapReason::EpochChanged;
                (own, Some(GapInfo { after: 0, resume: own, reason }))
            }
            (None, None, None) => (own, None),
        };
        let floor = self.0.store.floor(&log);
        if at < floor {
            let reason = gap.map_or(GapReason::Retention, |gap| gap.reason);
            let after = gap.map_or(at, |gap| gap.after);
            gap = Some(GapInfo { after, resume: floor, reason });
            at = floor;
        }
        let sent = progress.map_or(0, |progress| progress.sent);
        StartInfo {
            had: if fresh.is_some() { at } else { at.max(sent) },
            at: Position { epoch, seq: at },
            recovered: gap.is_none(),
            gap,
            began,
            log,
        }
    }

    /// A device that comes back beyond what it had acked has stored what lies between: counted now,
    /// with the cursor, as if it had acked.
    fn catch_up(
        &self,
        app: &AppId,
        connected: &Connected,
        progress: &Progress,
        ask: &Connect,
    ) -> Result<(), StoreError> {
        let id = &connected.registration;
        let notes = Notes::of(app, id);
        for start in &connected.starts {
            let acked = progress.of(&start.log.log).map_or(0, |progress| progress.acked);
            let (from, to) = (acked.max(start.began), start.at.seq);
            let name = start.log.name();
            let named = ask.cursors.iter().any(|c| c.log == name && c.at == start.at);
            if !named || from >= to || self.0.store.last(&start.log)? <= from {
                continue;
            }
            let reader = ReaderView {
                registration: id.clone(),
                user: connected.user.clone(),
                tags: connected.tags.as_slice().into(),
                began: start.began,
                had: start.had,
            };
            let now = self.0.clock.now();
            let raw = self.0.store.read(&start.log, from, CATCH_UP, usize::MAX)?;
            let stored = raw.entries.iter().take_while(|entry| entry.seq <= to);
            let for_it = stored.filter(|entry| entry.addressed_to(&reader, from, now));
            let marks = for_it.map(|entry| Mark { seq: entry.seq, message: entry.message() });
            let marks = Marks::many(marks.collect());
            let weight = marks.as_ref().map_or(0, |marks| marks.len());
            self.0.pending.note(
                &notes,
                &start.log.log,
                || now,
                weight,
                |progress| {
                    progress.acked = progress.acked.max(to);
                    progress.sent.extend(marks.clone());
                    progress.received.extend(marks);
                },
            );
        }
        Ok(())
    }
}

enum Refused {
    Conflict,
    For(ConnectRefused),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::For(ConnectRefused::Store(error))
    }
}

/// Secrets are kept as BLAKE3: 256 random bits need no slow hash.
pub(super) fn hash(secret: &[u8]) -> [u8; 32] {
    *blake3::hash(secret).as_bytes()
}

fn last_seen(old: &Row) -> LastSeenRecord {
    match (&old.session, &old.last_link) {
        // It still holds the row, or its gateway died with it.
        (Some(session), _) => LastSeenRecord {
            session: session.clone(),
            boot: old.boot.clone(),
            heard: old.last_seen,
            unanswered: false,
            end: LinkEnd::Unknown,
        },
        (None, Some(last)) => last.clone(),
        (None, None) => LastSeenRecord {
            // A row is always made by a link: only a damaged life has neither.
            session: pulsegate_proto::id::SessionId::parse("unknown")
                .unwrap_or_else(|_| unreachable!("a constant session id")),
            boot: old.boot.clone(),
            heard: old.last_seen,
            unanswered: false,
            end: LinkEnd::Unknown,
        },
    }
}
