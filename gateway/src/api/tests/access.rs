use super::*;

/// Every route of a backend, and which scope it needs.
const ROUTES: [(&str, &str, &str); 14] = [
    ("POST", "/v1/apps/demo/messages", "publish"),
    ("POST", "/v1/apps/demo/messages:batch", "publish"),
    ("GET", "/v1/apps/demo/messages/0192f3a0-0000-7000-8000-000000000000", "read"),
    ("DELETE", "/v1/apps/demo/messages/0192f3a0-0000-7000-8000-000000000000", "publish"),
    ("GET", "/v1/apps/demo/messages/0192f3a0-0000-7000-8000-000000000000/trace", "read"),
    ("POST", "/v1/apps/demo/audience:count", "read"),
    ("GET", "/v1/apps/demo/registrations", "read"),
    ("GET", "/v1/apps/demo/registrations/nobody", "read"),
    ("PATCH", "/v1/apps/demo/registrations/nobody", "admin"),
    ("DELETE", "/v1/apps/demo/registrations/nobody", "admin"),
    ("PUT", "/v1/apps/demo/registrations/nobody/topics/a", "admin"),
    ("PUT", "/v1/apps/demo/registrations/nobody/topics/a/b", "admin"),
    ("DELETE", "/v1/apps/demo/registrations/nobody/topics/a", "admin"),
    ("GET", "/v1/apps/demo/users/ann", "read"),
];

#[tokio::test]
async fn nobody_in_particular_is_unauthorized_everywhere() {
    let world = World::new().await;
    for (method, path, _) in ROUTES {
        let elsewhere = path.replace("/demo/", "/nowhere/");
        let mut answers = Vec::new();
        for (path, key) in [
            (path, None),
            (path, Some("Bearer pg_demo_k1_wrong")),
            (path, Some("Bearer pg_demo_k9_all")),
            (path, Some(FOREIGN_KEY)),
            (elsewhere.as_str(), Some(KEY)),
        ] {
            let headers: Vec<_> = key.map(|key| ("authorization", key)).into_iter().collect();
            let answer = world.ask(request(method, path, &headers, "no JSON")).await;
            answer.is_problem(401, "unauthorized", None);
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            answers.push(answer.body);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{method} {path} tells unknown from foreign");
    }
}

#[tokio::test]
async fn a_key_needs_the_scope_of_the_route() {
    let world = World::new().await;
    for (method, path, scope) in ROUTES {
        for (key, has) in [(READ_KEY, "read"), (PUBLISH_KEY, "publish")] {
            let answer = world.ask(request(method, path, &[("authorization", key)], "no JSON")).await;
            if scope == has {
                assert_ne!(answer.status, 403, "{method} {path} with {has}");
                assert_ne!(answer.status, 401, "{method} {path} with {has}");
            } else {
                answer.is_problem(403, "forbidden", None);
                assert!(answer.json()["detail"].as_str().unwrap().contains(scope));
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_there_and_not_for_this_method_is_a_problem_too() {
    let world = World::new().await;
    world.send("GET", "/v1/nothing", "").await.is_problem(404, "not_found", None);
    world.send("PUT", "/v1/apps/demo/messages", "").await.is_problem(405, "method_not_allowed", None);
    world.send("GET", "/healthz", "").await.is_problem(404, "not_found", None);
    world.send("GET", "/metrics", "").await.is_problem(404, "not_found", None);
    world.send("GET", "/console", "").await.is_problem(404, "not_found", None);
    world.send("POST", "/v1/drain", "").await.is_problem(404, "not_found", None);
    world.send("GET", "/demo/config.json", "").await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn a_revoked_key_is_out_at_the_reload() {
    let world = World::new().await;
    assert_eq!(world.send("GET", "/v1/apps/demo/users/ann", "").await.status, 200);
    world.state.reload(crate::config::parse("[[apps]]\nid='demo'").unwrap());
    world.send("GET", "/v1/apps/demo/users/ann", "").await.is_problem(401, "unauthorized", None);
}

#[tokio::test]
async fn no_secret_is_repeated_in_an_answer() {
    let world = World::new().await;
    for key in ["Bearer pg_demo_k1_sesame", "Registration r1.c2VzYW1l"] {
        let answer =
            world.ask(request("POST", "/v1/apps/demo/messages", &[("authorization", key)], "{}")).await;
        assert!(!answer.text().contains("sesame") && !answer.text().contains("c2VzYW1l"));
    }
}

/// A writer that keeps what was logged.
#[derive(Clone, Default)]
struct Kept(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_reaches_the_log_even_where_everything_is_logged() {
    let kept = Kept::default();
    let writer = kept.clone();
    let everything = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(everything);
    let world = World::new().await;
    let secret = "sesame-open-sesame";
    let hash = blake3::hash(secret.as_bytes());
    let file = format!("[[apps]]\nid='demo'\n[[apps.keys]]\nid='k1'\nblake3='{hash}'");
    world.state.reload(crate::config::parse(&file).unwrap());
    let good = format!("Bearer pg_demo_k1_{secret}");
    let bad = format!("Bearer pg_demo_k2_{secret}");
    let device = format!("Registration nobody.{secret}");
    for proof in [&good, &bad, &device] {
        let headers = [("authorization", proof.as_str())];
        let body = r#"{"target":{"topic":"a"}}"#;
        world.ask(request("POST", "/v1/apps/demo/messages", &headers, body)).await;
        world.ask(request("POST", "/v1/apps/demo/receipts", &headers, "")).await;
    }
    let token = format!("eyJhbGciOiJIUzI1NiIsImtpZCI6InQxIn0.{secret}.{secret}");
    let refused = world.state.auth.device(&app(), &token, crate::clock::now()).await;
    tracing::info!(?refused, config = ?world.state.config.load(), "what a careless line might hold");
    drop(guard);
    let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("what a careless line might hold") && log.contains("accepted"), "{log}");
    assert!(!log.contains(secret), "{log}");
}
