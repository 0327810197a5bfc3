//! Bare TCP with HTTP and WebSocket frames written by hand: for peers that break the rules, and
//! for loads where a library would cost more than the gateway.

use super::connect;
use crate::{contract::ServerFrame, patiently};
use bytes::{Buf, Bytes, BytesMut};
use prost::Message as _;
use std::net::{IpAddr, SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// WebSocket opcodes (RFC 6455, section 5.2).
pub mod opcode {
    /// Continues a fragmented message.
    pub const CONTINUATION: u8 = 0;
    /// UTF-8 text.
    pub const TEXT: u8 = 1;
    /// Bytes.
    pub const BINARY: u8 = 2;
    /// Close.
    pub const CLOSE: u8 = 8;
    /// Ping.
    pub const PING: u8 = 9;
    /// Pong.
    pub const PONG: u8 = 10;
}

/// A TCP connection and what has been read from it but not yet taken.
#[derive(Debug)]
pub struct Raw {
    /// The socket.
    pub stream: TcpStream,
    buffer: BytesMut,
}

/// The head of an HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// All of the head.
    pub head: String,
}

/// A WebSocket frame as it came.
#[derive(Clone, Debug)]
pub struct RawFrame {
    /// See [`opcode`].
    pub opcode: u8,
    /// What it carried.
    pub payload: Bytes,
}

impl RawFrame {
    /// The code of a close frame.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        (self.opcode == opcode::CLOSE && self.payload.len() >= 2)
            .then(|| u16::from_be_bytes([self.payload[0], self.payload[1]]))
    }
}

/// The upgrade request of a proper client, and any further header lines.
#[must_use]
pub fn upgrade_request(more: &[&str]) -> String {
    let mut request = String::from(
        "GET /v1/connect HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    );
    for line in more {
        request.push_str(line);
        request.push_str("\r\n");
    }
    request + "\r\n"
}

impl Raw {
    /// Dials.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn connect(to: SocketAddr, from: Option<IpAddr>) -> std::io::Result<Self> {
        let stream = connect(to, from).await?;
        Ok(Self { stream, buffer: BytesMut::new() })
    }

    /// Dials and upgrades with the right subprotocol.
    ///
    /// # Errors
    /// What the kernel says, or that the answer was not 101.
    pub async fn upgraded(to: SocketAddr, from: Option<IpAddr>) -> std::io::Result<Self> {
        let mut raw = Self::connect(to, from).await?;
        let request = upgrade_request(&["Sec-WebSocket-Protocol: pulsegate.v1"]);
        raw.stream.write_all(request.as_bytes()).await?;
        match raw.try_answer().await? {
            Some(answer) if answer.status == 101 => Ok(raw),
            other => Err(std::io::Error::other(format!("no upgrade: {other:?}"))),
        }
    }

    /// Writes bytes as they are. A peer that has closed already is no fault here; reading tells.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = patiently("room in the socket", self.stream.write_all(bytes)).await;
    }

    /// Writes one masked frame. `first` is its whole first byte: FIN, reserved bits, opcode.
    pub async fn frame(&mut self, first: u8, payload: &[u8]) {
        self.write(&masked(first, payload)).await;
    }

    /// Writes one final binary frame.
    pub async fn binary(&mut self, payload: &[u8]) {
        self.frame(0x80 | opcode::BINARY, payload).await;
    }

    /// Reads the head of an HTTP answer; `None`: the peer closed without one.
    ///
    /// # Panics
    /// If it takes too long.
    pub async fn answer(&mut self) -> Option<Answer> {
        patiently("an HTTP answer", self.try_answer()).await.ok().flatten()
    }

    async fn try_answer(&mut self) -> std::io::Result<Option<Answer>> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.buffer.split_to(end + 4);
                let head = String::from_utf8_lossy(&head).into_owned();
                let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
                let status = status.unwrap_or(0);
                return Ok(Some(Answer { status, head }));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads one frame; `None`: the connection is over.
    ///
    /// # Panics
    /// If it takes too long.
    pub async fn read(&mut self) -> Option<RawFrame> {
        patiently("a frame", self.next()).await
    }

    /// Reads one frame, however long it takes; `None`: the connection is over.
    pub async fn next(&mut self) -> Option<RawFrame> {
        loop {
            if let Some(frame) = self.buffered() {
                return Some(frame);
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next frame of the contract; `None`: the connection is over, or closed by the peer.
    pub async fn server_frame(&mut self) -> Option<ServerFrame> {
        loop {
            let frame = self.next().await?;
            match frame.opcode {
                opcode::BINARY => return ServerFrame::decode(frame.payload).ok(),
                opcode::CLOSE => return None,
                _ => {}
            }
        }
    }

    /// A frame that is there without reading.
    pub fn buffered(&mut self) -> Option<RawFrame> {
        let bytes = &self.buffer[..];
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (head, length) = match second & 0x7f {
            126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
            127 => {
                let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
                (10, usize::try_from(length).ok()?)
            }
            short => (2, usize::from(short)),
        };
        if bytes.len() < head + length {
            return None;
        }
        self.buffer.advance(head);
        let payload = self.buffer.split_to(length).freeze();
        Some(RawFrame { opcode: first & 0x0f, payload })
    }

    /// Reads to the end; what the close frame said, if there was one, and the `Closing` before it.
    ///
    /// # Panics
    /// If it takes too long.
    pub async fn end(&mut self) -> super::End {
        let mut end = super::End { code: None, closing: None };
        while let Some(frame) = self.read().await {
            if frame.opcode == opcode::CLOSE {
                end.code = frame.close_code();
            } else if frame.opcode == opcode::BINARY
                && let Ok(frame) = ServerFrame::decode(frame.payload)
                && let Some(crate::contract::server_frame::Frame::Closing(closing)) = frame.frame
            {
                end.closing = Some(closing);
            }
        }
        end
    }
}

/// One masked frame. The mask is fixed: it hides nothing here.
#[must_use]
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}
