//! The gateway that the tests in the browser talk to: `pulsegate dev` on a port of the system's choice.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::failure::Failure;
use crate::house::House;

/// A dev build on a busy machine opens its store and prints its key well within this.
const START: Duration = Duration::from_secs(60);

/// A running gateway; dropping it stops it.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    url: String,
    key: String,
    told: Option<PathBuf>,
}

impl Gateway {
    /// Starts it and waits until it has said where it listens and with which key one publishes.
    ///
    /// # Errors
    /// When it does not start or does not say so in time.
    pub fn start(house: &House) -> Result<Self, Failure> {
        let binary = house.gateway("debug");
        let mut child = Command::new(&binary)
            .args(["dev", "--listen", "127.0.0.1:0"])
            .current_dir(&house.root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Failure::io(format_args!("cannot start {}", binary.display())))?;
        let stdout = child.stdout.take();
        let mut gateway = Self { child, url: String::new(), key: String::new(), told: None };
        let (sender, lines) = mpsc::channel();
        // Reads to the end: a full pipe would stop the gateway at its next line.
        std::thread::spawn(move || {
            for line in stdout.into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        while gateway.url.is_empty() || gateway.key.is_empty() {
            match lines.recv_timeout(START) {
                Ok(line) => gateway.hear(&line),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Failure::new("the gateway did not say where it listens"));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new(
                        "the gateway ended before it printed its address and a publish key",
                    ));
                }
            }
        }
        Ok(gateway)
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A key that may publish.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Writes where it listens to a file that the tests fetch.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn tell(&mut self, file: &Path) -> Result<(), Failure> {
        let Self { url, key, .. } = self;
        let text = format!("{{\"gateway\":\"{url}\",\"app\":\"demo\",\"key\":\"{key}\"}}\n");
        std::fs::write(file, text).map_err(Failure::io(file.display()))?;
        self.told = Some(file.to_path_buf());
        Ok(())
    }

    fn hear(&mut self, line: &str) {
        if let Some(url) = line.strip_prefix("listening ") {
            self.url = url.trim().to_string();
        } else if self.key.is_empty()
            && let Some(key) = publish_key(line)
        {
            self.key = key;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Already gone is as good as stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(file) = &self.told {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// The first server key in a line.
fn publish_key(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("pg_demo_")?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
    let (tail, _) = rest.split_at(end);
    Some(format!("pg_demo_{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_found_wherever_the_line_has_it() {
        let line = "curl -H 'Authorization: Bearer pg_demo_k1_a-B_9' http://127.0.0.1:8080/";
        assert_eq!(publish_key(line).as_deref(), Some("pg_demo_k1_a-B_9"));
        assert_eq!(publish_key("demo page http://127.0.0.1:8080/demo/"), None);
    }
}
