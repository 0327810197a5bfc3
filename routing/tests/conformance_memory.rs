//! The naive store keeps what the router promises.

use pulsegate_routing::Store;
use pulsegate_routing::conformance::World;

async fn world() -> (World, ()) {
    (World::new(Store::memory).await, ())
}

pulsegate_routing::conformance!(world);
