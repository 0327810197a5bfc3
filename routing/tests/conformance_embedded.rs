//! The embedded store keeps what the router promises.
#![allow(clippy::unwrap_used)] // a test that cannot make its store should fail there

use pulsegate_routing::conformance::World;
use pulsegate_routing::{EmbeddedSettings, Store};

async fn world() -> (World, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let settings = EmbeddedSettings::new(dir.path());
    (World::new(|clock| Store::embedded(settings, clock).unwrap()).await, dir)
}

pulsegate_routing::conformance!(world);
