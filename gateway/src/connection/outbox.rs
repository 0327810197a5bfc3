//! What waits for one socket. All that is ready leaves in one write.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Pieces of one vectored write. A window of deliveries fits; the kernel takes 1,024.
const PIECES: usize = 64;

/// Whole frames, in order, waiting for the socket.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// Handed to the stream, which may still hold some of it (TLS).
    unflushed: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Bytes waiting.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes until everything left or the socket takes no more. Returns how many bytes it took through `taken`
    /// also when it ends pending.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncWrite + Unpin),
        taken: &mut usize,
    ) -> Poll<io::Result<()>> {
        while let Some(first) = self.frames.front() {
            let written = if self.frames.len() == 1 {
                ready!(Pin::new(&mut *stream).poll_write(cx, first))?
            } else {
                let mut pieces = [IoSlice::new(&[]); PIECES];
                let count = self.frames.len().min(PIECES);
                for (piece, frame) in pieces.iter_mut().zip(&self.frames) {
                    *piece = IoSlice::new(frame);
                }
                ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &pieces[..count]))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            *taken += written;
            self.advance(written);
        }
        if self.unflushed {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(first) = self.frames.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.frames.pop_front();
        }
    }

    /// Exchanges the room for frames, if nothing waits in it. Without room of its own an empty outbox holds no memory.
    pub(super) fn exchange(&mut self, room: &mut VecDeque<Bytes>) {
        if self.frames.is_empty() {
            std::mem::swap(&mut self.frames, room);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a mock stream that fails is a broken test
    use super::*;

    /// Takes `room` bytes a call, `calls` times; then it is stuck.
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
        calls: usize,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            if self.calls == 0 {
                return Poll::Pending;
            }
            self.calls -= 1;
            let n = buf.len().min(self.room);
            self.taken.extend_from_slice(&buf[..n]);
            Poll::Ready(Ok(n))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = bufs.iter().flat_map(|b| b.iter().copied()).collect();
            self.poll_write(cx, &all)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn frames_leave_whole_and_in_order_whatever_the_socket_takes() {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for room in [1, 2, 3, 7, 100] {
            let mut outbox = Outbox::default();
            for frame in ["one", "two", "three", "", "four"] {
                outbox.push(Bytes::from_static(frame.as_bytes()));
            }
            let mut stream = Narrow { taken: Vec::new(), room, calls: 5 };
            let mut taken = 0;
            let _ = outbox.poll_write(&mut cx, &mut stream, &mut taken);
            assert_eq!(outbox.bytes() + taken, 15);
            stream.calls = 100;
            assert!(outbox.poll_write(&mut cx, &mut stream, &mut taken).is_ready());
            assert_eq!(stream.taken, b"onetwothreefour", "{room}");
            assert_eq!(outbox.bytes(), 0);
        }
    }

    #[test]
    fn all_that_is_ready_leaves_in_one_write() {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut outbox = Outbox::default();
        for _ in 0..PIECES {
            outbox.push(Bytes::from_static(b"frame"));
        }
        let mut stream = Narrow { taken: Vec::new(), room: usize::MAX, calls: 1 };
        assert!(outbox.poll_write(&mut cx, &mut stream, &mut 0).is_ready());
        assert_eq!(stream.taken.len(), 5 * PIECES);
    }
}
