//! The command line: what people type, and what comes of it.

use crate::world::World;
use pulsegate_tests::{
    contract::{gap::Reason, server_frame::Frame},
    gateway::{self, Gateway, Setup},
    wire::{self, Link, cursor},
};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn dev_runs_on_nothing_and_its_printed_curl_line_reaches_an_anonymous_device() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = gateway::pulsegate().await;
    command
        .args(["dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .env("TMPDIR", folder.path());
    let mut dev = Gateway::launch(command, folder.path().join("log")).await.unwrap();
    let (mut link, _) = Link::welcomed(dev.public(), &wire::hello("")).await;
    link.subscribe(&["news"]).await;
    let line = pulsegate_tests::until("the curl line", || async {
        dev.output().into_iter().find(|line| line.trim_start().starts_with("curl "))
    })
    .await;
    let sent = tokio::process::Command::new("sh").args(["-c", &line]).output().await.unwrap();
    assert!(sent.status.success(), "{sent:?}");
    let (_, message) = link.message().await;
    assert!(!message.notification.unwrap().title.is_empty());
    let output = dev.output();
    assert!(output[0].starts_with("listening http://127.0.0.1:"), "{output:?}");
    for wanted in ["/demo", "/console", "pg_demo_"] {
        assert!(output.iter().any(|line| line.contains(wanted)), "{wanted} in {output:?}");
    }
    dev.terminate();
    assert_eq!(dev.ended().await.code(), Some(0));
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["log"], "its data goes with it");
}

#[tokio::test]
async fn new_epoch_turns_every_cursor_into_a_gap_and_loses_no_subscription() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    world.backend.to_topic("t", "one").await;
    let (one, _) = device.link.message().await;
    device.link.ack(&one).await;
    device.link.probe().await;
    let World { setup, gateway, .. } = world;
    let data = setup.data_dir().to_str().unwrap().to_string();
    let busy = gateway::run(&["store", "new-epoch", "--data-dir", &data], &[]).await;
    assert_eq!(busy.code, Some(75), "while a gateway runs on it: {busy:?}");
    gateway.stop().await;
    let renewed = gateway::run(&["store", "new-epoch", "--data-dir", &data], &[]).await;
    assert_eq!(renewed.code, Some(0), "{renewed:?}");
    let world = World::with(setup).await;
    let mut back = world.again(&device, vec![cursor(&one)]).await;
    assert_eq!(back.welcome.topics, ["t"]);
    world.backend.to_topic("t", "two").await;
    let gap = back
        .link
        .take("a Gap", |frame| match frame {
            Frame::Gap(gap) if gap.log == "topic:t" => Some(gap.clone()),
            _ => None,
        })
        .await;
    assert_eq!(gap.reason(), Reason::EpochChanged);
    let mut texts = Vec::new();
    while texts.last().map(String::as_str) != Some("two") {
        texts.push(back.text().await);
    }
    assert!(texts.len() <= 2, "{texts:?}");
}

#[tokio::test]
async fn an_exported_store_is_imported_elsewhere_with_devices_and_messages() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    device.link.send_message(Message::Close(None)).await;
    device.link.end().await;
    world.backend.to_topic("t", "kept").await;
    let World { setup, gateway, .. } = world;
    gateway.stop().await;
    let file = setup.folder().join("export");
    let file = file.to_str().unwrap();
    let elsewhere = setup.sibling();
    for (what, place) in [("export", setup.data_dir()), ("import", elsewhere.data_dir())] {
        let done = gateway::run(&["store", what, "--data-dir", place.to_str().unwrap(), file], &[]).await;
        assert_eq!(done.code, Some(0), "{what}: {done:?}");
    }
    let world = World::with(elsewhere).await;
    let mut back = world.again(&device, vec![]).await;
    assert_eq!(back.welcome.registration_id, device.welcome.registration_id);
    assert_eq!(back.welcome.topics, ["t"]);
    assert_ne!(back.welcome.starts[0].epoch, device.welcome.starts[0].epoch, "an import is a new epoch");
    assert_eq!(back.text().await, "kept");
}

#[tokio::test]
async fn a_copied_back_backup_never_hands_out_a_number_a_device_already_holds() {
    let world = World::new().await;
    let mut device = world.subscriber("ann", &["t"]).await;
    let World { setup, gateway, .. } = world;
    gateway.stop().await;
    let copy = setup.folder().join("backup");
    let copied = std::process::Command::new("cp").arg("-a").arg(setup.data_dir()).arg(&copy).status();
    assert!(copied.unwrap().success());
    let world = World::with(setup).await;
    device = world.again(&device, vec![]).await;
    world.backend.to_topic("t", "lost with the restore").await;
    let (held, _) = device.link.message().await;
    let World { setup, gateway, .. } = world;
    gateway.stop().await;
    std::fs::remove_dir_all(setup.data_dir()).unwrap();
    std::fs::rename(&copy, setup.data_dir()).unwrap();
    let world = World::with(setup).await;
    let mut back = world.again(&device, vec![cursor(&held)]).await;
    world.backend.to_topic("t", "new").await;
    let (delivery, message) = back.link.message().await;
    assert_eq!(message.body.unwrap().body, "new");
    assert!(delivery.epoch != held.epoch || delivery.seq > held.seq, "{delivery:?} after {held:?}");
}

#[tokio::test]
async fn help_and_nonsense_end_as_such_things_do() {
    let help = gateway::run(&["--help"], &[]).await;
    assert_eq!(help.code, Some(0));
    for command in ["dev", "serve", "key", "token", "publish", "store"] {
        assert!(help.stdout.contains(command), "{command} in {}", help.stdout);
    }
    assert_eq!(gateway::run(&["fly"], &[]).await.code, Some(2));
    let refused = gateway::run(
        &[
            "publish",
            "--url",
            "http://127.0.0.1:9",
            "--key",
            "x",
            "--app",
            "demo",
            "--topic",
            "t",
            "--title",
            "x",
            "--body",
            "y",
        ],
        &[],
    )
    .await;
    assert!(refused.code.is_some_and(|code| code != 0) && !refused.stderr.is_empty(), "{refused:?}");
}

#[tokio::test]
async fn two_gateways_do_not_share_an_address() {
    let world = World::new().await;
    let elsewhere = Setup::new();
    let config = elsewhere.write();
    let taken = world.gateway.public().to_string();
    let finished =
        gateway::run(&["serve", "--config", config.to_str().unwrap(), "--listen", &taken], &[]).await;
    assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
    assert!(finished.stderr.contains(&taken), "{finished:?}");
}
