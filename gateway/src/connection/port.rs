//! The stream under tungstenite. It reads from the socket; what it writes (pongs, close frames) joins our outbox, so
//! that its frames and ours never cut into each other and everything leaves in one write.

use super::outbox::Outbox;
use crate::listener::{Share, Stream};
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket with its outbox.
#[derive(Debug)]
pub(super) struct Port {
    stream: Stream,
    pub(super) outbox: Outbox,
    /// What a stranger's bytes are counted against; `None` once it has proved who it is.
    stranger: Option<Box<Share>>,
    /// The strangers together hold all they may.
    overdrawn: bool,
}

impl Port {
    pub(super) fn new(stream: Stream, stranger: Option<Share>) -> Self {
        let overdrawn = stranger.is_none();
        Self { stream, outbox: Outbox::default(), stranger: stranger.map(Box::new), overdrawn }
    }

    /// The peer has proved who it is: its buffers are not a stranger's any more.
    pub(super) fn trust(&mut self) {
        self.stranger = None;
        self.overdrawn = false;
    }

    /// Whether the strangers' buffers were full when this peer needed room: it must go.
    pub(super) fn overdrawn(&self) -> bool {
        self.overdrawn
    }

    /// Whether there may be something to read. A stream with buffers of its own (TLS) always says so.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.stream {
            Stream::Plain(tcp) => tcp.poll_read_ready(cx).map(drop),
            Stream::Tls(_) => Poll::Ready(()),
        }
    }

    /// See [`Outbox::poll_write`].
    pub(super) fn poll_outbox(&mut self, cx: &mut Context<'_>, taken: &mut usize) -> Poll<io::Result<()>> {
        self.outbox.poll_write(cx, &mut self.stream, taken)
    }

    /// Says that nothing more will be written.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Reads past tungstenite, which gave up on this stream, and throws away what comes: closing with unread bytes
    /// would reset the connection and take our close frame with it. Ready: the peer is done.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scrap = [0u8; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut scrap);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl AsyncRead for Port {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Some(share) = &mut this.stranger
            && !share.hold(buf.filled().len() - before)
        {
            this.overdrawn = true;
        }
        result
    }
}

impl AsyncWrite for Port {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().outbox.push(Bytes::copy_from_slice(buf));
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_end(cx)
    }
}
