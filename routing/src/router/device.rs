//! Registrations as the backend sees and changes them.

use super::Router;
use super::change::{add_topics, change_tags, end_topics};
use super::connect::hash;
use crate::store::{Registry as _, Row};
use crate::{ChangeError, MadeBy, RegistrationInfo, StoreError};
use pulsegate_proto::id::{AppId, RegistrationId, Tag, Topic, UserId};
use subtle::ConstantTimeEq as _;

impl Router {
    /// A registration; `None` if there is no such one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn registration(
        &self,
        app: &AppId,
        id: &RegistrationId,
    ) -> Result<Option<RegistrationInfo>, StoreError> {
        Ok(self.0.store.row(app, id)?.map(info))
    }

    /// Registrations in the order of their ids, after `after`, at most `most`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn registrations(
        &self,
        app: &AppId,
        after: Option<&RegistrationId>,
        most: usize,
    ) -> Result<Vec<RegistrationInfo>, StoreError> {
        Ok(self.0.store.list(app, after, most)?.into_iter().map(info).collect())
    }

    /// The registrations of a user.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn user(&self, app: &AppId, user: &UserId) -> Result<Vec<RegistrationInfo>, StoreError> {
        let ids = self.0.store.of_user(app, user, usize::MAX)?;
        let rows = ids.iter().map(|id| self.0.store.row(app, id));
        // One that was deleted between the two looks is simply not there.
        let rows: Result<Vec<_>, _> = rows.filter_map(Result::transpose).collect();
        Ok(rows?.into_iter().map(info).collect())
    }

    /// Whether `secret` is the registration's, in constant time; `None`: no such registration.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn check_secret(
        &self,
        app: &AppId,
        id: &RegistrationId,
        secret: &[u8],
    ) -> Result<Option<bool>, StoreError> {
        let row = self.0.store.row(app, id)?;
        let stored = row.as_ref().map_or([0; 32], |row| row.secret_hash);
        let right = bool::from(hash(secret).ct_eq(&stored));
        Ok(row.map(|_| right))
    }

    /// The backend sets and drops tags. [`crate::Wake::tags_changed`] follows.
    ///
    /// # Errors
    /// `NotFound`; `TooLarge` beyond 64 tags.
    pub async fn patch_tags(
        &self,
        app: &AppId,
        id: &RegistrationId,
        add: Vec<Tag>,
        remove: Vec<Tag>,
    ) -> Result<RegistrationInfo, ChangeError> {
        let ((), row) = self.alter(app, id, |row| change_tags(row, &add, &remove)).await?;
        self.0.wake.tags_changed(app, id, &row.tags);
        Ok(info(row))
    }

    /// The backend subscribes a device. [`crate::Wake::logs_changed`] follows if that is new.
    ///
    /// # Errors
    /// `NotFound`; `TooLarge` beyond 100 topics.
    pub async fn put_topic(&self, app: &AppId, id: &RegistrationId, topic: Topic) -> Result<(), ChangeError> {
        let topics = [topic];
        let (new, row) = self.alter(app, id, |row| add_topics(row, &topics, MadeBy::Backend)).await?;
        if !new.is_empty() {
            self.0.wake.logs_changed(app, id, &self.starts(app, &row, &new), &[]);
        }
        Ok(())
    }

    /// The backend ends a subscription, whoever made it. [`crate::Wake::logs_changed`] follows if
    /// there was one.
    ///
    /// # Errors
    /// `NotFound`: no such registration.
    pub async fn delete_topic(
        &self,
        app: &AppId,
        id: &RegistrationId,
        topic: &Topic,
    ) -> Result<(), ChangeError> {
        let (ended, _) = self.alter(app, id, |row| Ok(end_topics(row, |s| s.topic == *topic))).await?;
        if !ended.is_empty() {
            self.0.wake.logs_changed(app, id, &[], &ended);
        }
        Ok(())
    }

    /// The backend deletes a registration. [`crate::Wake::deleted`] follows.
    ///
    /// # Errors
    /// `NotFound`: no such registration.
    pub async fn delete_registration(&self, app: &AppId, id: &RegistrationId) -> Result<(), ChangeError> {
        if !self.drop_device(app, id).await? {
            return Err(ChangeError::NotFound);
        }
        self.0.wake.deleted(app, id);
        Ok(())
    }
}

fn info(row: Row) -> RegistrationInfo {
    RegistrationInfo {
        id: row.id,
        user: row.user,
        tags: row.tags,
        subscriptions: row.subscriptions,
        created: row.created,
        last_seen: row.last_seen,
        session: row.session,
        generation: row.generation,
        agent: row.agent,
        ephemeral: row.ephemeral,
        web_push: row.web_push,
        last_link: row.last_link,
    }
}
