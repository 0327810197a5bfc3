//! Names of all metrics, each with what it means. The prefix `pulsegate_` is added by the registry.

macro_rules! names {
    ($($name:ident = $text:literal, $help:literal;)*) => {
        /// A metric.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Name {
            $(#[doc = $help] $name,)*
        }

        impl Name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As it is scraped, without prefix and suffix.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What it means.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self {
                    $(Self::$name => $help,)*
                }
            }
        }
    };
}

names! {
    HandshakesRefused = "handshakes_refused", "Connections turned away before or at the upgrade";
    Connections = "connections", "Open sockets of devices";
    ConnectionsClosed = "connections_closed", "Sockets closed, by close code and cause";
    Welcomed = "welcomed", "Devices welcomed";
    FramesIn = "frames_in", "Frames from devices";
    FramesOut = "frames_out", "Frames to devices";
    BytesOut = "bytes_out", "Bytes of frames to devices";
    Delivered = "delivered", "Entries sent to devices, repeats included";
    Beats = "beats", "Beats sent";
    SilenceSeconds = "silence_seconds", "Silence that devices ask for: at each Welcome and at each change";
    Deaths = "deaths", "Links that ended without a goodbye of either side, by cause and whether a Beat or a Deliver was unanswered";
    DeathSilenceSeconds = "death_silence_seconds", "How long such a device had not been heard when its link ended";
    Moved = "moved", "Devices told by a drain to go elsewhere or to come back";
    AcksAhead = "acks_ahead", "Acks for what was never sent on their link";
    RateLimited = "rate_limited", "Refused because asked too often";
    OutboxBytes = "outbox_bytes", "Bytes waiting for slow sockets";
    OutboxOverflows = "outbox_overflows", "Sockets that took nothing until their bound was reached";
    LiveDropped = "live_dropped", "Messages with time-to-live 0 dropped for sockets without room";
    Requests = "http_requests", "HTTP requests answered, by route and status";
    Published = "published", "Messages accepted over HTTP";
    PublishSeconds = "publish_seconds", "Time from a publish's body to its 202";
    BatchLines = "batch_lines", "Lines of batches read";
    Receipts = "receipts", "Receipts counted";
    Apps = "apps", "Apps configured";
    Draining = "draining", "1 while this node asks its clients to go elsewhere";
    UptimeSeconds = "uptime_seconds", "Seconds since the process started";
    StoreSyncs = "store_syncs", "Syncs of the disk since the start";
    StoreCommits = "store_commits", "Commits since the start; a group of them shares one sync";
    StorePublishes = "store_publishes", "Messages stored since the start";
    StoreEntries = "store_entries", "Entries appended since the start";
    StoreCorrupt = "store_corrupt_entries", "Entries that could not be read any more";
    StoreTrimmed = "store_trimmed_entries", "Unexpired entries dropped since the start";
    StoreExpired = "store_expired_messages", "Messages whose time-to-live ended";
    StoreFailures = "store_failures", "Commits that failed since the start";
    StoreReopened = "store_reopened", "Times the store was opened anew after a failed write";
    StoreBytes = "store_bytes", "Bytes the store uses on disk";
    StoreReadOnly = "store_read_only", "1 after a failed sync, until restart";
    StoreFull = "store_full", "1 while there is no room on the disk";
}

impl Name {
    /// Whether it only grows, where its value is taken over from the store at the scrape.
    #[must_use]
    pub fn is_counter(self) -> bool {
        matches!(
            self,
            Self::StoreSyncs
                | Self::StoreCommits
                | Self::StorePublishes
                | Self::StoreEntries
                | Self::StoreCorrupt
                | Self::StoreTrimmed
                | Self::StoreExpired
                | Self::StoreFailures
                | Self::StoreReopened
        )
    }
}
