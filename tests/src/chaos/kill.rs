//! SIGKILL of the gateway at random moments, again and again, under load.
//!
//! Publishers insist with idempotency keys until each message is accepted and write it to a synced
//! ledger. Devices keep what they showed, and now and then crash themselves. In the end every
//! accepted message was shown by each matching device, none twice, in the order of its log; a message
//! whose time-to-live ended may have been shown, but no more than once and never late.

use crate::{
    device::{Device, Options, Storage},
    gateway::{Gateway, Setup},
    keys::Signer,
    ledger::Ledger,
    oracle::{Accepted, Verdict, Witness, judge},
    publisher::Publisher,
    random::Random,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const TOPICS: [&str; 4] = ["news/a", "news/b", "orders", "chat/1"];
const USERS: u64 = 5;
/// All devices must have shown everything this long after the last kill.
const SETTLE: Duration = Duration::from_secs(90);

/// What a run consists of.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Makes the run repeatable, as far as two processes and a kernel are.
    pub seed: u64,
    /// How often the gateway is killed.
    pub kills: u32,
    /// Publishers at work all the time.
    pub publishers: usize,
    /// Devices.
    pub devices: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { seed: 1, kills: 50, publishers: 8, devices: 20 }
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was done.
    pub plan: Plan,
    /// The oracle's.
    pub verdict: Verdict,
    /// Publishes that had to be tried again.
    pub retries: u64,
    /// Devices that crashed and came back.
    pub crashes: u64,
    /// Welcomes in all.
    pub welcomes: u64,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "chaos kill: seed {} · {} kills · {} publishers · {} devices · retries {} · device crashes {} · \
             welcomes {} · {} · {:.1} s",
            self.plan.seed,
            self.plan.kills,
            self.plan.publishers,
            self.plan.devices,
            self.retries,
            self.crashes,
            self.welcomes,
            self.verdict,
            self.took.as_secs_f64(),
        )
    }
}

struct Actor {
    device: Option<Device>,
    options: Options,
    storage: Storage,
    logs: BTreeSet<String>,
    name: String,
    welcomes: u64,
}

/// Runs the plan.
///
/// # Panics
/// If the gateway does not come up again, refuses for good, or the devices never connect.
pub async fn run(plan: Plan) -> Report {
    let begun = Instant::now();
    let mut random = Random::new(plan.seed);
    let setup = Setup::new().unlimited();
    let mut gateway = Gateway::start(&setup).await;
    let mut actors = Vec::new();
    for number in 0..plan.devices {
        actors.push(actor(number, gateway.public(), &setup, &mut random).await);
    }
    let registrations: Vec<String> = actors
        .iter()
        .flat_map(|actor| &actor.logs)
        .filter_map(|log| log.strip_prefix("registration:"))
        .map(Into::into)
        .collect();

    let ledger = Arc::new(Ledger::open(&setup.folder().join("accepted")));
    let stop = Arc::new(AtomicBool::new(false));
    let retries = Arc::new(AtomicU64::new(0));
    let publishers: Vec<_> = (0..plan.publishers)
        .map(|number| {
            let publishing = Publishing {
                backend: Publisher::new(&gateway, &setup.key),
                ledger: Arc::clone(&ledger),
                stop: Arc::clone(&stop),
                retries: Arc::clone(&retries),
                registrations: registrations.clone(),
                random: Random::new(plan.seed ^ (number as u64 + 1) << 32),
                number,
            };
            tokio::spawn(publishing.run())
        })
        .collect();

    let mut crashes = 0;
    for kill in 0..plan.kills {
        // Mostly short lives, so that kills fall into starts and resumes too; some long enough for
        // everybody to be back and idle.
        let life = if kill % 5 == 4 { 1000 + random.below(1500) } else { random.below(500) };
        tokio::time::sleep(Duration::from_millis(life)).await;
        gateway.kill9().await;
        for actor in &mut actors {
            if random.chance(5) {
                actor.crash_and_return().await;
                crashes += 1;
            }
        }
        gateway = Gateway::start(&setup).await;
        for actor in &actors {
            if random.chance(70)
                && let Some(device) = &actor.device
            {
                device.online();
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let accepted: Vec<Accepted> = ledger.lines().iter().map(|line| Accepted::parse(line)).collect();
    let verdict = settle(&accepted, &actors).await;
    let welcomes = actors.iter().map(Actor::welcomes).sum();
    gateway.stop().await;
    let retries = retries.load(Ordering::SeqCst);
    Report { plan, verdict, retries, crashes, welcomes, took: begun.elapsed() }
}

async fn actor(number: u64, gateway: SocketAddr, setup: &Setup, random: &mut Random) -> Actor {
    let user = format!("u{}", number % USERS);
    let (signer, sub): (Signer, String) = (setup.signer.clone(), user.clone());
    let options = Options::new(gateway, move || signer.token(&sub)).seed(random.any());
    let storage = if number.is_multiple_of(10) {
        Storage::file(&setup.folder().join(format!("device-{number}")))
    } else {
        Storage::memory()
    };
    let first = random.below(4);
    let topics = [TOPICS[usize::try_from(first).unwrap()], TOPICS[usize::try_from((first + 1) % 4).unwrap()]];
    let device = Device::start(&options, storage.clone());
    device.subscribe(&topics).await;
    let registration = device.connected().await.registration.unwrap();
    let mut logs: BTreeSet<String> = topics.iter().map(|topic| format!("topic:{topic}")).collect();
    logs.insert(format!("user:{user}"));
    logs.insert(format!("registration:{registration}"));
    Actor {
        device: Some(device),
        options,
        storage,
        logs,
        name: format!("device {number} ({registration})"),
        welcomes: 0,
    }
}

impl Actor {
    async fn crash_and_return(&mut self) {
        if let Some(device) = self.device.take() {
            self.welcomes += device.view().welcomes;
            device.crash().await;
        }
        self.device = Some(Device::start(&self.options, self.storage.clone()));
    }

    fn welcomes(&self) -> u64 {
        self.welcomes + self.device.as_ref().map_or(0, |device| device.view().welcomes)
    }

    fn witness(&self) -> Witness {
        let shown = self.storage.held().shown;
        Witness { device: self.name.clone(), logs: self.logs.clone(), shown }
    }
}

/// Waits until everything due was shown, or no longer.
async fn settle(accepted: &[Accepted], actors: &[Actor]) -> Verdict {
    let until = Instant::now() + SETTLE;
    loop {
        let witnesses: Vec<Witness> = actors.iter().map(Actor::witness).collect();
        let verdict = judge(accepted, &witnesses);
        if verdict.shown >= verdict.due || Instant::now() > until {
            return verdict;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

struct Publishing {
    backend: Publisher,
    ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
    retries: Arc<AtomicU64>,
    registrations: Vec<String>,
    random: Random,
    number: usize,
}

impl Publishing {
    async fn run(mut self) {
        let mut count = 0;
        while !self.stop.load(Ordering::SeqCst) {
            count += 1;
            let (target, log) = self.target();
            let key = format!("publisher-{}-{count}", self.number);
            let mut message = json!({"target": target, "body": format!("{key} {}", self.random.any())});
            // Some end while gateways die: expiry is torn too, and takes nothing else with it.
            let may_expire = self.random.chance(20);
            if may_expire {
                message["ttl_s"] = (1 + self.random.below(3)).into();
            }
            let id = self.insist(&message, &key).await;
            let accepted = Accepted { id, log, publisher: self.number, number: count, may_expire };
            self.ledger.write(&[accepted.line()]);
            tokio::time::sleep(Duration::from_millis(self.random.below(40))).await;
        }
    }

    fn target(&mut self) -> (Value, String) {
        match self.random.below(3) {
            0 => {
                let topic = self.random.pick(&TOPICS);
                (json!({"topic": topic}), format!("topic:{topic}"))
            }
            1 => {
                let user = format!("u{}", self.random.below(USERS));
                (json!({"user": user}), format!("user:{user}"))
            }
            _ => {
                let registration = self.random.pick(&self.registrations);
                (json!({"registration": registration}), format!("registration:{registration}"))
            }
        }
    }

    async fn insist(&self, message: &Value, key: &str) -> String {
        loop {
            match self.backend.try_publish(message, Some(key)).await {
                Ok(answer) if answer.status == 202 => return answer.accepted(),
                Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
                Err(_) => {}
            }
            self.retries.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
