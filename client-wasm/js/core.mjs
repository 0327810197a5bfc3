// The core as it is shipped: what wasm-bindgen, snip.mjs and wasm-opt left, and the glue to it, shorter.
import { execFileSync } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const wasmOpt = fileURLToPath(new URL('node_modules/binaryen/bin/wasm-opt', import.meta.url));

/** Features of WebAssembly that every supported browser has, and Rust uses. */
const BROWSERS_HAVE = [
  '--enable-bulk-memory', '--enable-nontrapping-float-to-int', '--enable-reference-types', '--enable-multivalue',
  '--enable-sign-ext', '--enable-mutable-globals',
];

/** What std says when it panics. */
const PANIC_TEXTS = [
  'slice index starts at ', ' but ends at ', 'index out of bounds: the len is ', ' but the index is ',
  'range start index ', ' out of range for slice of length ', 'range end index ', 'assertion `left ', ' right` failed',
  '  left: ', ' right: ', 'removal index (is ', 'insertion index (is ', ') should be < len (is ', ') should be <= len (is ',
  'assertion failed: k <= self.len()', 'called `Result::unwrap()` on an `Err` value', 'LayoutError', 'capacity overflow',
  'Tried to shrink to a larger capacity', 'attempt to divide by zero',
  'attempt to calculate the remainder with a divisor of zero', 'RefCell already mutably borrowed',
  'RefCell already borrowed', Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0')).join(''),
];

/**
 * The core with short names for what it shares with its glue, and without the texts of its panics.
 *
 * Import names carry hashes, which do not compress. The texts went with the code that printed them
 * (`snip.mjs`); their bytes, among them paths of the machine that built, become zeros.
 */
export async function shorten(pkg) {
  const file = `${pkg}/short.wasm`;
  const opt = (...words) => execFileSync(process.execPath, [wasmOpt, ...BROWSERS_HAVE, ...words], { encoding: 'utf8' });
  // Nothing of ours lies below 1 KiB, where Rust puts the far end of the stack.
  // A second round on flat code finds another 150 bytes.
  opt('--low-memory-unused', '-Oz', `${pkg}/pulsegate_bg.wasm`, '-o', file);
  opt('--low-memory-unused', '--flatten', '--rereloop', '-Oz', '-Oz', '--converge', file, '-o', file);
  const map = JSON.parse(opt('--minify-imports-and-exports-and-modules', file, '-o', file));
  let glue = lean(await readFile(`${pkg}/pulsegate.js`, 'utf8'));
  const escape = (text) => text.replace(/[.$]/g, '\\$&');
  for (const [, long, short] of map.imports) glue = glue.replace(new RegExp(`(^\\s*)${escape(long)}:`, 'm'), `$1${short}:`);
  for (const [long, short] of map.exports) glue = glue.replace(new RegExp(`\\bwasm\\.${escape(long)}\\b`, 'g'), `wasm.${short}`);
  glue = glue.replace('"./pulsegate_bg.js": import0', 'a: import0');
  const quiet = (text) => '\0'.repeat(text.length);
  let bytes = (await readFile(file)).toString('latin1').replace(/(?:\/[\w.-]+\/|proto\/|client-wasm\/)[\w/.-]+\.rs(?!\w)/g, quiet);
  for (const text of PANIC_TEXTS) bytes = bytes.replaceAll(text, quiet);
  await rm(file);
  return { wasm: Buffer.from(bytes, 'latin1'), glue };
}

/**
 * The glue of wasm-bindgen without what a worker never needs: other ways to load, decoders for
 * gigabytes of text, a registry of closures nobody drops (the core drops its own).
 */
function lean(glue) {
  const cut = (pattern, by) => {
    if (!pattern.test(glue)) throw new Error(`wasm-bindgen's glue has changed: nothing matches ${pattern}`);
    glue = glue.replace(pattern, by);
  };
  cut(/function decodeText\(bytes\) \{[^]*?\n\}/, 'function decodeText(bytes) { return new TextDecoder().decode(bytes); }');
  cut(/let cachedTextDecoder = [^]*?cachedTextDecoder\.decode\(\);/, '');
  cut(/const CLOSURE_DTORS = [^]*?\n    : new FinalizationRegistry\([^;]*;/, 'const CLOSURE_DTORS = { register() {}, unregister() {} };');
  return `${glue}
    export function boot(module) {
      wasm = new WebAssembly.Instance(module, __wbg_get_imports()).exports;
      wasm.__wbindgen_start();
    }`;
}

