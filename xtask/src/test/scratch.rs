//! A folder for what the browsers of a test run leave lying about: Chromium does not tidy up after a kill.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Temporary files of one run; dropping it removes them.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new, empty folder where temporary files belong. Its name is short: sockets live in it, and their
    /// paths end at 108 bytes.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("pulsegate-run-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(Failure::io(folder.display()))?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A program that is still ending may hold a file; the system's own sweep of old files gets it then.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use super::*;

    #[test]
    fn what_was_left_in_it_goes_with_it() {
        let scratch = Scratch::make().unwrap();
        let folder = scratch.path().to_path_buf();
        std::fs::write(folder.join("left"), "x").unwrap();
        drop(scratch);
        assert!(!folder.exists());
    }
}
