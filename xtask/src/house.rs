//! Where things are: the checkout, the folder of built tools, the build output.

use std::env;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The places the workshop works in.
#[derive(Debug, Clone)]
pub struct House {
    /// The checkout.
    pub root: PathBuf,
    /// Built once, kept for every checkout of this user: tools and, under CI, build output.
    pub cache: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
}

impl House {
    /// Finds the checkout this command was started in.
    ///
    /// # Errors
    /// When neither cargo nor the current folder tell where the checkout is, or no cache folder can be named.
    pub fn open() -> Result<Self, Failure> {
        let root = root()?;
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        Ok(Self { cache: cache()?, target, root })
    }

    /// A path of the checkout.
    pub fn at(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Where the built npm package stands.
    pub fn dist(&self) -> PathBuf {
        self.at("client-wasm/dist")
    }

    /// The gateway as `cargo build` in the named profile folder leaves it.
    pub fn gateway(&self, profile_folder: &str) -> PathBuf {
        let name = if cfg!(windows) { "pulsegate.exe" } else { "pulsegate" };
        self.target.join(profile_folder).join(name)
    }

    /// A path as people want to read it: relative to the checkout where it lies inside.
    pub fn short<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

fn root() -> Result<PathBuf, Failure> {
    // Cargo says at run time where xtask lies; the path of build time would be wrong for a second
    // checkout that shares a target folder.
    if let Some(manifest) = env::var_os("CARGO_MANIFEST_DIR")
        && let Some(parent) = Path::new(&manifest).parent()
    {
        return Ok(parent.to_path_buf());
    }
    let here = env::current_dir().map_err(|e| Failure::new(format!("no current folder: {e}")))?;
    here.ancestors()
        .find(|folder| folder.join("xtask/Cargo.toml").is_file())
        .map(Path::to_path_buf)
        .ok_or_else(|| Failure::new("not inside a checkout of Pulsegate"))
}

fn cache() -> Result<PathBuf, Failure> {
    let named = |variable: &str| env::var_os(variable).filter(|value| !value.is_empty());
    if let Some(folder) = named("PULSEGATE_CACHE") {
        return Ok(PathBuf::from(folder));
    }
    if let Some(folder) = named("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(folder).join("pulsegate"));
    }
    named("HOME")
        .or_else(|| named("LOCALAPPDATA"))
        .map(|home| PathBuf::from(home).join(".cache/pulsegate"))
        .ok_or_else(|| Failure::new("set PULSEGATE_CACHE to a folder for built tools: HOME is not set"))
}
