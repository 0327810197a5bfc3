//! A native device: the driver of `proto`'s client session over a real socket, with a storage that
//! outlives it. It decides nothing; it stores, shows and reports what the session says.

mod driver;
mod storage;

pub use storage::{Held, Storage};

use crate::{oracle::Shown, patiently};
use driver::{Driver, Order};
use pulsegate_proto::{
    frame::{GapReason, Receipt},
    heartbeat::{Belief, Learnt, Policy},
    id::{AppId, RegistrationId, Topic},
    session::client::{Fault, Reason, State, Wish},
    time::UnixMs,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// Where a device gets its tokens: `None` stands for an app that says no.
pub type Tokens = Arc<dyn Fn() -> Option<(String, UnixMs)> + Send + Sync>;

/// What a device is built with.
#[derive(Clone)]
pub struct Options {
    /// The gateway, or a proxy in front of it.
    pub gateway: SocketAddr,
    /// `None`: anonymous.
    pub tokens: Option<Tokens>,
    /// How long silence may last; `None`: as the gateway recommends.
    pub heartbeat: Option<Policy>,
    /// Jitter of reconnects.
    pub seed: u64,
    /// How many seconds of its own clock pass in one of the wall's. A gateway beside it must live as fast.
    pub speed: u32,
    /// Whether it asks for the list of gateways, as a browser does. A test of other things spares itself the request.
    pub chooses: bool,
    /// Whether the messages themselves are kept in [`View::shown`]; the counts always are.
    pub keep_shown: bool,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("gateway", &self.gateway).field("seed", &self.seed).finish()
    }
}

impl Options {
    /// A device whose app hands out tokens by `tokens`.
    #[must_use]
    pub fn new(gateway: SocketAddr, tokens: impl Fn() -> String + Send + Sync + 'static) -> Self {
        let tokens: Tokens = Arc::new(move || Some((tokens(), UnixMs::ZERO)));
        Self {
            gateway,
            tokens: Some(tokens),
            heartbeat: None,
            seed: 1,
            speed: 1,
            chooses: false,
            keep_shown: true,
        }
    }

    /// Asks for the list of gateways and races them.
    #[must_use]
    pub fn chooses(mut self) -> Self {
        self.chooses = true;
        self
    }

    /// Another seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Lives faster than the wall clock.
    #[must_use]
    pub fn speed(mut self, speed: u32) -> Self {
        self.speed = speed;
        self
    }

    /// Breaks silence after so many seconds, always the same.
    #[must_use]
    pub fn silence(self, seconds: u32) -> Self {
        self.heartbeat(Policy::Fixed(u16::try_from(seconds).unwrap_or(u16::MAX)))
    }

    /// Breaks silence by this policy, whatever the gateway recommends.
    #[must_use]
    pub fn heartbeat(mut self, policy: Policy) -> Self {
        self.heartbeat = Some(policy);
        self
    }
}

/// A gap the device was told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapSeen {
    /// Which log.
    pub log: String,
    /// Why.
    pub reason: GapReason,
}

/// What a device has to show for itself.
#[derive(Clone, Debug)]
pub struct View {
    /// State of the connection.
    pub state: State,
    /// Why, if that is not evident.
    pub reason: Option<Reason>,
    /// How often it was welcomed.
    pub welcomes: u64,
    /// Who it is.
    pub registration: Option<RegistrationId>,
    /// Everything shown by this run, in order, if kept.
    pub shown: Vec<Shown>,
    /// How many messages this run has shown.
    pub shown_count: u64,
    /// The text of the last one.
    pub last_text: String,
    /// Ids taken back, in order.
    pub recalled: Vec<String>,
    /// Gaps told, in order.
    pub gaps: Vec<GapSeen>,
    /// Topics that are read now, and whether nothing was missed at the last subscribe or resume.
    pub subscribed: BTreeMap<Topic, bool>,
    /// Topics refused.
    pub denied: BTreeSet<Topic>,
    /// Logs that ended without asking.
    pub ended: Vec<String>,
    /// How often the inbox was wiped.
    pub wipes: u64,
    /// Gateways of the last list.
    pub gateways: usize,
    /// Receipts the gateway has.
    pub receipts_taken: u64,
    /// Faults told to the app.
    pub faults: Vec<Fault>,
    /// The silence that is asked for, seconds.
    pub silence_s: u16,
    /// What is believed of the network in use.
    pub belief: Option<Belief>,
    /// What was learnt of the path, in order: gaps survived, beats lapsed, ends judged.
    pub learnt: Vec<Learnt>,
}

/// A running device. Dropping it is a crash: nothing is said to the gateway.
#[derive(Debug)]
pub struct Device {
    storage: Storage,
    orders: mpsc::UnboundedSender<Order>,
    view: watch::Receiver<View>,
    task: JoinHandle<()>,
}

impl Device {
    /// Starts a device on what `storage` holds; it connects by itself.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(options: &Options, storage: Storage) -> Self {
        let view = View {
            state: State::Disconnected,
            reason: None,
            welcomes: 0,
            registration: None,
            shown: Vec::new(),
            shown_count: 0,
            last_text: String::new(),
            recalled: Vec::new(),
            gaps: Vec::new(),
            subscribed: BTreeMap::new(),
            denied: BTreeSet::new(),
            ended: Vec::new(),
            wipes: 0,
            gateways: 0,
            receipts_taken: 0,
            faults: Vec::new(),
            silence_s: 0,
            belief: None,
            learnt: Vec::new(),
        };
        let (tell, view) = watch::channel(view);
        let (orders, taken) = mpsc::unbounded_channel();
        let app = AppId::parse("demo").unwrap();
        let driver = Driver::new(app, options.clone(), storage.clone(), tell);
        let task = tokio::spawn(driver.run(taken));
        Self { storage, orders, view, task }
    }

    /// Starts a device with an empty storage in memory and waits until it subscribed to `topics`.
    pub async fn subscribed(options: &Options, topics: &[&str]) -> Self {
        let device = Self::start(options, Storage::memory());
        device.subscribe(topics).await;
        device
    }

    /// Subscribes and waits until all of it is read.
    pub async fn subscribe(&self, topics: &[&str]) {
        let topics: Vec<Topic> = topics.iter().map(|topic| Topic::parse(topic).unwrap()).collect();
        self.wish_to_subscribe(topics.clone());
        self.wait("the subscriptions", |view| {
            view.state == State::Connected && topics.iter().all(|topic| view.subscribed.contains_key(topic))
        })
        .await;
    }

    /// Asks for subscriptions and returns at once.
    pub fn wish_to_subscribe(&self, topics: Vec<Topic>) {
        let _ = self.orders.send(Order::Subscribe(topics));
    }

    /// Reports stages reached.
    pub fn receipts(&self, receipts: Vec<Receipt>) {
        let _ = self.orders.send(Order::Receipts(receipts));
    }

    /// A wish that is answered later.
    pub fn wish(&self, number: u32, wish: Wish) {
        let _ = self.orders.send(Order::Wish(number, wish));
    }

    /// Logs out.
    pub fn forget(&self) {
        let _ = self.orders.send(Order::Forget);
    }

    /// Tells it that there is a network again: it need not wait out its backoff.
    pub fn online(&self) {
        let _ = self.orders.send(Order::Online);
    }

    /// A person opens a tab of it and looks, or goes away again.
    pub fn visible(&self, visible: bool) {
        let _ = self.orders.send(Order::Visible(visible));
    }

    /// Tells it that it is on another network.
    pub fn network_changed(&self) {
        let _ = self.orders.send(Order::NetworkChanged);
    }

    /// Holds acks, or lets them go again.
    pub fn back_pressure(&self, on: bool) {
        let _ = self.orders.send(Order::BackPressure(on));
    }

    /// What it has to show.
    #[must_use]
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Waits until the view fulfils `wanted`.
    ///
    /// # Panics
    /// If that takes too long, with the view as it is.
    pub async fn wait(&self, what: &str, wanted: impl Fn(&View) -> bool) -> View {
        self.wait_within(crate::PATIENCE, what, wanted).await
    }

    /// As [`Device::wait`], for what takes its time by nature.
    ///
    /// # Panics
    /// If it takes longer than that.
    pub async fn wait_within(&self, patience: Duration, what: &str, wanted: impl Fn(&View) -> bool) -> View {
        let mut view = self.view.clone();
        let waiting = tokio::time::timeout(patience, view.wait_for(|view| wanted(view)));
        if let Ok(Ok(found)) = waiting.await {
            return found.clone();
        }
        let mut seen = self.view();
        seen.shown.drain(..seen.shown.len().saturating_sub(5));
        panic!("waited in vain for {what}: {seen:#?}");
    }

    /// Waits until this run has shown so many messages.
    pub async fn shows(&self, count: u64) -> View {
        self.wait(&format!("{count} messages"), |view| view.shown_count >= count).await
    }

    /// Waits for the connection.
    pub async fn connected(&self) -> View {
        self.wait("the connection", |view| view.state == State::Connected).await
    }

    /// Its storage.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Ends it at once, without a goodbye; its storage is what survives.
    pub async fn crash(self) -> Storage {
        self.task.abort();
        let ended = patiently("a crashed device", self.task).await;
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
        self.storage
    }
}
