//! The NAT lab: a real kernel's address translation between a device and the real gateway, on network namespaces.
//!
//! ```text
//! client 192.168.7.2 --- 192.168.7.1 router 203.0.113.2 --- 203.0.113.1 [nginx] gateway
//! ```
//!
//! Time is scaled by speeding up the clocks of both ends, not by settings nobody has: the gateway runs under
//! libfaketime, the device has a clock of its own. Only the kernel keeps the wall's time, and its time-outs are
//! divided accordingly. Seconds are those of the ends unless the wall is named.

mod namespace;
mod nginx;
mod router;

pub use namespace::{Inside, Namespace};
pub use nginx::Nginx;
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

/// So many seconds of both ends, on the wall.
#[must_use]
pub fn wall(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds / f64::from(SPEED))
}

/// Lets so many seconds of both ends go by.
pub async fn pass(seconds: f64) {
    tokio::time::sleep(wall(seconds)).await;
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
    _nginx: Option<Nginx>,
}

/// Opens a lab whose mappings live `timeout_s` seconds and lives in it; everything goes with it.
///
/// Without root or the tools it says so and lives nothing, unless `PULSEGATE_NAT_LAB` demands the lab.
///
/// # Panics
/// If `live` does.
pub fn with_nat(mapping: Mapping, timeout_s: u32, live: impl AsyncFnOnce(Lab) + Send) {
    open(mapping, timeout_s, None, live);
}

/// As [`with_nat`], with a patient router and an nginx before the gateway that ends links after `idle_s` seconds of
/// silence.
///
/// # Panics
/// If `live` does.
pub fn with_proxy(idle_s: u32, live: impl AsyncFnOnce(Lab) + Send) {
    open(Mapping::Loose, 86_400, Some(idle_s), live);
}

fn open(mapping: Mapping, timeout_s: u32, idle_s: Option<u32>, live: impl AsyncFnOnce(Lab) + Send) {
    if let Some(why) = impossible() {
        assert!(std::env::var_os("PULSEGATE_NAT_LAB").is_none(), "the NAT lab was demanded: {why}");
        eprintln!("########\n######## SKIPPED, nothing was tested: no NAT lab here: {why}\n########");
        return;
    }
    let wires = Wires::lay(mapping, timeout_s);
    let (door, inside) = (wires.outside.door(), wires.client.runtime());
    namespace::block_on(&door, async move || {
        let setup = Setup::new().host(GATEWAY);
        let gateway = start(&setup).await;
        let backend = Publisher::new(&gateway, &setup.key);
        let nginx = match idle_s {
            Some(idle_s) => Some(Nginx::start(setup.folder(), gateway.public(), idle_s).await),
            None => None,
        };
        let dial = nginx.as_ref().map_or(gateway.public(), Nginx::address);
        live(Lab { setup, gateway, backend, wires, inside, dial, _nginx: nginx }).await;
    });
}

/// A gateway whose clock runs [`SPEED`] times faster.
async fn start(setup: &Setup) -> Gateway {
    let library = faketime().unwrap();
    let rate = format!("+0 x{SPEED}");
    Gateway::start_with(setup, &[("LD_PRELOAD", library.as_path()), ("FAKETIME", Path::new(&rate))]).await
}

impl Lab {
    /// What a device behind the router is built with.
    #[must_use]
    pub fn options(&self) -> Options {
        let signer = self.setup.signer.clone();
        Options::new(self.dial, move || signer.token("ann")).speed(SPEED)
    }

    /// Starts a device behind the router.
    pub async fn device(&self, options: Options, storage: Storage) -> Device {
        self.inside.run(async move { Device::start(&options, storage) }).await
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
        let gateway = start(&self.setup).await;
        Self { gateway, ..self }
    }
}
