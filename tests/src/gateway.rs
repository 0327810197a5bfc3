//! The gateway under test: the real binary, with a configuration and a data directory of its own.

mod setup;

pub use setup::Setup;

use crate::{PATIENCE, patiently, process, until};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
};

/// A running gateway. Dropping it kills it; if the test is failing, its log is printed.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    pid: u32,
    public: SocketAddr,
    admin: SocketAddr,
    output: Arc<Mutex<Vec<String>>>,
    log: PathBuf,
}

/// A command that ended by itself.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Gateway {
    /// Runs `pulsegate serve` and waits until it listens.
    ///
    /// # Panics
    /// If it ends instead, or does not listen in time.
    pub async fn start(setup: &Setup) -> Self {
        match Self::try_start(setup).await {
            Ok(gateway) => gateway,
            Err(finished) => panic!("the gateway did not start: {finished:#?}"),
        }
    }

    /// As [`Gateway::start`], with more in its environment.
    ///
    /// # Panics
    /// If it ends instead, or does not listen in time.
    pub async fn start_with(setup: &Setup, environment: &[(&str, &Path)]) -> Self {
        let config = setup.write();
        let mut command = pulsegate().await;
        command.arg("serve").arg("--config").arg(config).envs(environment.iter().copied());
        match Self::launch(command, setup.log()).await {
            Ok(gateway) => gateway,
            Err(finished) => panic!("the gateway did not start: {finished:#?}"),
        }
    }

    /// As [`Gateway::start`], but hands back how it ended if it would not run.
    ///
    /// # Errors
    /// What it said and its exit code.
    pub async fn try_start(setup: &Setup) -> Result<Self, Finished> {
        let config = setup.write();
        let mut command = pulsegate().await;
        command.arg("serve").arg("--config").arg(config);
        Self::launch(command, setup.log()).await
    }

    /// Runs any command that prints `listening` and `admin` lines and waits for them.
    ///
    /// # Errors
    /// What it said and its exit code, if it ended before.
    pub async fn launch(mut command: Command, log: PathBuf) -> Result<Self, Finished> {
        let errors = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let said_before = errors.metadata().unwrap().len();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pid = child.id().unwrap();
        let output = Arc::new(Mutex::new(Vec::new()));
        let (tell, mut lines_seen) = watch::channel(0_usize);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let keep = Arc::clone(&output);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                keep.lock().unwrap().push(line);
                tell.send_modify(|seen| *seen += 1);
            }
        });
        let find = |what: &str| -> Option<SocketAddr> {
            let lines = output.lock().unwrap();
            let line = lines.iter().find_map(|line| line.strip_prefix(what))?;
            let address = line.trim().split("//").nth(1)?;
            address.trim_end_matches('/').parse().ok()
        };
        let up = async {
            loop {
                if let (Some(public), Some(admin)) = (find("listening "), find("admin ")) {
                    return Some((public, admin));
                }
                if lines_seen.changed().await.is_err() {
                    return None;
                }
            }
        };
        match patiently("the gateway to listen", up).await {
            Some((public, admin)) => Ok(Self { child, pid, public, admin, output, log }),
            None => {
                let status = patiently("the gateway to end", child.wait()).await.unwrap();
                let said = std::fs::read(&log).unwrap();
                let stderr = said[usize::try_from(said_before).unwrap()..].to_vec();
                let stdout = output.lock().unwrap().join("\n");
                Err(Finished {
                    code: status.code(),
                    stdout,
                    stderr: String::from_utf8_lossy(&stderr).into_owned(),
                })
            }
        }
    }

    /// Where devices and publishers go.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        self.public
    }

    /// `http://…` of the public listener.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.public)
    }

    /// `http://…` of the admin listener.
    #[must_use]
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What standard output has carried so far, line by line.
    #[must_use]
    pub fn output(&self) -> Vec<String> {
        self.output.lock().unwrap().clone()
    }

    /// What was logged by every run on this set-up.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// SIGKILL: no goodbye to anybody, nothing flushed. Returns once the process is gone.
    pub async fn kill9(mut self) {
        self.child.start_kill().unwrap();
        patiently("a killed gateway to be gone", self.child.wait()).await.unwrap();
    }

    /// SIGTERM: it drains; see [`Gateway::ended`].
    pub fn terminate(&self) {
        process::signal(self.pid, rustix::process::Signal::TERM);
    }

    /// SIGHUP: keys, limits and certificates are read again.
    pub fn reload(&self) {
        process::signal(self.pid, rustix::process::Signal::HUP);
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        patiently("the gateway to end", self.child.wait()).await.unwrap()
    }

    /// SIGTERM, and waits for the end; it must be exit 0.
    ///
    /// # Panics
    /// If it ends otherwise.
    pub async fn stop(mut self) {
        self.terminate();
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "a drain ends with exit 0");
    }

    /// The status of `/readyz` on the public listener; `None` if nobody answers.
    pub async fn ready(&self) -> Option<u16> {
        let answer = reqwest::get(format!("{}/readyz", self.url())).await.ok()?;
        Some(answer.status().as_u16())
    }

    /// `/metrics`, as it is.
    pub async fn metrics(&self) -> Metrics {
        let answer = reqwest::get(format!("{}/metrics", self.admin_url())).await.unwrap();
        assert_eq!(answer.status(), 200);
        Metrics(answer.text().await.unwrap())
    }

    /// Waits until the sum of one metric's samples fulfils `wanted`.
    pub async fn metric_reaches(&self, name: &str, wanted: impl Fn(f64) -> bool) -> f64 {
        until(name, || async {
            let value = self.metrics().await.sum(name);
            wanted(value).then_some(value)
        })
        .await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(6000);
            let from = (from..log.len()).find(|&at| log.is_char_boundary(at)).unwrap_or(0);
            eprintln!("--- log of the gateway ---\n{}\n---", &log[from..]);
        }
    }
}

/// One reading of `/metrics`.
#[derive(Clone, Debug)]
pub struct Metrics(pub String);

impl Metrics {
    /// Sum over all label sets of the samples called exactly `name`; 0 if there is none.
    #[must_use]
    pub fn sum(&self, name: &str) -> f64 {
        self.0
            .lines()
            .filter_map(|line| {
                let rest = line.strip_prefix(name)?;
                let value = match rest.as_bytes().first()? {
                    b' ' => rest,
                    b'{' => rest.rsplit_once('}')?.1,
                    _ => return None,
                };
                value.split_whitespace().next()?.parse::<f64>().ok()
            })
            .sum()
    }
}

/// Runs the binary to its end.
///
/// # Panics
/// If it has not ended after [`PATIENCE`].
pub async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let mut command = pulsegate().await;
    command.args(arguments).envs(environment.iter().copied());
    finish(command).await
}

/// Runs a command to its end, killing it after [`PATIENCE`].
pub(crate) async fn finish(mut command: Command) -> Finished {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let all = async {
        let _ = tokio::join!(out.read_to_string(&mut stdout), err.read_to_string(&mut stderr));
        child.wait().await.unwrap()
    };
    let status = match tokio::time::timeout(PATIENCE, all).await {
        Ok(status) => status,
        Err(_) => panic!("still running after {PATIENCE:?}"),
    };
    Finished { code: status.code(), stdout, stderr }
}

/// A command for the binary under test, with a clean environment: `PULSEGATE_…` variables are
/// configuration to it.
pub async fn pulsegate() -> Command {
    let mut command = Command::new(binary().await);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PULSEGATE_") {
            command.env_remove(name);
        }
    }
    command
}

/// `PULSEGATE_BIN`, or `pulsegate` beside this very test; built if it is not there.
async fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("PULSEGATE_BIN") {
        return path.into();
    }
    let me = std::env::current_exe().unwrap();
    let mut folder = me.parent().unwrap();
    if folder.ends_with("deps") {
        folder = folder.parent().unwrap();
    }
    let path = folder.join("pulsegate");
    if !path.exists() {
        build(folder).await;
    }
    path
}

async fn build(folder: &Path) {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--package", "pulsegate-gateway", "--target-dir"])
        .arg(folder.parent().unwrap());
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let built = tokio::time::timeout(Duration::from_secs(900), command.status()).await;
    assert!(built.unwrap().unwrap().success(), "the gateway does not build");
}
