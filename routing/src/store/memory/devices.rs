//! Registrations, cursors and receipts of the naive store.

use super::{App, State};
use crate::store::model::{Alive, DeviceProgress, Expect, PutError, Row, stage_bit};
use crate::{Log, ReceiptIn, ReceiptStage};
use pulsegate_proto::id::{AppId, Marks, MessageId, RegistrationId, Seq};
use pulsegate_proto::time::UnixMs;
use std::collections::BTreeSet;

pub(super) fn put(state: &mut State, app: &AppId, expect: Expect, mut new: Row) -> Result<Row, PutError> {
    let head = state.last;
    let app = state.app(app);
    let old = app.rows.get(&new.id);
    new.revision = match (expect, old) {
        (Expect::Absent, None) => 1,
        (Expect::Revision(revision), Some(old)) if old.revision == revision => revision + 1,
        _ => return Err(PutError::Conflict),
    };
    new.settle(head);
    if let Some(progress) = app.progress.get_mut(&new.id) {
        progress.logs.retain(|cursor| match &cursor.log {
            Log::Topic(topic) => new.subscriptions.iter().any(|s| s.topic == *topic),
            _ => true,
        });
    }
    app.rows.insert(new.id.clone(), new.clone());
    Ok(new)
}

pub(super) fn remove(app: &mut App, id: &RegistrationId) -> bool {
    app.progress.remove(id);
    app.rows.remove(id).is_some()
}

pub(super) fn expire(state: &mut State, now: UnixMs, alive: &Alive) -> Vec<(AppId, RegistrationId)> {
    let mut gone = Vec::new();
    for (name, app) in &mut state.apps {
        let idle = |row: &&Row| row.last_seen.saturating_add(row.idle) <= now;
        let idle: Vec<_> = app.rows.values().filter(idle).map(|row| row.id.clone()).collect();
        for id in idle {
            if !alive(name, &id) && remove(app, &id) {
                gone.push((name.clone(), id));
            }
        }
    }
    gone
}

pub(super) fn advance(state: &mut State, devices: &[DeviceProgress]) {
    for device in devices {
        let app = state.app(&device.app);
        if !app.rows.contains_key(&device.registration) {
            continue;
        }
        let mut progress = app.progress.remove(&device.registration).unwrap_or_default();
        for log in &device.logs {
            let cursor = progress.entry(&log.log);
            let before = cursor.clone();
            for (seq, message) in messages(&log.sent).into_iter().filter(|(seq, _)| *seq > before.sent) {
                cursor.sent = cursor.sent.max(seq);
                if app.messages.contains_key(&message) {
                    app.counts.entry(message).or_default().sent += 1;
                }
            }
            cursor.acked = before.acked.max(log.acked);
            for (seq, message) in messages(&log.received) {
                let newly = seq > before.acked && seq <= log.acked && app.messages.contains_key(&message);
                let place = (message, device.registration.clone());
                let told = app.receipts.get(&place).copied().unwrap_or(0);
                if newly && told & stage_bit(ReceiptStage::Received) == 0 {
                    app.counts.entry(message).or_default().received += 1;
                }
            }
        }
        app.progress.insert(device.registration.clone(), progress);
    }
}

/// Each message once, in the order of the log.
fn messages(pieces: &[Marks]) -> BTreeSet<(Seq, MessageId)> {
    let marks = pieces.iter().flat_map(|marks| marks.iter());
    marks.filter_map(|mark| Some((mark.seq, mark.message?))).collect()
}

pub(super) fn mark(app: &mut App, id: &RegistrationId, receipts: &[ReceiptIn]) -> u32 {
    let Some(row) = app.rows.get(id) else {
        return 0;
    };
    let progress = app.progress.get(id).cloned().unwrap_or_default();
    let mut counted = 0;
    for receipt in receipts {
        let message = app.messages.get(&receipt.message);
        let Some((log, seq)) = message.and_then(|message| message.readable_by(row)) else {
            continue;
        };
        let acked = progress.of(log).is_some_and(|cursor| cursor.acked >= seq);
        let bits = app.receipts.entry((receipt.message, id.clone())).or_default();
        let bit = stage_bit(receipt.stage);
        let received = receipt.stage == ReceiptStage::Received;
        if *bits & bit != 0 || (received && acked) {
            continue;
        }
        *bits |= bit;
        let counts = app.counts.entry(receipt.message).or_default();
        *counts.stage(receipt.stage) += 1;
        counts.received_without_ack += u64::from(received);
        counted += 1;
    }
    counted
}
