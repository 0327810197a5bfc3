//! A network that misbehaves: a TCP proxy between devices and the gateway that delays, cuts,
//! swallows, half-closes and throttles, whenever a test says so.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// What the network does to the bytes in it, both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// Each chunk arrives this much later.
    pub delay: Duration,
    /// Nothing moves until this is off again: packets are lost and retransmitted.
    pub blackhole: bool,
    /// Bytes a second each way; 0 = as fast as it goes.
    pub throttle: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    weather: Weather,
    /// Connections of an age below these are reset, silently dead, or closed towards the device.
    cut_below: usize,
    stranded_below: usize,
    half_closed_below: usize,
}

/// The proxy. It ends with its value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    opened: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of `to`, in fair weather.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = watch::Sender::new(State::default());
        let opened = Arc::new(AtomicUsize::new(0));
        let (weather, counter) = (state.clone(), Arc::clone(&opened));
        let accepting = tokio::spawn(async move {
            while let Ok((device, _)) = listener.accept().await {
                let age = counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(device, to, age, weather.subscribe()));
            }
        });
        Self { address, state, opened, accepting }
    }

    /// Where devices dial.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections opened so far.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// Changes the weather, for old and new connections.
    pub fn weather(&self, weather: Weather) {
        self.state.send_modify(|state| state.weather = weather);
    }

    /// Resets every connection there is, on both sides.
    pub fn cut(&self) {
        let age = self.opened();
        self.state.send_modify(|state| state.cut_below = age);
    }

    /// Lets every connection there is die silently, as a NAT does that forgot it: nobody is told,
    /// nothing moves in it any more. New ones work.
    pub fn strand(&self) {
        let age = self.opened();
        self.state.send_modify(|state| state.stranded_below = age);
    }

    /// Closes every connection there is towards the device only; the gateway still sees it open.
    pub fn half_close(&self) {
        let age = self.opened();
        self.state.send_modify(|state| state.half_closed_below = age);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(device: TcpStream, to: SocketAddr, age: usize, mut state: watch::Receiver<State>) {
    let Ok(gateway) = TcpStream::connect(to).await else {
        return;
    };
    for stream in [&device, &gateway] {
        let _ = stream.set_nodelay(true);
        // Dropped without a shutdown, both ends see a reset.
        let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
    let (from_device, to_device) = device.into_split();
    let (from_gateway, to_gateway) = gateway.into_split();
    let up = pump(from_device, to_gateway, age, state.clone(), false);
    let down = pump(from_gateway, to_device, age, state.clone(), true);
    let cut = state.wait_for(|state| age < state.cut_below);
    tokio::select! {
        _ = async { tokio::join!(up, down) } => {}
        _ = cut => {}
    }
}

/// Carries bytes one way until their end, and passes the end on.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    age: usize,
    mut state: watch::Receiver<State>,
    towards_device: bool,
) {
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let half_closed = state.wait_for(|now| towards_device && age < now.half_closed_below);
        let length = tokio::select! {
            read = from.read(&mut chunk) => read.unwrap_or(0),
            _ = half_closed => 0,
        };
        let clear = |now: &State| !now.weather.blackhole && age >= now.stranded_below;
        let Ok(now) = state.wait_for(clear).await.map(|now| *now) else {
            return;
        };
        if length == 0 {
            let _ = to.shutdown().await;
            if towards_device && age < now.half_closed_below {
                // The gateway's side stays open and is read no more.
                std::future::pending::<()>().await;
            }
            return;
        }
        if now.weather.delay > Duration::ZERO {
            tokio::time::sleep(now.weather.delay).await;
        }
        if now.weather.throttle > 0 {
            let seconds = length as f64 / f64::from(now.weather.throttle);
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}
