//! One or more of every frame, with every field set somewhere.

#![allow(dead_code, clippy::unwrap_used)] // each test file uses its part; wrong samples should fail there

use pulsegate_proto::frame::{
    Activity, Cause, ClientEnvelope, ClientFrame, CloseCode, Closing, Deliver, DeviceTarget, Endpoint,
    ErrorCode, Gap, GapReason, HeartbeatKind, HeartbeatPolicy, Hello, LastLink, LastSeen, Message,
    Notification, NotificationAction, NotifyBody, Publish, Receipt, Redirect, Reply, ServerFrame, Stage,
    Start, Urgency, WebPush, Welcome, What,
};
use pulsegate_proto::id::{AppId, Cursor, LogName, MessageId, Position, RegistrationId, Tag, Topic, UserId};
use pulsegate_proto::time::UnixMs;

pub const NOW: UnixMs = UnixMs(1_800_000_000_000);
const EPOCH: u64 = 3_735_928_559;

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The names and bytes of a golden file.
pub fn read(name: &str) -> Vec<(String, Vec<u8>)> {
    let path = format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let (name, hex) = line.split_once(' ').unwrap();
        let bytes = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap());
        (name.to_owned(), bytes.collect())
    };
    text.lines().map(line).collect()
}

fn id(first: u8) -> MessageId {
    let mut id = [0x11; 16];
    id[0] = first;
    MessageId(id)
}

fn log(name: &str) -> LogName {
    LogName::parse(name).unwrap()
}

fn at(seq: u64) -> Position {
    Position { epoch: EPOCH, seq }
}

fn cursor(name: &str, seq: u64) -> Cursor {
    Cursor { log: log(name), at: at(seq) }
}

fn notification() -> Notification {
    let text = |name: &str| format!("{name}!");
    Notification {
        title: text("title"),
        body: text("body"),
        icon: text("icon"),
        image: text("image"),
        badge: text("badge"),
        url: "https://example.com/m/1".to_owned(),
        tag: text("tag"),
        lang: "en".to_owned(),
        actions: vec![
            NotificationAction { action: text("a"), title: text("t"), icon: text("i"), url: text("u") },
            NotificationAction { action: "b".to_owned(), ..NotificationAction::default() },
        ],
        require_interaction: true,
        silent: true,
        renotify: true,
        dir: "ltr".to_owned(),
    }
}

fn body() -> NotifyBody {
    NotifyBody { app: "demo".to_owned(), body: "any text".to_owned(), ext: r#"{"a":[1]}"#.to_owned() }
}

pub fn client_frames() -> Vec<(String, ClientEnvelope)> {
    let topics = |names: &[&str]| names.iter().map(|name| Topic::parse(name).unwrap()).collect::<Vec<_>>();
    let tags = |names: &[&str]| names.iter().map(|name| Tag::parse(name).unwrap()).collect::<Vec<_>>();
    let first = Hello {
        app: AppId::parse("demo").unwrap(),
        token: "header.claims.signature".to_owned(),
        registration: None,
        generation: 1_800_000_000_000,
        cursors: Vec::new(),
        silence_s: 45,
        agent: "example/1.0".to_owned(),
        last_link: None,
        link: 1,
        level: 1,
        ephemeral: false,
    };
    let again = Hello {
        registration: Some((RegistrationId::parse("r-1").unwrap(), vec![0xab; 32])),
        cursors: vec![cursor("device", 9_007_199_254_740_991), cursor("topic:news/sport", 5)],
        last_link: Some(LastLink {
            session_id: "s-1".to_owned(),
            last_heard_ms: 1_799_999_999_000,
            timed_out: true,
        }),
        link: 2,
        ephemeral: true,
        ..first.clone()
    };
    let receipt = |stage, action: &str| Receipt { message: id(1), stage, at: NOW, action: action.to_owned() };
    let publish = Publish {
        target: DeviceTarget::Topic(Topic::parse("news/sport").unwrap()),
        body: body(),
        notification: Some(notification()),
        ttl_s: Some(0),
        message_id: id(2),
    };
    let to_user = Publish {
        target: DeviceTarget::User(UserId::parse("ann").unwrap()),
        notification: None,
        ttl_s: None,
        ..publish.clone()
    };
    let frames = [
        ("hello-first", 0, ClientFrame::Hello(Box::new(first))),
        ("hello-again", 0, ClientFrame::Hello(Box::new(again))),
        ("beat-reply", 0, ClientFrame::BeatReply { silence_s: 55, silence_no: 3 }),
        ("beat-reply-unchanged", 0, ClientFrame::BeatReply { silence_s: 0, silence_no: 0 }),
        ("ack", 0, ClientFrame::Ack(vec![cursor("device", 7), cursor("topic:news/sport", 300)])),
        ("ack-asking", 5, ClientFrame::Ack(vec![cursor("user:ann", 7)])),
        ("probe", 0, ClientFrame::Probe { nonce: 77 }),
        (
            "receipts",
            6,
            ClientFrame::Receipts(vec![
                receipt(Stage::Received, ""),
                receipt(Stage::Displayed, ""),
                receipt(Stage::Clicked, "reply"),
                receipt(Stage::Dismissed, ""),
                receipt(Stage::Handled, ""),
            ]),
        ),
        ("activity", 0, ClientFrame::Activity(Activity { visible_tabs: 1, hidden_tabs: 9, frozen: true })),
        ("subscribe", 1, ClientFrame::Subscribe(topics(&["news/sport", "a"]))),
        ("unsubscribe", 2, ClientFrame::Unsubscribe(topics(&["a"]))),
        ("set-tags", 3, ClientFrame::SetTags { add: tags(&["vip"]), remove: tags(&["muted", "zh"]) }),
        ("refresh-token", 4, ClientFrame::RefreshToken("header.claims.signature2".to_owned())),
        ("publish-topic", 7, ClientFrame::Publish(Box::new(publish))),
        ("publish-user", 8, ClientFrame::Publish(Box::new(to_user))),
        (
            "set-web-push",
            9,
            ClientFrame::SetWebPush(WebPush {
                endpoint: "https://push.example.com/1".to_owned(),
                p256dh: vec![4; 65],
                auth: vec![5; 16],
            }),
        ),
        (
            "set-web-push-removed",
            10,
            ClientFrame::SetWebPush(WebPush {
                endpoint: String::new(),
                p256dh: Vec::new(),
                auth: Vec::new(),
            }),
        ),
        ("forget", 11, ClientFrame::Forget),
    ];
    frames
        .into_iter()
        .map(|(name, request_id, frame)| (name.to_owned(), ClientEnvelope { request_id, frame: Some(frame) }))
        .collect()
}

pub fn server_frames() -> Vec<(String, ServerFrame)> {
    let start = |name: &str, seq, recovered| Start { log: log(name), at: at(seq), recovered };
    let message = Message {
        id: id(3),
        body: body(),
        notification: Some(notification()),
        published: NOW,
        expires: UnixMs(NOW.0 + 3_600_000),
        urgency: Urgency::High,
        collapse_key: "m1".to_owned(),
    };
    let data = Message { notification: None, urgency: Urgency::VeryLow, ..message.clone() };
    let bare = Message {
        id: id(4),
        body: NotifyBody { body: "hi".to_owned(), ..NotifyBody::default() },
        notification: None,
        published: NOW,
        expires: UnixMs(NOW.0 + 60_000),
        urgency: Urgency::Low,
        collapse_key: String::new(),
    };
    let deliver =
        |name: &str, seq, what| ServerFrame::Deliver(Box::new(Deliver { log: log(name), at: at(seq), what }));
    let gap = |reason| ServerFrame::Gap(Gap { log: log("all"), epoch: EPOCH, after: 3, resume: 8, reason });
    let welcome = Welcome {
        registration: "r-1".to_owned(),
        secret: vec![0xab; 32],
        session: "s-2".to_owned(),
        boot: "b-1".to_owned(),
        network_key: "n-1".to_owned(),
        server_time: NOW,
        token_expires: UnixMs(NOW.0 + 600_000),
        starts: vec![start("device", 9, true), start("topic:news/sport", 5, false)],
        heartbeat: HeartbeatPolicy {
            kind: HeartbeatKind::Fixed,
            min_s: 20,
            max_s: 580,
            visible_max_s: 115,
            night_max_s: 1180,
            night_from_min: 1410,
            night_to_min: 420,
        },
        last_seen: Some(LastSeen {
            heard_ms_ago: 5000,
            beat_unanswered: true,
            cause: Cause::Eof,
            gateway_lived: true,
        }),
        max_frame_bytes: 65_536,
        window: 64,
        topics: vec!["news/sport".to_owned()],
        tags: vec!["vip".to_owned()],
        user: "ann".to_owned(),
        ack_every: 32,
        ack_within_ms: 2000,
        level: 1,
    };
    let returned = Welcome {
        secret: Vec::new(),
        heartbeat: HeartbeatPolicy { kind: HeartbeatKind::Stepped, ..HeartbeatPolicy::default() },
        last_seen: None,
        starts: vec![start("user:ann", 0, true)],
        ..welcome.clone()
    };
    let reply = Reply {
        request_id: 1,
        error: ErrorCode::Ok,
        detail: String::new(),
        message: None,
        retry_after_ms: 0,
        starts: vec![start("topic:news/sport", 5, true)],
        denied: vec!["secret".to_owned()],
    };
    let refused = Reply {
        request_id: 300,
        error: ErrorCode::RateLimited,
        detail: "later".to_owned(),
        message: Some(id(5)),
        retry_after_ms: 1500,
        starts: Vec::new(),
        denied: Vec::new(),
    };
    let closing = |code, after, generation| {
        ServerFrame::Closing(Closing {
            code,
            reason: "why".to_owned(),
            reconnect_after_ms: after,
            generation,
        })
    };
    let endpoint = |url: &str, weight| Endpoint { url: url.to_owned(), weight, region: "eu".to_owned() };
    let redirect = Redirect {
        endpoints: vec![endpoint("wss://a.example/v1/connect", 1), endpoint("wss://b.example/v1/connect", 3)],
        after_ms: 2000,
        reason: "drain".to_owned(),
    };
    let frames = [
        ("welcome-new", ServerFrame::Welcome(Box::new(welcome))),
        ("welcome-again", ServerFrame::Welcome(Box::new(returned))),
        ("beat", ServerFrame::Beat { silence_ms: 45_000, silence_no: 3 }),
        ("deliver-message", deliver("topic:news/sport", 6, What::Message(Box::new(message)))),
        ("deliver-data", deliver("user:ann", 70_000, What::Message(Box::new(data)))),
        ("deliver-bare", deliver("device", 10, What::Message(Box::new(bare.clone())))),
        ("deliver-not-stored", deliver("all", 0, What::Message(Box::new(bare)))),
        ("deliver-recall", deliver("all", 12, What::Recall { message: id(3), tag: "m1".to_owned() })),
        ("deliver-unknown", deliver("all", 13, What::Unknown)),
        ("probe-reply", ServerFrame::ProbeReply { nonce: 77, heard_ms_ago: 46_000, beat_sent_ms_ago: 1000 }),
        ("gap-retention", gap(GapReason::Retention)),
        ("gap-epoch-changed", gap(GapReason::EpochChanged)),
        ("gap-cursor-ahead", gap(GapReason::CursorAhead)),
        ("gap-corrupt", gap(GapReason::Corrupt)),
        ("gap-unspecified", gap(GapReason::Unspecified)),
        ("reply-subscribe", ServerFrame::Reply(Box::new(reply))),
        ("reply-refused", ServerFrame::Reply(Box::new(refused))),
        ("redirect", ServerFrame::Redirect(redirect)),
        ("closing-replaced", closing(CloseCode::Replaced, 0, 1_800_000_000_001)),
        ("closing-draining", closing(CloseCode::Draining, 30_000, 0)),
        ("closing-unknown", closing(CloseCode::Other(4477), 0, 0)),
        ("token-expiring", ServerFrame::TokenExpiring { expires: NOW }),
        (
            "logs",
            ServerFrame::Logs {
                started: vec![start("topic:b", 5, true)],
                ended: vec![(log("topic:a"), ErrorCode::NotPermitted), (log("topic:c"), ErrorCode::Ok)],
            },
        ),
        ("advance", ServerFrame::Advance(vec![cursor("all", 1024), cursor("device", 99)])),
    ];
    frames.into_iter().map(|(name, frame)| (name.to_owned(), frame)).collect()
}
