//! Publishes to the topic `ticks` while the browser tests of the core run: a page of the test runner may
//! not publish itself, and rightly so.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// Two a second: a test that wants three messages waits a breath, and no window ever fills.
const PACE: Duration = Duration::from_millis(500);

/// A publisher in the background; dropping it stops it.
#[derive(Debug)]
pub struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Begins to publish `tick 1`, `tick 2`, … at a gateway's URL with a server key of the app `demo`.
    pub fn start(url: &str, key: &str) -> Self {
        let (stop, stopped) = mpsc::channel();
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_string();
        let key = key.to_string();
        let thread = std::thread::spawn(move || {
            let mut number = 1_u64;
            while matches!(stopped.recv_timeout(PACE), Err(RecvTimeoutError::Timeout)) {
                match publish(&host, &request(&host, &key, number)) {
                    // A tick is counted once it is accepted: the tests expect them without a hole.
                    Ok(answer) if answer.starts_with("HTTP/1.1 202 ") => number += 1,
                    Ok(answer) => eprintln!("tick {number}: {}", answer.lines().next().unwrap_or_default()),
                    Err(error) => eprintln!("tick {number}: {error}"),
                }
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn request(host: &str, key: &str, number: u64) -> String {
    let body = format!(
        "{{\"target\":{{\"topic\":\"ticks\"}},\"body\":\"tick {number}\",\
         \"notification\":{{\"title\":\"tick\",\"body\":\"{number}\"}}}}"
    );
    // The key makes a repeat after a lost answer the same tick.
    format!(
        "POST /v1/apps/demo/messages HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\
         Idempotency-Key: tick-{number}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

fn publish(host: &str, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_that_of_the_body() {
        let request = request("127.0.0.1:1", "k", 12);
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        assert!(body.starts_with('{') && body.ends_with('}') && body.contains("\"tick 12\""));
    }
}
