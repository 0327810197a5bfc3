//! Requests as they stand on the wire.

/// A handshake as a browser's, without an origin.
pub const HANDSHAKE: &str = "GET /v1/connect HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
     Sec-WebSocket-Protocol: pulsegate.v1\r\n\r\n";

/// The handshake with one line replaced, left out (`None`), or added.
pub fn handshake_with(name: &str, value: Option<&str>) -> String {
    let prefix = format!("{name}:");
    let mut request = String::new();
    for line in HANDSHAKE.split_terminator("\r\n").filter(|line| !line.is_empty()) {
        if !line.to_ascii_lowercase().starts_with(&prefix.to_ascii_lowercase()) {
            request += line;
            request += "\r\n";
        }
    }
    if let Some(value) = value {
        request += &format!("{name}: {value}\r\n");
    }
    request + "\r\n"
}
