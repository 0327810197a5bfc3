use super::*;
use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pulsegate_proto::frame::{Receipt, Stage, encode_receipts};
use pulsegate_proto::id::MessageId;
use pulsegate_proto::time::UnixMs;

const PATH: &str = "/v1/apps/demo/receipts";
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

fn credentials(device: &Connected) -> String {
    let secret = URL_SAFE_NO_PAD.encode(device.secret.unwrap());
    format!("Registration {}.{secret}", device.registration)
}

fn report(id: &str, stages: &[Stage]) -> Vec<u8> {
    let receipts = stages
        .iter()
        .map(|stage| Receipt {
            message: MessageId::parse(id).unwrap(),
            stage: *stage,
            at: UnixMs(1),
            action: String::new(),
        })
        .collect();
    encode_receipts(receipts).to_vec()
}

fn with_bytes(headers: &[(&str, &str)], body: Vec<u8>) -> Request<Body> {
    let mut request = request("POST", PATH, headers, "");
    *request.body_mut() = Body::from(Bytes::from(body));
    request
}

#[tokio::test]
async fn a_service_worker_reports_without_a_socket_and_once() {
    let world = World::new().await;
    let device = world.device(Some("ann")).await;
    let body = r#"{"target":{"user":"ann"}}"#;
    let id = world.publish(body).await.json()["id"].as_str().unwrap().to_owned();
    let proof = credentials(&device);
    let headers = [PROTOBUF, ("authorization", proof.as_str()), ("origin", "https://demo.test")];
    for _ in 0..2 {
        let stages = [Stage::Received, Stage::Displayed, Stage::Clicked];
        let answer = world.ask(with_bytes(&headers, report(&id, &stages))).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0), "{}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), "https://demo.test");
        assert!(answer.header("vary").contains("Origin"));
    }
    let funnel =
        world.send("GET", &format!("/v1/apps/demo/messages/{id}"), "").await.json()["funnel"].clone();
    assert_eq!((&funnel["displayed"], &funnel["clicked"]), (&1.into(), &1.into()), "{funnel}");
}

#[tokio::test]
async fn only_the_device_itself_reports() {
    let world = World::new().await;
    let device = world.device(None).await;
    let good = credentials(&device);
    let wrong_secret = format!("Registration {}.{}", device.registration, URL_SAFE_NO_PAD.encode([0; 32]));
    let nobody = good.replace(device.registration.as_str(), "nobody");
    for proof in [None, Some(KEY), Some(&wrong_secret), Some(&nobody), Some("Registration x")] {
        let headers: Vec<_> = proof.map(|proof| ("authorization", proof)).into_iter().collect();
        world.ask(with_bytes(&headers, Vec::new())).await.is_problem(401, "unauthorized", None);
    }
    let headers = [("authorization", good.as_str())];
    let elsewhere = request("POST", "/v1/apps/other/receipts", &headers, "");
    world.ask(elsewhere).await.is_problem(401, "unauthorized", None);
    let unknown = request("POST", "/v1/apps/nowhere/receipts", &headers, "");
    world.ask(unknown).await.is_problem(401, "unauthorized", None);
}

#[tokio::test]
async fn what_is_no_report_is_refused() {
    let world = World::new().await;
    let proof = credentials(&world.device(None).await);
    let auth = ("authorization", proof.as_str());
    let answer = world.ask(with_bytes(&[auth, PROTOBUF], b"\xff\xff\xff".to_vec())).await;
    answer.is_problem(400, "malformed", None);
    let json = with_bytes(&[auth, ("content-type", "application/json")], Vec::new());
    world.ask(json).await.is_problem(415, "unsupported_media_type", None);
    let large = with_bytes(&[auth, PROTOBUF], vec![0; 65 * 1024]);
    world.ask(large).await.is_problem(413, "too_large", None);
    let empty = world.ask(with_bytes(&[auth, PROTOBUF], Vec::new())).await;
    assert_eq!(empty.status, 204);
}

#[tokio::test]
async fn pages_of_the_app_may_ask_and_no_others() {
    let world = World::new().await;
    let preflight = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        request("OPTIONS", PATH, &headers, "")
    };
    let answer = world.ask(preflight("https://demo.test")).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), "https://demo.test");
    assert!(answer.header("access-control-allow-methods").contains("POST"));
    assert!(answer.header("access-control-allow-headers").contains("authorization"));
    for origin in ["https://other.test", "https://evil.test", "null"] {
        let answer = world.ask(preflight(origin)).await;
        answer.is_problem(403, "origin_not_allowed", None);
        assert_eq!(answer.header("access-control-allow-origin"), "");
        let answer = world.ask(request("POST", PATH, &[("origin", origin)], "")).await;
        answer.is_problem(403, "origin_not_allowed", None);
    }
}
