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
    /// What the device says is held from this chunk of a connection on: 1 is the upgrade, 2 the first frame that
    /// needs its answer. 0 = nothing is held.
    pub held_from: usize,
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
    let (from_device, mut to_device) = device.into_split();
    let (from_gateway, mut to_gateway) = gateway.into_split();
    let up = pump(from_device, &mut to_gateway, age, state.clone(), false);
    let down = pump(from_gateway, &mut to_device, age, state.clone(), true);
    tokio::select! {
        _ = async { tokio::join!(up, down) } => {}
        _ = state.wait_for(|state| age < state.cut_below) => {}
    }
    // Dropped, a write half would say goodbye first.
    to_device.forget();
    to_gateway.forget();
}

/// Carries bytes one way until their end, and passes the end on.
async fn pump(
    mut from: OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    age: usize,
    mut state: watch::Receiver<State>,
    towards_device: bool,
) {
    let mut chunk = vec![0; 16 * 1024];
    for number in 1.. {
        let half_closed = state.wait_for(|now| towards_device && age < now.half_closed_below);
        let length = tokio::select! {
            read = from.read(&mut chunk) => read.unwrap_or(0),
            _ = half_closed => 0,
        };
        let clear = |now: &State| {
            let held = !towards_device && now.weather.held_from > 0 && number >= now.weather.held_from;
            !held && !now.weather.blackhole && age >= now.stranded_below
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patiently;
    use std::time::Instant;

    /// An echo behind a proxy, and a connection through it that has spoken once.
    async fn world() -> (Proxy, TcpStream) {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = echo.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = echo.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        let proxy = Proxy::start(address).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(echoed(&mut stream, b"x").await.unwrap(), b"x");
        (proxy, stream)
    }

    async fn echoed(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        stream.write_all(bytes).await?;
        let mut back = vec![0; bytes.len()];
        patiently("an echo", stream.read_exact(&mut back)).await?;
        Ok(back)
    }

    #[tokio::test]
    async fn a_cut_resets_what_is_open_and_spares_what_comes_later() {
        let (proxy, mut stream) = world().await;
        proxy.cut();
        let error = patiently("a reset", stream.read_u8()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let mut later = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(echoed(&mut later, b"y").await.unwrap(), b"y");
        assert_eq!(proxy.opened(), 2);
    }

    #[tokio::test]
    async fn a_half_close_is_an_end_of_file_to_the_device() {
        let (proxy, mut stream) = world().await;
        proxy.half_close();
        let error = patiently("an end", stream.read_u8()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_blackhole_gives_back_what_it_swallowed_and_a_stranded_link_never_does() {
        let (proxy, mut stream) = world().await;
        proxy.weather(Weather { blackhole: true, ..Weather::default() });
        stream.write_all(b"held").await.unwrap();
        let mut back = [0; 4];
        let early = tokio::time::timeout(Duration::from_millis(50), stream.read_exact(&mut back)).await;
        assert!(early.is_err(), "nothing passes");
        proxy.weather(Weather::default());
        patiently("what was held", stream.read_exact(&mut back)).await.unwrap();
        assert_eq!(&back, b"held");
        proxy.strand();
        stream.write_all(b"lost").await.unwrap();
        let mut later = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(echoed(&mut later, b"y").await.unwrap(), b"y");
        let late = tokio::time::timeout(Duration::from_millis(50), stream.read_u8()).await;
        assert!(late.is_err(), "nobody is told");
    }

    #[tokio::test]
    async fn delay_and_throttle_take_their_time() {
        let (proxy, mut stream) = world().await;
        for weather in [
            Weather { delay: Duration::from_millis(40), ..Weather::default() },
            Weather { throttle: 25, ..Weather::default() },
        ] {
            proxy.weather(weather);
            let begun = Instant::now();
            echoed(&mut stream, b"z").await.unwrap();
            assert!(begun.elapsed() >= Duration::from_millis(80), "{weather:?}");
        }
    }
}
