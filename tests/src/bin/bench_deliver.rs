//! Deliveries a processor-second, one topic to many sockets, against a bare epoll loop that writes
//! the same frames. `bench_deliver [SOCKETS] [PACED] [BURSTS]`; 10,000 sockets, 60 messages one by one and 4
//! bursts of 32 unless told otherwise.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use prost::Message as _;
use pulsegate_tests::{
    contract::{Deliver, Message, NotifyBody, ServerFrame, deliver::What, server_frame::Frame},
    floor,
    gateway::Gateway,
    load, process,
    publisher::Publisher,
    wire::{Raw, opcode},
};
use serde_json::json;
use std::{
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Semaphore,
};

/// Messages of a burst, published in one go: half a window, so that one ack goes with each.
const JOINED: usize = 32;

/// How much of it.
#[derive(Clone, Copy)]
struct Load {
    sockets: usize,
    /// Messages one after the other, each only when all sockets have the one before.
    paced: usize,
    /// Bursts one after the other.
    bursts: usize,
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("floor") => {
            let count = arguments.next().and_then(|text| text.parse().ok()).expect("a number");
            let serving = tokio::task::spawn_blocking(move || floor::serve(count, &mut std::io::stdout()));
            serving.await.expect("no panic").expect("a working network");
        }
        sockets => {
            let number =
                |text: Option<&str>, usual| text.map_or(usual, |text| text.parse().expect("a number"));
            let sockets = load::crowd(number(sockets, 10_000));
            let paced = number(arguments.next().as_deref(), 60);
            let bursts = number(arguments.next().as_deref(), 4);
            bench(Load { sockets, paced, bursts }).await;
        }
    }
}

async fn bench(load: Load) {
    let gateway = of_gateway(load).await;
    let floor = of_floor(load).await;
    let count = load.sockets;
    for (name, ours, bare) in [("paced", gateway.0, floor.0), ("saturated", gateway.1, floor.1)] {
        println!(
            "deliver: one topic to {count} sockets, {name}: {:.0} deliveries a processor-second, \
             {:.2} s a million; bare epoll loop {:.2} s a million: {:.2}x",
            1.0 / ours,
            ours * 1e6,
            bare * 1e6,
            ours / bare,
        );
    }
}

/// Processor seconds a delivery: paced, saturated.
async fn of_gateway(Load { sockets: count, paced, bursts }: Load) -> (f64, f64) {
    let setup = load::setup();
    let gateway = Gateway::start(&setup).await;
    let backend = Publisher::new(&gateway, &setup.key);
    let delivered = Arc::new(Semaphore::new(0));
    for member in load::gather(&gateway, &setup.signer, count, |_| "t".into()).await {
        tokio::spawn(load::listen(member, Arc::clone(&delivered)));
    }
    let message = json!({"target": {"topic": "t"}, "body": "x".repeat(100)});
    let cost = Cost::of(gateway.pid());
    for _ in 0..paced {
        backend.publish(&message).await;
        load::take(&delivered, count).await;
    }
    let of_paced = cost.each(paced * count);
    let cost = Cost::of(gateway.pid());
    let burst = vec![message; JOINED];
    for _ in 0..bursts {
        backend.batch(&burst).await;
        load::take(&delivered, count * JOINED).await;
    }
    (of_paced, cost.each(bursts * JOINED * count))
}

/// The same by the bare loop.
async fn of_floor(Load { sockets: count, paced, bursts }: Load) -> (f64, f64) {
    let mut loop_ = Floor::start(count).await;
    let delivered = Arc::new(Semaphore::new(0));
    for number in 0..count {
        let to = ([127, 0, 0, 1], loop_.port).into();
        let raw = Raw::connect(to, Some(load::source(number))).await.expect("room for one more");
        tokio::spawn(count_frames(raw, Arc::clone(&delivered)));
    }
    let length = frame_length();
    let cost = Cost::of(loop_.pid);
    for _ in 0..paced {
        loop_.write(length, 1).await;
        load::take(&delivered, count).await;
    }
    let of_paced = cost.each(paced * count);
    let cost = Cost::of(loop_.pid);
    for _ in 0..bursts {
        loop_.write(length, JOINED).await;
        load::take(&delivered, count * JOINED).await;
    }
    (of_paced, cost.each(bursts * JOINED * count))
}

async fn count_frames(mut raw: Raw, delivered: Arc<Semaphore>) {
    while let Some(frame) = raw.next().await {
        delivered.add_permits(usize::from(frame.opcode == opcode::BINARY));
    }
}

/// Processor time of a process, from now on.
struct Cost {
    pid: u32,
    before: Duration,
    begun: Instant,
}

impl Cost {
    fn of(pid: u32) -> Self {
        Self { pid, before: process::processor_time(pid), begun: Instant::now() }
    }

    fn each(&self, deliveries: usize) -> f64 {
        let used = process::processor_time(self.pid) - self.before;
        println!(
            "  {deliveries} deliveries in {:.1} s, {:.2} s of processor time",
            self.begun.elapsed().as_secs_f64(),
            used.as_secs_f64()
        );
        used.as_secs_f64() / deliveries as f64
    }
}

/// The bare loop in its own process.
struct Floor {
    _child: Child,
    pid: u32,
    port: u16,
    orders: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Floor {
    async fn start(count: usize) -> Self {
        let me = std::env::current_exe().expect("a path to this program");
        let mut child = Command::new(me)
            .args(["floor", &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a child of this program");
        let pid = child.id().expect("a running child");
        let orders = child.stdin.take().expect("a pipe");
        let mut said = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let port = said.next_line().await.ok().flatten().and_then(|line| line.parse().ok());
        Self { _child: child, pid, port: port.expect("its port"), orders, said }
    }

    async fn write(&mut self, length: usize, times: usize) {
        let order = format!("{length} {times}\n");
        self.orders.write_all(order.as_bytes()).await.expect("a listening child");
        self.said.next_line().await.expect("an answer");
    }
}

/// Bytes of the frame the gateway sends for the message of this bench.
fn frame_length() -> usize {
    let message = Message {
        id: vec![1; 16].into(),
        body: Some(NotifyBody { app: "demo".into(), body: "x".repeat(100), ext: String::new() }),
        published_ms: 1_800_000_000_000,
        expires_ms: 1_800_000_000_000,
        ..Message::default()
    };
    let deliver = Deliver {
        log: "topic:t".into(),
        epoch: u64::from(u32::MAX),
        seq: 1 << 46,
        what: Some(What::Message(message)),
    };
    let payload = ServerFrame { frame: Some(Frame::Deliver(deliver)) }.encoded_len();
    payload + if payload < 126 { 2 } else { 4 }
}
