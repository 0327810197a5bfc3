//! What has become of a message: status, funnel, receipts.

use super::Router;
use crate::store::{Counters as _, Log as _, Registry as _, RowState};
use crate::{RecallError, ReceiptError, StoreError};
use pulsegate_proto::id::{AppId, MessageId, RegistrationId};
use pulsegate_proto::time::UnixMs;

/// A receipt as a device reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptIn {
    /// For which message.
    pub message: MessageId,
    /// The stage that was reached.
    pub stage: ReceiptStage,
}

/// Stages a device reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceiptStage {
    /// It came by a road without acks (Web Push).
    Received,
    /// A person saw the notification.
    Displayed,
    /// A person clicked it.
    Clicked,
    /// A person dismissed it.
    Dismissed,
    /// A visible tab's handler returned.
    Handled,
}

/// What has become of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageStatus {
    /// Its id.
    pub id: MessageId,
    /// Where it is in its life.
    pub state: MessageState,
    /// When it was handed in.
    pub published: UnixMs,
    /// When it ends or ended.
    pub expires: UnixMs,
    /// When it was or is to be published, if later.
    pub deliver_at: Option<UnixMs>,
    /// Counts of devices.
    pub funnel: Funnel,
}

/// Where a message is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageState {
    /// It waits for its `deliver_at`.
    Scheduled,
    /// It is being delivered.
    Accepted,
    /// Its time-to-live has ended.
    Expired,
    /// It was taken back.
    Recalled,
}

/// Counts of devices, each device once a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Funnel {
    /// 1 as soon as the message is durable.
    pub accepted: u64,
    /// Devices it was for when it was published; an estimate for tag expressions.
    pub targeted: u64,
    /// Devices it was sent to.
    pub sent: u64,
    /// Devices that stored it.
    pub received: u64,
    /// Devices where a visible tab's handler returned.
    pub handled: u64,
    /// Devices where it was shown.
    pub displayed: u64,
    /// Devices where it was clicked.
    pub clicked: u64,
    /// Devices where it was dismissed.
    pub dismissed: u64,
    /// Devices that had not received it at its end; an estimate for tag expressions.
    pub expired: u64,
    /// Devices it was taken back from or kept from: all it was for.
    pub recalled: u64,
}

/// How many devices a target reaches now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// Devices.
    pub count: u64,
    /// It is an estimate (tag expressions in an app of many devices).
    pub estimate: bool,
}

impl Router {
    /// What has become of a message, everything that is known now included; `None` if there is no
    /// such message (any more).
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn message(&self, app: &AppId, id: MessageId) -> Result<Option<MessageStatus>, StoreError> {
        // What is pending counts too. Where it cannot be written now, what was written counts.
        let _full_or_read_only = self.flush().await;
        let Some(row) = self.0.store.message(app, id)? else {
            return Ok(None);
        };
        let counts = self.0.store.counts(app, id)?;
        let ended = row.expires <= self.0.clock.now();
        let state = match row.state {
            RowState::Scheduled | RowState::Live if ended => MessageState::Expired,
            RowState::Scheduled => MessageState::Scheduled,
            RowState::Live => MessageState::Accepted,
            RowState::Expired => MessageState::Expired,
            RowState::Recalled => MessageState::Recalled,
        };
        let expired = match (row.state, state) {
            (RowState::Expired, _) => counts.expired,
            (_, MessageState::Expired) => row.targeted.saturating_sub(counts.received),
            _ => 0,
        };
        let funnel = Funnel {
            accepted: 1,
            targeted: row.targeted,
            sent: counts.sent.max(counts.received),
            received: counts.received,
            handled: counts.handled,
            displayed: counts.displayed,
            clicked: counts.clicked,
            dismissed: counts.dismissed,
            expired,
            recalled: if state == MessageState::Recalled { row.targeted } else { 0 },
        };
        let (published, expires, deliver_at) = (row.published, row.expires, row.deliver_at);
        Ok(Some(MessageStatus { id, state, published, expires, deliver_at, funnel }))
    }

    /// Takes a message back: never delivered to who has not had it, and a recall for who has. A
    /// message that has ended already is left alone.
    ///
    /// # Errors
    /// There is no such message, or the store did not take it.
    pub async fn recall(&self, app: &AppId, id: MessageId) -> Result<(), RecallError> {
        use crate::store::RecallOutcome;
        match self.0.store.recall(app.clone(), id).await? {
            RecallOutcome::Recalled | RecallOutcome::Ended => Ok(()),
            RecallOutcome::NotFound => Err(RecallError::NotFound),
        }
    }

    /// Counts receipts of a device; answers how many counted: each (device, message, stage) once,
    /// and only for a message the device could have read.
    ///
    /// # Errors
    /// There is no such registration, or the store did not take them.
    pub async fn receipts(
        &self,
        app: &AppId,
        registration: &RegistrationId,
        receipts: Vec<ReceiptIn>,
    ) -> Result<u32, ReceiptError> {
        if self.0.store.row(app, registration)?.is_none() {
            return Err(ReceiptError::NotFound);
        }
        if receipts.iter().any(|receipt| receipt.stage == ReceiptStage::Received) {
            // What was acked already is not counted again.
            self.flush_device(app, registration).await?;
        }
        Ok(self.0.store.mark(app.clone(), registration.clone(), receipts).await?)
    }
}
