//! Embeds what browsers load: the package's worker pair and page bundle, and the demo page, each
//! with its precompressed siblings. Builds without them too: their routes then say how to make them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let home = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = home.parent().unwrap_or(&home).to_path_buf();
    let mut files = BTreeMap::new();
    let dist = root.join("client-wasm").join("dist");
    if dist.is_dir() {
        println!("cargo:rerun-if-changed={}", dist.display());
        for name in ["pulsegate.js", "pulsegate-worker.js", "pulsegate-worker.wasm"] {
            take(&dist.join(name), name, &mut files);
        }
    } else {
        // A path that does not exist would make Cargo run this every time; its parent exists.
        println!("cargo:rerun-if-changed={}", root.join("client-wasm").display());
    }
    let www = root.join("www");
    println!("cargo:rerun-if-changed={}", www.display());
    println!("cargo:rerun-if-changed=build.rs");
    if www.join("demo").is_dir() {
        walk(&www.join("demo"), "demo", &mut files)?;
    }
    let mut code = String::from("pub(super) static FILES: &[Embedded] = &[\n");
    for (name, path) in &files {
        let sibling = |extension: &str| {
            let path = PathBuf::from(format!("{}.{extension}", path.display()));
            match path.is_file() {
                true => format!("Some(include_bytes!({path:?}))"),
                false => String::from("None"),
            }
        };
        // Writing to a String does not fail.
        let _ = writeln!(
            code,
            "    Embedded {{ name: {name:?}, plain: include_bytes!({path:?}), br: {}, gzip: {} }},",
            sibling("br"),
            sibling("gz"),
        );
    }
    code.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("files.rs"), code)
}

fn take(path: &Path, name: &str, files: &mut BTreeMap<String, PathBuf>) {
    if path.is_file() {
        files.insert(name.to_owned(), path.to_path_buf());
    }
}

fn walk(folder: &Path, name: &str, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let inner = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &inner, files)?;
        } else if !inner.ends_with(".br") && !inner.ends_with(".gz") {
            take(&entry.path(), &inner, files);
        }
    }
    Ok(())
}
