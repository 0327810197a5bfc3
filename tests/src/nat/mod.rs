//! The NAT lab: a real kernel's address translation between a device and the real gateway, on network namespaces.
//!
//! ```text
//! client 192.168.7.2 --- 192.168.7.1 router 203.0.113.2 --- 203.0.113.1 [nginx] gateway
//! ```
//!
//! Time is scaled by speeding up the clocks of both ends, not by settings nobody has: the gateway runs under
//! libfaketime, the device has a clock of its own. Only the kernel keeps the wall's time, and its time-outs are
//! divided accordingly. Seconds are those of the ends unless the wall is named.

mod browser;
mod foresight;
mod namespace;
mod nginx;
mod pinger;
mod router;

pub use browser::Browser;
pub use foresight::{Death, Foresight, at_rest, foresee, largest, verdicts};
pub use namespace::{Inside, Namespace};
pub use nginx::Nginx;
pub use pinger::Pinger;
pub use router::{GATEWAY, Mapping, Wires};

use crate::{
    device::{Device, Options, Storage},
    gateway::{Gateway, Setup},
    publisher::Publisher,
};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Seconds of both ends in one of the wall's. The four seconds within which a path must be back for strong evidence
/// are then 0.4 s, which two busy processors keep.
pub const SPEED: u32 = 10;

/// Where pages of the app come from: the client's own loopback, which browsers take for secure.
pub const PAGES: &str = "http://127.0.0.1:8000";

/// What the lab needs, and where Debian has it.
const PROGRAMS: [(&str, &str); 7] = [
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("sysctl", "procps"),
    ("nft", "nftables"),
    ("conntrack", "conntrack"),
    ("nginx", "nginx-light"),
];

/// Why there can be no lab on this machine; `None`: there can.
#[must_use]
pub fn impossible() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root may lay networks".into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect();
    let missing =
        PROGRAMS.iter().filter(|(name, _)| !folders.iter().any(|folder| folder.join(name).exists()));
    let mut missing: Vec<String> =
        missing.map(|(name, package)| format!("{name} (package {package})")).collect();
    if faketime().is_none() {
        missing.push("libfaketime (package faketime)".into());
    }
    (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(", ")))
}

/// The library that speeds up a process's clock.
fn faketime() -> Option<PathBuf> {
    let below = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];
    let folders = below.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let folders = folders.map(|entry| entry.path()).chain(below.map(PathBuf::from));
    folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.exists())
}

/// What lies between the two sides.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    mapping: Mapping,
    timeout_s: u32,
    idle_s: Option<u32>,
    speed: u32,
    pages: bool,
}

impl Plan {
    /// A router whose mappings live `timeout_s` seconds.
    #[must_use]
    pub fn nat(mapping: Mapping, timeout_s: u32) -> Self {
        Self { mapping, timeout_s, idle_s: None, speed: SPEED, pages: false }
    }

    /// A patient router, and an nginx before the gateway that ends links after `idle_s` seconds of silence.
    #[must_use]
    pub fn proxy(idle_s: u32) -> Self {
        Self { idle_s: Some(idle_s), ..Self::nat(Mapping::Loose, 86_400) }
    }

    /// Both ends live so many times as fast as the wall's clock; 1 is real time.
    #[must_use]
    pub fn at_speed(self, speed: u32) -> Self {
        Self { speed, ..self }
    }

    /// Browsers may connect, from [`PAGES`] and without a token.
    #[must_use]
    pub fn with_pages(self) -> Self {
        Self { pages: true, ..self }
    }

    /// Lays it, lives in it, and takes it away again.
    ///
    /// Without root or the tools it says so and lives nothing, unless `PULSEGATE_NAT_LAB` demands the lab.
    ///
    /// # Panics
    /// If `live` does.
    pub fn lay(self, live: impl AsyncFnOnce(Lab) + Send) {
        if let Some(why) = impossible() {
            assert!(std::env::var_os("PULSEGATE_NAT_LAB").is_none(), "the NAT lab was demanded: {why}");
            eprintln!("########\n######## SKIPPED, nothing was tested: no NAT lab here: {why}\n########");
            return;
        }
        let wires = Wires::lay(self.mapping, self.timeout_s, self.speed);
        let (door, inside) = (wires.outside.door(), wires.client.runtime());
        namespace::block_on(&door, async move || live(Lab::open(self, wires, inside).await).await);
    }
}

/// A gateway on one side of a router, room for devices on the other.
#[derive(Debug)]
pub struct Lab {
    /// The gateway's configuration and data.
    pub setup: Setup,
    /// The gateway.
    pub gateway: Gateway,
    /// Its backend, on the gateway's side.
    pub backend: Publisher,
    /// The wires between.
    pub wires: Wires,
    inside: Inside,
    dial: SocketAddr,
    speed: u32,
    _nginx: Option<Nginx>,
}

impl Lab {
    async fn open(plan: Plan, wires: Wires, inside: Inside) -> Self {
        let mut setup = Setup::new().host(GATEWAY);
        if plan.pages {
            setup = setup.anonymous(&["#"]).app(&format!("origins = [{PAGES:?}]"));
        }
        let gateway = start(&setup, plan.speed).await;
        let backend = Publisher::new(&gateway, &setup.key);
        let nginx = match plan.idle_s {
            Some(idle_s) => Some(Nginx::start(setup.folder(), gateway.public(), idle_s, plan.speed).await),
            None => None,
        };
        let dial = nginx.as_ref().map_or(gateway.public(), Nginx::address);
        Self { setup, gateway, backend, wires, inside, dial, speed: plan.speed, _nginx: nginx }
    }

    /// What a device behind the router is built with.
    #[must_use]
    pub fn options(&self) -> Options {
        let signer = self.setup.signer.clone();
        Options::new(self.dial, move || signer.token("ann")).speed(self.speed)
    }

    /// Where devices dial.
    #[must_use]
    pub fn dial(&self) -> SocketAddr {
        self.dial
    }

    /// Seconds of both ends in one of the wall's.
    #[must_use]
    pub fn speed(&self) -> u32 {
        self.speed
    }

    /// So many seconds of both ends, on the wall.
    #[must_use]
    pub fn wall(&self, seconds: u32) -> Duration {
        Duration::from_secs(seconds.into()) / self.speed
    }

    /// Lets so many seconds of both ends go by.
    pub async fn pass(&self, seconds: u32) {
        tokio::time::sleep(self.wall(seconds)).await;
    }

    /// Runs a future on the client's side.
    pub async fn inside<F>(&self, future: F) -> F::Output
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.inside.run(future).await
    }

    /// Starts a device behind the router.
    pub async fn device(&self, options: Options, storage: Storage) -> Device {
        self.inside(async move { Device::start(&options, storage) }).await
    }

    /// Starts a device behind the router and waits until it is subscribed to `t`.
    pub async fn subscriber(&self, options: Options) -> Device {
        let device = self.device(options, Storage::memory()).await;
        device.subscribe(&["t"]).await;
        device
    }

    /// SIGKILL, and up again on the same data and ports.
    #[must_use]
    pub async fn restart(self) -> Self {
        self.gateway.kill9().await;
        let gateway = start(&self.setup, self.speed).await;
        Self { gateway, ..self }
    }
}

/// A gateway whose clock runs `speed` times as fast as the wall's.
async fn start(setup: &Setup, speed: u32) -> Gateway {
    let library = faketime().unwrap();
    let rate = format!("+0 x{speed}");
    let fast = [("LD_PRELOAD", library.as_path()), ("FAKETIME", Path::new(&rate))];
    Gateway::start_with(setup, if speed == 1 { &[] } else { &fast }).await
}
