//! Both session machines against each other, over a bad link, on a virtual clock.
//!
//! A discrete-event simulation: every run of one seed is the same run. It checks while it runs that
//! nothing is stored twice, that no ack runs ahead of storage, that the window is kept; a test asks
//! at the end whether everything arrived and in order. Nothing sleeps.

mod device;
mod net;
mod perform;
mod script;
mod world;

pub use device::{Device, Storage};
pub use net::Weather;
pub use script::{client_line, server_line};
pub use world::{Conn, ORIGIN, World};

use crate::id::{LogName, MessageId, RegistrationId, Seq, Topic};
use crate::reconnect::Random;
use crate::session::client::{self, Socket, State};
use crate::session::server::{self, ServerSession, Settings, Slot};
use crate::time::Instant;
use bytes::Bytes;
use core::time::Duration;
use net::Pipe;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Something that will happen.
#[derive(Debug)]
enum Event {
    /// A socket opens, or does not.
    Open {
        device: usize,
        life: u32,
        socket: Socket,
        conn: Option<Conn>,
    },
    /// A message reaches the gateway.
    Up {
        conn: Conn,
        bytes: Bytes,
    },
    /// A message reaches the device.
    Down {
        conn: Conn,
        bytes: Bytes,
    },
    /// The gateway's close reaches the device.
    DownClose {
        conn: Conn,
        code: u16,
    },
    /// The device's close, or the news of a broken connection, reaches the gateway.
    UpClose {
        conn: Conn,
        cause: crate::frame::Cause,
    },
    /// A connection breaks.
    Break {
        conn: Conn,
        silent: bool,
    },
    /// A job of the gateway's driver is done.
    Answer {
        conn: Conn,
        input: Box<Job>,
    },
    /// A write of a device is durable.
    Written {
        device: usize,
        life: u32,
    },
    /// A token was fetched.
    Token {
        device: usize,
        life: u32,
    },
    DeviceTimer {
        device: usize,
        at: Instant,
    },
    ConnTimer {
        conn: Conn,
        at: Instant,
    },
}

/// What the gateway's driver does for a session.
#[derive(Debug)]
enum Job {
    Admit(Box<crate::frame::Hello>),
    Commit(u32, server::Op),
    Read(Slot, Seq, u32),
    Wake(Slot),
}

/// A connection, both ends.
#[derive(Debug)]
struct Link {
    device: usize,
    socket: Socket,
    session: ServerSession,
    registration: Option<RegistrationId>,
    slots: BTreeMap<Slot, LogName>,
    parked: BTreeMap<Slot, Seq>,
    unacked: VecDeque<(Slot, Seq)>,
    commits: VecDeque<(u32, server::Op)>,
    up: Pipe,
    down: Pipe,
    timer: Option<Instant>,
    /// Ended at the gateway.
    over: bool,
}

/// The simulation.
#[derive(Debug)]
pub struct Sim {
    now: Instant,
    agenda: BTreeMap<(Instant, u64), Event>,
    count: u64,
    random: Random,
    weather: Weather,
    /// The gateway answers.
    up: bool,
    /// The store behind the gateway.
    pub world: World,
    devices: Vec<Device>,
    links: Vec<Link>,
    lines: Vec<String>,
}

impl Sim {
    /// A gateway with these settings, nothing connected.
    #[must_use]
    pub fn new(seed: u64, weather: Weather, settings: Settings) -> Self {
        Self {
            now: Instant::ZERO,
            agenda: BTreeMap::new(),
            count: 0,
            random: Random(seed),
            weather,
            up: true,
            world: World::new(Arc::new(settings)),
            devices: Vec::new(),
            links: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A device that connects; its number. `token`: what its app's `getToken` gives, see
    /// [`Sim::set_token`]; `None`: no `getToken`.
    pub fn device(&mut self, token: Option<&str>) -> usize {
        let index = self.devices.len();
        let seed = self.random.next();
        self.devices.push(Device::new(self.now, seed, token, index % 2 == 1));
        self.load(index);
        index
    }

    /// A device whose registration lives as long as its link.
    pub fn ephemeral_device(&mut self) -> usize {
        let index = self.devices.len();
        let mut device = Device::new(self.now, self.random.next(), None, false);
        device.config.ephemeral = true;
        device.session = client::ClientSession::new(self.now, device.config.clone());
        self.devices.push(device);
        self.load(index);
        index
    }

    /// A device by its number.
    #[must_use]
    pub fn of(&self, device: usize) -> &Device {
        &self.devices[device]
    }

    /// The id its storage holds.
    #[must_use]
    pub fn registration(&self, device: usize) -> Option<RegistrationId> {
        self.of(device).storage.registration.as_ref().map(|(id, _)| id.clone())
    }

    /// What `getToken` gives from now on: `USER`, `USER;SECONDS` (its end, since the origin), `bad`;
    /// empty: the app says no.
    pub fn set_token(&mut self, device: usize, token: &str) {
        self.devices[device].token = Some(token.to_owned());
    }

    /// The weather from now on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Tells a device's session something.
    pub fn tell(&mut self, device: usize, input: client::Input<'_>) {
        if self.devices[device].alive {
            self.device_input(device, input);
        }
    }

    /// Subscribes a device to topics.
    pub fn subscribe(&mut self, device: usize, topics: &[&str]) {
        let topics = topics.iter().filter_map(|topic| Topic::parse(topic).ok()).collect();
        self.tell(device, client::Input::Subscribe(topics));
    }

    /// Publishes to a log every device may read: `all`, `user:…`, `topic:…`; accepted when this
    /// returns.
    pub fn publish(&mut self, log: &str, text: &str) -> MessageId {
        self.append(log, false, text)
    }

    /// Publishes to even devices only, as a tag expression would.
    pub fn publish_to_even(&mut self, log: &str, text: &str) -> MessageId {
        self.append(log, true, text)
    }

    /// Publishes to one device.
    pub fn publish_to(&mut self, device: usize, text: &str) -> Option<MessageId> {
        let key = World::key(&self.registration(device)?, &LogName::Device);
        Some(self.append(&key, false, text))
    }

    fn append(&mut self, key: &str, even_only: bool, text: &str) -> MessageId {
        let (id, _) = self.world.publish(key, even_only, text, self.now);
        self.wake(key);
        id
    }

    /// Takes a message back.
    pub fn recall(&mut self, log: &str, id: MessageId) {
        self.world.recall(log, id);
        self.wake(log);
    }

    /// Retention drops a log's entries.
    pub fn trim(&mut self, log: &str) {
        self.world.trim(log);
    }

    /// Hands an entry that is not stored to every connected reader of a log.
    pub fn publish_live(&mut self, log: &str, frame: &Bytes) {
        for conn in 0..self.links.len() {
            for slot in self.slots(conn, log) {
                self.conn_input(conn, server::Input::Live { slot, frame: frame.clone() });
            }
        }
    }

    /// Breaks a device's connections; silently: neither side is told.
    pub fn cut(&mut self, device: usize, silent: bool) {
        for conn in 0..self.links.len() {
            if self.links[conn].device == device && !self.links[conn].over {
                self.at(self.now, Event::Break { conn, silent });
            }
        }
    }

    /// Kills a device's process: what was on its way to storage is lost.
    pub fn kill(&mut self, device: usize) {
        self.cut(device, false);
        let dead = &mut self.devices[device];
        dead.life += 1;
        dead.writes.clear();
        dead.sockets.clear();
        dead.let_go.clear();
        dead.alive = false;
        dead.timer = None;
    }

    /// Whether its process runs.
    #[must_use]
    pub fn is_alive(&self, device: usize) -> bool {
        self.of(device).alive
    }

    /// Starts its process again, with what its storage holds.
    pub fn revive(&mut self, device: usize) {
        let device_state = &mut self.devices[device];
        device_state.session = client::ClientSession::new(self.now, device_state.config.clone());
        device_state.alive = true;
        self.load(device);
    }

    /// Puts an older storage back.
    pub fn roll_back(&mut self, device: usize, storage: Storage) {
        self.devices[device].storage = storage;
        self.devices[device].rolled_back = true;
    }

    /// Kills the gateway; its store stays.
    pub fn gateway_down(&mut self) {
        self.up = false;
        for conn in 0..self.links.len() {
            if !self.links[conn].over {
                self.at(self.now, Event::Break { conn, silent: false });
            }
        }
    }

    /// Starts it again.
    pub fn gateway_up(&mut self) {
        self.world.restart();
        self.up = true;
    }

    /// The store is lost and a fresh one starts: a new epoch, no logs, no registrations.
    pub fn wipe_store(&mut self) {
        self.gateway_down();
        self.world.wipe();
    }

    /// Tells every connected session something.
    pub fn tell_gateway(&mut self, input: &server::Input) {
        for conn in 0..self.links.len() {
            self.conn_input(conn, input.clone());
        }
    }

    /// The backend ends a device's subscription.
    pub fn end_topic(&mut self, device: usize, topic: &str) {
        let (Some(id), Ok(topic)) = (self.registration(device), Topic::parse(topic)) else {
            return;
        };
        if let Some(conn) = self.world.end_topic(&id, &topic) {
            let ended = vec![(LogName::Topic(topic), crate::frame::ErrorCode::Ok)];
            self.conn_input(conn, server::Input::LogsChanged { started: Vec::new(), ended });
        }
    }

    /// The backend deletes a device's registration.
    pub fn delete(&mut self, device: usize) {
        if let Some(id) = self.registration(device)
            && let Some(conn) = self.world.delete(&id)
        {
            self.conn_input(conn, server::Input::Deleted);
        }
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    /// Lets time pass until `done`, at most for `time`; false: it did not come to pass.
    pub fn run_until(&mut self, time: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + time;
        loop {
            if done(self) {
                return true;
            }
            let Some(entry) = self.agenda.first_entry() else {
                return false;
            };
            if entry.key().0 > end {
                return false;
            }
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            self.happen(event);
        }
    }

    /// Whether a device's session is welcomed.
    #[must_use]
    pub fn connected(&self, device: usize) -> bool {
        self.of(device).session.state() == State::Connected
    }

    /// Connections a device holds.
    #[must_use]
    pub fn sockets(&self, device: usize) -> usize {
        self.of(device).sockets.len()
    }

    /// Whether a connection of the gateway is still open.
    #[must_use]
    pub fn open_links(&self) -> usize {
        self.links.iter().filter(|link| !link.over).count()
    }

    /// What was said so far, one line a frame.
    #[must_use]
    pub fn transcript(&self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }

    /// Writes a remark into the transcript.
    pub fn remark(&mut self, text: &str) {
        self.lines.push(format!("-- {text}"));
    }

    fn line(&mut self, text: &str) {
        let ms = self.now.as_millis();
        self.lines.push(format!("{:>3}.{:03} {text}", ms / 1000, ms % 1000));
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.count += 1;
        self.agenda.insert((at, self.count), event);
    }
}
