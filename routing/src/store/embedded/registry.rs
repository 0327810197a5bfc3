//! [`Registry`] and [`Counters`] on the embedded store.

use super::codec::{self, Damaged};
use super::device_value::{decode_progress, decode_row};
use super::key::{self, Table};
use super::{EmbeddedStore, plan, plan_device, plan_progress, value};
use crate::store::model::{Counts, DeviceProgress, Expect, HowMany, Progress, PutError, Row};
use crate::store::{Counters, Registry};
use crate::{ReceiptIn, StoreError};
use pulsegate_proto::id::{AppId, MessageId, RegistrationId, Topic, UserId};

impl EmbeddedStore {
    fn value<T>(
        &self,
        table: Table,
        place: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<T, Damaged>,
    ) -> Result<Option<T>, StoreError> {
        plan::read(&*self.shared.tables, table, place)?
            .map(|payload| decode(&payload).map_err(|Damaged| plan::damaged(table, place)))
            .transpose()
    }

    /// Apps that have something in the time table.
    pub(crate) fn apps(&self) -> Result<Vec<AppId>, StoreError> {
        let mut apps = Vec::new();
        self.shared.tables.scan(Table::Meta, b"\x01", b"\xff", false, &mut |place, _| {
            if let Ok((app, b"p")) = key::split_app(place) {
                apps.push(app);
            }
            true
        })?;
        Ok(apps)
    }
}

impl Registry for EmbeddedStore {
    fn row(&self, app: &AppId, id: &RegistrationId) -> Result<Option<Row>, StoreError> {
        self.value(Table::Device, &key::row(app, id), decode_row)
    }

    async fn put(&self, app: AppId, expect: Expect, row: Row) -> Result<Row, PutError> {
        self.run(false, move |plan| plan_device::put(plan, &app, expect, row)).await
    }

    async fn remove(&self, app: AppId, id: RegistrationId) -> Result<bool, StoreError> {
        self.run(true, move |plan| plan_device::remove(plan, &app, &id)).await
    }

    fn of_user(&self, app: &AppId, user: &UserId, max: usize) -> Result<Vec<RegistrationId>, StoreError> {
        let from = key::of_user(app, user);
        let to = key::after_prefix(&from);
        let mut found = Vec::new();
        self.shared.tables.scan(Table::Device, &from, &to, false, &mut |place, _| {
            let id = core::str::from_utf8(&place[from.len()..]).ok();
            found.extend(id.and_then(|id| RegistrationId::parse(id).ok()));
            found.len() < max
        })?;
        Ok(found)
    }

    fn subscribes(&self, app: &AppId, id: &RegistrationId, topic: &Topic) -> Result<bool, StoreError> {
        let place = key::indexed(key::of_topic(app, topic), id);
        Ok(self.shared.tables.get(Table::Device, &place)?.is_some())
    }

    fn list(&self, app: &AppId, after: Option<&RegistrationId>, max: usize) -> Result<Vec<Row>, StoreError> {
        let prefix = key::rows(app);
        let mut from = after.map_or_else(|| prefix.clone(), |id| key::row(app, id));
        if after.is_some() {
            from.push(0); // the next key in byte order
        }
        let to = key::after_prefix(&prefix);
        let mut rows = Vec::new();
        if max == 0 {
            return Ok(rows);
        }
        self.shared.tables.scan(Table::Device, &from, &to, false, &mut |place, sealed| {
            let row =
                codec::unseal(Table::Device as u8, place, sealed).and_then(|payload| decode_row(&payload));
            match row {
                Ok(row) => rows.push(row),
                // One damaged row must not hide the others.
                Err(Damaged) => drop(plan::damaged(Table::Device, place)),
            }
            rows.len() < max
        })?;
        Ok(rows)
    }

    fn how_many(&self, app: &AppId, of: HowMany<'_>) -> Result<u64, StoreError> {
        let place = match of {
            HowMany::All => key::how_many_rows(app),
            HowMany::Topic(topic) => key::how_many_subscribe(app, topic),
        };
        let number = self.value(Table::Device, &place, |payload| codec::Decoder(payload).num())?;
        Ok(number.unwrap_or(0))
    }
}

impl Counters for EmbeddedStore {
    fn progress(&self, app: &AppId, id: &RegistrationId) -> Result<Progress, StoreError> {
        let place = key::progress(app, id);
        Ok(self.value(Table::Device, &place, decode_progress)?.unwrap_or_default())
    }

    async fn advance(&self, devices: Vec<DeviceProgress>) -> Result<(), StoreError> {
        self.run(false, move |plan| plan_progress::advance(plan, &devices)).await
    }

    async fn mark(
        &self,
        app: AppId,
        id: RegistrationId,
        receipts: Vec<ReceiptIn>,
    ) -> Result<u32, StoreError> {
        self.run(false, move |plan| plan_device::mark(plan, &app, &id, &receipts)).await
    }

    fn counts(&self, app: &AppId, id: MessageId) -> Result<Counts, StoreError> {
        let place = key::counts(app, id);
        Ok(self.value(Table::Message, &place, value::decode_counts)?.unwrap_or_default())
    }
}
