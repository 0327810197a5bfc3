use super::*;
use serde_json::json;

fn path(id: &RegistrationId) -> String {
    format!("/v1/apps/demo/registrations/{id}")
}

#[tokio::test]
async fn a_registration_is_shown_changed_and_deleted() {
    let world = World::new().await;
    let id = world.device(Some("ann")).await.registration;
    let shown = world.send("GET", &path(&id), "").await.json();
    assert_eq!((&shown["id"], &shown["user"]), (&json!(id.as_str()), &json!("ann")));
    assert_eq!((&shown["online"], &shown["agent"]), (&json!(false), &json!("test/1")));
    assert!(shown["created"].as_str().unwrap().ends_with('Z'));

    let tags = world.send("PATCH", &path(&id), r#"{"tags":{"add":["vip","zh","vip"]}}"#).await;
    assert_eq!((tags.status.as_u16(), &tags.json()["tags"]), (200, &json!(["vip", "zh"])));
    let tags = world.send("PATCH", &path(&id), r#"{"tags":{"add":["a"],"remove":["zh"]}}"#).await;
    assert_eq!(tags.json()["tags"], json!(["a", "vip"]));
    let tags = world.send("PATCH", &path(&id), r#"{"tags":["vip","new"]}"#).await;
    assert_eq!(tags.json()["tags"], json!(["new", "vip"]));

    assert_eq!(world.send("DELETE", &path(&id), "").await.status, 204);
    world.send("GET", &path(&id), "").await.is_problem(404, "not_found", None);
    world.send("DELETE", &path(&id), "").await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn a_wrong_change_is_named() {
    let world = World::new().await;
    let id = world.device(None).await.registration;
    for (body, code, field) in [
        ("{}", "invalid_field", "tags"),
        (r#"{"labels":["vip"]}"#, "unknown_field", "labels"),
        (r#"{"tags":1}"#, "invalid_field", "tags"),
        (r#"{"tags":{"add":["not"]}}"#, "invalid_field", "tags.add[0]"),
        (r#"{"tags":{"add":"vip"}}"#, "invalid_field", "tags.add"),
        (r#"{"tags":{"set":["vip"]}}"#, "unknown_field", "tags.set"),
        (r#"{"tags":["vip"],"user":"bob"}"#, "unknown_field", "user"),
    ] {
        world.send("PATCH", &path(&id), body).await.is_problem(422, code, Some(field));
    }
    let many: Vec<String> = (0..65).map(|i| format!("t{i}")).collect();
    let many = json!({ "tags": { "add": many } }).to_string();
    world.send("PATCH", &path(&id), &many).await.is_problem(422, "too_many", Some("tags"));
    let change = r#"{"tags":{"add":["vip"]}}"#;
    world.send("PATCH", &path(&nobody()), change).await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn topics_in_paths_may_be_plain_or_encoded() {
    let world = World::new().await;
    let id = world.device(None).await.registration;
    for topic in ["a", "news/sport", "news%2Fworld", "x.y-z_0"] {
        let answer = world.send("PUT", &format!("{}/topics/{topic}", path(&id)), "").await;
        assert_eq!(answer.status, 204, "{topic}: {}", answer.text());
    }
    let topics = world.send("GET", &path(&id), "").await.json()["topics"].clone();
    let names: Vec<&str> =
        topics.as_array().unwrap().iter().map(|topic| topic["topic"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "news/sport", "news/world", "x.y-z_0"]);
    assert_eq!(topics[0]["made_by"], "backend");
    assert_eq!(world.send("DELETE", &format!("{}/topics/news%2Fsport", path(&id)), "").await.status, 204);
    assert_eq!(world.send("DELETE", &format!("{}/topics/news/world", path(&id)), "").await.status, 204);
    let left = world.send("GET", &path(&id), "").await.json()["topics"].as_array().unwrap().len();
    assert_eq!(left, 2);
    for wrong in ["a//b", "a%20b", "a/%23"] {
        let answer = world.send("PUT", &format!("{}/topics/{wrong}", path(&id)), "").await;
        answer.is_problem(422, "invalid_field", Some("topic"));
    }
    let elsewhere = format!("{}/topics/a", path(&nobody()));
    world.send("PUT", &elsewhere, "").await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn over_a_hundred_topics_is_too_many() {
    let world = World::new().await;
    let id = world.device(None).await.registration;
    for i in 0..100 {
        assert_eq!(world.send("PUT", &format!("{}/topics/t{i}", path(&id)), "").await.status, 204);
    }
    let answer = world.send("PUT", &format!("{}/topics/one-more", path(&id)), "").await;
    answer.is_problem(422, "too_many", Some("topics"));
    assert_eq!(world.send("PUT", &format!("{}/topics/t0", path(&id)), "").await.status, 204);
}

#[tokio::test]
async fn a_users_devices_are_listed() {
    let world = World::new().await;
    world.device(Some("ann@example.com")).await;
    world.device(Some("ann@example.com")).await;
    for path in ["/v1/apps/demo/users/ann@example.com", "/v1/apps/demo/users/ann%40example.com"] {
        let user = world.send("GET", path, "").await.json();
        assert_eq!(user["user"], "ann@example.com");
        assert_eq!(user["registrations"].as_array().unwrap().len(), 2);
        assert_eq!(user["online"], false);
        assert!(user["last_seen"].is_string());
    }
    let unseen = world.send("GET", "/v1/apps/demo/users/bob", "").await.json();
    assert_eq!((&unseen["registrations"], &unseen["last_seen"]), (&json!([]), &Value::Null));
    world.send("GET", "/v1/apps/demo/users/a%07b", "").await.is_problem(422, "invalid_field", Some("user"));
}

#[tokio::test]
async fn the_list_goes_on_where_the_cursor_points() {
    let world = World::new().await;
    for _ in 0..5 {
        world.device(None).await;
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for _ in 0..4 {
        let path = format!("/v1/apps/demo/registrations?limit=2&cursor={cursor}");
        let page = world.send("GET", &path, "").await.json();
        for one in page["registrations"].as_array().unwrap() {
            seen.push(one["id"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let mut unique = seen.clone();
    unique.sort();
    unique.dedup();
    assert_eq!((seen.len(), unique.len()), (5, 5));
    let foreign = world
        .ask(request("GET", "/v1/apps/other/registrations", &[("authorization", FOREIGN_KEY)], ""))
        .await;
    assert_eq!(foreign.json()["registrations"], json!([]));
    let wrong = world.send("GET", "/v1/apps/demo/registrations?cursor=a%20b", "").await;
    wrong.is_problem(400, "malformed", Some("cursor"));
    let wrong = world.send("GET", "/v1/apps/demo/registrations?limit=many", "").await;
    wrong.is_problem(400, "malformed", Some("limit"));
}
