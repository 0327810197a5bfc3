//! The floor under the delivery bench: a bare epoll loop that writes the same frames to the same
//! number of sockets and does nothing else. It runs as a process of its own, so that the kernel
//! counts its processor time apart.

use rustix::event::epoll;
use std::{
    io::{self, BufRead, Write},
    net::{TcpListener, TcpStream},
};

/// Serves: accepts `count` connections, then obeys lines on standard input. `LENGTH TIMES` writes
/// TIMES frames of LENGTH bytes, joined into one buffer, to every connection. Prints its port first,
/// and `done` after each order.
///
/// # Errors
/// What the kernel says.
pub fn serve(count: usize, out: &mut impl Write) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(out, "{}", listener.local_addr()?.port())?;
    out.flush()?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut sockets = Vec::with_capacity(count);
    for number in 0..count {
        let (socket, _) = listener.accept()?;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let name = epoll::EventData::new_u64(number as u64);
        epoll::add(&poll, &socket, name, epoll::EventFlags::OUT | epoll::EventFlags::ET)?;
        sockets.push(Socket { stream: socket, written: 0 });
    }
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut numbers = line.split(' ').map(|text| text.parse().unwrap_or(1));
        let (length, times) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(1));
        let bytes = frame(length).repeat(times);
        write_to_all(&poll, &mut sockets, &bytes)?;
        writeln!(out, "done")?;
        out.flush()?;
    }
    Ok(())
}

struct Socket {
    stream: TcpStream,
    written: usize,
}

fn write_to_all(poll: &impl rustix::fd::AsFd, sockets: &mut [Socket], bytes: &[u8]) -> io::Result<()> {
    let mut left = 0;
    for socket in sockets.iter_mut() {
        socket.written = 0;
        left += usize::from(!push(socket, bytes)?);
    }
    let mut events = Vec::with_capacity(1024);
    while left > 0 {
        events.clear();
        epoll::wait(poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let number = usize::try_from(event.data.u64()).unwrap_or_default();
            let socket = &mut sockets[number];
            if socket.written < bytes.len() && push(socket, bytes)? {
                left -= 1;
            }
        }
    }
    Ok(())
}

/// Writes what goes; true when all is out.
fn push(socket: &mut Socket, bytes: &[u8]) -> io::Result<bool> {
    while socket.written < bytes.len() {
        match socket.stream.write(&bytes[socket.written..]) {
            Ok(length) => socket.written += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// A WebSocket frame of `length` bytes in all that looks like a Deliver to a reader that counts.
fn frame(length: usize) -> Vec<u8> {
    let mut bytes = vec![0x82];
    let payload = if length < 128 {
        bytes.push(u8::try_from(length - 2).unwrap_or_default());
        length - 2
    } else {
        bytes.push(126);
        bytes.extend(u16::try_from(length - 4).unwrap_or_default().to_be_bytes());
        length - 4
    };
    bytes.push(0x1a);
    bytes.resize(bytes.len() + payload - 1, 0);
    bytes
}
