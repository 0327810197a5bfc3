//! A device's end of the wire that says exactly what a test tells it to, and keeps nothing.

mod raw;

pub use raw::{Answer, Raw, RawFrame, masked, opcode, upgrade_request};

use crate::{
    contract::{
        Ack, ClientFrame, Closing, Cursor, Deliver, Hello, Message as Notice, Probe, Reply, SetTags, Start,
        Subscribe, Unsubscribe, Welcome, client_frame, deliver::What, server_frame::Frame,
    },
    keys::unix_now_ms,
    patiently,
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use prost::Message as _;
use std::{collections::VecDeque, net::SocketAddr};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue},
};

/// The subprotocol of this contract.
pub const SUBPROTOCOL: &str = "pulsegate.v1";

/// How to dial.
#[derive(Clone, Debug)]
pub struct Dial {
    /// The gateway.
    pub to: SocketAddr,
    /// Source address, if it matters.
    pub from: Option<std::net::IpAddr>,
    /// Subprotocols offered.
    pub subprotocols: Vec<String>,
    /// Further header lines: `Origin`, as a browser would send, and whatever a test is about.
    pub headers: Vec<(&'static str, String)>,
}

impl Dial {
    /// As a proper client without a browser dials.
    #[must_use]
    pub fn new(to: SocketAddr) -> Self {
        Self { to, from: None, subprotocols: vec![SUBPROTOCOL.into()], headers: Vec::new() }
    }

    /// As a page of `origin` dials.
    #[must_use]
    pub fn origin(self, origin: &str) -> Self {
        self.header("origin", origin)
    }

    /// With one more header line.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Opens the link.
    ///
    /// # Errors
    /// The HTTP status of a refused upgrade.
    ///
    /// # Panics
    /// If nobody answers.
    pub async fn open(&self) -> Result<Link, u16> {
        patiently("an upgrade", async {
            let stream = connect(self.to, self.from).await.unwrap();
            let mut request = format!("ws://{}/v1/connect", self.to).into_client_request().unwrap();
            let headers = request.headers_mut();
            if !self.subprotocols.is_empty() {
                let offered = HeaderValue::from_str(&self.subprotocols.join(", ")).unwrap();
                headers.insert("sec-websocket-protocol", offered);
            }
            for (name, value) in &self.headers {
                headers.insert(*name, HeaderValue::from_str(value).unwrap());
            }
            match client_async(request, stream).await {
                Ok((socket, _)) => Ok(Link::new(socket)),
                Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
                Err(error) => panic!("the upgrade failed: {error}"),
            }
        })
        .await
    }
}

/// A TCP connection, from a chosen source address if it matters.
///
/// # Errors
/// What the kernel says.
pub async fn connect(to: SocketAddr, from: Option<std::net::IpAddr>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(from) = from {
        socket.bind((from, 0).into())?;
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// An open WebSocket.
#[derive(Debug)]
pub struct Link {
    socket: WebSocketStream<TcpStream>,
    last_request: u32,
    /// Came while a test waited for something else; taken first.
    put_back: VecDeque<Frame>,
    closing: Option<Closing>,
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// Close code; `None`: no close frame.
    pub code: Option<u16>,
    /// The `Closing` that preceded it.
    pub closing: Option<Closing>,
}

impl Link {
    fn new(socket: WebSocketStream<TcpStream>) -> Self {
        Self { socket, last_request: 0, put_back: VecDeque::new(), closing: None }
    }

    /// Dials as a proper client does.
    ///
    /// # Panics
    /// If the upgrade is refused.
    pub async fn open(to: SocketAddr) -> Self {
        Dial::new(to).open().await.unwrap()
    }

    /// Dials, says `hello`, and is welcomed.
    ///
    /// # Panics
    /// If it is not.
    pub async fn welcomed(to: SocketAddr, hello: &Hello) -> (Self, Welcome) {
        let mut link = Self::open(to).await;
        let welcome = link.hello(hello).await;
        (link, welcome)
    }

    /// Sends a frame that asks for no reply.
    pub async fn send(&mut self, frame: client_frame::Frame) {
        let envelope = ClientFrame { request_id: 0, frame: Some(frame) };
        self.send_bytes(envelope.encode_to_vec()).await;
    }

    /// Sends any bytes as one binary message.
    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        self.send_message(Message::Binary(bytes.into())).await;
    }

    /// Sends any WebSocket message. That the other side has gone already is no fault here; reading
    /// tells how it went.
    pub async fn send_message(&mut self, message: Message) {
        let _ = patiently("room in the socket", self.socket.send(message)).await;
    }

    /// Says hello and is welcomed.
    ///
    /// # Panics
    /// If something else comes back.
    pub async fn hello(&mut self, hello: &Hello) -> Welcome {
        self.send(client_frame::Frame::Hello(hello.clone())).await;
        match self.event().await {
            Ok(Frame::Welcome(welcome)) => welcome,
            other => panic!("not welcomed: {other:?}"),
        }
    }

    /// Says hello and is refused.
    ///
    /// # Panics
    /// If it is welcomed.
    pub async fn refused(&mut self, hello: &Hello) -> End {
        self.send(client_frame::Frame::Hello(hello.clone())).await;
        match self.event().await {
            Ok(Frame::Closing(closing)) => {
                let end = self.end().await;
                assert_eq!(end.closing.as_ref(), Some(&closing));
                end
            }
            Err(end) => end,
            Ok(other) => panic!("not refused: {other:?}"),
        }
    }

    /// Sends with a request id and waits for its reply; what comes meanwhile is kept.
    pub async fn ask(&mut self, frame: client_frame::Frame) -> Reply {
        self.last_request += 1;
        let request_id = self.last_request;
        let envelope = ClientFrame { request_id, frame: Some(frame) };
        self.send_bytes(envelope.encode_to_vec()).await;
        self.reply(request_id).await
    }

    /// Waits for the reply to a request.
    ///
    /// # Panics
    /// If the link ends first.
    pub async fn reply(&mut self, request_id: u32) -> Reply {
        self.take("a reply", |frame| match frame {
            Frame::Reply(reply) if reply.request_id == request_id => Some(reply.clone()),
            _ => None,
        })
        .await
    }

    /// Subscribes; everything asked for must be granted.
    ///
    /// # Panics
    /// If it is not.
    pub async fn subscribe(&mut self, topics: &[&str]) -> Vec<Start> {
        let topics = topics.iter().map(ToString::to_string).collect();
        let reply = self.ask(client_frame::Frame::Subscribe(Subscribe { topics })).await;
        assert_eq!((reply.error, &reply.denied), (0, &Vec::new()), "{}", reply.detail);
        reply.starts
    }

    /// Unsubscribes.
    pub async fn unsubscribe(&mut self, topics: &[&str]) -> Reply {
        let topics = topics.iter().map(ToString::to_string).collect();
        self.ask(client_frame::Frame::Unsubscribe(Unsubscribe { topics })).await
    }

    /// Adds and drops tags.
    pub async fn set_tags(&mut self, add: &[&str], remove: &[&str]) -> Reply {
        let text = |tags: &[&str]| tags.iter().map(ToString::to_string).collect();
        let tags = SetTags { add: text(add), remove: text(remove) };
        self.ask(client_frame::Frame::SetTags(tags)).await
    }

    /// A round trip: when it returns, the gateway has taken everything sent before.
    pub async fn probe(&mut self) {
        let nonce = u32::from_be_bytes(crate::keys::random());
        self.send(client_frame::Frame::Probe(Probe { nonce })).await;
        self.take("a probe's reply", |frame| match frame {
            Frame::ProbeReply(reply) if reply.nonce == nonce => Some(()),
            _ => None,
        })
        .await;
    }

    /// Acks everything of a delivery's log up to it.
    pub async fn ack(&mut self, delivery: &Deliver) {
        self.send(client_frame::Frame::Ack(Ack { cursors: vec![cursor(delivery)] })).await;
    }

    /// The next delivery; everything but deliveries is put back.
    pub async fn deliver(&mut self) -> Deliver {
        self.take("a delivery", |frame| match frame {
            Frame::Deliver(delivery) => Some(delivery.clone()),
            _ => None,
        })
        .await
    }

    /// The next delivery, which must be a message.
    ///
    /// # Panics
    /// If it is a recall.
    pub async fn message(&mut self) -> (Deliver, Notice) {
        let delivery = self.deliver().await;
        match delivery.what.clone() {
            Some(What::Message(message)) => (delivery, message),
            other => panic!("not a message: {other:?}"),
        }
    }

    /// The next frame `pick` finds something in; what it finds nothing in is kept for later.
    ///
    /// # Panics
    /// If the link ends first.
    pub async fn take<T>(&mut self, what: &str, pick: impl Fn(&Frame) -> Option<T>) -> T {
        let mut at = 0;
        loop {
            if at == self.put_back.len() {
                match self.fresh(what).await {
                    Ok(frame) => self.put_back.push_back(frame),
                    Err(end) => panic!("waiting for {what}, the link ended: {end:?}"),
                }
            }
            if let Some(found) = pick(&self.put_back[at]) {
                self.put_back.remove(at);
                return found;
            }
            at += 1;
        }
    }

    /// What comes next.
    ///
    /// # Errors
    /// The link is over.
    pub async fn event(&mut self) -> Result<Frame, End> {
        match self.put_back.pop_front() {
            Some(frame) => Ok(frame),
            None => self.fresh("anything").await,
        }
    }

    /// Everything put back so far.
    pub fn passed_over(&mut self) -> Vec<Frame> {
        self.put_back.drain(..).collect()
    }

    /// Reads to the end of the link, whatever else comes.
    pub async fn end(&mut self) -> End {
        loop {
            if let Err(end) = self.fresh("the end of the link").await {
                return end;
            }
        }
    }

    /// Drops the connection without a word.
    pub fn cut(self) {
        let stream = self.socket.into_inner();
        let _ = socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO));
    }

    async fn fresh(&mut self, what: &str) -> Result<Frame, End> {
        loop {
            let code = match patiently(what, self.socket.next()).await {
                Some(Ok(Message::Binary(bytes))) => {
                    let frame = crate::contract::ServerFrame::decode(bytes).unwrap();
                    let Some(frame) = frame.frame else { continue };
                    if let Frame::Closing(closing) = &frame {
                        self.closing = Some(closing.clone());
                    }
                    return Ok(frame);
                }
                Some(Ok(Message::Close(close))) => close.map(|close| close.code.into()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(other)) => panic!("a gateway sends binary messages only: {other:?}"),
                Some(Err(_)) | None => None,
            };
            return Err(End { code, closing: self.closing.take() });
        }
    }
}

/// Where a delivery stands.
#[must_use]
pub fn cursor(delivery: &Deliver) -> Cursor {
    Cursor { log: delivery.log.clone(), epoch: delivery.epoch, seq: delivery.seq }
}

/// A first Hello with a token.
#[must_use]
pub fn hello(token: &str) -> Hello {
    Hello {
        app: "demo".into(),
        token: token.into(),
        generation: unix_now_ms(),
        link: 1,
        agent: "pulsegate-tests".into(),
        level: 1,
        ..Hello::default()
    }
}

/// The next Hello of a device that was welcomed before: same registration, a newer link.
#[must_use]
pub fn hello_again(before: &Hello, welcome: &Welcome, cursors: Vec<Cursor>) -> Hello {
    Hello {
        registration_id: welcome.registration_id.clone(),
        registration_secret: if welcome.registration_secret.is_empty() {
            before.registration_secret.clone()
        } else {
            welcome.registration_secret.clone()
        },
        link: before.link + 1,
        cursors,
        ..before.clone()
    }
}

/// A message id as the publish API writes it.
#[must_use]
pub fn id_text(id: &Bytes) -> String {
    uuid::Uuid::from_slice(id).unwrap().to_string()
}
