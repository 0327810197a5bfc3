//! The tests of the browser core, in the places where it runs: page, worker, shared worker, service worker.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Bench;
use super::gateway::Gateway;
use super::ticker::Ticker;
use crate::failure::Failure;
use crate::shell::say;
use crate::tally::Tally;

/// The browser the core is tested in.
pub enum Engine<'e> {
    /// Chromium, by the chromedriver in the environment.
    Chromium,
    /// Firefox.
    Firefox {
        /// Its `WebDriver`.
        geckodriver: &'e Path,
    },
}

impl Bench<'_> {
    /// One run a file: each asks for its own place, and a browser that died in one must not hide the others.
    pub fn wasm_pack(&self, engine: &Engine) -> Result<(Tally, bool), Failure> {
        let folder = self.house.at("client-wasm/tests");
        let mut files: Vec<String> = fs::read_dir(&folder)
            .map_err(Failure::io(folder.display()))?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".rs").map(str::to_string))
            .collect();
        files.sort();
        let mut gateway = Gateway::start(self.house)?;
        gateway.tell(&self.house.at("client-wasm/test-env.json"))?;
        let _ticks = Ticker::start(gateway.url(), gateway.key());
        let mut all = (Tally::default(), true);
        for file in files {
            let mut tests = Command::new("wasm-pack");
            tests.args(["test", "--headless"]).env("PATH", &self.path).current_dir(&self.house.root);
            match engine {
                Engine::Chromium => {
                    say(format_args!("test: wasm: {file}"));
                    tests.arg("--chrome");
                }
                Engine::Firefox { geckodriver } => {
                    say(format_args!("test: wasm in Firefox: {file}"));
                    // Goes before the one for Chromium in `.cargo/config.toml`.
                    let capabilities = self.house.at("client-wasm/webdriver-firefox.json");
                    tests.arg("--firefox").arg("--geckodriver").arg(geckodriver);
                    tests.env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", capabilities);
                }
            }
            let (tally, success) = self.hear(tests.args(["client-wasm", "--locked", "--test", &file]))?;
            all = (all.0 + tally, all.1 && success);
        }
        Ok(all)
    }
}
