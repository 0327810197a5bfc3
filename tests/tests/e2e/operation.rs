//! Running it: configuration, data directory, disk, drain, the admin listener.

use crate::world::World;
use pulsegate_tests::{
    contract::{Deliver, server_frame::Frame},
    gateway::{self, Gateway, Setup},
    publisher::Publisher,
};
use serde_json::json;

/// EX_CONFIG of sysexits.h.
const BAD_CONFIG: Option<i32> = Some(78);
/// EX_CANTCREAT of sysexits.h.
const CANNOT_CREATE: Option<i32> = Some(73);
/// EX_TEMPFAIL of sysexits.h.
const LOCKED: Option<i32> = Some(75);

#[tokio::test]
async fn serve_prints_where_it_listens_and_nothing_else_and_logs_to_standard_error() {
    let setup = Setup::new();
    let text = setup.text();
    let config = setup.write();
    let any: String = text
        .lines()
        .map(|line| match line.split_once(" = \"127.0.0.1:") {
            Some((key, _)) => format!("{key} = \"127.0.0.1:0\"\n"),
            None => format!("{line}\n"),
        })
        .collect();
    std::fs::write(&config, any).unwrap();
    let mut command = gateway::pulsegate().await;
    command.arg("serve").arg("--config").arg(&config);
    let mut gateway = Gateway::launch(command, setup.log()).await.unwrap();
    assert_eq!(gateway.ready().await, Some(200));
    gateway.terminate();
    assert_eq!(gateway.ended().await.code(), Some(0));
    let output = gateway.output();
    assert_eq!(output.len(), 2, "{output:?}");
    assert!(output[0].starts_with("listening http://127.0.0.1:"), "{output:?}");
    assert!(output[1].starts_with("admin http://127.0.0.1:"), "{output:?}");
    assert!(!gateway.log().is_empty());
}

#[tokio::test]
async fn a_bad_configuration_is_one_line_that_names_the_key_and_exit_78() {
    let good = Setup::new().text();
    let without_secret: String =
        good.lines().filter(|line| !line.starts_with("secret")).map(|line| format!("{line}\n")).collect();
    let key_twice =
        good.clone() + &good[good.find("[[apps.keys]]").unwrap()..good.find("[[apps.tokens]]").unwrap()];
    let cases = [
        ("unknown key", format!("retenton = 1\n{good}"), "retenton"),
        ("unknown key of a section", good.replace("[limits]", "[limits]\nframes = 1"), "frames"),
        (
            "no number",
            good.replace("[limits]", "[limits]\nframes_per_second = \"many\""),
            "frames_per_second",
        ),
        ("no address", good.replacen("listen = \"127.0.0.1", "listen = \"nowhere", 1), "listen"),
        ("no duration", format!("{good}\n[store]\nretention = \"soon\"\n"), "retention"),
        ("unknown engine", format!("{good}\n[store]\nengine = \"oracle\"\n"), "engine"),
        ("bad app id", good.replace("id = \"demo\"", "id = \"De_mo\""), "De_mo"),
        ("bad hash", good.replace("blake3 = \"", "blake3 = \"zz"), "blake3"),
        ("short secret", good.replace("secret = \"", "secret = \"QUJD\"\n#"), "secret"),
        ("missing secret", without_secret, "secret"),
        ("bad scope", good.replace("\"admin\"]", "\"root\"]"), "root"),
        ("one id twice", key_twice, "k1"),
        ("no TOML", format!("{good}\n[[[\n"), ""),
    ];
    for (what, text, named) in cases {
        let setup = Setup::new();
        let config = setup.write();
        std::fs::write(&config, text).unwrap();
        let path = config.to_str().unwrap();
        let finished = gateway::run(&["serve", "--config", path], &[]).await;
        assert_eq!(finished.code, BAD_CONFIG, "{what}: {finished:?}");
        assert!(finished.stderr.contains(named), "{what} names {named}: {finished:?}");
        assert_eq!(finished.stdout, "", "{what}");
        assert!(finished.stderr.trim().lines().count() <= 2, "{what} is one clear line: {finished:?}");
    }
    let missing = gateway::run(&["serve", "--config", "/nonexistent/pulsegate.toml"], &[]).await;
    assert_eq!(missing.code, BAD_CONFIG, "{missing:?}");
    assert!(missing.stderr.contains("/nonexistent/pulsegate.toml"));
}

#[tokio::test]
async fn the_environment_sets_keys_too_and_wins() {
    let setup = Setup::new();
    let config = setup.write();
    let path = config.to_str().unwrap();
    let bad =
        gateway::run(&["serve", "--config", path], &[("PULSEGATE_LIMITS_FRAMES_PER_SECOND", "many")]).await;
    assert_eq!(bad.code, BAD_CONFIG, "{bad:?}");
    assert!(bad.stderr.to_lowercase().contains("frames_per_second"), "{bad:?}");
    let data = setup.folder().join("elsewhere");
    let mut command = gateway::pulsegate().await;
    command.arg("serve").arg("--config").arg(&config).env("PULSEGATE_DATA_DIR", &data);
    let gateway = Gateway::launch(command, setup.log()).await.unwrap();
    assert!(data.exists() && !setup.data_dir().exists());
    gateway.stop().await;
}

#[tokio::test]
async fn a_locked_data_directory_is_exit_75_and_harms_nobody() {
    let world = World::new().await;
    let second = world.setup.sibling().data(world.setup.data_dir());
    let finished = Gateway::try_start(&second).await.unwrap_err();
    assert_eq!(finished.code, LOCKED, "{finished:?}");
    assert!(finished.stderr.contains(world.setup.data_dir().to_str().unwrap()), "{finished:?}");
    world.backend.to_topic("t", "unharmed").await;
}

#[tokio::test]
async fn a_data_directory_that_is_missing_is_made_but_not_the_folder_it_should_be_in() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let world = World::with(Setup::new().data(&data)).await;
    world.backend.to_topic("t", "x").await;
    assert!(data.exists());
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    // A volume that is not mounted, and a path through a file.
    for bad in [folder.path().join("no/volume/data"), file.join("data"), file] {
        let finished = Gateway::try_start(&Setup::new().data(&bad)).await.unwrap_err();
        assert_eq!(finished.code, CANNOT_CREATE, "{finished:?}");
        assert!(finished.stderr.contains(bad.to_str().unwrap()), "{finished:?}");
    }
}

#[tokio::test]
async fn a_drain_tells_every_device_and_loses_nothing() {
    let world = World::new().await;
    let mut devices = Vec::new();
    for number in 0..5 {
        devices.push(world.subscriber(&format!("user{number}"), &["t"]).await);
    }
    let World { setup, mut gateway, backend } = world;
    for number in 0..20 {
        backend.to_topic("t", &number.to_string()).await;
    }
    gateway.terminate();
    let mut held: Vec<Vec<Deliver>> = Vec::new();
    for device in &mut devices {
        let mut had = Vec::new();
        let mut moved = false;
        let end = loop {
            match device.link.event().await {
                Ok(Frame::Deliver(delivery)) => had.push(delivery),
                Ok(Frame::Redirect(_)) => moved = true,
                Ok(_) => {}
                Err(end) => break end,
            }
        };
        let told = end.closing.as_ref().map(|closing| closing.code);
        assert!(moved || told == Some(4503), "{end:?}");
        held.push(had);
    }
    assert_eq!(gateway.ended().await.code(), Some(0));
    let world = World::with(setup).await;
    for (device, had) in devices.iter().zip(held) {
        let stored = had.last().map(pulsegate_tests::wire::cursor);
        let mut back = world.again(device, stored.into_iter().collect()).await;
        for number in had.len()..20 {
            assert_eq!(back.text().await, number.to_string());
        }
    }
}

#[tokio::test]
async fn a_publish_during_a_drain_is_accepted_for_good_or_refused() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    world.gateway.terminate();
    let mut accepted = Vec::new();
    while let Ok(answer) =
        world.backend.try_publish(&json!({"target": {"topic": "t"}, "body": "late"}), None).await
    {
        match answer.status {
            202 => accepted.push(answer.accepted()),
            status => assert_eq!(status, 503, "{answer:?}"),
        }
    }
    let World { setup, mut gateway, .. } = world;
    assert_eq!(gateway.ended().await.code(), Some(0));
    let world = World::with(setup).await;
    world.backend.to_topic("t", "end").await;
    device = world.again(&device, vec![]).await;
    for id in accepted {
        let (delivery, message) = device.link.message().await;
        device.link.ack(&delivery).await;
        assert_eq!(pulsegate_tests::wire::id_text(&message.id), id);
    }
    assert_eq!(device.text().await, "end");
}

#[tokio::test]
async fn the_admin_listener_has_health_metrics_and_the_api_and_the_public_one_has_not() {
    let world = World::new().await;
    let get = async |url: String| reqwest::get(url).await.unwrap();
    for path in ["healthz", "readyz", "metrics", "openapi.json"] {
        let answer = get(format!("{}/{path}", world.gateway.admin_url())).await;
        assert_eq!(answer.status(), 200, "{path}");
    }
    for path in ["metrics", "openapi.json", "healthz"] {
        assert_eq!(get(format!("{}/{path}", world.gateway.url())).await.status(), 404, "{path}");
    }
    let api: serde_json::Value =
        get(format!("{}/openapi.json", world.gateway.admin_url())).await.json().await.unwrap();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"), "{}", api["openapi"]);
    assert!(api["paths"]["/v1/apps/{app}/messages"]["post"].is_object());
    let metrics = world.gateway.metrics().await.0;
    assert!(metrics.trim_end().ends_with("# EOF"), "OpenMetrics");
    assert!(!metrics.contains(&world.setup.key.bearer()));
    let gateways: serde_json::Value =
        get(format!("{}/v1/gateways", world.gateway.url())).await.json().await.unwrap();
    assert!(!gateways["gateways"].as_array().unwrap().is_empty(), "{gateways}");
    assert!(gateways["ttl_s"].as_u64() > Some(0));
}

#[tokio::test]
async fn keys_are_read_again_on_sighup() {
    use pulsegate_tests::keys::ServerKey;
    let world = World::new().await;
    let key = ServerKey::new("demo", "k2", &["publish"]);
    let late = Publisher::new(&world.gateway, &key);
    let message = json!({"target": {"topic": "t"}, "body": "x"});
    assert_eq!(late.post(&message).await.status, 401);
    let World { setup, gateway, backend } = world;
    let setup = setup.more(&key.block());
    let _ = setup.write();
    gateway.reload();
    pulsegate_tests::until("the new key", || async {
        (late.post(&message).await.status == 202).then_some(())
    })
    .await;
    assert_eq!(backend.post(&message).await.status, 202, "the old one still");
}

#[tokio::test]
async fn the_key_and_token_commands_make_what_serve_takes() {
    let setup = Setup::new();
    let made = gateway::run(&["key", "new", "--app", "demo", "--scope", "publish,read"], &[]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let key = made
        .stdout
        .split_whitespace()
        .find(|word| word.starts_with("pg_demo_"))
        .unwrap_or_else(|| panic!("no key: {made:?}"))
        .trim_matches(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-' && letter != '_')
        .to_string();
    let from = made.stdout.find("[[apps.keys]]").unwrap();
    let setup = setup.more(made.stdout[from..].trim());
    let config = setup.write();
    let config = config.to_str().unwrap();
    let world = World::with(setup).await;
    let token = gateway::run(
        &["token", "--config", config, "--app", "demo", "--sub", "ann", "--topic", "a/#", "--ttl", "10m"],
        &[],
    )
    .await;
    assert_eq!(token.code, Some(0), "{token:?}");
    let mut device = world.device_with(&pulsegate_tests::wire::hello(token.stdout.trim())).await;
    assert_eq!(device.welcome.user, "ann");
    device.link.subscribe(&["a/b"]).await;
    let url = world.gateway.url();
    let sent = gateway::run(
        &[
            "publish", "--url", &url, "--key", &key, "--app", "demo", "--topic", "a/b", "--title", "T",
            "--body", "B",
        ],
        &[],
    )
    .await;
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let (_, message) = device.link.message().await;
    assert_eq!(message.notification.unwrap().title, "T");
}
