//! Changes of a registration by its own link: they commit only while the link's session is in the
//! row.

use super::Router;
use crate::store::{Expect, Log as _, PutError, Registry as _, Row, STARTS_AT_COMMIT};
use crate::{
    ChangeError, Grants, LastSeenRecord, Log, LogKey, MadeBy, SessionRef, StartInfo, StoreError,
    Subscription, WebPush,
};
use pulsegate_proto::id::{AppId, LogName, Position, RegistrationId, Seq, Tag, Topic, UserId};
use pulsegate_proto::limits;

/// See [`super::connect`]: more conflicts in a row are not chance.
const TRIES: usize = 16;

impl Router {
    /// Reads the row, lets `change` alter it, and writes it if it did, until nobody came between.
    /// Answers what `change` said and the row as stored.
    pub(super) async fn alter<T>(
        &self,
        app: &AppId,
        id: &RegistrationId,
        mut change: impl FnMut(&mut Row) -> Result<T, ChangeError>,
    ) -> Result<(T, Row), ChangeError> {
        for _ in 0..TRIES {
            let old = self.0.store.row(app, id)?.ok_or(ChangeError::NotFound)?;
            let mut new = old.clone();
            let said = change(&mut new)?;
            if new == old {
                return Ok((said, old));
            }
            match self.0.store.put(app.clone(), Expect::Revision(old.revision), new).await {
                Ok(stored) => return Ok((said, stored)),
                Err(PutError::Conflict) => {}
                Err(PutError::Store(error)) => return Err(error.into()),
            }
        }
        Err(StoreError::Unavailable(String::from("the registration changes too often")).into())
    }

    async fn alter_own<T>(
        &self,
        session: &SessionRef,
        mut change: impl FnMut(&mut Row) -> Result<T, ChangeError>,
    ) -> Result<(T, Row), ChangeError> {
        self.alter(&session.app, &session.registration, |row| {
            if row.session.as_ref() != Some(&session.session) {
                return Err(ChangeError::Conflict);
            }
            change(row)
        })
        .await
    }

    /// The start of a log that is read from its head from now on.
    pub(super) fn start_at(&self, app: &AppId, log: Log, began: Seq) -> StartInfo {
        StartInfo {
            log: LogKey::new(app, log),
            at: Position { epoch: self.0.store.epoch(), seq: began },
            recovered: true,
            gap: None,
            began,
            had: began,
        }
    }

    /// Subscribes the device to `topics`, which its token grants. Each new log is read from its
    /// head at the commit, which is durable on return; topics it has already are not in the answer.
    ///
    /// # Errors
    /// `Conflict` from a link that was superseded; `TooLarge` beyond 100 topics, and then nothing
    /// was taken.
    pub async fn subscribe(
        &self,
        session: &SessionRef,
        topics: Vec<Topic>,
    ) -> Result<Vec<StartInfo>, ChangeError> {
        let (new, row) = self.alter_own(session, |row| add_topics(row, &topics, MadeBy::Device)).await?;
        Ok(self.starts(&session.app, &row, &new))
    }

    /// The starts of the subscriptions to `topics` in `row`.
    pub(super) fn starts(&self, app: &AppId, row: &Row, topics: &[Topic]) -> Vec<StartInfo> {
        let new = row.subscriptions.iter().filter(|s| topics.contains(&s.topic));
        new.map(|s| self.start_at(app, Log::Topic(s.topic.clone()), s.began)).collect()
    }

    /// Ends subscriptions; answers which logs ended.
    ///
    /// # Errors
    /// `Conflict` from a link that was superseded.
    pub async fn unsubscribe(
        &self,
        session: &SessionRef,
        topics: Vec<Topic>,
    ) -> Result<Vec<LogName>, ChangeError> {
        let (ended, _) =
            self.alter_own(session, |row| Ok(end_topics(row, |s| topics.contains(&s.topic)))).await?;
        Ok(ended)
    }

    /// Sets and drops tags; answers the tags as stored. The caller has checked the grants.
    ///
    /// # Errors
    /// `Conflict` from a link that was superseded; `TooLarge` beyond 64 tags.
    pub async fn set_tags(
        &self,
        session: &SessionRef,
        add: Vec<Tag>,
        remove: Vec<Tag>,
    ) -> Result<Vec<Tag>, ChangeError> {
        let ((), row) = self.alter_own(session, |row| change_tags(row, &add, &remove)).await?;
        Ok(row.tags)
    }

    /// An anonymous registration becomes this user, once. Answers the start of the user's log;
    /// `None` if it was this user already.
    ///
    /// # Errors
    /// `NotPermitted` if it is another user's; `Conflict` from a link that was superseded.
    pub async fn adopt_user(
        &self,
        session: &SessionRef,
        user: UserId,
    ) -> Result<Option<StartInfo>, ChangeError> {
        let (adopted, row) = self
            .alter_own(session, |row| match &row.user {
                Some(own) if *own == user => Ok(false),
                Some(_) => Err(ChangeError::NotPermitted),
                None => {
                    row.user = Some(user.clone());
                    row.user_began = STARTS_AT_COMMIT;
                    row.idle = self.0.idle.of(row);
                    Ok(true)
                }
            })
            .await?;
        let start = || self.start_at(&session.app, Log::User(user), row.user_began);
        Ok(adopted.then(start))
    }

    /// Ends the device-made subscriptions that `grants` no longer grant; answers which logs ended.
    ///
    /// # Errors
    /// `Conflict` from a link that was superseded.
    pub async fn narrow(&self, session: &SessionRef, grants: &Grants) -> Result<Vec<LogName>, ChangeError> {
        let (ended, _) = self
            .alter_own(session, |row| {
                let lost = |s: &Subscription| s.made_by == MadeBy::Device && !grants.topic(&s.topic);
                Ok(end_topics(row, lost))
            })
            .await?;
        Ok(ended)
    }

    /// Sets (`None`: removes) where the browser's push service takes messages for the device.
    ///
    /// # Errors
    /// `Conflict` from a link that was superseded.
    pub async fn set_web_push(
        &self,
        session: &SessionRef,
        web_push: Option<WebPush>,
    ) -> Result<(), ChangeError> {
        let set = |row: &mut Row| {
            row.web_push.clone_from(&web_push);
            Ok(())
        };
        self.alter_own(session, set).await.map(|((), _)| ())
    }

    /// The device logs out: its registration goes, and everything that hangs on it.
    ///
    /// # Errors
    /// `Conflict` from a link that was superseded.
    pub async fn forget(&self, session: &SessionRef) -> Result<(), ChangeError> {
        let (app, id) = (&session.app, &session.registration);
        let row = self.0.store.row(app, id)?.ok_or(ChangeError::NotFound)?;
        if row.session.as_ref() != Some(&session.session) {
            return Err(ChangeError::Conflict);
        }
        self.drop_device(app, id).await?;
        Ok(())
    }

    /// Answers whether it was there.
    pub(super) async fn drop_device(&self, app: &AppId, id: &RegistrationId) -> Result<bool, StoreError> {
        // What it had received counts before its cursors go.
        self.flush_device(app, id).await?;
        let was = self.0.store.remove(app.clone(), id.clone()).await?;
        self.0.links().remove(&(app.clone(), id.clone()));
        Ok(was)
    }

    /// A link ended. Its cursors are written; if it held the row, how it ended is kept for the next
    /// one. An ephemeral registration goes with its link.
    ///
    /// # Errors
    /// The store did not take it. The device will resume from its own cursors all the same.
    pub async fn disconnect(&self, session: &SessionRef, end: LastSeenRecord) -> Result<(), StoreError> {
        let (app, id) = (&session.app, &session.registration);
        {
            let mut links = self.0.links();
            let key = (app.clone(), id.clone());
            // A late goodbye must not evict the newer link.
            if links.get(&key).is_some_and(|link| link.session == session.session) {
                links.remove(&key);
            }
        }
        let ended = self.alter_own(session, |row| {
            row.session = None;
            row.last_seen = self.0.clock.now();
            row.last_link = Some(end.clone());
            Ok(())
        });
        let (flushed, ended) = tokio::join!(self.flush_device(app, id), ended);
        match ended {
            Ok(((), row)) if row.ephemeral => {
                self.drop_device(app, id).await?;
            }
            Err(ChangeError::Store(error)) => return Err(error),
            // Another link holds the row, or the registration is gone.
            Ok(_) | Err(_) => {}
        }
        flushed
    }
}

/// Adds what is not there; answers what was added.
pub(super) fn add_topics(
    row: &mut Row,
    topics: &[Topic],
    made_by: MadeBy,
) -> Result<Vec<Topic>, ChangeError> {
    let mut added = Vec::new();
    for topic in topics {
        match row.subscriptions.binary_search_by(|s| s.topic.cmp(topic)) {
            Ok(i) if made_by == MadeBy::Backend => row.subscriptions[i].made_by = made_by,
            Ok(_) => {}
            Err(i) => {
                let topic = topic.clone();
                added.push(topic.clone());
                row.subscriptions.insert(i, Subscription { topic, made_by, began: STARTS_AT_COMMIT });
            }
        }
    }
    if row.subscriptions.len() > limits::TOPICS {
        return Err(ChangeError::TooLarge { what: "topics", most: limits::TOPICS });
    }
    Ok(added)
}

pub(super) fn end_topics(row: &mut Row, ends: impl Fn(&Subscription) -> bool) -> Vec<LogName> {
    let ended = row.subscriptions.extract_if(.., |s| ends(s));
    ended.map(|s| LogName::Topic(s.topic)).collect()
}

pub(super) fn change_tags(row: &mut Row, add: &[Tag], remove: &[Tag]) -> Result<(), ChangeError> {
    row.tags.retain(|tag| !remove.contains(tag));
    row.tags.extend(add.iter().cloned());
    row.tags.sort();
    row.tags.dedup();
    if row.tags.len() > limits::TAGS {
        return Err(ChangeError::TooLarge { what: "tags", most: limits::TAGS });
    }
    Ok(())
}
