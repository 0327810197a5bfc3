//! What nearly every test starts with: a gateway, its backend, and devices.

use pulsegate_tests::{
    contract::{Hello, Welcome},
    gateway::{Gateway, Setup},
    publisher::Publisher,
    wire::{self, Link},
};

/// A running gateway and its backend.
pub struct World {
    pub setup: Setup,
    pub gateway: Gateway,
    pub backend: Publisher,
}

/// A connected device that says exactly what a test tells it to.
pub struct Device {
    pub link: Link,
    pub hello: Hello,
    pub welcome: Welcome,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Setup::new()).await
    }

    pub async fn with(setup: Setup) -> Self {
        let gateway = Gateway::start(&setup).await;
        let backend = Publisher::new(&gateway, &setup.key);
        Self { setup, gateway, backend }
    }

    /// SIGKILL, and up again on the same data and ports.
    pub async fn kill_and_restart(self) -> Self {
        let Self { setup, gateway, .. } = self;
        gateway.kill9().await;
        Self::with(setup).await
    }

    /// A device of `user`, welcomed.
    pub async fn device(&self, user: &str) -> Device {
        self.device_with(&wire::hello(&self.setup.signer.token(user))).await
    }

    /// A device that said `hello` and was welcomed.
    pub async fn device_with(&self, hello: &Hello) -> Device {
        let (link, welcome) = Link::welcomed(self.gateway.public(), hello).await;
        Device { link, hello: hello.clone(), welcome }
    }

    /// A device of `user` that has subscribed to `topics`.
    pub async fn subscriber(&self, user: &str, topics: &[&str]) -> Device {
        let mut device = self.device(user).await;
        device.link.subscribe(topics).await;
        device
    }

    /// The same device on a newer link, which names `cursors`. The old link is left as it is.
    pub async fn again(&self, device: &Device, cursors: Vec<pulsegate_tests::contract::Cursor>) -> Device {
        let hello = wire::hello_again(&device.hello, &device.welcome, cursors);
        self.device_with(&hello).await
    }
}

impl Device {
    /// The registration id.
    pub fn id(&self) -> &str {
        &self.welcome.registration_id
    }

    /// The text of the next message, acked.
    pub async fn text(&mut self) -> String {
        let (delivery, message) = self.link.message().await;
        self.link.ack(&delivery).await;
        message.body.unwrap_or_default().body
    }
}
