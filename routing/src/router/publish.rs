//! Publish: resolve the target into logs, then one durable append, then the wake.

use super::{Audience, Router};
use crate::store::{Append, Appended, HowMany, Log as _, Registry as _};
use crate::{
    Accepted, Draft, Entry, EntryKind, Exclude, Expression, Log, LogKey, Predicate, PublishError, ReaderView,
    StoreError, Target,
};
use pulsegate_proto::id::{AppId, RegistrationId, UserId};
use pulsegate_proto::limits;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Registrations looked at to estimate the audience of a tag expression; apps with no more are
/// counted exactly.
const SAMPLE: usize = 2000;

/// A target, resolved.
struct Resolved {
    /// Sorted, none twice.
    logs: Vec<Log>,
    predicate: Option<Arc<Predicate>>,
    audience: Audience,
}

enum Prepared {
    Store(Append),
    Live(Append),
}

impl Router {
    /// Publishes a message: it is durable when this returns. With time-to-live 0 it was handed to
    /// who is connected, and only its idempotency key is durable.
    ///
    /// # Errors
    /// Nothing was accepted, unless it says `OutcomeUnknown`.
    pub async fn publish(&self, app: &AppId, draft: Draft) -> Result<Accepted, PublishError> {
        match self.prepare(app, draft)? {
            Prepared::Live(append) => self.publish_live(append).await,
            Prepared::Store(append) => {
                let (id, targeted) = (append.id, append.targeted);
                let appended = self.0.store.append(append).await?;
                Ok(accepted(id, targeted, appended))
            }
        }
    }

    /// Publishes several messages in as few syncs as possible; answers in their order, each on its
    /// own.
    pub async fn publish_batch(
        &self,
        app: &AppId,
        drafts: Vec<Draft>,
    ) -> Vec<Result<Accepted, PublishError>> {
        let mut answers = Vec::with_capacity(drafts.len());
        let mut appends = Vec::new();
        for draft in drafts {
            answers.push(match self.prepare(app, draft) {
                Err(error) => Some(Err(error)),
                Ok(Prepared::Live(append)) => Some(self.publish_live(append).await),
                Ok(Prepared::Store(append)) => {
                    appends.push(append);
                    None
                }
            });
        }
        let asked: Vec<_> = appends.iter().map(|append| (append.id, append.targeted)).collect();
        let appended = self.0.store.append_all(appends).await;
        let mut stored = asked.into_iter().zip(appended).map(|((id, targeted), appended)| {
            let appended = appended.map_err(PublishError::from)?;
            Ok(accepted(id, targeted, appended))
        });
        let lost = || Err(PublishError::Store(StoreError::OutcomeUnknown(String::from("lost"))));
        answers.into_iter().map(|answer| answer.or_else(|| stored.next()).unwrap_or_else(lost)).collect()
    }

    /// How many devices a target reaches now.
    ///
    /// # Errors
    /// As [`Router::publish`] for the target.
    pub async fn count_audience(
        &self,
        app: &AppId,
        target: &Target,
        exclude: &Exclude,
    ) -> Result<Audience, PublishError> {
        Ok(self.resolve(app, target, exclude)?.audience)
    }

    async fn publish_live(&self, append: Append) -> Result<Accepted, PublishError> {
        if let Some(key) = append.idempotency.clone() {
            let appended = self.0.store.remember(append.app.clone(), append.id, key).await?;
            if let Appended::Replayed(_) = appended {
                return Ok(accepted(append.id, append.targeted, appended));
            }
        }
        let entry = Arc::new(Entry {
            seq: 0,
            epoch: self.0.store.epoch(),
            // It is over as soon as it was handed over; nobody holds it back that long.
            expires: append.published.max(self.0.clock.now()).saturating_add(limits::HELLO),
            collapse_key: append.collapse_key.clone(),
            predicate: append.predicate.clone(),
            kind: EntryKind::Message { id: append.id, body: append.body.clone() },
        });
        for log in &append.logs {
            self.0.wake.live(&LogKey::new(&append.app, log.clone()), &entry);
        }
        Ok(accepted(append.id, append.targeted, Appended::New))
    }

    fn prepare(&self, app: &AppId, draft: Draft) -> Result<Prepared, PublishError> {
        let now = self.0.clock.now();
        if let Some(at) = draft.deliver_at {
            if draft.is_live_only() {
                return Err(PublishError::InvalidDeliverAt("it goes with no time-to-live of 0"));
            }
            if at > now.saturating_add(limits::DELIVER_AT) {
                return Err(PublishError::InvalidDeliverAt("at most 90 days ahead"));
            }
        }
        let resolved = self.resolve(app, &draft.target, &draft.exclude)?;
        if resolved.logs.contains(&Log::All) {
            let per_second = self.0.everyone_per_second.load(Ordering::Relaxed);
            self.0
                .everyone
                .take(app, per_second, now)
                .map_err(|retry_after| PublishError::RateLimited { retry_after })?;
        }
        let later = draft.deliver_at.is_some_and(|at| at > now);
        let live = draft.is_live_only();
        let append = Append {
            app: app.clone(),
            id: draft.id,
            published: draft.published,
            expires: draft.expires(self.0.settings.retention),
            deliver_at: draft.deliver_at.filter(|at| *at > now),
            collapse_key: draft.collapse_key.as_deref().filter(|k| !k.is_empty()).map(Arc::from),
            notification_tag: Arc::from(draft.notification_tag.as_str()),
            predicate: resolved.predicate,
            logs: resolved.logs,
            targeted: if later { 0 } else { resolved.audience.count },
            idempotency: draft.idempotency,
            body: draft.body,
        };
        Ok(if live { Prepared::Live(append) } else { Prepared::Store(append) })
    }

    fn resolve(&self, app: &AppId, target: &Target, exclude: &Exclude) -> Result<Resolved, PublishError> {
        let most = limits::TARGETS;
        if exclude.registrations.len() > most || exclude.users.len() > most {
            return Err(PublishError::InvalidTarget("exclude lists at most 1000 of a kind"));
        }
        let (logs, tags) = match target {
            Target::Registrations(ids) => {
                return self.resolve_registrations(app, ids, exclude);
            }
            Target::Users(users) => {
                check_len(users.len())?;
                let mut users = sorted(users);
                // Where all are excluded the predicate keeps it from everybody.
                if users.iter().any(|user| !exclude.users.contains(user)) {
                    users.retain(|user| !exclude.users.contains(user));
                }
                (users.into_iter().map(Log::User).collect::<Vec<_>>(), None)
            }
            Target::Topic(topic) => (vec![Log::Topic(topic.clone())], None),
            Target::Tags(expression) => (vec![Log::All], Some(expression.clone())),
            Target::Everyone => (vec![Log::All], None),
        };
        let predicate = predicate(tags, exclude);
        let audience = self.count_logs(app, &logs, predicate.as_deref())?;
        Ok(Resolved { logs, predicate, audience })
    }

    /// A list of devices is settled here: no entry needs a predicate, unless all are excluded.
    fn resolve_registrations(
        &self,
        app: &AppId,
        ids: &[RegistrationId],
        exclude: &Exclude,
    ) -> Result<Resolved, PublishError> {
        check_len(ids.len())?;
        let ids = sorted(ids);
        let mut logs = Vec::with_capacity(ids.len());
        for id in &ids {
            let Some(row) = self.0.store.row(app, id)? else {
                return Err(PublishError::UnknownRegistration(id.clone()));
            };
            let excluded = exclude.registrations.contains(id)
                || row.user.is_some_and(|user| exclude.users.contains(&user));
            if !excluded {
                logs.push(Log::Device(id.clone()));
            }
        }
        if logs.is_empty() {
            // Accepted like any other, and kept from everybody by its predicate.
            let logs = ids.into_iter().map(Log::Device).collect();
            let audience = Audience { count: 0, estimate: false };
            return Ok(Resolved { logs, predicate: predicate(None, exclude), audience });
        }
        let audience = Audience { count: logs.len() as u64, estimate: false };
        Ok(Resolved { logs, predicate: None, audience })
    }

    /// How many devices read `logs` and satisfy `predicate` now.
    pub(super) fn count_logs(
        &self,
        app: &AppId,
        logs: &[Log],
        predicate: Option<&Predicate>,
    ) -> Result<Audience, StoreError> {
        let mut audience = Audience::default();
        for log in logs {
            match log {
                Log::Device(_) => audience.count += 1,
                Log::User(user) if predicate.is_some_and(|p| p.not_users.binary_search(user).is_ok()) => {}
                Log::User(user) => {
                    let devices = self.0.store.of_user(app, user, usize::MAX)?;
                    let not = |id: &&RegistrationId| {
                        predicate.is_none_or(|p| p.not_registrations.binary_search(id).is_err())
                    };
                    audience.count += devices.iter().filter(not).count() as u64;
                }
                Log::Topic(topic) => {
                    let all = self.0.store.how_many(app, HowMany::Topic(topic))?;
                    let reads = |id: &RegistrationId| self.0.store.subscribes(app, id, topic);
                    audience.count += all.saturating_sub(self.excluded(app, predicate, reads)?);
                }
                Log::All => match predicate.filter(|predicate| predicate.tags.is_some()) {
                    Some(predicate) => {
                        let estimate = self.estimate(app, predicate)?;
                        audience.count += estimate.count;
                        audience.estimate |= estimate.estimate;
                    }
                    None => {
                        let all = self.0.store.how_many(app, HowMany::All)?;
                        let reads = |id: &RegistrationId| Ok(self.0.store.row(app, id)?.is_some());
                        audience.count += all.saturating_sub(self.excluded(app, predicate, reads)?);
                    }
                },
            }
        }
        Ok(audience)
    }

    /// How many of the excluded devices read the log.
    fn excluded(
        &self,
        app: &AppId,
        predicate: Option<&Predicate>,
        reads: impl Fn(&RegistrationId) -> Result<bool, StoreError>,
    ) -> Result<u64, StoreError> {
        let Some(predicate) = predicate else {
            return Ok(0);
        };
        let mut excluded = predicate.not_registrations.clone();
        for user in &predicate.not_users {
            excluded.extend(self.0.store.of_user(app, user, usize::MAX)?);
        }
        let mut count = 0;
        for id in sorted(&excluded) {
            count += u64::from(reads(&id)?);
        }
        Ok(count)
    }

    fn estimate(&self, app: &AppId, predicate: &Predicate) -> Result<Audience, StoreError> {
        let all = self.0.store.how_many(app, HowMany::All)?;
        let rows = self.0.store.list(app, None, SAMPLE)?;
        let looked_at = rows.len() as u64;
        let matching = rows.into_iter().filter(|row| {
            predicate.matches(&ReaderView {
                registration: row.id.clone(),
                user: row.user.clone(),
                tags: row.tags.as_slice().into(),
                began: 0,
                had: 0,
            })
        });
        let matching = matching.count() as u64;
        if looked_at >= all {
            return Ok(Audience { count: matching, estimate: false });
        }
        let count = u128::from(matching) * u128::from(all) / u128::from(looked_at.max(1));
        Ok(Audience { count: u64::try_from(count).unwrap_or(u64::MAX), estimate: true })
    }
}

fn accepted(id: pulsegate_proto::id::MessageId, targeted: u64, appended: Appended) -> Accepted {
    match appended {
        Appended::New => Accepted { id, replayed: false, targeted },
        Appended::Replayed(first) => Accepted { id: first, replayed: true, targeted: 0 },
    }
}

fn check_len(len: usize) -> Result<(), PublishError> {
    match len {
        0 => Err(PublishError::InvalidTarget("the list is empty")),
        len if len > limits::TARGETS => Err(PublishError::InvalidTarget("the list names more than 1000")),
        _ => Ok(()),
    }
}

fn sorted<T: Ord + Clone>(list: &[T]) -> Vec<T> {
    let mut list = list.to_vec();
    list.sort();
    list.dedup();
    list
}

fn predicate(tags: Option<Expression>, exclude: &Exclude) -> Option<Arc<Predicate>> {
    if tags.is_none() && exclude.is_empty() {
        return None;
    }
    let not_users: Vec<UserId> = sorted(&exclude.users);
    Some(Arc::new(Predicate { tags, not_registrations: sorted(&exclude.registrations), not_users }))
}
