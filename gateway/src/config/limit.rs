//! Every limit that can be set, with its default from `pulsegate_proto::limits` where the wire or a
//! registration is concerned.

use pulsegate_proto::limits;
use std::time::Duration;

/// Calls `$then!` with the rows of all limits: name, type, default, doc. The file's section, the
/// environment's names and the checked struct come from this one list.
macro_rules! limit_table {
    ($then:ident) => {
        $then! {
            /// Handshakes a second and address; burst ten times that.
            handshakes_per_second: u32 = limits::HANDSHAKES_PER_SECOND;
            /// Frames a second and connection.
            frames_per_second: u32 = limits::FRAMES_PER_SECOND;
            /// WebSocket pings and pongs a second and connection.
            control_frames_per_second: u32 = limits::CONTROL_FRAMES_PER_SECOND;
            /// Publishes a second and app, over HTTP and from devices.
            publishes_per_second: u32 = 0;
            /// Entries a second of an app's `all` log; beyond it 429.
            everyone_per_second: u32 = 5;
            /// Unexpired entries of an app's `all` log; beyond it 507.
            everyone_entries: u64 = limits::EVERYONE_ENTRIES;
            /// New registrations a minute and address.
            registrations_per_minute: u32 = 60;
            /// A registration not seen for this long is forgotten.
            registration_idle: Duration = Duration::from_secs(60 * 24 * 3600);
            /// The same for one without a user.
            anonymous_idle: Duration = Duration::from_secs(7 * 24 * 3600);
            /// Links moved a second while draining; 0 moves all at once.
            drain_per_second: u32 = 500;
            /// Deliveries a connection may have unacked.
            window: u32 = limits::WINDOW;
            /// Bytes written to one socket and not yet taken by it.
            outbox_bytes: u64 = limits::OUTBOX_BYTES as u64;
            /// Buffers of all connections that have not proved who they are.
            unauthenticated_bytes: u64 = limits::UNAUTHENTICATED_BYTES as u64;
            /// First byte of a connection within this long.
            first_byte: Duration = limits::FIRST_BYTE;
            /// Request head complete within this long.
            request_head: Duration = limits::REQUEST_HEAD;
            /// Request body complete within this long.
            request_body: Duration = Duration::from_secs(30);
            /// `Hello` within this long of the upgrade.
            hello: Duration = limits::HELLO;
            /// Size of a request head.
            request_head_bytes: u64 = limits::REQUEST_HEAD_BYTES as u64;
            /// Header lines of a request.
            request_headers: u32 = limits::REQUEST_HEADERS as u32;
            /// JSON body of one request: a message of 48 KiB with every byte escaped as six
            /// characters is under 300 KiB.
            request_body_bytes: u64 = 512 * 1024;
            /// Bytes of one batch.
            batch_bytes: u64 = limits::BATCH_BYTES as u64;
            /// Lines of one batch.
            batch_lines: u64 = limits::BATCH_LINES as u64;
        }
    };
}

pub(super) use limit_table;

macro_rules! limits_struct {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $default:expr;)*) => {
        /// Every limit; zero stands for none.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[$doc])* pub $name: $kind,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }
    };
}

limit_table!(limits_struct);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_contracts() {
        let limits = Limits::default();
        assert_eq!(limits.handshakes_per_second, 100);
        assert_eq!(limits.frames_per_second, 50);
        assert_eq!(limits.publishes_per_second, 0);
        assert_eq!(limits.everyone_per_second, 5);
        assert_eq!(limits.everyone_entries, 10_000);
        assert_eq!(limits.registrations_per_minute, 60);
        assert_eq!(limits.registration_idle.as_secs(), 60 * 86_400);
        assert_eq!(limits.anonymous_idle.as_secs(), 7 * 86_400);
        assert_eq!(limits.drain_per_second, 500);
    }
}
