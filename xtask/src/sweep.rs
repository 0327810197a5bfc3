//! Keeps the cache folder from growing: a CI machine builds one checkout after another into it.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::failure::Failure;
use crate::house::House;
use crate::shell::{cargo, print, run, say};

/// Built anew for every fresh checkout, since its files are newer than any build. `xtask` is left out: it is
/// running, and small.
const OURS: [&str; 5] =
    ["pulsegate-proto", "pulsegate-routing", "pulsegate-gateway", "pulsegate-tests", "pulsegate-client-wasm"];
/// The options of cargo that lead to each folder of build output.
const FOLDERS: [&[&str]; 4] = [
    &["--profile", "dev"],
    &["--profile", "release"],
    &["--profile", "dev", "--target", "wasm32-unknown-unknown"],
    &["--profile", "wasm", "--target", "wasm32-unknown-unknown"],
];
/// Build output of one state of the dependencies is 4 GB; this is three of them, and the next one begins anew.
const MOST: u64 = 12_000_000_000;
/// A tool that no checkout asked for so long is of a version that nobody builds any more.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Drops from the cache folder what earlier checkouts left there and says how large it is.
///
/// A target folder that lies elsewhere is its owner's and left alone.
///
/// # Errors
/// When cargo fails or something cannot be removed.
pub fn sweep(house: &House) -> Result<(), Failure> {
    sweep_tools(&house.cache.join("tools"), SystemTime::now())?;
    if house.target.starts_with(&house.cache) && house.target.is_dir() {
        for folder in FOLDERS {
            let mut clean = cargo(&["clean", "--quiet", "--locked"]);
            clean.args(folder).args(OURS.iter().flat_map(|name| ["-p", name])).current_dir(&house.root);
            run(&mut clean)?;
        }
        if size(&house.target) > MOST {
            say("the build output of many versions of the dependencies goes; this build begins anew");
            fs::remove_dir_all(&house.target).map_err(Failure::io(house.target.display()))?;
        }
    }
    print(format_args!("cache folder {}: {} MB", house.cache.display(), size(&house.cache) / 1_000_000));
    Ok(())
}

fn sweep_tools(tools: &Path, now: SystemTime) -> Result<(), Failure> {
    // No folder yet: nothing to sweep.
    for entry in fs::read_dir(tools).into_iter().flatten().flatten() {
        let path = entry.path();
        let used = entry.metadata().and_then(|meta| meta.modified()).map_err(Failure::io(path.display()))?;
        if path.is_dir() && now.duration_since(used).is_ok_and(|age| age > UNUSED) {
            say(format_args!("{} was not used for a month and goes", path.display()));
            fs::remove_dir_all(&path).map_err(Failure::io(path.display()))?;
        }
    }
    Ok(())
}

/// Bytes of all files below; what vanishes meanwhile does not count.
fn size(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    if !meta.is_dir() {
        return meta.len();
    }
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use super::*;

    #[test]
    fn only_tools_that_nobody_used_for_a_month_go() {
        let tools = std::env::temp_dir().join(format!("pulsegate-sweep-{}", std::process::id()));
        for name in ["old", "fresh"] {
            fs::create_dir_all(tools.join(name).join("bin")).unwrap();
        }
        let now = SystemTime::now();
        fs::File::open(tools.join("old")).unwrap().set_modified(now - 2 * UNUSED).unwrap();
        sweep_tools(&tools, now).unwrap();
        assert!(!tools.join("old").exists() && tools.join("fresh").exists());
        fs::remove_dir_all(&tools).unwrap();
    }

    #[test]
    fn the_size_is_that_of_all_files_below() {
        let folder = std::env::temp_dir().join(format!("pulsegate-size-{}", std::process::id()));
        fs::create_dir_all(folder.join("deep")).unwrap();
        fs::write(folder.join("a"), "12345").unwrap();
        fs::write(folder.join("deep/b"), "1234567").unwrap();
        assert_eq!(size(&folder), 12);
        fs::remove_dir_all(&folder).unwrap();
    }
}
