//! The usual heartbeat, for comparison: the client speaks first, and believes a silence that ended in an answered
//! ping to have been survived.

use super::SPEED;
use crate::{contract::Hello, wire::Link};
use std::{net::SocketAddr, time::Duration};

/// The longest silence a gateway keeps: its own beats stay away.
const NEVER: u32 = 1_800;

/// A client that pings; its seconds are those of a lab that is not in real time.
#[derive(Debug)]
pub struct Pinger {
    link: Link,
    believed_s: u32,
}

impl Pinger {
    /// Connects, subscribes to a topic, and believes in nothing.
    pub async fn start(to: SocketAddr, hello: Hello, topic: &str) -> Self {
        let (mut link, _) = Link::welcomed(to, &Hello { silence_s: NEVER, ..hello }).await;
        link.subscribe(&[topic]).await;
        Self { link, believed_s: 0 }
    }

    /// Says nothing for so many seconds and pings; the answer convinces it. What had come by itself, if anything had.
    pub async fn silence(&mut self, seconds: u32) -> Option<String> {
        tokio::time::sleep(Duration::from_secs(u64::from(seconds) - 1) / SPEED).await;
        let came = tokio::time::timeout(Duration::from_secs(1) / SPEED, self.text()).await.ok();
        self.link.probe().await;
        self.believed_s = seconds;
        came
    }

    /// The text of the next message.
    pub async fn text(&mut self) -> String {
        let (delivery, message) = self.link.message().await;
        self.link.ack(&delivery).await;
        message.body.unwrap_or_default().body
    }

    /// The longest silence it believes in, seconds.
    #[must_use]
    pub fn believes_in(&self) -> u32 {
        self.believed_s
    }
}
