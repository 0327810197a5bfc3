//! The embedded store keeps what the router promises on another engine, too: the seam holds.
#![allow(clippy::unwrap_used)] // a test that cannot make its store should fail there

use pulsegate_routing::Store;
use pulsegate_routing::conformance::{FaultyTables, World};
use pulsegate_routing::store::EmbeddedStore;
use std::sync::Arc;

async fn world() -> (World, ()) {
    let make = |clock| {
        let store = EmbeddedStore::on_tables(Arc::new(FaultyTables::new()), clock).unwrap();
        Store::Embedded(Arc::new(store))
    };
    (World::new(make).await, ())
}

pulsegate_routing::conformance!(world);
