//! Plans for registrations: rows with compare-and-set, receipts that count once.

use super::device_value::{decode_progress, decode_row, encode_progress, encode_row};
use super::key::{self, Table};
use super::plan::Plan;
use super::value::{self, Ending};
use crate::store::model::{Expect, PutError, Row, stage_bit};
use crate::{Log, ReceiptIn, ReceiptStage, StoreError};
use pulsegate_proto::id::{AppId, MessageId, RegistrationId, Topic};

pub(crate) fn row(plan: &Plan<'_>, app: &AppId, id: &RegistrationId) -> Result<Option<Row>, StoreError> {
    plan.value(Table::Device, &key::row(app, id), decode_row)
}

pub(crate) fn put(plan: &mut Plan<'_>, app: &AppId, expect: Expect, mut new: Row) -> Result<Row, PutError> {
    let old = row(plan, app, &new.id)?;
    new.revision = match (expect, &old) {
        (Expect::Absent, None) => 1,
        (Expect::Revision(revision), Some(old)) if old.revision == revision => revision + 1,
        _ => return Err(PutError::Conflict),
    };
    new.settle(plan.memory.last);
    if old.is_none() {
        add(plan, key::how_many_rows(app), 1)?;
        let idle_until = new.last_seen.saturating_add(new.idle);
        plan.ends(app, idle_until, Ending::Registration(new.id.clone()));
    }
    let old_user = old.as_ref().and_then(|old| old.user.as_ref());
    if old_user != new.user.as_ref() {
        if let Some(user) = old_user {
            plan.delete(Table::Device, key::indexed(key::of_user(app, user), &new.id));
        }
        if let Some(user) = &new.user {
            plan.put(Table::Device, key::indexed(key::of_user(app, user), &new.id), Vec::new());
        }
    }
    let had = |topic: &Topic| old.as_ref().is_some_and(|old| subscribes(old, topic));
    for subscription in &new.subscriptions {
        if !had(&subscription.topic) {
            index_topic(plan, app, &subscription.topic, &new.id, true)?;
        }
    }
    let ended: Vec<Topic> = old
        .iter()
        .flat_map(|old| &old.subscriptions)
        .filter(|subscription| !subscribes(&new, &subscription.topic))
        .map(|subscription| subscription.topic.clone())
        .collect();
    for topic in &ended {
        index_topic(plan, app, topic, &new.id, false)?;
    }
    forget_cursors(plan, app, &new.id, &ended)?;
    plan.put(Table::Device, key::row(app, &new.id), encode_row(&new));
    Ok(new)
}

/// Cursors of logs that are no longer read go, or a device that tries many topics would keep them.
fn forget_cursors(
    plan: &mut Plan<'_>,
    app: &AppId,
    id: &RegistrationId,
    ended: &[Topic],
) -> Result<(), StoreError> {
    let place = key::progress(app, id);
    if ended.is_empty() {
        return Ok(());
    }
    if let Some(mut progress) = plan.value(Table::Device, &place, decode_progress)? {
        progress.logs.retain(|p| !matches!(&p.log, Log::Topic(topic) if ended.contains(topic)));
        plan.put(Table::Device, place, encode_progress(&progress));
    }
    Ok(())
}

fn subscribes(row: &Row, topic: &Topic) -> bool {
    row.subscriptions.binary_search_by(|s| s.topic.cmp(topic)).is_ok()
}

fn index_topic(
    plan: &mut Plan<'_>,
    app: &AppId,
    topic: &Topic,
    id: &RegistrationId,
    there: bool,
) -> Result<(), StoreError> {
    let place = key::indexed(key::of_topic(app, topic), id);
    if there {
        plan.put(Table::Device, place, Vec::new());
    } else {
        plan.delete(Table::Device, place);
    }
    add(plan, key::how_many_subscribe(app, topic), if there { 1 } else { -1 })
}

fn add(plan: &mut Plan<'_>, place: Vec<u8>, by: i64) -> Result<(), StoreError> {
    let number = plan.number(Table::Device, &place)?.saturating_add_signed(by);
    if number == 0 {
        plan.delete(Table::Device, place);
    } else {
        plan.put_number(Table::Device, place, number);
    }
    Ok(())
}

pub(crate) fn remove(plan: &mut Plan<'_>, app: &AppId, id: &RegistrationId) -> Result<bool, StoreError> {
    let Some(old) = row(plan, app, id)? else {
        return Ok(false);
    };
    if let Some(user) = &old.user {
        plan.delete(Table::Device, key::indexed(key::of_user(app, user), id));
    }
    for subscription in &old.subscriptions {
        index_topic(plan, app, &subscription.topic, id, false)?;
    }
    add(plan, key::how_many_rows(app), -1)?;
    plan.delete(Table::Device, key::row(app, id));
    plan.delete(Table::Device, key::progress(app, id));
    Ok(true)
}

pub(super) fn receipt_bits(
    plan: &Plan<'_>,
    app: &AppId,
    id: MessageId,
    registration: &RegistrationId,
) -> Result<u8, StoreError> {
    let place = key::receipt(app, id, registration);
    let bits = plan.value(Table::Receipt, &place, |payload| super::codec::Decoder(payload).u8())?;
    Ok(bits.unwrap_or(0))
}

pub(crate) fn mark(
    plan: &mut Plan<'_>,
    app: &AppId,
    id: &RegistrationId,
    receipts: &[ReceiptIn],
) -> Result<u32, StoreError> {
    let Some(device) = row(plan, app, id)? else {
        return Ok(0);
    };
    let stored = plan.value(Table::Device, &key::progress(app, id), decode_progress)?;
    let progress = stored.unwrap_or_default();
    let mut counted = 0;
    for receipt in receipts {
        let Some(message) = plan.message(app, receipt.message)? else {
            continue;
        };
        let Some((log, seq)) = message.readable_by(&device) else {
            continue;
        };
        let acked = progress.of(log).is_some_and(|cursor| cursor.acked >= seq);
        let bits = receipt_bits(plan, app, receipt.message, id)?;
        let bit = stage_bit(receipt.stage);
        if bits & bit != 0 || (receipt.stage == ReceiptStage::Received && acked) {
            continue;
        }
        plan.put(Table::Receipt, key::receipt(app, receipt.message, id), vec![bits | bit]);
        let place = key::counts(app, receipt.message);
        let stored = plan.value(Table::Message, &place, value::decode_counts)?;
        let mut counts = stored.unwrap_or_default();
        *counts.stage(receipt.stage) += 1;
        if receipt.stage == ReceiptStage::Received {
            counts.received_without_ack += 1;
        }
        plan.put(Table::Message, place, value::encode_counts(&counts));
        counted += 1;
    }
    Ok(counted)
}
