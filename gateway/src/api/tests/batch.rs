use super::*;
use serde_json::json;

const PATH: &str = "/v1/apps/demo/messages:batch";

fn lines(answer: &Answer) -> Vec<Value> {
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_bad_line_is_a_problem_in_its_place_and_the_others_are_accepted() {
    let world = World::new().await;
    let batch = [
        r#"{"target":{"topic":"a"},"idempotency_key":"k1"}"#,
        r#"{"target":{"topic":"a//b"}}"#,
        "no JSON",
        "",
        r#"{"target":{"topic":"a"},"colour":1}"#,
        r#"{"target":{"registration":"nobody"}}"#,
        r#"{"target":{"topic":"a"},"idempotency_key":"k1"}"#,
        r#"{"target":{"topic":"b"}}"#,
    ]
    .join("\r\n");
    let answer = world.send("POST", PATH, &batch).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines = lines(&answer);
    assert_eq!(lines.len(), 7, "a blank line has no answer: {lines:?}");
    let code = |i: usize| lines[i]["code"].as_str();
    assert_eq!(lines[0]["state"], "accepted");
    assert_eq!((code(1), &lines[1]["field"]), (Some("invalid_field"), &json!("target.topic")));
    assert_eq!(code(2), Some("malformed"));
    assert_eq!((code(3), &lines[3]["field"]), (Some("unknown_field"), &json!("colour")));
    assert_eq!((code(4), &lines[4]["status"]), (Some("unknown_registration"), &json!(422)));
    assert_eq!(lines[5]["id"], lines[0]["id"], "the same key, the same message");
    assert_ne!(lines[6]["id"], lines[0]["id"]);
}

#[tokio::test]
async fn thousands_of_lines_are_answered_in_order_and_share_their_syncs() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::on_disk(folder.path()).await;
    let batch: String = (0..3000)
        .map(|i| format!("{{\"target\":{{\"topic\":\"t\"}},\"idempotency_key\":\"k{i}\"}}\n"))
        .collect();
    let first = lines(&world.send("POST", PATH, &batch).await);
    let second = lines(&world.send("POST", PATH, &batch).await);
    assert_eq!(first.len(), 3000);
    assert!(first.iter().all(|line| line["state"] == "accepted"));
    assert_eq!(first, second, "each key answers with its own id, in its own place");
    let stats = world.state.router.stats();
    assert!(stats.syncs <= 60, "a group of 256 shares a sync: {stats:?}");
}

#[tokio::test]
async fn the_header_is_refused_and_so_is_too_much() {
    let world = World::with("[limits]\nbatch_lines = 3\nbatch_bytes = 2000\npublishes_per_second = 2").await;
    let keyed = [("authorization", KEY), ("idempotency-key", "x")];
    let line = r#"{"target":{"topic":"a"}}"#;
    world.ask(request("POST", PATH, &keyed, line)).await.is_problem(
        400,
        "header_not_allowed",
        Some("Idempotency-Key"),
    );
    let announced = [("authorization", KEY), ("content-length", "2001")];
    world.ask(request("POST", PATH, &announced, "")).await.is_problem(413, "too_large", None);
    let four = lines(&world.send("POST", PATH, &format!("{line}\n").repeat(4)).await);
    assert_eq!(four.len(), 4);
    assert_eq!((&four[1]["state"], &four[2]["code"]), (&json!("accepted"), &json!("rate_limited")));
    assert!(four[2]["retry_after_s"].as_u64().unwrap() >= 1);
    assert_eq!(four[3]["code"], "too_large", "the fourth line is not read");
    assert!(lines(&world.send("POST", PATH, "").await).is_empty());
}

#[tokio::test]
async fn an_answer_comes_while_the_batch_is_still_being_sent() {
    let world = World::new().await;
    let (lines_in, mut lines_out) = tokio::sync::mpsc::channel::<&'static str>(1);
    let sending = futures_util::stream::poll_fn(move |context| {
        lines_out.poll_recv(context).map(|line| line.map(Ok::<_, std::convert::Infallible>))
    });
    let mut ask = request("POST", PATH, &[("authorization", KEY)], "");
    *ask.body_mut() = Body::from_stream(sending);
    let response = world.public.clone().oneshot(ask).await.unwrap();
    assert_eq!(response.status(), 200, "the answer begins before the first line");
    let mut body = response.into_body();
    for _ in 0..3 {
        // In two pieces, as a slow network would bring it.
        lines_in.send("{\"target\":{\"top").await.unwrap();
        lines_in.send("ic\":\"a\"}}\n").await.unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        let line: Value = serde_json::from_slice(frame.data_ref().unwrap()).unwrap();
        assert_eq!(line["state"], "accepted");
    }
    drop(lines_in);
    assert!(body.frame().await.is_none());
}
