//! Links by the device they belong to, and how many a user has.

use super::waiter::{Mail, Vital, Waiter};
use super::{SHARDS, lock};
use pulsegate_proto::id::{AppId, RegistrationId, SessionId, UserId};
use pulsegate_routing::SessionRef;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard};

type Device = (AppId, RegistrationId);

#[derive(Default)]
struct Shard {
    devices: HashMap<Device, Vec<Link>>,
}

struct Link {
    session: SessionId,
    waiter: Arc<Waiter>,
    welcomed: bool,
    user: Option<UserId>,
}

/// The links of this node.
pub(super) struct Links {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
    users: Vec<Mutex<HashMap<(AppId, UserId), usize>>>,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            users: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Links {
    pub(super) fn join(&self, session: &SessionRef, waiter: &Arc<Waiter>) {
        let device = (session.app.clone(), session.registration.clone());
        let mut shard = self.shard(&device);
        let links = shard.devices.entry(device).or_insert_with(|| Vec::with_capacity(1));
        if links.iter().all(|link| link.session != session.session) {
            links.push(Link {
                session: session.session.clone(),
                waiter: Arc::clone(waiter),
                welcomed: false,
                user: None,
            });
        }
    }

    /// Also when the user became another one: anonymous became somebody.
    pub(super) fn welcome(&self, session: &SessionRef, user: Option<&UserId>) {
        let device = (session.app.clone(), session.registration.clone());
        let before = {
            let mut shard = self.shard(&device);
            let links = shard.devices.get_mut(&device);
            let Some(link) = links.and_then(|l| l.iter_mut().find(|l| l.session == session.session)) else {
                return;
            };
            link.welcomed = true;
            std::mem::replace(&mut link.user, user.cloned())
        };
        if before.as_ref() != user {
            self.count(&session.app, before.as_ref(), false);
            self.count(&session.app, user, true);
        }
    }

    pub(super) fn part(&self, session: &SessionRef) {
        let device = (session.app.clone(), session.registration.clone());
        let user = {
            let mut shard = self.shard(&device);
            let Some(links) = shard.devices.get_mut(&device) else { return };
            let Some(at) = links.iter().position(|link| link.session == session.session) else { return };
            let link = links.swap_remove(at);
            if links.is_empty() {
                shard.devices.remove(&device);
            }
            link.user
        };
        self.count(&session.app, user.as_ref(), false);
    }

    pub(super) fn tell(&self, session: &SessionRef, mail: Mail) {
        let device = (session.app.clone(), session.registration.clone());
        let shard = self.shard(&device);
        let links = shard.devices.get(&device);
        if let Some(link) = links.and_then(|l| l.iter().find(|l| l.session == session.session)) {
            link.waiter.post(mail);
        }
    }

    pub(super) fn tell_device(&self, app: &AppId, registration: &RegistrationId, mail: impl Fn() -> Mail) {
        let device = (app.clone(), registration.clone());
        let shard = self.shard(&device);
        for link in shard.devices.get(&device).into_iter().flatten() {
            link.waiter.post(mail());
        }
    }

    pub(super) fn vital(&self, session: &SessionRef) -> Option<Vital> {
        let device = (session.app.clone(), session.registration.clone());
        let shard = self.shard(&device);
        let link = shard.devices.get(&device)?.iter().find(|link| link.session == session.session)?;
        Some(link.waiter.vital())
    }

    pub(super) fn online(&self, app: &AppId, registration: &RegistrationId) -> bool {
        let device = (app.clone(), registration.clone());
        let shard = self.shard(&device);
        shard.devices.get(&device).is_some_and(|links| links.iter().any(|link| link.welcomed))
    }

    pub(super) fn of_user(&self, app: &AppId, user: &UserId) -> usize {
        let key = (app.clone(), user.clone());
        lock(&self.users[self.index(&key)]).get(&key).copied().unwrap_or(0)
    }

    pub(super) fn everybody(&self) -> Vec<Arc<Waiter>> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            let links = shard.devices.values().flatten().filter(|link| link.welcomed);
            all.extend(links.map(|link| Arc::clone(&link.waiter)));
        }
        all
    }

    fn count(&self, app: &AppId, user: Option<&UserId>, up: bool) {
        let Some(user) = user else { return };
        let key = (app.clone(), user.clone());
        let mut users = lock(&self.users[self.index(&key)]);
        if up {
            *users.entry(key).or_default() += 1;
        } else if let Some(count) = users.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                users.remove(&key);
            }
        }
    }

    fn shard(&self, device: &Device) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.index(device)])
    }

    fn index(&self, key: &impl Hash) -> usize {
        (self.hasher.hash_one(key) % SHARDS as u64) as usize
    }
}
