//! Plans for cursors, which only grow, and for the counts of what they passed.
//!
//! A message to a topic is passed by thousands of devices, and most of them were handed the same part of the same
//! list: such a part is counted as a whole, and its messages are looked at once a plan.

use super::device_value::{decode_progress, encode_progress};
use super::key::{self, Table};
use super::plan::Plan;
use super::plan_device::receipt_bits;
use super::value;
use crate::store::model::{Counts, DeviceProgress, LogProgress, Progress, stage_bit};
use crate::{ReceiptStage, StoreError};
use pulsegate_proto::id::{AppId, Mark, Marks, MessageId, RegistrationId, Seq, SharedPart};
use std::collections::{BTreeMap, HashMap};

pub(crate) fn advance(plan: &mut Plan<'_>, devices: &[DeviceProgress]) -> Result<(), StoreError> {
    let mut apps: BTreeMap<&AppId, Tally<'_>> = BTreeMap::new();
    for device in devices {
        let (app, id) = (&device.app, &device.registration);
        let place = key::progress(app, id);
        let stored = plan.value(Table::Device, &place, decode_progress)?;
        // A device that was forgotten meanwhile must not get a cursor without a row. One that has a cursor has a row:
        // they go together.
        if stored.is_none() && plan.get(Table::Device, &key::row(app, id))?.is_none() {
            continue;
        }
        let mut progress = stored.unwrap_or_default();
        let tally = apps.entry(app).or_insert_with(|| Tally::of(app));
        for log in &device.logs {
            advance_log(plan, tally, id, log, &mut progress)?;
        }
        plan.put(Table::Device, place, encode_progress(&progress));
    }
    apps.into_values().for_each(|tally| tally.write(plan));
    Ok(())
}

fn advance_log<'a>(
    plan: &Plan<'_>,
    tally: &mut Tally<'a>,
    device: &RegistrationId,
    log: &'a LogProgress,
    progress: &mut Progress,
) -> Result<(), StoreError> {
    let cursor = progress.entry(&log.log);
    for marks in rising(&log.sent).iter() {
        // Below the high water the device was sent it before, on this link or another.
        if let Some(last) = marks.iter().rev().find(|mark| mark.message.is_some()) {
            tally.count(plan, Stage::Sent, device, marks, |seq| seq > cursor.sent)?;
            cursor.sent = last.seq.max(cursor.sent);
        }
    }
    if log.acked <= cursor.acked {
        return Ok(());
    }
    let before = core::mem::replace(&mut cursor.acked, log.acked);
    for marks in rising(&log.received).iter() {
        tally.count(plan, Stage::Received, device, marks, |seq| seq > before && seq <= log.acked)?;
    }
    Ok(())
}

/// The same entries, each once and in the order of the log: two links of a device may have had the same ones.
fn rising(pieces: &[Marks]) -> std::borrow::Cow<'_, [Marks]> {
    if pieces.windows(2).all(|pair| pair[0].last() < pair[1].first()) {
        return pieces.into();
    }
    let marks = pieces.iter().flat_map(|marks| marks.iter());
    let once: BTreeMap<Seq, Mark> = marks.map(|mark| (mark.seq, *mark)).collect();
    once.into_values().map(Marks::one).collect::<Vec<_>>().into()
}

#[derive(Clone, Copy)]
enum Stage {
    Sent,
    Received,
}

/// What one plan counts in one app: each message is read and written once.
struct Tally<'a> {
    app: &'a AppId,
    /// `None`: it was forgotten meanwhile and is not counted any more.
    messages: HashMap<MessageId, Option<Counts>>,
    parts: HashMap<SharedPart, Part>,
}

/// Devices that passed the whole of a part.
struct Part {
    marks: Marks,
    sent: u64,
    received: u64,
    /// Nobody has told of one of its messages in another way than by an ack.
    acks_only: bool,
}

impl<'a> Tally<'a> {
    fn of(app: &'a AppId) -> Self {
        Self { app, messages: HashMap::new(), parts: HashMap::new() }
    }

    /// Counts those of `marks` that lie where `newly` says, for one device.
    fn count(
        &mut self,
        plan: &Plan<'_>,
        stage: Stage,
        device: &RegistrationId,
        marks: &Marks,
        newly: impl Fn(Seq) -> bool,
    ) -> Result<(), StoreError> {
        if let Some(shared) = marks.shared()
            && newly(marks.first())
            && newly(marks.last())
        {
            if !self.parts.contains_key(&shared) {
                let mut acks_only = true;
                for id in marks.iter().filter_map(|mark| mark.message) {
                    acks_only &=
                        self.message(plan, id)?.is_none_or(|counts| counts.received_without_ack == 0);
                }
                let part = Part { marks: marks.clone(), sent: 0, received: 0, acks_only };
                self.parts.insert(shared, part);
            }
            match (stage, self.parts.get_mut(&shared)) {
                (Stage::Sent, Some(part)) => {
                    part.sent += 1;
                    return Ok(());
                }
                (Stage::Received, Some(part)) if part.acks_only => {
                    part.received += 1;
                    return Ok(());
                }
                _ => {}
            }
        }
        let app = self.app;
        for id in marks.iter().filter(|mark| newly(mark.seq)).filter_map(|mark| mark.message) {
            let Some(counts) = self.message(plan, id)? else { continue };
            match stage {
                Stage::Sent => counts.sent += 1,
                Stage::Received => {
                    let told = counts.received_without_ack > 0
                        && receipt_bits(plan, app, id, device)? & stage_bit(ReceiptStage::Received) != 0;
                    counts.received += u64::from(!told);
                }
            }
        }
        Ok(())
    }

    fn message(&mut self, plan: &Plan<'_>, id: MessageId) -> Result<Option<&mut Counts>, StoreError> {
        if !self.messages.contains_key(&id) {
            let there = plan.get(Table::Message, &key::message(self.app, id))?.is_some();
            let stored = plan.value(Table::Message, &key::counts(self.app, id), value::decode_counts)?;
            self.messages.insert(id, there.then(|| stored.unwrap_or_default()));
        }
        Ok(self.messages.get_mut(&id).and_then(Option::as_mut))
    }

    fn write(mut self, plan: &mut Plan<'_>) {
        for part in self.parts.into_values() {
            for id in part.marks.iter().filter_map(|mark| mark.message) {
                if let Some(Some(counts)) = self.messages.get_mut(&id) {
                    counts.sent += part.sent;
                    counts.received += part.received;
                }
            }
        }
        for (id, counts) in self.messages {
            if let Some(counts) = counts {
                plan.put(Table::Message, key::counts(self.app, id), value::encode_counts(&counts));
            }
        }
    }
}
