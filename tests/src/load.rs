//! Thousands of devices in one process: bare links, no library, as little of our own processor
//! time and memory as it takes.

use crate::{
    contract::{
        Ack, ClientFrame, Cursor, Hello, ServerFrame, Subscribe, Welcome, client_frame::Frame as Up,
        server_frame::Frame,
    },
    gateway::{Gateway, Setup},
    keys::Signer,
    process,
    wire::{self, Raw, masked, opcode},
};
use futures_util::{StreamExt, stream};
use prost::Message as _;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};
use tokio::io::AsyncWriteExt;

/// Opened at a time while a crowd gathers: a gateway under test should not meet its own admission
/// limits before it meets the load.
const AT_ONCE: usize = 256;
/// Source addresses a crowd comes from; each has some 28,000 ports towards one listener.
const SOURCES: u8 = 8;
/// Descriptors for everything but the crowd: listeners, files of the store, pipes, first arrivals.
const SPARE: usize = 1000;

/// One device of a crowd.
#[derive(Debug)]
pub struct Member {
    /// Its socket.
    pub raw: Raw,
    /// What it said.
    pub hello: Hello,
    /// What it was answered.
    pub welcome: Welcome,
}

/// A set-up without the limits a crowd from one machine would meet.
#[must_use]
pub fn setup() -> Setup {
    Setup::new().unlimited()
}

/// As many devices as were asked for, or as many as the descriptors of one process allow.
#[must_use]
pub fn crowd(wanted: usize) -> usize {
    let descriptors = usize::try_from(process::descriptors()).unwrap_or(usize::MAX);
    wanted.min(descriptors.saturating_sub(SPARE))
}

/// Where member `number` comes from.
#[must_use]
pub fn source(number: usize) -> IpAddr {
    let last = 1 + u8::try_from(number % usize::from(SOURCES)).unwrap();
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// Frames a client's message.
#[must_use]
pub fn up(frame: Up, request_id: u32) -> Vec<u8> {
    let envelope = ClientFrame { request_id, frame: Some(frame) };
    masked(0x80 | opcode::BINARY, &envelope.encode_to_vec())
}

/// Gathers `count` devices, each with a user of its own and subscribed to the topic `topic` names.
///
/// # Panics
/// If one of them does not get in.
pub async fn gather(
    gateway: &Gateway,
    signer: &Signer,
    count: usize,
    topic: impl Fn(usize) -> String + Clone,
) -> Vec<Member> {
    let to = gateway.public();
    stream::iter(0..count)
        .map(|number| {
            let hello = wire::hello(&signer.token(&format!("user-{number}")));
            let topic = topic(number);
            async move {
                let mut member = join(to, source(number), hello).await.unwrap();
                subscribe(&mut member, topic).await;
                member
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// Connects, says hello and is welcomed.
///
/// # Errors
/// If it is not.
pub async fn join(to: SocketAddr, from: IpAddr, hello: Hello) -> io::Result<Member> {
    let mut raw = Raw::upgraded(to, Some(from)).await?;
    raw.stream.write_all(&up(Up::Hello(hello.clone()), 0)).await?;
    match raw.server_frame().await {
        Some(ServerFrame { frame: Some(Frame::Welcome(welcome)) }) => Ok(Member { raw, hello, welcome }),
        other => Err(io::Error::other(format!("not welcomed: {other:?}"))),
    }
}

async fn subscribe(member: &mut Member, topic: String) {
    let frame = up(Up::Subscribe(Subscribe { topics: vec![topic] }), 1);
    member.raw.stream.write_all(&frame).await.unwrap();
    loop {
        match member.raw.server_frame().await {
            Some(ServerFrame { frame: Some(Frame::Reply(reply)) }) => {
                assert_eq!(reply.error, 0, "{}", reply.detail);
                return;
            }
            Some(_) => {}
            None => panic!("the link ended instead of a Reply"),
        }
    }
}

/// Counts the deliveries of a link and acks as often as it must, until the link ends.
pub async fn listen(mut member: Member, delivered: Arc<tokio::sync::Semaphore>) {
    let ack_every = member.welcome.ack_every.max(1);
    let mut unacked = 0;
    while let Some(frame) = member.raw.next().await {
        if frame.opcode != opcode::BINARY {
            return;
        }
        // Field 3 of ServerFrame is Deliver; only the last of a window is looked into.
        if frame.payload.first() != Some(&0x1a) {
            continue;
        }
        unacked += 1;
        if unacked == ack_every {
            unacked = 0;
            if let Ok(ServerFrame { frame: Some(Frame::Deliver(delivery)) }) =
                ServerFrame::decode(frame.payload)
            {
                let cursor = Cursor { log: delivery.log, epoch: delivery.epoch, seq: delivery.seq };
                let ack = up(Up::Ack(Ack { cursors: vec![cursor] }), 0);
                if member.raw.stream.write_all(&ack).await.is_err() {
                    return;
                }
            }
        }
        delivered.add_permits(1);
    }
}

/// Takes `count` deliveries from the counter of [`listen`]: returns when all have come.
///
/// # Panics
/// If the counter is closed.
pub async fn take(delivered: &tokio::sync::Semaphore, count: usize) {
    for part in [count / 2, count - count / 2] {
        delivered.acquire_many(u32::try_from(part).unwrap()).await.unwrap().forget();
    }
}

/// Bytes as KiB, for people.
#[must_use]
pub fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}
