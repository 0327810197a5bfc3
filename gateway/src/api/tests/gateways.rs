use super::*;
use crate::listener::{Peer, Scheme};
use serde_json::json;

fn from(peer: Option<(&str, Scheme)>, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = request("GET", "/v1/gateways", headers, "");
    if let Some((address, scheme)) = peer {
        let peer = Peer { address: address.parse().unwrap(), scheme };
        request.extensions_mut().insert(peer);
    }
    request
}

async fn first(world: &World, request: Request<Body>) -> Value {
    world.ask(request).await.json()["gateways"][0]["url"].clone()
}

#[tokio::test]
async fn a_client_is_told_what_it_dialled_and_the_others() {
    let text = "trusted_proxies = ['10.0.0.0/8']\n[gateways]\nurls = ['https://b.test', 'https://a.test/']";
    let world = World::with(text).await;
    let host = ("host", "push.test:8080");
    let answer = world.ask(from(Some(("1.2.3.4", Scheme::Http)), &[host])).await.json();
    let gateway = |url: &str| json!({ "url": url, "weight": 1, "region": "" });
    assert_eq!(
        answer["gateways"],
        json!([gateway("http://push.test:8080"), gateway("https://b.test"), gateway("https://a.test")])
    );
    assert!(answer["ttl_s"].as_u64().unwrap() > 0);
    let tls = first(&world, from(Some(("1.2.3.4", Scheme::Https)), &[host])).await;
    assert_eq!(tls, "https://push.test:8080");
    let proto = ("x-forwarded-proto", "https");
    let behind = first(&world, from(Some(("10.1.1.1", Scheme::Http)), &[host, proto])).await;
    assert_eq!(behind, "https://push.test:8080");
    let forged = first(&world, from(Some(("1.2.3.4", Scheme::Http)), &[host, proto])).await;
    assert_eq!(forged, "http://push.test:8080");
    let odd = first(&world, from(None, &[("host", "user@push.test")])).await;
    assert_eq!(odd, "https://b.test", "a host that is none is not repeated");
}

#[tokio::test]
async fn weights_regions_and_how_long_the_list_is_good_come_from_the_configuration() {
    let text = "public_url = 'https://a.test'\n[gateways]\nweight = 3\nregion = 'eu'\nttl = '1m'\n\
                urls = ['https://b.test', { url = 'https://c.test', weight = 2, region = 'us' }]";
    let world = World::with(text).await;
    let ask = async || world.ask(from(None, &[("host", "h")])).await.json();
    let others = [
        json!({ "url": "https://b.test", "weight": 1, "region": "" }),
        json!({ "url": "https://c.test", "weight": 2, "region": "us" }),
    ];
    let this = json!({ "url": "https://a.test", "weight": 3, "region": "eu" });
    let all = json!({ "gateways": [this, others[0], others[1]], "ttl_s": 60 });
    assert_eq!(ask().await, all);
    world.state.begin_drain();
    assert_eq!(ask().await, json!({ "gateways": others, "ttl_s": 60 }), "nobody new is sent to who leaves");
}

#[tokio::test]
async fn who_is_alone_is_listed_to_the_end() {
    let world = World::with("public_url = 'https://a.test'").await;
    world.state.begin_drain();
    assert_eq!(first(&world, from(None, &[("host", "h")])).await, "https://a.test");
}

#[tokio::test]
async fn a_public_url_goes_before_what_was_dialled() {
    let world = World::with("public_url = 'https://push.example.com'").await;
    let url = first(&world, from(None, &[("host", "10.0.0.1:8080")])).await;
    assert_eq!(url, "https://push.example.com");
}

#[tokio::test]
async fn pages_of_every_app_may_read_the_list() {
    let world = World::new().await;
    for (origin, allowed) in [
        ("https://demo.test", true),
        ("https://other.test", true),
        ("https://evil.test", false),
        ("null", false),
    ] {
        let headers = [("host", "h"), ("origin", origin)];
        let answer = world.ask(from(None, &headers)).await;
        assert_eq!(answer.status, 200);
        let readable = answer.header("access-control-allow-origin");
        assert_eq!(readable, if allowed { origin } else { "" });
        assert_eq!(answer.header("vary"), "Origin");
        let preflight = world.ask(request("OPTIONS", "/v1/gateways", &headers, "")).await;
        assert_eq!(preflight.status, if allowed { 204 } else { 403 });
    }
    let backend = world.ask(from(None, &[("host", "h")])).await;
    assert_eq!(backend.header("access-control-allow-origin"), "");
}
