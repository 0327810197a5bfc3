//! The node and the devices of these tests.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use pulsegate_gateway::config::{self, Config, Engine};
use pulsegate_gateway::node::{Node, NodeOptions};
use pulsegate_proto::frame::{
    ClientEnvelope, ClientFrame, Closing, Hello, Message as PushMessage, NotifyBody, Reply, ServerFrame,
    Urgency, Welcome, What, decode_server, encode_client, encode_message,
};
use pulsegate_proto::id::{AppId, Cursor, LogName, MessageId, Position, RegistrationId, Topic};
use pulsegate_proto::time::UnixMs;
use pulsegate_routing::{Draft, Target};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// Anything a node does within a test is done within this, or the test fails.
pub const SOON: Duration = Duration::from_secs(10);

/// A node of one app, `demo`, where anybody may subscribe to everything. `more` is added to its configuration.
pub async fn node(more: &str) -> Node {
    Node::start(configuration(more), NodeOptions::default()).await.unwrap()
}

pub fn configuration(more: &str) -> Config {
    let text = format!(
        r##"
        listen = "127.0.0.1:0"
        admin_listen = "127.0.0.1:0"
        {more}
        [[apps]]
        id = "demo"
        origins = ["https://example.com"]
        anonymous = true
        anonymous_topics = ["#"]
        [[apps]]
        id = "closed"
        origins = ["https://closed.example"]
        "##
    );
    let mut config = config::parse(&text).unwrap();
    config.store.engine = Engine::Memory;
    config
}

pub fn app() -> AppId {
    AppId::parse("demo").unwrap()
}

pub fn topic(name: &str) -> Topic {
    Topic::parse(name).unwrap()
}

pub fn log(name: &str) -> LogName {
    LogName::parse(name).unwrap()
}

/// A message whose body is `text`, as its publisher hands it in.
pub fn draft(target: Target, text: &str) -> Draft {
    let id = MessageId(*uuid::Uuid::now_v7().as_bytes());
    let now = pulsegate_gateway::clock::now();
    let mut draft = Draft::new(id, now, target, Bytes::new());
    draft.body = encode_message(PushMessage {
        id,
        body: NotifyBody { app: "demo".into(), body: text.into(), ext: String::new() },
        notification: None,
        published: now,
        expires: UnixMs(now.0 + 3_600_000),
        urgency: Urgency::Normal,
        collapse_key: String::new(),
    });
    draft
}

/// Publishes `text` to a topic.
pub async fn publish(node: &Node, to: &str, text: &str) -> MessageId {
    let draft = draft(Target::Topic(topic(to)), text);
    node.state().router.publish(&app(), draft).await.unwrap().id
}

/// A Hello of `demo`.
pub fn hello() -> Hello {
    Hello {
        app: app(),
        token: String::new(),
        registration: None,
        generation: 1,
        cursors: Vec::new(),
        silence_s: 0,
        agent: "test".into(),
        last_link: None,
        link: 1,
        level: 1,
        ephemeral: false,
    }
}

/// A device over tungstenite.
pub struct Device {
    pub socket: WebSocketStream<TcpStream>,
    requests: u32,
}

impl Device {
    /// Dials, and says nothing yet.
    pub async fn dial(address: SocketAddr) -> Self {
        Self::dial_with(address, &[]).await
    }

    pub async fn dial_with(address: SocketAddr, headers: &[(&'static str, &str)]) -> Self {
        let mut request = format!("ws://{address}/v1/connect").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("pulsegate.v1"));
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let (socket, _) = tokio_tungstenite::client_async(request, tcp).await.unwrap();
        Self { socket, requests: 0 }
    }

    /// Dials and is welcomed.
    pub async fn welcomed(node: &Node, hello: Hello) -> (Self, Welcome) {
        let mut device = Self::dial(node.public_addr()).await;
        let welcome = device.greet(hello).await;
        (device, welcome)
    }

    pub async fn greet(&mut self, hello: Hello) -> Welcome {
        self.send(ClientFrame::Hello(Box::new(hello))).await;
        match self.next().await {
            ServerFrame::Welcome(welcome) => *welcome,
            other => panic!("no Welcome but {other:?}"),
        }
    }

    /// Says `frame` without wanting an answer.
    pub async fn send(&mut self, frame: ClientFrame) {
        self.send_raw(encode_client(ClientEnvelope { request_id: 0, frame: Some(frame) })).await;
    }

    pub async fn send_raw(&mut self, bytes: impl Into<Bytes>) {
        self.socket.send(Message::Binary(bytes.into())).await.unwrap();
    }

    /// Says `frame` and waits for the answer, throwing away what else comes.
    pub async fn ask(&mut self, frame: ClientFrame) -> Reply {
        self.requests += 1;
        let envelope = ClientEnvelope { request_id: self.requests, frame: Some(frame) };
        self.send_raw(encode_client(envelope)).await;
        loop {
            if let ServerFrame::Reply(reply) = self.next().await
                && reply.request_id == self.requests
            {
                return *reply;
            }
        }
    }

    pub async fn subscribe(&mut self, topics: &[&str]) -> Reply {
        self.ask(ClientFrame::Subscribe(topics.iter().map(|name| topic(name)).collect())).await
    }

    pub async fn ack(&mut self, log_name: &str, at: Position) {
        self.send(ClientFrame::Ack(vec![Cursor { log: log(log_name), at }])).await;
    }

    /// The next frame.
    pub async fn next(&mut self) -> ServerFrame {
        loop {
            match self.message().await {
                Message::Binary(bytes) => match decode_server(&bytes).unwrap() {
                    Some(frame) => return frame,
                    None => continue,
                },
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("no frame but {other:?}"),
            }
        }
    }

    /// The next message of the socket, whatever it is.
    pub async fn message(&mut self) -> Message {
        tokio::time::timeout(SOON, self.socket.next()).await.expect("in time").expect("open").unwrap()
    }

    /// The next delivery: where, and its body's text.
    pub async fn delivery(&mut self) -> (LogName, Position, String) {
        match self.next().await {
            ServerFrame::Deliver(deliver) => match deliver.what {
                What::Message(message) => (deliver.log, deliver.at, message.body.body),
                other => panic!("no message but {other:?}"),
            },
            other => panic!("no delivery but {other:?}"),
        }
    }

    /// Waits for the end: what Closing said, and the code of the close frame.
    pub async fn closed(&mut self) -> (Option<Closing>, u16) {
        let mut said = None;
        loop {
            match self.message().await {
                Message::Binary(bytes) => {
                    if let Some(ServerFrame::Closing(closing)) = decode_server(&bytes).unwrap() {
                        said = Some(closing);
                    }
                }
                Message::Close(Some(frame)) => return (said, frame.code.into()),
                Message::Close(None) => return (said, 1005),
                _ => {}
            }
        }
    }

    /// Whether a Probe comes back, and nothing before it: what was to come has come.
    pub async fn is_quiet(&mut self) -> bool {
        self.send(ClientFrame::Probe { nonce: 77 }).await;
        matches!(self.next().await, ServerFrame::ProbeReply { nonce: 77, .. })
    }
}

/// A welcomed device that comes back.
pub fn again(welcome: &Welcome, generation: u64, link: u64) -> Hello {
    let id = RegistrationId::parse(&welcome.registration).unwrap();
    Hello { registration: Some((id, welcome.secret.clone())), generation, link, ..hello() }
}

/// A device byte by byte.
pub struct Raw(pub TcpStream);

impl Raw {
    pub async fn dial(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        Self(tcp)
    }

    /// Dials and upgrades.
    pub async fn upgraded(address: SocketAddr) -> Self {
        let mut raw = Self::dial(address).await;
        raw.write(super::request::HANDSHAKE.as_bytes()).await;
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        raw
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// A frame as a client must send it: masked.
    pub async fn frame(&mut self, first: u8, payload: &[u8]) {
        let mut bytes = vec![first];
        match payload.len() {
            short @ 0..=125 => bytes.push(0x80 | short as u8),
            middle @ 126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend((middle as u16).to_be_bytes());
            }
            long => {
                bytes.push(0x80 | 127);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.write(&bytes).await;
    }

    /// The answer's head.
    pub async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte().await.expect("a whole head"));
        }
        String::from_utf8(head).unwrap()
    }

    /// Everything until the node hangs up.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        tokio::time::timeout(SOON, self.0.read_to_end(&mut rest)).await.expect("in time").unwrap();
        rest
    }

    async fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        let read = tokio::time::timeout(SOON, self.0.read(&mut byte)).await.expect("in time").unwrap();
        (read == 1).then_some(byte[0])
    }

    /// The next frame of the node: its first byte and its payload; `None`: the end.
    pub async fn read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.byte().await?;
        let length = match self.byte().await? {
            126 => u64::from(u16::from_be_bytes([self.byte().await?, self.byte().await?])),
            127 => {
                let mut bytes = [0; 8];
                self.0.read_exact(&mut bytes).await.unwrap();
                u64::from_be_bytes(bytes)
            }
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await.unwrap();
        Some((first, payload))
    }

    /// Waits for the end: what Closing said, and the code of the close frame.
    pub async fn closed(&mut self) -> (Option<Closing>, u16) {
        let mut said = None;
        while let Some((first, payload)) = self.read_frame().await {
            match first {
                0x82 => {
                    if let Some(ServerFrame::Closing(closing)) = decode_server(&payload).unwrap() {
                        said = Some(closing);
                    }
                }
                0x88 => return (said, u16::from_be_bytes([payload[0], payload[1]])),
                _ => {}
            }
        }
        panic!("the connection ended without a close frame");
    }
}
