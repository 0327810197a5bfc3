//! Admission: how many come from one address, and whose word counts for where they come from.

use crate::world::World;
use pulsegate_tests::{
    contract::server_frame::Frame,
    gateway::Setup,
    patiently,
    wire::{self, Dial, Raw, upgrade_request},
};

/// True if the gateway turns this one away for coming too often: after the upgrade, since a
/// browser cannot read an HTTP refusal, or before it.
async fn too_often(dial: Dial, token: &str) -> bool {
    use pulsegate_tests::contract::client_frame::Frame as Up;
    let mut link = match dial.open().await {
        Ok(link) => link,
        Err(status) => return status == 429,
    };
    link.send(Up::Hello(wire::hello(token))).await;
    match link.event().await {
        Ok(Frame::Welcome(_)) => false,
        Ok(Frame::Closing(closing)) => {
            assert!(closing.reconnect_after_ms > 0, "{closing:?}");
            assert_eq!((closing.code, link.end().await.code), (4529, Some(4529)));
            true
        }
        other => panic!("neither welcomed nor refused: {other:?}"),
    }
}

#[tokio::test]
async fn handshakes_are_counted_by_address_and_a_burst_is_allowed() {
    let world = World::with(Setup::new().limit("handshakes_per_second", "1")).await;
    let to = world.gateway.public();
    let token = world.setup.signer.token("ann");
    let mut refused = 0;
    for number in 0..40 {
        let one = too_often(Dial::new(to), &token).await;
        assert!(!(one && number < 10), "ten times the rate is a burst, not an attack");
        refused += u32::from(one);
    }
    assert!(refused > 0, "forty in a moment at one a second");
    let elsewhere = Dial { from: Some([127, 0, 0, 7].into()), ..Dial::new(to) };
    assert!(!too_often(elsewhere, &token).await, "another address is another matter");
}

#[tokio::test]
async fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
    for (trusted, spared) in [("[\"127.0.0.0/8\"]", true), ("[]", false)] {
        let setup =
            Setup::new().limit("handshakes_per_second", "1").top(&format!("trusted_proxies = {trusted}"));
        let world = World::with(setup).await;
        let token = world.setup.signer.token("ann");
        let mut refused = 0;
        for number in 0..40 {
            let dial = Dial::new(world.gateway.public())
                .header("x-forwarded-for", &format!("203.0.113.{number}, 198.51.100.{number}"));
            refused += u32::from(too_often(dial, &token).await);
        }
        assert_eq!(refused == 0, spared, "trusted: {trusted}, refused: {refused}");
    }
}

#[tokio::test]
async fn proxy_v2_is_understood_from_a_trusted_proxy() {
    let setup = Setup::new().limit("handshakes_per_second", "1").top("trusted_proxies = [\"127.0.0.0/8\"]");
    let world = World::with(setup).await;
    for number in 0..40 {
        let mut raw = Raw::connect(world.gateway.public(), None).await.unwrap();
        // Signature, PROXY over TCP/IPv4, 12 bytes of addresses and ports.
        let mut head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        head.extend([203, 0, 113, number, 127, 0, 0, 1, 0x30, 0x39, 0x1f, 0x90]);
        raw.write(&head).await;
        raw.write(upgrade_request(&["Sec-WebSocket-Protocol: pulsegate.v1"]).as_bytes()).await;
        assert_eq!(raw.answer().await.map(|answer| answer.status), Some(101), "number {number}");
        raw.binary(&[0x22, 0x02, 0x08, 0x05]).await;
        let reply = patiently("a probe's reply", raw.server_frame()).await.unwrap();
        assert!(matches!(reply.frame, Some(Frame::ProbeReply(_))), "{reply:?}");
    }
}

#[tokio::test]
async fn new_registrations_are_counted_by_address_and_known_ones_come_back_freely() {
    let world = World::with(Setup::new().limit("registrations_per_minute", "5")).await;
    let to = world.gateway.public();
    let known = world.device("ann").await;
    let mut refused = 0;
    for number in 0..20 {
        refused +=
            u32::from(too_often(Dial::new(to), &world.setup.signer.token(&format!("u{number}"))).await);
    }
    assert!((1..20).contains(&refused), "five a minute: {refused} of 20 refused");
    let mut known = known;
    for _ in 0..10 {
        known = world.again(&known, vec![]).await;
    }
}
