//! The two drivers of the simulation: they perform effects and decide nothing.

use super::device::Write;
use super::net::{Pipe, up_to};
use super::script::{client_line, server_line};
use super::world::{Conn, World, wall};
use super::{Event, Job, Link, Sim};
use crate::frame::{Cause, decode_client, decode_server};
use crate::session::client::{self, Socket};
use crate::session::server::{self, ServerSession, Slot};
use crate::time::UnixMs;
use bytes::Bytes;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// What a store, a disk or a backend needs for an answer.
const WORK: Duration = Duration::from_millis(5);
/// The close code of a connection that broke.
const RESET: u16 = 1006;

impl Sim {
    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Open { device, life, socket, conn } => self.open(device, life, socket, conn),
            Event::Up { conn, bytes } => {
                if arrives(self.links[conn].up, self.now) {
                    self.conn_input(conn, server::Input::Frame(bytes));
                }
            }
            Event::Down { conn, bytes } => {
                let (device, socket) = (self.links[conn].device, self.links[conn].socket);
                if arrives(self.links[conn].down, self.now) && self.holds(device, socket, conn) {
                    self.device_input(device, client::Input::Message { socket, bytes: &bytes });
                }
            }
            Event::DownClose { conn, code } => {
                let (device, socket) = (self.links[conn].device, self.links[conn].socket);
                // The news of a broken connection comes from the device's own system.
                let reset = code == RESET;
                let arrives = reset || arrives(self.links[conn].down, self.now);
                if arrives && self.holds(device, socket, conn) {
                    self.devices[device].sockets.remove(&socket);
                    self.device_input(device, client::Input::SocketClosed { socket, code });
                }
            }
            Event::UpClose { conn, cause } => {
                self.conn_input(conn, server::Input::SocketClosed(cause));
                self.end(conn);
            }
            Event::Break { conn, silent } => self.break_link(conn, silent),
            Event::Answer { conn, input } => self.answer(conn, *input),
            Event::Written { device, life } => self.written(device, life),
            Event::Token { device, life } => self.token(device, life),
            Event::DeviceTimer { device, at } => {
                if self.devices[device].alive && self.devices[device].timer == Some(at) {
                    self.devices[device].timer = None;
                    self.device_input(device, client::Input::Elapsed);
                }
            }
            Event::ConnTimer { conn, at } => {
                if self.links[conn].timer == Some(at) && !self.links[conn].over {
                    self.links[conn].timer = None;
                    self.conn_input(conn, server::Input::Elapsed);
                }
            }
        }
    }

    fn holds(&self, device: usize, socket: Socket, conn: Conn) -> bool {
        let device = &self.devices[device];
        device.alive && device.sockets.get(&socket) == Some(&conn)
    }

    // ---------------------------------------------------------------- the device's driver

    /// A fresh process reads its storage.
    pub(super) fn load(&mut self, device: usize) {
        let identity = self.devices[device].identity(wall(self.now));
        self.device_input(device, client::Input::Identity(Box::new(identity)));
    }

    pub(super) fn device_input(&mut self, device: usize, input: client::Input<'_>) {
        let now = self.now;
        let effects = self.devices[device].session.handle(now, input);
        let deadline = effects.deadline();
        let effects: Vec<client::Effect> = effects.collect();
        for effect in effects {
            self.device_effect(device, effect);
        }
        if let Some(deadline) = deadline
            && self.devices[device].timer.is_none_or(|at| deadline.at < at)
        {
            self.devices[device].timer = Some(deadline.at);
            self.at(deadline.at, Event::DeviceTimer { device, at: deadline.at });
        }
    }

    /// The device says goodbye.
    fn hang_up(&mut self, conn: usize) {
        let way = self.weather.way(&mut self.random);
        if let Some(at) = self.links[conn].up.send(self.now, way) {
            self.at(at, Event::UpClose { conn, cause: Cause::ClientClosed });
        }
    }

    fn device_effect(&mut self, device: usize, effect: client::Effect) {
        let life = self.devices[device].life;
        match effect {
            client::Effect::Connect { socket, .. } => {
                let conn = self.up.then(|| self.link(device, socket));
                let at = self.now + self.weather.way(&mut self.random) * 2;
                self.at(at, Event::Open { device, life, socket, conn });
            }
            client::Effect::Send { socket, bytes } => {
                let line = decode_client(&bytes).map_or_else(|_| "?".to_owned(), |it| client_line(&it));
                self.line(&format!("#{device} -> {line}"));
                let Some(&conn) = self.devices[device].sockets.get(&socket) else {
                    return;
                };
                let way = self.weather.way(&mut self.random);
                if let Some(at) = self.links[conn].up.send(self.now, way) {
                    self.at(at, Event::Up { conn, bytes: Bytes::from(bytes) });
                }
            }
            client::Effect::CloseSocket { socket } => match self.devices[device].sockets.remove(&socket) {
                Some(conn) => self.hang_up(conn),
                None => self.devices[device].let_go.push(socket),
            },
            client::Effect::NeedToken(_) => self.at(self.now + WORK, Event::Token { device, life }),
            client::Effect::Store(store) => self.write(device, Write::Store(store)),
            client::Effect::SaveIdentity(save) => self.write(device, Write::Save(save)),
            client::Effect::WipeInbox(_) => self.write(device, Write::Wipe),
            client::Effect::KeepHeartbeat(bytes) => self.devices[device].storage.heartbeat = bytes,
            told => self.devices[device].told.push(told),
        }
    }

    fn write(&mut self, device: usize, write: Write) {
        let life = self.devices[device].life;
        self.devices[device].writes.push_back(write);
        if self.devices[device].writes.len() == 1 {
            self.at(self.now + WORK, Event::Written { device, life });
        }
    }

    fn written(&mut self, device: usize, life: u32) {
        let of = &mut self.devices[device];
        if of.life != life {
            return;
        }
        let Some(write) = of.writes.pop_front() else {
            return;
        };
        of.storage.write(&write);
        if !of.writes.is_empty() {
            self.at(self.now + WORK, Event::Written { device, life });
        }
        match write {
            Write::Store(store) => self.device_input(device, client::Input::Stored { no: store.no }),
            Write::Save(_) => self.device_input(device, client::Input::IdentitySaved),
            Write::Wipe => {}
        }
    }

    fn token(&mut self, device: usize, life: u32) {
        let of = &self.devices[device];
        if of.life != life || !of.alive {
            return;
        }
        let input = match of.token.clone() {
            Some(token) if token.is_empty() => client::Input::TokenDenied,
            token => client::Input::Token { token, expires: UnixMs::ZERO },
        };
        self.device_input(device, input);
    }

    fn open(&mut self, device: usize, life: u32, socket: Socket, conn: Option<Conn>) {
        if self.devices[device].life != life || !self.devices[device].alive {
            return;
        }
        let conn = conn.filter(|conn| self.up && !self.links[*conn].over);
        let Some(conn) = conn else {
            return self.device_input(device, client::Input::SocketClosed { socket, code: RESET });
        };
        if self.devices[device].let_go.contains(&socket) {
            return self.hang_up(conn);
        }
        self.devices[device].sockets.insert(socket, conn);
        let breaks = self.weather.breaks_within;
        if breaks > Duration::ZERO {
            let at = self.now + up_to(&mut self.random, breaks);
            let silent = self.random.next() % 10 < self.weather.silent_of_ten;
            self.at(at, Event::Break { conn, silent });
        }
        self.device_input(device, client::Input::Open { socket });
    }

    // ---------------------------------------------------------------- the gateway's driver

    fn link(&mut self, device: usize, socket: Socket) -> Conn {
        let session = ServerSession::new(self.now, self.world.settings.clone());
        let deadline = session.deadline();
        self.links.push(Link {
            device,
            socket,
            session,
            registration: None,
            slots: BTreeMap::new(),
            parked: BTreeMap::new(),
            unacked: VecDeque::new(),
            commits: VecDeque::new(),
            up: Pipe::default(),
            down: Pipe::default(),
            timer: None,
            over: false,
        });
        let conn = self.links.len() - 1;
        if let Some(deadline) = deadline {
            self.links[conn].timer = Some(deadline.at);
            self.at(deadline.at, Event::ConnTimer { conn, at: deadline.at });
        }
        conn
    }

    pub(super) fn conn_input(&mut self, conn: Conn, input: server::Input) {
        if self.links[conn].over {
            return;
        }
        let effects = self.links[conn].session.handle(self.now, input);
        let deadline = effects.deadline();
        let effects: Vec<server::Effect> = effects.collect();
        for effect in effects {
            self.conn_effect(conn, effect);
        }
        if let Some(deadline) = deadline
            && self.links[conn].timer.is_none_or(|at| deadline.at < at)
        {
            self.links[conn].timer = Some(deadline.at);
            self.at(deadline.at, Event::ConnTimer { conn, at: deadline.at });
        }
    }

    fn conn_effect(&mut self, conn: Conn, effect: server::Effect) {
        match effect {
            server::Effect::Send(bytes) => self.send_down(conn, bytes),
            server::Effect::Deliver { slot, run } => {
                let window = self.world.settings.window as usize;
                for server::Item { seq, frame, .. } in run.items() {
                    self.links[conn].unacked.push_back((slot, seq));
                    assert!(self.links[conn].unacked.len() <= window, "the window is exceeded");
                    self.send_down(conn, frame);
                }
            }
            server::Effect::Admit(hello) => self.job(conn, Job::Admit(hello)),
            server::Effect::Commit { request, op } => {
                self.links[conn].commits.push_back((request, op));
                if self.links[conn].commits.len() == 1 {
                    self.next_commit(conn);
                }
            }
            server::Effect::Attach { slot, log } => {
                self.links[conn].slots.insert(slot, log);
            }
            server::Effect::Detach { slot } => {
                self.links[conn].slots.remove(&slot);
                self.links[conn].parked.remove(&slot);
                self.links[conn].unacked.retain(|(of, _)| *of != slot);
            }
            server::Effect::Read { slot, after, max } => {
                assert!(max > 0, "a read of nothing");
                self.job(conn, Job::Read(slot, after, max));
            }
            server::Effect::Park { slot, after } => {
                self.links[conn].parked.insert(slot, after);
                self.wake_parked(conn, slot);
            }
            server::Effect::Acked { slot, seq, .. } => self.acked(conn, slot, seq),
            server::Effect::Close { code, .. } => {
                let way = self.weather.way(&mut self.random);
                if let Some(at) = self.links[conn].down.send(self.now, way) {
                    self.at(at, Event::DownClose { conn, code });
                }
                self.end(conn);
            }
            server::Effect::Count(_) => {}
        }
    }

    fn send_down(&mut self, conn: Conn, bytes: Bytes) {
        let line = match decode_server(&bytes) {
            Ok(Some(frame)) => server_line(&frame),
            Ok(None) | Err(_) => "?".to_owned(),
        };
        let device = self.links[conn].device;
        self.line(&format!("#{device} <- {line}"));
        let way = self.weather.way(&mut self.random);
        if let Some(at) = self.links[conn].down.send(self.now, way) {
            self.at(at, Event::Down { conn, bytes });
        }
    }

    fn job(&mut self, conn: Conn, job: Job) {
        self.at(self.now + WORK, Event::Answer { conn, input: Box::new(job) });
    }

    fn next_commit(&mut self, conn: Conn) {
        if let Some((request, op)) = self.links[conn].commits.front().cloned() {
            self.job(conn, Job::Commit(request, op));
        }
    }

    fn answer(&mut self, conn: Conn, job: Job) {
        if self.links[conn].over {
            return;
        }
        match job {
            Job::Admit(hello) => match self.world.connect(self.now, conn, &hello) {
                Ok((admission, loser)) => {
                    self.links[conn].registration = Some(admission.registration.clone());
                    self.conn_input(conn, server::Input::Admitted(Box::new(admission)));
                    if let Some(loser) = loser {
                        let input = server::Input::Superseded {
                            generation: loser.generation,
                            link_only: loser.link_only,
                        };
                        self.conn_input(loser.conn, input);
                    }
                }
                Err(refusal) => self.conn_input(conn, server::Input::Refused(refusal)),
            },
            Job::Commit(request, op) => {
                let Some(id) = self.links[conn].registration.clone() else {
                    return;
                };
                let outcome = self.world.commit(self.now, conn, &id, &op);
                self.links[conn].commits.pop_front();
                self.conn_input(conn, server::Input::Done { request, outcome });
                self.next_commit(conn);
            }
            Job::Read(slot, after, max) => {
                let odd = self.devices[self.links[conn].device].odd;
                let log = self.links[conn].slots.get(&slot).cloned();
                if let (Some(id), Some(log)) = (self.links[conn].registration.clone(), log) {
                    let batch = self.world.read(&id, &log, after, max, odd);
                    self.conn_input(conn, server::Input::Entries { slot, batch });
                } else {
                    self.conn_input(conn, server::Input::ReadFailed { slot });
                }
            }
            Job::Wake(slot) => self.conn_input(conn, server::Input::Available { slot }),
        }
    }

    fn acked(&mut self, conn: Conn, slot: Slot, seq: u64) {
        let link = &mut self.links[conn];
        link.unacked.retain(|(of, sent)| *of != slot || *sent > seq);
        let (Some(id), Some(log)) = (link.registration.clone(), link.slots.get(&slot).cloned()) else {
            return;
        };
        let device = &self.devices[link.device];
        let stored = device.storage.cursors.get(&log).map_or(0, |at| at.seq);
        let kept = device.storage.registration.as_ref().is_some_and(|(held, _)| *held == id)
            && device.storage.wipes == 0
            && !device.rolled_back;
        assert!(!kept || stored >= seq, "an ack runs ahead of storage");
        self.world.acked(&id, &log, seq);
    }

    /// Slots of a connection that read a log.
    pub(super) fn slots(&self, conn: Conn, key: &str) -> Vec<Slot> {
        let link = &self.links[conn];
        let Some(id) = link.registration.as_ref().filter(|_| !link.over) else {
            return Vec::new();
        };
        let reads = |(slot, log): (&Slot, _)| (World::key(id, log) == key).then_some(*slot);
        link.slots.iter().filter_map(reads).collect()
    }

    /// Something was appended to a log.
    pub(super) fn wake(&mut self, key: &str) {
        for conn in 0..self.links.len() {
            for slot in self.slots(conn, key) {
                self.wake_parked(conn, slot);
            }
        }
    }

    fn wake_parked(&mut self, conn: Conn, slot: Slot) {
        let link = &mut self.links[conn];
        let (Some(id), Some(log)) = (&link.registration, link.slots.get(&slot)) else {
            return;
        };
        let last = self.world.last(&World::key(id, log));
        if link.parked.get(&slot).is_some_and(|after| last > *after) {
            link.parked.remove(&slot);
            self.job(conn, Job::Wake(slot));
        }
    }

    fn end(&mut self, conn: Conn) {
        if !self.links[conn].over {
            self.links[conn].over = true;
            if let Some(id) = self.links[conn].registration.clone() {
                self.world.disconnect(conn, &id);
            }
        }
    }

    /// Cuts both directions; of what is on the way, each side may still get a part.
    fn break_link(&mut self, conn: Conn, silent: bool) {
        let most = self.weather.most;
        for pipe in 0..2 {
            let cut = self.now + up_to(&mut self.random, most);
            let link = &mut self.links[conn];
            let pipe = if pipe == 0 { &mut link.up } else { &mut link.down };
            pipe.cut = Some(pipe.cut.map_or(cut, |earlier| earlier.min(cut)));
        }
        if silent && self.up {
            return;
        }
        let (device, socket) = (self.links[conn].device, self.links[conn].socket);
        let told = self.now + most + WORK;
        self.at(told, Event::UpClose { conn, cause: Cause::Reset });
        if self.holds(device, socket, conn) {
            self.at(told, Event::DownClose { conn, code: RESET });
        }
    }
}

/// Whether something that was sent earlier still arrives now.
fn arrives(pipe: Pipe, now: crate::time::Instant) -> bool {
    pipe.cut.is_none_or(|cut| now <= cut)
}
