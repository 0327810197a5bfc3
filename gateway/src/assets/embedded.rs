//! The embedded files, and what is computed of them once.

use super::negotiate::Encoding;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::OnceLock;

/// A file as `build.rs` took it in.
pub(super) struct Embedded {
    name: &'static str,
    plain: &'static [u8],
    br: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// A file ready to be sent.
pub(super) struct File {
    pub plain: &'static [u8],
    br: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
    /// First 16 hex digits of the SHA-256 of the plain bytes: what the worker's script names.
    pub hash: String,
    pub media: &'static str,
}

impl File {
    pub(super) fn new(
        name: &str,
        plain: &'static [u8],
        br: Option<&'static [u8]>,
        gzip: Option<&'static [u8]>,
    ) -> Self {
        let mut hash = String::new();
        for byte in &Sha256::digest(plain)[..8] {
            hash.push_str(&format!("{byte:02x}"));
        }
        Self { plain, br, gzip, hash, media: media_of(name) }
    }

    /// The bytes in that encoding, if there are some.
    pub(super) fn bytes(&self, encoding: Encoding) -> Option<&'static [u8]> {
        match encoding {
            Encoding::Plain => Some(self.plain),
            Encoding::Gzip => self.gzip,
            Encoding::Brotli => self.br,
        }
    }

    /// The strong validator of the bytes in that encoding.
    pub(super) fn tag(&self, encoding: Encoding) -> String {
        match encoding.name() {
            None => format!("\"{}\"", self.hash),
            Some(name) => format!("\"{}-{name}\"", self.hash),
        }
    }
}

/// The file of this name, if this build has it.
pub(super) fn file(name: &str) -> Option<&'static File> {
    static ALL: OnceLock<HashMap<&'static str, File>> = OnceLock::new();
    ALL.get_or_init(|| {
        FILES.iter().map(|file| (file.name, File::new(file.name, file.plain, file.br, file.gzip))).collect()
    })
    .get(name)
}

fn media_of(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("wasm") => "application/wasm",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
