use super::super::{openapi, route, schema};
use super::*;
use std::collections::BTreeSet;
use utoipa::PartialSchema;

async fn document(world: &World) -> Value {
    let answer = world.ask_admin(request("GET", "/openapi.json", &[], "")).await;
    assert_eq!(answer.header("content-type"), "application/json");
    answer.json()
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_a_route() {
    let world = World::new().await;
    let document = document(&world).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            described.insert((method.to_uppercase(), path.clone()));
        }
    }
    let routed: BTreeSet<_> =
        route::all().iter().map(|route| (route.method.to_owned(), route.path.replace("{*", "{"))).collect();
    assert_eq!(described, routed);
    assert!(routed.len() >= 25);
    // What is described is answered: neither "no such path" nor "not with this method".
    for (method, path) in &described {
        let path = path
            .replace("{app}", "demo")
            .replace("{id}", "nobody")
            .replace("{topic}", "a/b")
            .replace("{user}", "ann");
        let mut answers = Vec::new();
        for router in [&world.public, &world.admin] {
            let answer = router.clone().oneshot(request(method, &path, &[], "")).await.unwrap();
            answers.push(read(answer).await);
        }
        let nowhere = |answer: &Answer| {
            matches!(answer.status.as_u16(), 404 | 405) && {
                let detail = answer.json()["detail"].clone();
                detail.as_str().unwrap().contains("path")
            }
        };
        assert!(!answers.iter().all(nowhere), "{method} {path}");
    }
}

#[tokio::test]
async fn every_reference_in_the_document_leads_somewhere() {
    let world = World::new().await;
    let document = document(&world).await;
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 30);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let ids: Vec<_> = route::all()
        .iter()
        .map(|route| {
            let path = route.path.replace("{*", "{");
            document["paths"][path][route.method.to_lowercase()]["operationId"].clone()
        })
        .collect();
    let unique: BTreeSet<_> = ids.iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(unique.len(), ids.len());
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                if let (true, Value::String(reference)) = (name == "$ref", inner) {
                    references.push(reference.clone());
                }
                collect(inner, references);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

/// The fields of a described object.
fn fields<T: PartialSchema>() -> BTreeSet<String> {
    let described = serde_json::to_value(T::schema()).unwrap();
    described["properties"].as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn what_is_described_of_a_message_is_what_is_read() {
    let world = World::new().await;
    let message = serde_json::json!({
        "target": { "topic": "a", "exclude": { "registrations": [], "users": [] } },
        "notification": {
            "title": "t", "body": "b", "icon": "i", "image": "m", "badge": "g", "url": "/u", "tag": "x",
            "lang": "de", "dir": "ltr", "require_interaction": true, "silent": false, "renotify": true,
            "actions": [{ "action": "a", "title": "A", "icon": "i", "url": "/v" }],
        },
        "body": "b", "ext": {}, "ttl_s": 1, "urgency": "low", "collapse_key": "c",
        "deliver_at": "2020-01-01T00:00:00Z",
    });
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&message), fields::<schema::PublishRequest>());
    assert_eq!(names(&message["notification"]), fields::<schema::NotificationRequest>());
    assert_eq!(names(&message["notification"]["actions"][0]), fields::<schema::ActionRequest>());
    assert_eq!(names(&message["target"]["exclude"]), fields::<schema::ExcludeRequest>());
    let accepted = world.publish(&message.to_string()).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    let mut line = names(&message);
    line.insert("idempotency_key".into());
    assert_eq!(line, fields::<schema::BatchLine>());
    let kinds = ["registration", "registrations", "user", "users", "topic", "tags", "everyone", "exclude"];
    assert_eq!(
        kinds.into_iter().map(String::from).collect::<BTreeSet<_>>(),
        fields::<schema::TargetRequest>()
    );
    assert!(openapi::describe(&route::all()).to_json().unwrap().len() > 1000);
}
