//! Performs the effects of a client session.

use super::{GapSeen, Options, Storage, View};
use crate::{oracle::Shown, wire};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use pulsegate_proto::{
    frame::{Activity, Receipt, read_message},
    id::{AppId, LogName, MessageId, RegistrationId, Topic},
    session::client::{ClientSession, Config, Effect, Entry, Input, Socket, Store, Wish},
    time::Instant,
};
use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

/// What a test tells a device to do.
#[derive(Debug)]
pub(super) enum Order {
    Subscribe(Vec<Topic>),
    Receipts(Vec<Receipt>),
    Wish(u32, Wish),
    Forget,
    Online,
    NetworkChanged,
    Visible(bool),
    BackPressure(bool),
}

/// What a socket tells its driver.
enum News {
    Open,
    Message(Bytes),
    Closed(u16),
    /// Not of a socket: the list of gateways.
    Gateways(Vec<(String, u32)>, u32),
}

/// Something to tell the session that was decided while performing an effect.
enum Follow {
    IdentitySaved,
    Stored(u32),
    Token(Option<(String, pulsegate_proto::time::UnixMs)>),
}

pub(super) struct Driver {
    session: ClientSession,
    origin: std::time::Instant,
    options: Options,
    storage: Storage,
    view: watch::Sender<View>,
    sockets: BTreeMap<Socket, mpsc::UnboundedSender<Vec<u8>>>,
    running: JoinSet<()>,
    news: mpsc::Sender<(Socket, News)>,
    follow: VecDeque<Follow>,
}

impl Driver {
    pub(super) fn new(app: AppId, options: Options, storage: Storage, view: watch::Sender<View>) -> Self {
        let config = Config {
            app,
            agent: "pulsegate-tests".into(),
            tokens: options.tokens.is_some(),
            ephemeral: false,
            heartbeat: options.heartbeat,
            recent: 0,
            seed: options.seed,
        };
        let (news, _) = mpsc::channel(1);
        Self {
            session: ClientSession::new(Instant::ZERO, config),
            origin: std::time::Instant::now(),
            options,
            storage,
            view,
            sockets: BTreeMap::new(),
            running: JoinSet::new(),
            news,
            follow: VecDeque::new(),
        }
    }

    pub(super) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        // Bounded, so that a slow device pushes back to its socket and stays small.
        let (news, mut come) = mpsc::channel(64);
        self.news = news;
        let identity = self.storage.identity();
        let mut deadline = self.handle(Input::Identity(Box::new(identity)));
        loop {
            let due = deadline.map(|at| self.origin + at.since_origin() / self.options.speed);
            let elapsed = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            deadline = tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Subscribe(topics)) => self.handle(Input::Subscribe(topics)),
                    Some(Order::Receipts(receipts)) => self.handle(Input::Receipts(receipts)),
                    Some(Order::Wish(wish, what)) => self.handle(Input::Wish { wish, what }),
                    Some(Order::Online) => self.handle(Input::Online),
                    Some(Order::NetworkChanged) => self.handle(Input::NetworkChanged),
                    Some(Order::Visible(visible)) => {
                        let activity = Activity {
                            visible_tabs: visible.into(),
                            hidden_tabs: (!visible).into(),
                            frozen: false,
                        };
                        let deadline = self.handle(Input::Activity(activity));
                        if visible { self.handle(Input::Visible) } else { deadline }
                    }
                    Some(Order::Forget) => self.handle(Input::Forget),
                    Some(Order::BackPressure(on)) => self.handle(Input::BackPressure(on)),
                    None => return,
                },
                Some((socket, news)) = come.recv() => match news {
                    News::Open => self.handle(Input::Open { socket }),
                    News::Message(bytes) => self.handle(Input::Message { socket, bytes: &bytes }),
                    News::Gateways(list, ttl_s) => {
                        self.view.send_modify(|view| view.gateways = list.len());
                        for (url, weight) in list {
                            let _ = self.handle(Input::Gateway { url, weight });
                        }
                        self.handle(Input::Gateways { ttl_s })
                    }
                    News::Closed(code) => {
                        self.sockets.remove(&socket);
                        self.handle(Input::SocketClosed { socket, code })
                    }
                },
                () = elapsed => self.handle(Input::Elapsed),
            };
            while self.running.try_join_next().is_some() {}
        }
    }

    /// Feeds an input and everything that follows from it; the next deadline.
    fn handle(&mut self, input: Input<'_>) -> Option<Instant> {
        let mut deadline = self.feed(input);
        while let Some(follow) = self.follow.pop_front() {
            deadline = self.feed(match follow {
                Follow::IdentitySaved => Input::IdentitySaved,
                Follow::Stored(no) => Input::Stored { no },
                Follow::Token(Some((token, expires))) => Input::Token { token: Some(token), expires },
                Follow::Token(None) => Input::TokenDenied,
            });
        }
        deadline
    }

    fn feed(&mut self, input: Input<'_>) -> Option<Instant> {
        let now = Instant::new(self.origin.elapsed() * self.options.speed);
        let effects = self.session.handle(now, input);
        let deadline = effects.deadline().map(|deadline| deadline.at);
        for effect in effects.collect::<Vec<_>>() {
            self.perform(effect);
        }
        let heartbeat = self.session.heartbeat();
        let (asked, belief) = (heartbeat.asked(), heartbeat.belief());
        self.view.send_if_modified(|view| {
            let changed = view.silence_s != asked || view.belief.as_ref() != belief;
            view.silence_s = asked;
            view.belief = belief.cloned();
            changed
        });
        deadline
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { socket, url } => self.connect(socket, url.as_deref()),
            Effect::Send { socket, bytes } => {
                if let Some(sender) = self.sockets.get(&socket) {
                    let _ = sender.send(bytes);
                }
            }
            Effect::CloseSocket { socket } => drop(self.sockets.remove(&socket)),
            Effect::NeedToken(_) => {
                let token = self.options.tokens.as_ref().and_then(|tokens| tokens());
                self.follow.push_back(Follow::Token(token));
            }
            Effect::NeedGateways => {
                if self.options.chooses {
                    self.running.spawn(ask_for_gateways(self.options.gateway, self.news.clone()));
                }
            }
            Effect::Store(store) => self.store(*store),
            Effect::SaveIdentity(save) => {
                self.storage.keep_identity(&save);
                self.follow.push_back(Follow::IdentitySaved);
            }
            Effect::KeepHeartbeat(bytes) => self.storage.keep_heartbeat(&bytes),
            Effect::WipeInbox(_) => {
                self.storage.wipe();
                self.view.send_modify(|view| view.wipes += 1);
            }
            seen => self.view.send_modify(|view| show(view, seen)),
        }
    }

    /// One transaction, then the entries are shown.
    fn store(&mut self, store: Store) {
        let own = self.storage_name();
        let mut lines = Vec::new();
        let mut shown = Vec::new();
        let mut last_text = None;
        let mut recalled = Vec::new();
        for entry in &store.entries {
            match entry {
                Entry::Message { log, at, id, bytes } => {
                    let log = match log {
                        LogName::Device => format!("registration:{own}"),
                        other => other.to_string(),
                    };
                    let one = Shown { id: id_text(id), log, seq: at.seq };
                    lines.push(Storage::shown_line(&one));
                    last_text = read_message(bytes).map(|message| message.body.body);
                    shown.push(one);
                }
                Entry::Recall { message, .. } => recalled.push(id_text(message)),
            }
        }
        lines.extend(store.cursors.iter().map(Storage::cursor_line));
        lines.extend(store.ended.iter().map(Storage::ended_line));
        self.storage.commit(lines);
        let keep = self.options.keep_shown;
        self.view.send_modify(|view| {
            view.shown_count += shown.len() as u64;
            if keep {
                view.shown.append(&mut shown);
            }
            if let Some(text) = last_text {
                view.last_text = text;
            }
            view.recalled.append(&mut recalled);
        });
        self.follow.push_back(Follow::Stored(store.no));
    }

    fn storage_name(&self) -> String {
        let view = self.view.borrow();
        view.registration.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    fn connect(&mut self, socket: Socket, url: Option<&str>) {
        let to = url.and_then(address).unwrap_or(self.options.gateway);
        let (sender, outgoing) = mpsc::unbounded_channel();
        self.sockets.insert(socket, sender);
        self.running.spawn(carry(socket, to, outgoing, self.news.clone()));
    }
}

fn id_text(id: &MessageId) -> String {
    id.to_string()
}

/// `ws://127.0.0.1:1234/…` as an address.
fn address(url: &str) -> Option<SocketAddr> {
    url.split("//").nth(1)?.split('/').next()?.parse().ok()
}

/// What the app of a device would be told.
fn show(view: &mut View, effect: Effect) {
    match effect {
        Effect::State { state, reason } => {
            view.state = state;
            view.reason = reason;
        }
        Effect::Welcomed(welcomed) => {
            view.welcomes += 1;
            view.registration = RegistrationId::parse(&welcomed.registration).ok();
        }
        Effect::Subscribed { topic, recovered } => {
            view.subscribed.insert(topic, recovered);
        }
        Effect::SubscribeFailed { topic, .. } => {
            view.subscribed.remove(&topic);
            view.denied.insert(topic);
        }
        Effect::Unsubscribed { topic } => {
            view.subscribed.remove(&topic);
        }
        Effect::LogEnded { log, .. } => view.ended.push(log.to_string()),
        Effect::Gap { log, reason, .. } => view.gaps.push(GapSeen { log: log.to_string(), reason }),
        Effect::ReceiptsTaken(count) => view.receipts_taken += u64::from(count),
        Effect::Error(fault) => view.faults.push(fault),
        Effect::Learnt(learnt) => view.learnt.push(learnt),
        _ => {}
    }
}

/// Tells what `GET /v1/gateways` says; nothing where nobody answers.
async fn ask_for_gateways(configured: SocketAddr, news: mpsc::Sender<(Socket, News)>) {
    let ask = async {
        let answer = reqwest::get(format!("http://{configured}/v1/gateways")).await.ok()?;
        answer.json::<serde_json::Value>().await.ok()
    };
    let Some(answer) = ask.await else { return };
    let own = format!("http://{configured}");
    let endpoint = |gateway: &serde_json::Value| {
        let url = gateway["url"].as_str()?;
        let url = if url == own { String::new() } else { url.replacen("http", "ws", 1) + "/v1/connect" };
        let weight = u32::try_from(gateway["weight"].as_u64()?).ok()?;
        Some((url, weight))
    };
    let list = answer["gateways"].as_array().into_iter().flatten().filter_map(endpoint).collect();
    let ttl_s = answer["ttl_s"].as_u64().and_then(|ttl| u32::try_from(ttl).ok()).unwrap_or(0);
    let _ = news.send((0, News::Gateways(list, ttl_s))).await;
}

/// One socket from its opening to its end.
async fn carry(
    socket: Socket,
    to: SocketAddr,
    mut outgoing: mpsc::UnboundedReceiver<Vec<u8>>,
    news: mpsc::Sender<(Socket, News)>,
) {
    let opened = async {
        let stream = wire::connect(to, None).await.ok()?;
        let mut request = format!("ws://{to}/v1/connect").into_client_request().ok()?;
        let offered = HeaderValue::from_static(wire::SUBPROTOCOL);
        request.headers_mut().insert("sec-websocket-protocol", offered);
        client_async(request, stream).await.ok()
    };
    let opened = tokio::select! {
        opened = opened => opened,
        // The session lets go of it before it is open; it sends nothing until then.
        _ = outgoing.recv() => return,
    };
    let Some((mut stream, _)) = opened else {
        let _ = news.send((socket, News::Closed(1006))).await;
        return;
    };
    if news.send((socket, News::Open)).await.is_err() {
        return;
    }
    let code = loop {
        tokio::select! {
            bytes = outgoing.recv() => match bytes {
                Some(bytes) => {
                    if stream.send(Message::Binary(bytes.into())).await.is_err() {
                        break 1006;
                    }
                }
                // The session let go of the socket.
                None => {
                    let _ = stream.close(None).await;
                    return;
                }
            },
            come = stream.next() => match come {
                Some(Ok(Message::Binary(bytes))) => {
                    if news.send((socket, News::Message(bytes))).await.is_err() {
                        return;
                    }
                }
                Some(Ok(Message::Close(close))) => break close.map_or(1005, |close| close.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break 1006,
            },
        }
    };
    let _ = news.send((socket, News::Closed(code))).await;
}
