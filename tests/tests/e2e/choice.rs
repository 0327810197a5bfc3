//! Choosing a gateway, and being moved to another one: the native device against the real binary.
//!
//! One node and several addresses of it, each a proxy that behaves in its own way: to a device those are several
//! gateways over one store. Two nodes with a store each share nothing but their configuration.

use pulsegate_proto::session::client::State;
use pulsegate_tests::{
    device::{Device, Options},
    gateway::{Gateway, Setup},
    proxy::{Proxy, Weather},
    publisher::Publisher,
    until,
};

/// A node with three addresses, a backend, and a device that knows all three and is welcomed by one of them.
struct Three {
    gateway: Gateway,
    backend: Publisher,
    fronts: [Proxy; 3],
    device: Device,
    _setup: Setup,
}

impl Three {
    async fn new() -> Self {
        let setup = Setup::new();
        let to = setup.address();
        let fronts = [Proxy::start(to).await, Proxy::start(to).await, Proxy::start(to).await];
        let urls: Vec<String> =
            fronts[1..].iter().map(|front| format!("\"http://{}\"", front.address())).collect();
        let setup = setup.more(&format!("\n[gateways]\nurls = [{}]\n", urls.join(", ")));
        let gateway = Gateway::start(&setup).await;
        let backend = Publisher::new(&gateway, &setup.key);
        let signer = setup.signer.clone();
        let options = Options::new(fronts[0].address(), move || signer.token("ann")).chooses();
        let device = Device::subscribed(&options, &["t"]).await;
        device.wait("the list of gateways", |view| view.gateways == 3).await;
        Self { gateway, backend, fronts, device, _setup: setup }
    }

    /// The device gets what is published, once.
    async fn receives(&self, text: &str, shown: u64) {
        self.backend.to_topic("t", text).await;
        let view = self.device.shows(shown).await;
        assert_eq!((view.last_text.as_str(), view.shown_count), (text, shown), "once");
    }
}

#[tokio::test]
async fn where_one_gateway_is_dead_and_one_does_not_upgrade_the_third_is_found() {
    let world = Three::new().await;
    world.receives("before", 1).await;
    let [slow, dead, good] = &world.fronts;
    slow.weather(Weather { held_from: 1, ..Weather::default() });
    dead.weather(Weather { blackhole: true, ..Weather::default() });
    for front in &world.fronts {
        front.cut();
    }
    world.device.wait("the third gateway", |view| view.welcomes == 2).await;
    assert!(good.opened() > 0);
    world.receives("after", 2).await;
    drop(world.gateway);
}

#[tokio::test]
async fn a_gateway_that_answers_and_does_not_welcome_is_left_for_the_next() {
    let world = Three::new().await;
    world.receives("before", 1).await;
    // The upgrade and the Probe pass, the Hello is held: two of three behave so.
    for front in &world.fronts[..2] {
        front.weather(Weather { held_from: 3, ..Weather::default() });
    }
    for front in &world.fronts {
        front.cut();
    }
    world.device.wait("the third gateway", |view| view.welcomes == 2).await;
    world.receives("after", 2).await;
}

#[tokio::test]
async fn another_network_makes_a_device_look_again() {
    let world = Three::new().await;
    world.receives("before", 1).await;
    let dialled: Vec<usize> = world.fronts.iter().map(Proxy::opened).collect();
    // The path it has dies with the network; nobody is told.
    for front in &world.fronts {
        front.strand();
    }
    world.device.network_changed();
    world.device.wait("a link on the other network", |view| view.welcomes >= 2).await;
    let again = world.fronts.iter().zip(&dialled).filter(|(front, before)| front.opened() > **before).count();
    assert!(again > 0);
    world.receives("after", 2).await;
    assert_eq!(world.device.view().state, State::Connected);
}

const DEVICES: u64 = 500;
const PACE: u64 = 250;

/// Two nodes of one app. A store belongs to one process, so that a device is new on the second, where it registers and
/// subscribes again: this shows that nobody is left behind, and that all hear what is published once they are there. The pace is
/// measured in the gateway's own tests. That nothing is lost or doubled where both addresses lead to one store is shown on the virtual clock
/// (`devices_that_are_moved_again_and_again_lose_and_double_nothing` of the protocol's tests).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_with_every_device_on_the_other_gateway() {
    let limits =
        |setup: Setup| setup.limit("handshakes_per_second", "0").limit("drain_per_second", &PACE.to_string());
    let second_setup = limits(Setup::new());
    let second = Gateway::start(&second_setup).await;
    let first_setup = second_setup.sibling().more(&format!("\n[gateways]\nurls = [\"{}\"]\n", second.url()));
    let mut first = Gateway::start(&first_setup).await;

    let mut devices = Vec::new();
    for group in 0..DEVICES / 100 {
        let starting = (0..100).map(|number| {
            let user = format!("user{}", group * 100 + number);
            let signer = first_setup.signer.clone();
            let options =
                Options::new(first.public(), move || signer.token(&user)).seed(group * 100 + number);
            async move { Device::subscribed(&options, &["t"]).await }
        });
        devices.extend(futures_util::future::join_all(starting).await);
    }
    Publisher::new(&first, &first_setup.key).to_topic("t", "before").await;
    for device in &devices {
        device.shows(1).await;
    }

    first.terminate();
    until("everybody on the other gateway", || async {
        (second.metrics().await.sum("pulsegate_connections") as u64 == DEVICES).then_some(())
    })
    .await;
    assert_eq!(first.ended().await.code(), Some(0));
    for device in &devices {
        device.wait("its subscription there", |view| view.welcomes == 2 && view.subscribed.len() == 1).await;
    }
    Publisher::new(&second, &first_setup.key).to_topic("t", "after").await;
    for device in &devices {
        let view = device.shows(2).await;
        assert_eq!((view.last_text.as_str(), view.state), ("after", State::Connected));
    }
}
