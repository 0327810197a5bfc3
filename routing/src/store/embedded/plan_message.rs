//! Plans for messages: append, recall, release. Each reads what it needs, decides, and names its
//! puts: a topic message has its entry, its row and, if asked for, its idempotency key and its
//! place under the collapse key. What ends in the same second is one row for the whole group.

use super::key::{self, Table};
use super::plan::{After, Plan};
use super::value::{self, Ending, KeyRow};
use crate::store::collapse::CollapseRow;
use crate::store::model::{Append, AppendError, Appended, MessageRow, RecallOutcome, RowState, Scheduled};
use crate::{Idempotency, Log, LogKey, StoreError};
use bytes::Bytes;
use pulsegate_proto::id::{AppId, MessageId, Seq};
use pulsegate_proto::limits;

/// A body longer than this that goes to several logs is stored once.
const SHARED_BODY_BYTES: usize = 256;

pub(crate) fn append(
    plan: &mut Plan<'_>,
    append: &Append,
    everyone_entries: u64,
) -> Result<Appended, AppendError> {
    if let Some(idempotency) = &append.idempotency
        && let Some(first) = known(plan, &append.app, idempotency)?
    {
        return Ok(Appended::Replayed(first));
    }
    if plan.get(Table::Message, &key::message(&append.app, append.id))?.is_some() {
        return Err(AppendError::DuplicateId(append.id));
    }
    match append.deliver_at.filter(|at| *at > plan.now) {
        Some(at) => {
            plan.know(&append.app);
            let row = value::encode_message(&MessageRow::of(append, 0));
            plan.put(Table::Message, key::message(&append.app, append.id), row);
            let scheduled = value::encode_scheduled(append);
            plan.put(Table::Time, key::scheduled(&append.app, at, append.id), scheduled);
            // Should it be recalled before, its row still has to go one day.
            plan.ends(&append.app, append.expires, Ending::Message(append.id));
        }
        None => {
            if everyone_entries != 0 && append.logs.contains(&Log::All) {
                let now = plan.number(Table::Device, &key::how_many_everyone(&append.app))?;
                if now >= everyone_entries {
                    return Err(AppendError::TooManyEveryone);
                }
            }
            enter(plan, append)?;
            plan.ends(&append.app, append.expires, Ending::Message(append.id));
        }
    }
    if let Some(idempotency) = &append.idempotency {
        learn(plan, &append.app, append.id, idempotency);
    }
    plan.tell(After::Published);
    Ok(Appended::New)
}

/// Only the key: the message is not stored.
pub(crate) fn remember(
    plan: &mut Plan<'_>,
    app: &AppId,
    id: MessageId,
    idempotency: &Idempotency,
) -> Result<Appended, AppendError> {
    if let Some(first) = known(plan, app, idempotency)? {
        return Ok(Appended::Replayed(first));
    }
    learn(plan, app, id, idempotency);
    Ok(Appended::New)
}

fn known(plan: &Plan<'_>, app: &AppId, idempotency: &Idempotency) -> Result<Option<MessageId>, AppendError> {
    let key = key::idempotency(app, &idempotency.scope, &idempotency.key);
    match plan.value(Table::Key, &key, value::decode_key)? {
        Some(row) if row.until <= plan.now => Ok(None),
        Some(row) if row.hash == idempotency.hash => Ok(Some(row.id)),
        Some(_) => Err(AppendError::KeyReused),
        None => Ok(None),
    }
}

fn learn(plan: &mut Plan<'_>, app: &AppId, id: MessageId, idempotency: &Idempotency) {
    let until = plan.now.saturating_add(limits::IDEMPOTENCY);
    let key = key::idempotency(app, &idempotency.scope, &idempotency.key);
    let row = value::encode_key(&KeyRow { id, hash: idempotency.hash, until });
    plan.put(Table::Key, key, row);
    let ending = Ending::Key(idempotency.scope.clone(), idempotency.key.clone());
    plan.ends(app, until, ending);
}

/// Appends the message to its logs and writes its row.
fn enter(plan: &mut Plan<'_>, append: &Append) -> Result<(), StoreError> {
    let first = plan.numbers(append.logs.len() as u64);
    let row = MessageRow::of(append, first);
    let elsewhere = append.logs.len() > 1 && append.body.len() > SHARED_BODY_BYTES;
    if elsewhere {
        plan.put(Table::Message, key::body(&append.app, append.id), append.body.to_vec());
    }
    for (i, log) in append.logs.iter().enumerate() {
        let entry = row.entry(plan.epoch(), i, append.id, append.body.clone());
        if let Some(collapse_key) = &append.collapse_key {
            collapse(plan, &append.app, log, collapse_key, &entry)?;
        }
        if *log == Log::All {
            add_to_everyone(plan, &append.app, 1)?;
        }
        plan.append_entry(LogKey::new(&append.app, log.clone()), entry, elsewhere);
    }
    let encoded = value::encode_message(&row);
    plan.put(Table::Message, key::message(&append.app, append.id), encoded);
    Ok(())
}

fn collapse(
    plan: &mut Plan<'_>,
    app: &AppId,
    log: &Log,
    collapse_key: &str,
    entry: &crate::Entry,
) -> Result<(), StoreError> {
    let place = key::collapse(app, log, collapse_key);
    let mut row = plan.value(Table::Key, &place, value::decode_collapse)?.unwrap_or_default();
    let gone = row.add(entry.seq, entry.expires, entry.predicate.as_ref(), plan.now);
    for seq in gone {
        drop_entry(plan, app, log, seq)?;
        plan.tell(After::Removed(LogKey::new(app, log.clone()), seq));
    }
    plan.put(Table::Key, place, value::encode_collapse(&row));
    Ok(())
}

/// Deletes an entry, if it is still there.
pub(crate) fn drop_entry(plan: &mut Plan<'_>, app: &AppId, log: &Log, seq: Seq) -> Result<(), StoreError> {
    let place = key::entry(app, log, seq);
    if *log == Log::All && plan.get(Table::Entry, &place)?.is_some() {
        add_to_everyone(plan, app, -1)?;
    }
    plan.delete(Table::Entry, place);
    Ok(())
}

pub(crate) fn add_to_everyone(plan: &mut Plan<'_>, app: &AppId, by: i64) -> Result<(), StoreError> {
    let place = key::how_many_everyone(app);
    let now = plan.number(Table::Device, &place)?;
    plan.put_number(Table::Device, place, now.saturating_add_signed(by));
    Ok(())
}

pub(crate) fn release(plan: &mut Plan<'_>, due: &Scheduled, targeted: u64) -> Result<bool, StoreError> {
    let (app, id) = (&due.append.app, due.append.id);
    let place = key::scheduled(app, due.at, id);
    if plan.get(Table::Time, &place)?.is_none() {
        return Ok(false);
    }
    plan.delete(Table::Time, place);
    match plan.message(app, id)? {
        Some(row) if row.state == RowState::Scheduled => {
            enter(plan, &Append { targeted, ..due.append.clone() })?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

pub(crate) fn recall(plan: &mut Plan<'_>, app: &AppId, id: MessageId) -> Result<RecallOutcome, StoreError> {
    let Some(mut row) = plan.message(app, id)? else {
        return Ok(RecallOutcome::NotFound);
    };
    match row.state {
        RowState::Recalled => return Ok(RecallOutcome::Recalled),
        RowState::Expired => return Ok(RecallOutcome::Ended),
        RowState::Live if row.expires <= plan.now => return Ok(RecallOutcome::Ended),
        RowState::Scheduled => {
            if let Some(at) = row.deliver_at {
                plan.delete(Table::Time, key::scheduled(app, at, id));
            }
        }
        RowState::Live => {
            row.recall_first = plan.numbers(row.logs.len() as u64);
            for (i, log) in row.logs.iter().enumerate() {
                let seq = row.first + i as Seq;
                drop_entry(plan, app, log, seq)?;
                plan.tell(After::Removed(LogKey::new(app, log.clone()), seq));
                if *log == Log::All {
                    add_to_everyone(plan, app, 1)?;
                }
                let entry = row.recall(plan.epoch(), i, id);
                plan.append_entry(LogKey::new(app, log.clone()), entry, false);
            }
            if row.logs.len() > 1 {
                plan.delete(Table::Message, key::body(app, id));
            }
        }
    }
    row.state = RowState::Recalled;
    plan.put(Table::Message, key::message(app, id), value::encode_message(&row));
    Ok(RecallOutcome::Recalled)
}

/// The entries of a message whose time has ended.
pub(crate) fn drop_message_entries(
    plan: &mut Plan<'_>,
    app: &AppId,
    id: MessageId,
    row: &MessageRow,
) -> Result<(), StoreError> {
    for (i, log) in row.logs.iter().enumerate() {
        for first in [row.first, row.recall_first] {
            if first != 0 {
                drop_entry(plan, app, log, first + i as Seq)?;
            }
        }
        if let Some(collapse_key) = &row.collapse_key {
            let place = key::collapse(app, log, collapse_key);
            let stored = plan.value(Table::Key, &place, value::decode_collapse)?;
            if let Some(mut collapse) = stored {
                settle_collapse(plan, place, &mut collapse);
            }
        }
    }
    if row.logs.len() > 1 {
        plan.delete(Table::Message, key::body(app, id));
    }
    Ok(())
}

fn settle_collapse(plan: &mut Plan<'_>, place: Vec<u8>, row: &mut CollapseRow) {
    row.prune(plan.now);
    if row.is_empty() {
        plan.delete(Table::Key, place);
    } else {
        plan.put(Table::Key, place, value::encode_collapse(row));
    }
}

/// Drops entries of `log` up to `through`, at most `max`; answers how many.
pub(crate) fn trim(plan: &mut Plan<'_>, log: &LogKey, through: Seq, max: usize) -> Result<u64, StoreError> {
    let place = key::floor(log);
    let floor = plan.number(Table::Meta, &place)?;
    if through > floor {
        plan.put_number(Table::Meta, place, through);
        plan.tell(After::Floor(log.clone(), through));
        let gap = crate::GapInfo { after: floor, resume: through, reason: crate::GapReason::Retention };
        plan.tell(After::Trimmed(log.clone(), gap));
    }
    let mut seqs = Vec::new();
    let from = key::log_prefix(log);
    let to = key::entry(&log.app, &log.log, through.saturating_add(1));
    plan.scan_before_group(Table::Entry, &from, &to, &mut |key, _| {
        if let Ok(seq) = key::trailing_number(key) {
            seqs.push(seq);
        }
        seqs.len() < max
    })?;
    for seq in &seqs {
        drop_entry(plan, &log.app, &log.log, *seq)?;
    }
    plan.tell(After::Dropped(seqs.len() as u64));
    Ok(seqs.len() as u64)
}

/// Reads the entry under `key`, its body included.
pub(crate) fn decode_entry(
    tables: &dyn super::tables::Tables,
    log: &LogKey,
    epoch: u64,
    key: &[u8],
    sealed: Bytes,
) -> Result<crate::Entry, super::codec::Damaged> {
    let seq = key::trailing_number(key)?;
    let payload = super::codec::unseal(Table::Entry as u8, key, sealed)?;
    value::decode_entry(seq, epoch, &payload, |id| {
        super::plan::read(tables, Table::Message, &key::body(&log.app, id))
            .ok()
            .flatten()
            .ok_or(super::codec::Damaged)
    })
}
