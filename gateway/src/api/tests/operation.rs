use super::*;

async fn admin(world: &World, method: &str, path: &str) -> Answer {
    world.ask_admin(request(method, path, &[], "")).await
}

#[tokio::test]
async fn health_and_readiness_are_told_apart() {
    let world = World::new().await;
    assert_eq!(admin(&world, "GET", "/healthz").await.status, 200);
    assert_eq!(admin(&world, "GET", "/readyz").await.json()["status"], "ready");
    assert_eq!(world.send("GET", "/readyz", "").await.status, 200);
    assert!(world.state.begin_drain());
    assert!(!world.state.begin_drain(), "only the first one begins it");
    for answer in [admin(&world, "GET", "/readyz").await, world.send("GET", "/readyz", "").await] {
        answer.is_problem(503, "draining", None);
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(admin(&world, "GET", "/healthz").await.status, 200);
    world.state.drain_begun().await;
}

#[tokio::test]
async fn a_closed_store_is_not_ready_and_accepts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::on_disk(folder.path()).await;
    world.state.router.shutdown().await.unwrap();
    let ready = world.send("GET", "/readyz", "").await;
    ready.is_problem(503, "unavailable", None);
    let refused = world.publish(r#"{"target":{"topic":"a"}}"#).await;
    refused.is_problem(503, "unavailable", None);
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
}

#[tokio::test]
async fn metrics_count_answers_by_route_and_hold_no_name_an_asker_made_up() {
    let world = World::new().await;
    world.publish(r#"{"target":{"topic":"a"}}"#).await;
    world.publish("{").await;
    world.send("GET", "/v1/made/up", "").await;
    let answer = admin(&world, "GET", "/metrics").await;
    assert!(answer.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    let text = answer.text();
    for line in [
        "http_requests_total{route=\"/v1/apps/{app}/messages\",status=\"202\"} 1",
        "http_requests_total{route=\"/v1/apps/{app}/messages\",status=\"400\"} 1",
        "http_requests_total{route=\"other\",status=\"404\"} 1",
        "published_total 1",
        "store_publishes_total 1",
        "apps 2",
        "draining 0",
    ] {
        let line = format!("{}_{line}", crate::metric::PREFIX);
        assert!(text.lines().any(|have| have == line), "{line} in\n{text}");
    }
    assert!(!text.contains("made") && text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_console_shows_the_node_and_runs_nothing() {
    let world = World::new().await;
    let page = admin(&world, "GET", "/console").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy").to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let text = page.text();
    for shown in ["<th>Condition<td>ready", "<td>demo<td>https://demo.test", "Connected devices"] {
        assert!(text.contains(shown), "{shown} in {text}");
    }
    assert!(!text.contains("af1349") && !text.contains("<script"));
}

#[tokio::test]
async fn a_drain_is_asked_for_by_operators_not_by_pages() {
    let world = World::new().await;
    let page = request("POST", "/v1/drain", &[("origin", "http://evil.test")], "");
    world.ask_admin(page).await.is_problem(403, "origin_not_allowed", None);
    assert!(!world.state.is_draining());
    for nonsense in ["/v1/drain?per_second=fast", "/v1/drain?per_secnod=5"] {
        admin(&world, "POST", nonsense).await.is_problem(400, "malformed", Some("per_second"));
        assert!(!world.state.is_draining());
    }
    assert_eq!(admin(&world, "POST", "/v1/drain?per_second=5").await.status, 202);
    assert!(world.state.is_draining());
    assert_eq!(world.state.drain_per_second.get(), Some(&5));
    assert_eq!(admin(&world, "POST", "/v1/drain").await.status, 202);
    assert_eq!(world.state.drain_per_second.get(), Some(&5), "the first who asks sets the pace");
    admin(&world, "GET", "/v1/drain").await.is_problem(405, "method_not_allowed", None);
}

#[tokio::test]
async fn a_page_whose_name_was_pointed_at_this_machine_learns_nothing() {
    let world = World::new().await;
    for path in ["/console", "/metrics", "/openapi.json"] {
        let rebound = request("GET", path, &[("host", "evil.test:8081")], "");
        world.ask_admin(rebound).await.is_problem(403, "origin_not_allowed", None);
        for host in ["127.0.0.1:8081", "localhost:8081", "[::1]:8081"] {
            let own = request("GET", path, &[("host", host)], "");
            assert_eq!(world.ask_admin(own).await.status, 200, "{path} as {host}");
        }
    }
    let exposed = World::with("admin_exposed = true\nadmin_listen = '0.0.0.0:8081'").await;
    let by_name = request("GET", "/metrics", &[("host", "gateway-3.internal")], "");
    assert_eq!(exposed.ask_admin(by_name).await.status, 200);
}

#[tokio::test]
async fn publishing_is_not_for_the_admin_listener() {
    let world = World::new().await;
    let publish = request("POST", "/v1/apps/demo/messages", &[("authorization", KEY)], "{}");
    world.ask_admin(publish).await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn the_demo_page_exists_in_dev_only_and_learns_its_key_from_this_server_only() {
    let world = World::dev().await;
    let root = world.ask(request("GET", "/", &[], "")).await;
    assert_eq!((root.status.as_u16(), root.header("location")), (307, "/demo/"));
    let page = world.ask(request("GET", "/demo/", &[("host", "127.0.0.1:1")], "")).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    let config = |headers: &[(&str, &str)]| request("GET", "/demo/config.json", headers, "");
    let own = world.ask(config(&[("host", "127.0.0.1:8080")])).await;
    assert_eq!(
        own.json(),
        serde_json::json!({
            "url": "http://127.0.0.1:8080", "app": "demo", "key": "pg_demo_k1_all", "token_secret": "c2VjcmV0"
        })
    );
    assert_eq!(own.header("cache-control"), "no-store");
    assert_eq!(own.header("access-control-allow-origin"), "");
    let cross = [("host", "127.0.0.1:8080"), ("origin", "http://evil.test")];
    world.ask(config(&cross)).await.is_problem(404, "not_found", None);
    world.ask(config(&[("host", "evil.test")])).await.is_problem(404, "not_found", None);
    world.ask(request("GET", "/demo/../Cargo.toml", &[], "")).await.is_problem(404, "not_found", None);
    let plain = World::new().await;
    for path in ["/", "/demo/", "/demo/config.json"] {
        plain.ask(request("GET", path, &[("host", "127.0.0.1")], "")).await.is_problem(
            404,
            "not_found",
            None,
        );
    }
}

#[tokio::test]
async fn a_wasm_of_another_build_is_not_found() {
    let world = World::new().await;
    for path in ["/pulsegate-worker.wasm", "/pulsegate-worker.wasm?h=0000000000000000"] {
        world.ask(request("GET", path, &[], "")).await.is_problem(404, "not_found", None);
    }
}
