//! What the machine itself must have: browsers, a message bus, Node.js, the wasm target.
//!
//! On Debian as root it is installed; elsewhere it is named, with the way to get it.

use std::fs;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::house::House;
use crate::shell::{capture, command, run, say, step, which};

/// The oldest Node.js the scripts run on.
const OLDEST_NODE: u32 = 20;

/// Programs of the operating system that the tests drive.
#[derive(Debug, Clone)]
pub struct Chromium {
    /// Chromium or Chrome.
    pub chromium: PathBuf,
    /// Its `WebDriver`.
    pub chromedriver: PathBuf,
}

/// One thing the tests need, and where it comes from.
struct Need {
    any_of: &'static [&'static str],
    package: &'static str,
    elsewhere: &'static str,
}

const BUS: &[Need] = &[
    Need {
        any_of: &["dbus-daemon"],
        package: "dbus",
        elsewhere: "install dbus (macOS: brew install dbus; Fedora: dnf install dbus-daemon)",
    },
    Need {
        any_of: &["dbus-run-session"],
        package: "dbus",
        elsewhere: "install dbus (macOS: brew install dbus; Fedora: dnf install dbus-daemon)",
    },
];

const CHROMIUM: &[Need] = &[
    Need {
        any_of: &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
        package: "chromium",
        elsewhere: "install Chromium or Google Chrome",
    },
    Need {
        any_of: &["chromedriver"],
        package: "chromium-driver",
        elsewhere: "install the chromedriver of the same version as the browser",
    },
];

const FIREFOX: &[Need] = &[
    Need { any_of: &["firefox-esr", "firefox"], package: "firefox-esr", elsewhere: "install Firefox" },
    // Without it Firefox has no way to the desktop's notification service, and refuses to show one.
    Need {
        any_of: &["libnotify.so.4"],
        package: "libnotify4",
        elsewhere: "install libnotify (Fedora: dnf install libnotify)",
    },
];

/// What the NAT lab lays networks with, and the library that speeds up a gateway's clock.
const NAT_LAB: &[Need] = &[
    Need { any_of: &["ip"], package: "iproute2", elsewhere: "install iproute2" },
    Need { any_of: &["nsenter"], package: "util-linux", elsewhere: "install util-linux" },
    Need { any_of: &["sysctl"], package: "procps", elsewhere: "install procps" },
    Need { any_of: &["nft"], package: "nftables", elsewhere: "install nftables" },
    Need { any_of: &["conntrack"], package: "conntrack", elsewhere: "install conntrack-tools" },
    Need { any_of: &["nginx"], package: "nginx-light", elsewhere: "install nginx" },
    Need { any_of: &["faketime"], package: "faketime", elsewhere: "install libfaketime" },
];

/// Sees to what the NAT lab needs; `None`: it is laid here. Otherwise why it cannot be.
///
/// # Errors
/// Names what is missing and how to get it.
pub fn nat_lab(house: &House) -> Result<Option<&'static str>, Failure> {
    if !cfg!(target_os = "linux") {
        return Ok(Some("network namespaces are Linux's"));
    }
    if !is_root() {
        return Ok(Some("only root may lay networks"));
    }
    provide(house, "the NAT lab", &[NAT_LAB])?;
    Ok(None)
}

/// Sees to Chromium and the message bus its tests need.
///
/// # Errors
/// Names what is missing and how to get it.
pub fn chromium(house: &House) -> Result<Chromium, Failure> {
    provide(house, "the browser tests", &[BUS, CHROMIUM])?;
    match CHROMIUM {
        [chromium, chromedriver] => {
            Ok(Chromium { chromium: path_of(chromium)?, chromedriver: path_of(chromedriver)? })
        }
        _ => Err(Failure::new("the list of what Chromium needs has changed its shape")),
    }
}

/// Sees to Firefox and what its tests need; returns the browser.
///
/// # Errors
/// Names what is missing and how to get it.
pub fn firefox(house: &House) -> Result<PathBuf, Failure> {
    provide(house, "the browser tests", &[BUS, FIREFOX])?;
    FIREFOX.first().map_or_else(|| Err(Failure::new("nothing names Firefox")), path_of)
}

fn provide(house: &House, whose: &str, lists: &[&[Need]]) -> Result<(), Failure> {
    let missing = || lists.iter().copied().flatten().filter(|need| found(need).is_none()).collect::<Vec<_>>();
    let packages = |needs: &[&Need]| {
        let mut packages: Vec<&str> = needs.iter().map(|need| need.package).collect();
        packages.dedup();
        packages
    };
    let absent = missing();
    if !absent.is_empty() && is_debian_root() {
        let packages = packages(&absent);
        step(&format!("install {}", packages.join(" ")), || apt_install(house, &packages))?;
    }
    let absent = missing();
    if absent.is_empty() {
        return Ok(());
    }
    let lines = absent.iter().map(|need| format!("\n  {}: {}", need.any_of.join(" or "), need.elsewhere));
    Err(Failure::new(format!(
        "{whose} cannot do without programs that are not installed:{}\non Debian or Ubuntu: sudo apt-get install {}",
        lines.collect::<String>(),
        packages(&absent).join(" ")
    )))
}

fn path_of(need: &Need) -> Result<PathBuf, Failure> {
    found(need).ok_or_else(|| Failure::new("a program vanished while it was looked for"))
}

fn found(need: &Need) -> Option<PathBuf> {
    need.any_of.iter().find_map(|name| if name.contains(".so.") { library(name) } else { which(name) })
}

/// A shared library where the dynamic linker looks: `/usr/lib`, `/usr/lib64`, or one folder below, named for the
/// machine. Systems without such libraries (macOS, Windows) have other ways, and need none.
fn library(name: &str) -> Option<PathBuf> {
    if !cfg!(target_os = "linux") {
        return Some(PathBuf::new());
    }
    let folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    let below = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let below = below.map(|entry| entry.path()).collect::<Vec<_>>();
    folders.into_iter().chain(below).map(|folder| folder.join(name)).find(|path| path.exists())
}

/// Sees to Node.js and npm.
///
/// # Errors
/// When they are missing or too old.
pub fn node() -> Result<(), Failure> {
    const HOW: &str = "install Node.js 20 or later with npm (https://nodejs.org, or your system's packages)";
    if which("node").is_none() || which("npm").is_none() {
        return Err(Failure::new(format!("node and npm are needed and not in PATH: {HOW}")));
    }
    let version = capture(&mut command("node", &["--version"]))?;
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|n| n.parse::<u32>().ok());
    match major {
        Some(major) if major >= OLDEST_NODE => Ok(()),
        _ => Err(Failure::new(format!("node {} is too old: {HOW}", version.trim()))),
    }
}

/// Sees to a Python that can make a virtual environment, where it can be had without asking.
pub fn python(house: &House) -> Option<PathBuf> {
    let usable = || {
        let python = which("python3")?;
        run(&mut command(&python, &["-c", "import ensurepip, venv"])).is_ok().then_some(python)
    };
    usable().or_else(|| {
        if is_debian_root() {
            step("install python3-venv", || apt_install(house, &["python3-venv"])).ok()?;
        }
        usable()
    })
}

/// Sees to the standard library of wasm32-unknown-unknown.
///
/// # Errors
/// When it is missing and rustup cannot add it.
pub fn wasm_target(house: &House) -> Result<(), Failure> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let sysroot = capture(command("rustc", &["--print", "sysroot"]).current_dir(&house.root))?;
    if PathBuf::from(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib").is_dir() {
        return Ok(());
    }
    if which("rustup").is_none() {
        return Err(Failure::new(format!(
            "the Rust target {TARGET} is missing and there is no rustup to add it: https://rustup.rs"
        )));
    }
    step("add the Rust target wasm32-unknown-unknown", || {
        run(command("rustup", &["target", "add", TARGET]).current_dir(&house.root))
    })
}

fn is_root() -> bool {
    capture(&mut command("id", &["-u"])).is_ok_and(|id| id.trim() == "0")
}

fn is_debian_root() -> bool {
    is_root() && fs::exists("/etc/debian_version").unwrap_or(false) && which("apt-get").is_some()
}

fn apt_install(house: &House, packages: &[&str]) -> Result<(), Failure> {
    // A private archive folder, so that a read-only or shared one does not matter, and a lock
    // time-out, because a fresh machine may still be running its own first update.
    let archives = house.cache.join("apt");
    fs::create_dir_all(archives.join("partial")).map_err(Failure::io(archives.display()))?;
    let options = [
        format!("-oDir::Cache::archives={}", archives.display()),
        "-oDPkg::Lock::Timeout=300".to_string(),
        // Apt's own user could not read a cache in root's home.
        "-oAPT::Sandbox::User=root".to_string(),
    ];
    let apt = |arguments: &[&str]| {
        let mut apt = command("apt-get", &["-q", "-y"]);
        apt.args(&options).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    if let Err(error) = run(&mut apt(&["update"])) {
        say(format_args!("{error}; trying with the package lists that are there"));
    }
    run(apt(&["install", "--no-install-recommends"]).args(packages))?;
    fs::remove_dir_all(&archives).map_err(Failure::io(archives.display()))
}
