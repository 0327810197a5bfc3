//! Messages and logs of the naive store.

use super::{App, Collapsing, Key, State, Tell};
use crate::store::model::{
    Append, AppendError, Appended, Hider, MessageRow, RawBatch, RecallOutcome, RowState, Scheduled, keys,
};
use crate::{Entry, EntryKind, GapInfo, GapReason, Idempotency, Log, LogKey};
use core::time::Duration;
use pulsegate_proto::id::{AppId, MessageId, Seq};
use pulsegate_proto::limits;
use pulsegate_proto::time::UnixMs;
use std::sync::Arc;

pub(super) fn read(app: &mut App, log: &Log, after: Seq, max: usize, max_bytes: usize) -> RawBatch {
    let mut batch = RawBatch { end: true, ..RawBatch::default() };
    let Some(log) = app.logs.get(log) else {
        return batch;
    };
    let mut bytes = 0;
    for (seq, entry) in &log.entries {
        if *seq <= after {
            continue;
        }
        if batch.entries.len() == max || (bytes > max_bytes && !batch.entries.is_empty()) {
            batch.end = false;
            break;
        }
        bytes += match &entry.kind {
            EntryKind::Message { body, .. } => body.len(),
            EntryKind::Recall { .. } => 0,
        };
        batch.entries.push(entry.clone());
    }
    if after < log.floor {
        batch.gap = Some(GapInfo { after, resume: log.floor, reason: GapReason::Retention });
    }
    batch
}

pub(super) fn hiders(app: &mut App, log: &Log, key: &str, seq: Seq) -> Vec<Hider> {
    let collapsing = app.logs.get(log).into_iter().flat_map(|log| &log.collapsing);
    collapsing
        .filter(|newer| newer.seq > seq && &*newer.key == key)
        .filter_map(|newer| {
            let predicate = newer.predicate.clone()?;
            Some(Hider { seq: newer.seq, predicate })
        })
        .collect()
}

fn known(
    state: &mut State,
    app: &AppId,
    idempotency: &Idempotency,
) -> Result<Option<MessageId>, AppendError> {
    let now = state.now;
    let mut keys = state.app(app).keys.iter();
    let known = keys
        .find(|known| known.scope == idempotency.scope && known.key == idempotency.key && known.until > now);
    match known {
        Some(known) if known.hash == idempotency.hash => Ok(Some(known.id)),
        Some(_) => Err(AppendError::KeyReused),
        None => Ok(None),
    }
}

fn learn(state: &mut State, app: &AppId, id: MessageId, idempotency: &Idempotency) {
    let until = state.now.saturating_add(limits::IDEMPOTENCY);
    state.app(app).keys.push(Key {
        scope: idempotency.scope.clone(),
        key: idempotency.key.clone(),
        hash: idempotency.hash,
        id,
        until,
    });
}

pub(super) fn append(state: &mut State, append: Append) -> Result<Appended, AppendError> {
    if let Some(idempotency) = &append.idempotency
        && let Some(first) = known(state, &append.app, idempotency)?
    {
        return Ok(Appended::Replayed(first));
    }
    if state.app(&append.app).messages.contains_key(&append.id) {
        return Err(AppendError::DuplicateId(append.id));
    }
    match append.deliver_at.filter(|at| *at > state.now) {
        Some(at) => {
            let app = state.app(&append.app);
            app.messages.insert(append.id, MessageRow::of(&append, 0));
            let filed = Append { idempotency: None, targeted: 0, ..append.clone() };
            app.scheduled.insert((at, append.id), filed);
        }
        None => {
            let most = state.everyone_entries;
            let all = state.app(&append.app).logs.get(&Log::All);
            let now = all.map_or(0, |log| log.entries.len() as u64);
            if most != 0 && now >= most && append.logs.contains(&Log::All) {
                return Err(AppendError::TooManyEveryone);
            }
            enter(state, &append);
        }
    }
    if let Some(idempotency) = &append.idempotency {
        learn(state, &append.app, append.id, idempotency);
    }
    state.stats.publishes += 1;
    Ok(Appended::New)
}

pub(super) fn remember(
    state: &mut State,
    app: &AppId,
    id: MessageId,
    idempotency: &Idempotency,
) -> Result<Appended, AppendError> {
    if let Some(first) = known(state, app, idempotency)? {
        return Ok(Appended::Replayed(first));
    }
    learn(state, app, id, idempotency);
    Ok(Appended::New)
}

fn enter(state: &mut State, append: &Append) {
    let first = state.numbers(append.logs.len() as u64);
    let row = MessageRow::of(append, first);
    for (i, log) in keys(&append.app, &append.logs).enumerate() {
        let entry = row.entry(state.epoch, i, append.id, append.body.clone());
        if let Some(key) = &append.collapse_key {
            collapse(state, &log, key, &entry);
        }
        add(state, log, entry);
    }
    state.app(&append.app).messages.insert(append.id, row);
}

fn add(state: &mut State, log: LogKey, entry: Entry) {
    let entry = Arc::new(entry);
    let place = state.app(&log.app).logs.entry(log.log.clone()).or_default();
    place.last = entry.seq;
    place.entries.insert(entry.seq, entry.clone());
    state.stats.entries += 1;
    state.tell.push(Tell::Appended(log, entry));
}

/// Who could read an older entry with an equal predicate, or any if the newer has none, is
/// addressed by the newer: the older one goes.
fn collapse(state: &mut State, log: &LogKey, key: &Arc<str>, newer: &Entry) {
    let place = state.app(&log.app).logs.entry(log.log.clone()).or_default();
    let hidden = |older: &Entry| {
        matches!(older.kind, EntryKind::Message { .. })
            && older.collapse_key.as_ref() == Some(key)
            && (newer.predicate.is_none() || older.predicate == newer.predicate)
    };
    let gone: Vec<Seq> = place.entries.values().filter(|e| hidden(e)).map(|older| older.seq).collect();
    place.entries.retain(|seq, _| !gone.contains(seq));
    place.collapsing.push(Collapsing {
        seq: newer.seq,
        key: key.clone(),
        predicate: newer.predicate.clone(),
    });
    state.tell.extend(gone.into_iter().map(|seq| Tell::Removed(log.clone(), seq)));
}

pub(super) fn release(state: &mut State, due: &Scheduled, targeted: u64) -> bool {
    let (app, id) = (&due.append.app, due.append.id);
    if state.app(app).scheduled.remove(&(due.at, id)).is_none() {
        return false;
    }
    match state.app(app).messages.get(&id) {
        Some(row) if row.state == RowState::Scheduled => {
            enter(state, &Append { targeted, ..due.append.clone() });
            true
        }
        _ => false,
    }
}

pub(super) fn recall(state: &mut State, app: &AppId, id: MessageId) -> RecallOutcome {
    let Some(mut row) = state.app(app).messages.get(&id).cloned() else {
        return RecallOutcome::NotFound;
    };
    match row.state {
        RowState::Recalled => return RecallOutcome::Recalled,
        RowState::Expired => return RecallOutcome::Ended,
        RowState::Live if row.expires <= state.now => return RecallOutcome::Ended,
        RowState::Scheduled => state.app(app).scheduled.retain(|(_, other), _| *other != id),
        RowState::Live => {
            row.recall_first = state.numbers(row.logs.len() as u64);
            for (i, log) in keys(app, &row.logs).enumerate() {
                let seq = row.first + i as Seq;
                if let Some(place) = state.app(app).logs.get_mut(&log.log) {
                    place.entries.remove(&seq);
                }
                state.tell.push(Tell::Removed(log.clone(), seq));
                let entry = row.recall(state.epoch, i, id);
                add(state, log, entry);
            }
        }
    }
    row.state = RowState::Recalled;
    state.app(app).messages.insert(id, row);
    RecallOutcome::Recalled
}

pub(super) fn trim(state: &mut State, log: &LogKey, through: Seq) -> u64 {
    let place = state.app(&log.app).logs.entry(log.log.clone()).or_default();
    let before = place.entries.len();
    place.entries.retain(|seq, _| *seq > through);
    let dropped = (before - place.entries.len()) as u64;
    if through > place.floor {
        let gap = GapInfo { after: place.floor, resume: through, reason: GapReason::Retention };
        place.floor = through;
        state.tell.push(Tell::Trimmed(log.clone(), gap));
    }
    state.stats.trimmed_entries += dropped;
    dropped
}

pub(super) fn expire(state: &mut State, now: UnixMs, status_kept: Duration) -> u64 {
    let mut ended = 0;
    for app in state.apps.values_mut() {
        for (id, row) in &mut app.messages {
            if row.expires > now || !matches!(row.state, RowState::Live | RowState::Scheduled) {
                continue;
            }
            row.state = RowState::Expired;
            app.scheduled.retain(|(_, other), _| other != id);
            let counts = app.counts.entry(*id).or_default();
            counts.expired = row.targeted.saturating_sub(counts.received);
            ended += 1;
        }
        for log in app.logs.values_mut() {
            log.entries.retain(|_, entry| entry.expires > now);
        }
        let kept = |row: &MessageRow| row.expires.saturating_add(status_kept) > now;
        app.messages.retain(|_, row| kept(row));
        let messages = &app.messages;
        app.counts.retain(|id, _| messages.contains_key(id));
        app.receipts.retain(|(id, _), _| messages.contains_key(id));
        app.keys.retain(|key| key.until > now);
    }
    state.stats.expired_messages += ended;
    ended
}
