//! Chromium on the client's side of the lab, led by `tests/browser/nat.mjs`.

use super::{Lab, PAGES};
use serde_json::Value;
use std::{path::Path, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A browser that starts beside a dozen other tests may take its time.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running browser with one page of the app. Its value should be [closed](Self::close): dropped, it leaves its files.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    words: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// A time zone in which it is about noon: what the ladder dares does not depend on when a test runs.
fn noon() -> String {
    let east = 12 - crate::keys::unix_now() / 3600 % 24;
    // The names of these zones count westwards.
    format!("Etc/GMT{:+}", -east)
}

impl Browser {
    /// Starts it behind the router.
    ///
    /// # Panics
    /// If there is no Node.js.
    pub async fn start(lab: &Lab) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/nat.mjs");
        let mut command = Command::from(lab.wires.client.command("node"));
        let port = PAGES.rsplit(':').next().unwrap();
        command.arg(script).env("NAT_GATEWAY", format!("http://{}", lab.dial()));
        command.env("NAT_PORT", port).env("NAT_SPEED", lab.speed().to_string());
        command.env("TZ", noon());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let words = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, words, answers }
    }

    /// Closes it, and waits until it is gone with all it wrote.
    pub async fn close(mut self) {
        drop(self.words);
        let _ = tokio::time::timeout(PATIENCE, self.child.wait()).await;
    }

    /// Waits until the page has heard a message, asking again and again.
    pub async fn hears(&mut self, text: &str) {
        while !self.does("tell").await["heard"].as_array().unwrap().iter().any(|heard| heard == text) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Tells it to do something, by one of the words that `nat.mjs` knows; what it answers.
    ///
    /// # Panics
    /// If it cannot.
    pub async fn does(&mut self, word: &str) -> Value {
        self.words.write_all(format!("{word}\n").as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, self.answers.next_line()).await;
        let line = answer.expect("the browser answers in time").unwrap();
        let answer: Value = serde_json::from_str(&line.expect("the browser is there")).unwrap();
        assert_eq!(answer["fault"], Value::Null, "{word}");
        answer
    }
}
