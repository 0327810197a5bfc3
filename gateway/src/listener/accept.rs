//! Accepting, and everything a connection must do before it may cost more than a task.

use super::{Rate, Stream, Tls, Verdict, proxy};
use crate::config::Config;
use crate::state::AppState;
use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// Connections the kernel may hold for us: a reconnect storm comes at once. The kernel caps it at `somaxconn`.
const BACKLOG: u32 = 8192;
/// What an accept waits before the next try when the process has no descriptor left: long enough not to spin.
const NO_DESCRIPTOR_PAUSE: Duration = Duration::from_millis(50);
/// What finishing requests get once the listener stops.
const FINISH: Duration = Duration::from_secs(5);
/// hyper's smallest read buffer; its largest is `request_head_bytes`.
const HEAD_BYTES_MIN: usize = 8 * 1024;

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS, ended here.
    Https,
}

/// Who is on the other side; an extension of every request.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Who dialled, as far as TCP or a trusted proxy's PROXY header knows. `X-Forwarded-For` is not in it:
    /// [`super::forwarded`] says who the request names.
    pub address: IpAddr,
    /// How.
    pub scheme: Scheme,
}

/// A bound socket and what its connections run through.
pub struct Listener {
    socket: TcpListener,
    state: Arc<AppState>,
    router: Router,
    tls: Option<Tls>,
    stop: watch::Receiver<bool>,
}

/// Binds `address`. Port 0: a free one.
///
/// # Errors
/// What the system says: in use, not ours, no permission.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Listener {
    /// A listener on `socket` that serves `router` until `stop` turns true.
    #[must_use]
    pub fn new(
        socket: TcpListener,
        state: Arc<AppState>,
        router: Router,
        tls: Option<Tls>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { socket, state, router, tls, stop }
    }

    /// Accepts until told to stop. Requests under way are finished then, for a few seconds at most; what was
    /// upgraded lives on by itself.
    pub async fn run(self) {
        let Self { socket, state, router, tls, mut stop } = self;
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok((tcp, from)) => {
                    let incoming = Incoming {
                        state: Arc::clone(&state),
                        router: router.clone(),
                        tls: tls.clone(),
                        stop: stop.clone(),
                    };
                    connections.spawn(incoming.serve(tcp, from.ip().to_canonical()));
                }
                Err(error) if is_of_one_peer(&error) => {}
                Err(error) => {
                    // No descriptor or no memory: what is connected goes on, and closing makes room.
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(NO_DESCRIPTOR_PAUSE).await;
                }
            }
        }
        drop(socket);
        let finished = async { while connections.join_next().await.is_some() {} };
        if timeout(FINISH, finished).await.is_err() {
            tracing::info!("requests under way were cut at the end of the drain");
        }
    }
}

fn is_of_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

struct Incoming {
    state: Arc<AppState>,
    router: Router,
    tls: Option<Tls>,
    stop: watch::Receiver<bool>,
}

impl Incoming {
    async fn serve(self, tcp: TcpStream, from: IpAddr) {
        let config = self.state.config.load_full();
        let Some((tcp, address)) = first_byte(tcp, from, &config).await else {
            self.state.metrics.handshake_refused("first_byte");
            return;
        };
        // Head, TLS records and early frames live in here; given back when the request is answered or upgraded.
        let head =
            usize::try_from(config.limits.request_head_bytes).unwrap_or(usize::MAX).max(HEAD_BYTES_MIN);
        let room = timeout(limit(config.limits.first_byte), self.state.hub.gate.budget.wait(head)).await;
        let Ok(Some(_room)) = room else {
            self.state.metrics.handshake_refused("no_room");
            return;
        };
        let (stream, scheme) = match &self.tls {
            None => (Stream::Plain(tcp), Scheme::Http),
            Some(tls) => {
                let rate = Rate::per_second(config.limits.handshakes_per_second);
                if self.state.hub.gate.tls.take(address, rate, Instant::now()) != Verdict::Pass {
                    self.state.metrics.handshake_refused("rate");
                    return;
                }
                let acceptor = tokio_rustls::TlsAcceptor::from(tls.current());
                match timeout(limit(config.limits.request_head), acceptor.accept(tcp)).await {
                    Ok(Ok(stream)) => (Stream::Tls(Box::new(stream)), Scheme::Https),
                    Ok(Err(_)) | Err(_) => {
                        self.state.metrics.handshake_refused("tls");
                        return;
                    }
                }
            }
        };
        self.http(stream, Peer { address, scheme }, &config, head).await;
    }

    async fn http(mut self, stream: Stream, peer: Peer, config: &Config, head: usize) {
        let router = TowerToHyperService::new(self.router);
        let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(peer);
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limit(config.limits.request_head))
            .max_buf_size(head)
            .max_headers(usize::try_from(config.limits.request_headers).unwrap_or(usize::MAX))
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        tokio::pin!(connection);
        // An error here is the peer's: a cut, a head too slow, too large or malformed. hyper answered what it could.
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = self.stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}

/// A limit of the configuration as a timer takes it: zero stands for none.
fn limit(limit: Duration) -> Duration {
    if limit.is_zero() { Duration::from_secs(365 * 24 * 3600) } else { limit }
}

/// Waits for the peer to say anything at all: its stream, and who it is. `None`: it said nothing in time.
///
/// Peeks, since readiness alone is also reported for a peer that hung up, and reading would take the byte away.
async fn first_byte(mut tcp: TcpStream, from: IpAddr, config: &Config) -> Option<(TcpStream, IpAddr)> {
    let listening = async {
        let _ = tcp.set_nodelay(true);
        let mut first = [0u8; 1];
        if tcp.peek(&mut first).await.ok()? == 0 {
            return None;
        }
        if first[0] != proxy::FIRST_BYTE || !proxy::is_trusted(&config.trusted_proxies, from) {
            return Some(from);
        }
        let named = proxy::read_v2(&mut tcp).await.ok()?;
        // The client's own first byte is awaited too: a proxy may say hello long before its client does.
        if tcp.peek(&mut first).await.ok()? == 0 {
            return None;
        }
        Some(named.unwrap_or(from))
    };
    let address = timeout(limit(config.limits.first_byte), listening).await.ok()??;
    Some((tcp, address))
}
