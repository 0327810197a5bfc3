//! What a visitor downloads, compressed, against the bars.

use std::fs;

use crate::failure::Failure;
use crate::house::House;
use crate::shell::{capture, command, print};
use crate::{package, system};

/// File of the package, its name in the table, the bar in bytes (1 KB = 1,000 bytes: the stricter reading),
/// and what it may weigh until it is back under its bar.
///
/// Bars: docs/ARCHITECTURE.md, "Budgets". Why two of them are not held today: docs/decisions/0051-the-worker-is-over-its-bars.md.
const BARS: &[(&str, &str, u64, u64)] = &[
    ("pulsegate.js", "page bundle", 7_000, 7_000),
    ("pulsegate-worker.js", "worker script", 12_000, 13_600),
    ("pulsegate-worker.wasm", "wasm", 24_000, 28_500),
];

/// Reads a file and prints the length of its brotli, quality 11: what `brotli -q 11` gives.
const BROTLI: &str = "const {readFileSync} = require('node:fs'), z = require('node:zlib'), \
    bytes = readFileSync(process.argv[1]); \
    process.stdout.write(String(z.brotliCompressSync(bytes, {params: { \
    [z.constants.BROTLI_PARAM_QUALITY]: 11, [z.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length}}).length))";

/// Prints the table.
///
/// # Errors
/// When a file is over what it may weigh.
pub fn sizes(house: &House) -> Result<(), Failure> {
    system::node()?;
    package::package_if_stale(house)?;
    print(format_args!("{:<14} {:>10} {:>10} {:>10}", "part", "bytes", "brotli", "bar"));
    let mut over = Vec::new();
    for (file, name, bar, most) in BARS {
        let path = house.dist().join(file);
        let plain = fs::metadata(&path).map_err(Failure::io(path.display()))?.len();
        let answer = capture(command("node", &["-e", BROTLI]).arg(&path))?;
        let small: u64 = answer
            .parse()
            .map_err(|_| Failure::new(format!("node did not answer with a number: {answer}")))?;
        let note = if small > *bar { "  OVER ITS BAR" } else { "" };
        print(format_args!("{name:<14} {plain:>10} {small:>10} {bar:>10}{note}"));
        if small > *most {
            over.push(format!("{name}: {small} of {most} bytes"));
        }
    }
    if over.is_empty() { Ok(()) } else { Err(Failure::new(format!("over the bar: {}", over.join(", ")))) }
}

/// Prints what each module and crate costs of the download.
///
/// # Errors
/// When the package cannot be built or read.
pub fn report(house: &House) -> Result<(), Failure> {
    system::node()?;
    package::package_if_stale(house)?;
    print(capture(command("node", &["report.mjs"]).current_dir(house.at("client-wasm/js")))?);
    Ok(())
}
