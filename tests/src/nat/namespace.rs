//! A network of its own: interfaces, addresses, routes, firewall and connection tracking that nobody else has.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    os::fd::AsFd,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
};

/// A network namespace. It lives as long as a child process that waits for the end of its input, and so goes
/// away with this value, and also when the test is killed.
#[derive(Debug)]
pub struct Namespace {
    holder: Child,
    /// Its end is the holder's.
    _input: ChildStdin,
    door: File,
}

impl Namespace {
    /// An empty one: loopback alone.
    ///
    /// # Panics
    /// If the kernel gives none.
    #[must_use]
    pub fn new() -> Self {
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "ip link set lo up && echo up && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = holder.stdin.take().unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "up\n", "no network namespace");
        let door = File::open(format!("/proc/{}/ns/net", holder.id())).unwrap();
        Self { holder, _input: input, door }
    }

    /// The id of a process in it, by which `ip link` names a namespace.
    #[must_use]
    pub fn pid(&self) -> String {
        self.holder.id().to_string()
    }

    /// A command that runs in it.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.holder.id())).arg(program);
        command
    }

    /// Runs a line of words in it; what it says.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let mut command = self.command(words.next().unwrap());
        let output = command.args(words).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a program in it with this input.
    ///
    /// # Panics
    /// If it fails.
    pub fn feed(&self, program: &str, arguments: &[&str], input: &str) {
        let mut child = self.command(program).args(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{program} did not take: {input}");
    }

    /// Sets a number of the kernel, here alone.
    ///
    /// # Panics
    /// If there is no such number.
    pub fn set(&self, name: &str, value: u32) {
        self.run(&format!("sysctl -qw {name}={value}"));
    }

    /// The way in for `block_on`.
    ///
    /// # Panics
    /// If there is no file descriptor left.
    #[must_use]
    pub fn door(&self) -> File {
        self.door.try_clone().unwrap()
    }

    /// A runtime that lives here until its value goes.
    ///
    /// # Panics
    /// If the thread cannot start.
    #[must_use]
    pub fn runtime(&self) -> Inside {
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let door = self.door();
        let thread = thread::spawn(move || {
            enter(&door);
            let runtime = runtime();
            tell.send(runtime.handle().clone()).unwrap();
            // An error is the end of whoever would say so: the same.
            let _ = runtime.block_on(stopped);
        });
        Inside { handle: told.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Runs a future on a thread that lives behind `door`: sockets it opens and processes it starts are there too.
///
/// # Panics
/// If the future does.
pub fn block_on<T: Send>(door: &File, live: impl AsyncFnOnce() -> T + Send) -> T {
    let ran = thread::scope(|scope| {
        let there = scope.spawn(|| {
            enter(door);
            runtime().block_on(live())
        });
        there.join()
    });
    ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Moves this thread; the others of the process stay where they are.
fn enter(door: &File) {
    move_into_link_name_space(door.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

/// One thread: it stays in its namespace.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A runtime inside a namespace.
#[derive(Debug)]
pub struct Inside {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Inside {
    /// Runs a future inside and waits for what it gives.
    ///
    /// # Panics
    /// If the future does.
    pub async fn run<F>(&self, future: F) -> F::Output
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.handle.spawn(future).await.unwrap()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
