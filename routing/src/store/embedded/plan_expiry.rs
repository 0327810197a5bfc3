//! Plans for what ends: messages, what is kept of them, idempotency keys, idle registrations. In
//! small groups, from the low-water second on, so that no scan walks over what was deleted before.

use super::codec::unseal;
use super::key::{self, Table};
use super::plan::{After, Plan, damaged};
use super::plan_device;
use super::plan_message::drop_message_entries;
use super::value::{self, Ending};
use crate::StoreError;
use crate::store::model::{Alive, Expired, RowState, SCAN_GROUP};
use core::time::Duration;
use pulsegate_proto::id::{AppId, MessageId, RegistrationId};
use pulsegate_proto::time::UnixMs;

/// Receipts that are deleted at once.
const RECEIPTS_AT_ONCE: usize = 1000;

pub(crate) fn expire(
    plan: &mut Plan<'_>,
    now: UnixMs,
    status_kept: Duration,
    alive: &Alive,
) -> Result<Expired, StoreError> {
    let mut expired = Expired::default();
    let mut room = SCAN_GROUP;
    let apps: Vec<AppId> = plan.memory.apps.iter().cloned().collect();
    for app in apps {
        for (place, mut endings) in due_rows(plan, &app, now, room)? {
            let second = key::ends_second(&place).map_err(|_| damaged(Table::Time, &place))?;
            let rest = endings.split_off(endings.len().min(room));
            room -= endings.len();
            for ending in endings {
                end(plan, &app, ending, now, status_kept, alive, &mut expired)?;
            }
            if rest.is_empty() {
                plan.delete(Table::Time, place);
                plan.put_number(Table::Meta, key::low_water(&app), second);
                plan.tell(After::LowWater(app.clone(), second));
            } else {
                plan.put(Table::Time, place, value::encode_endings(&rest));
            }
            if room == 0 {
                expired.more = true;
                return Ok(expired);
            }
        }
    }
    Ok(expired)
}

type DueRow = (Vec<u8>, Vec<Ending>);

/// Rows of the time table whose second has come; as many as hold `room` endings.
fn due_rows(plan: &Plan<'_>, app: &AppId, now: UnixMs, room: usize) -> Result<Vec<DueRow>, StoreError> {
    let low = plan.memory.low_water.get(app).copied().unwrap_or(0);
    let now_second = u64::try_from(now.0).unwrap_or(0) / 1000;
    let mut found = Vec::new();
    let mut wrong = None;
    let mut count = 0;
    let (from, to) = (key::ends(app, low, 0), key::ends(app, now_second + 1, 0));
    plan.scan_before_group(Table::Time, &from, &to, &mut |place, sealed| {
        let endings =
            unseal(Table::Time as u8, place, sealed).and_then(|payload| value::decode_endings(&payload));
        match endings {
            Ok(endings) => {
                count += endings.len();
                found.push((place.to_vec(), endings));
                count < room
            }
            Err(_) => {
                wrong = Some(place.to_vec());
                false
            }
        }
    })?;
    if let Some(place) = wrong {
        // What ends there cannot be known: it stays until its readers pass it. The row goes, or
        // nothing after it would ever end.
        let _named_in_the_log = damaged(Table::Time, &place);
        found.push((place, Vec::new()));
    }
    Ok(found)
}

fn end(
    plan: &mut Plan<'_>,
    app: &AppId,
    ending: Ending,
    now: UnixMs,
    status_kept: Duration,
    alive: &Alive,
    expired: &mut Expired,
) -> Result<(), StoreError> {
    match ending {
        Ending::Message(id) => end_message(plan, app, id, now, status_kept, expired),
        Ending::Status(id) => end_status(plan, app, id),
        Ending::Key(scope, text) => {
            let place = key::idempotency(app, &scope, &text);
            let row = plan.value(Table::Key, &place, value::decode_key)?;
            if row.is_some_and(|row| row.until <= now) {
                plan.delete(Table::Key, place);
            }
            Ok(())
        }
        Ending::Registration(id) => end_registration(plan, app, id, now, alive, expired),
    }
}

fn end_message(
    plan: &mut Plan<'_>,
    app: &AppId,
    id: MessageId,
    now: UnixMs,
    status_kept: Duration,
    expired: &mut Expired,
) -> Result<(), StoreError> {
    let Some(mut row) = plan.message(app, id)? else {
        return Ok(());
    };
    if row.expires > now {
        plan.ends(app, row.expires, Ending::Message(id));
        return Ok(());
    }
    match row.state {
        RowState::Expired => return Ok(()),
        RowState::Scheduled | RowState::Live => {
            drop_message_entries(plan, app, id, &row)?;
            if let (RowState::Scheduled, Some(at)) = (row.state, row.deliver_at) {
                plan.delete(Table::Time, key::scheduled(app, at, id));
            }
            let place = key::counts(app, id);
            let stored = plan.value(Table::Message, &place, value::decode_counts)?;
            let mut counts = stored.unwrap_or_default();
            counts.expired = row.targeted.saturating_sub(counts.received);
            plan.put(Table::Message, place, value::encode_counts(&counts));
            row.state = RowState::Expired;
            plan.put(Table::Message, key::message(app, id), value::encode_message(&row));
            expired.messages += 1;
            plan.tell(After::Expired);
        }
        RowState::Recalled => drop_message_entries(plan, app, id, &row)?,
    }
    plan.ends(app, row.expires.saturating_add(status_kept), Ending::Status(id));
    Ok(())
}

fn end_status(plan: &mut Plan<'_>, app: &AppId, id: MessageId) -> Result<(), StoreError> {
    let mut receipts = Vec::new();
    let from = key::receipts(app, id);
    let to = key::after_prefix(&from);
    plan.scan_before_group(Table::Receipt, &from, &to, &mut |place, _| {
        receipts.push(place.to_vec());
        receipts.len() < RECEIPTS_AT_ONCE
    })?;
    if receipts.len() == RECEIPTS_AT_ONCE {
        plan.ends(app, plan.now, Ending::Status(id));
    }
    for place in receipts {
        plan.delete(Table::Receipt, place);
    }
    plan.delete(Table::Message, key::message(app, id));
    plan.delete(Table::Message, key::counts(app, id));
    Ok(())
}

fn end_registration(
    plan: &mut Plan<'_>,
    app: &AppId,
    id: RegistrationId,
    now: UnixMs,
    alive: &Alive,
    expired: &mut Expired,
) -> Result<(), StoreError> {
    let Some(row) = plan_device::row(plan, app, &id)? else {
        return Ok(());
    };
    let idle_until = row.last_seen.saturating_add(row.idle);
    if alive(app, &id) {
        plan.ends(app, now.saturating_add(row.idle), Ending::Registration(id));
    } else if idle_until > now {
        plan.ends(app, idle_until, Ending::Registration(id));
    } else {
        plan_device::remove(plan, app, &id)?;
        expired.registrations.push((app.clone(), id));
    }
    Ok(())
}
