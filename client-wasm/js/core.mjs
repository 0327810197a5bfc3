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

/**
 * The core with short names for what it shares with its glue: the names of imports carry hashes, which do
 * not compress.
 */
export async function shorten(pkg) {
  const file = `${pkg}/short-${process.pid}.wasm`;
  const opt = (...words) => execFileSync(process.execPath, [wasmOpt, ...BROWSERS_HAVE, ...words], { encoding: 'utf8' });
  // Nothing of ours lies below 1 KiB, where Rust puts the far end of the stack.
  // A second round on flat code finds another 150 bytes.
  opt('--low-memory-unused', '-Oz', `${pkg}/pulsegate_bg.wasm`, '-o', file);
  opt('--low-memory-unused', '--flatten', '--rereloop', '-Oz', '-Oz', '--converge', file, '-o', file);
  const map = JSON.parse(opt('--minify-imports-and-exports-and-modules', file, '-o', file));
  let glue = lean(await readFile(`${pkg}/pulsegate.js`, 'utf8'), new Set(map.imports.map(([, long]) => long)));
  const escape = (text) => text.replace(/[.$]/g, '\\$&');
  for (const [, long, short] of map.imports) glue = glue.replace(new RegExp(`(^\\s*)${escape(long)}:`, 'm'), `$1${short}:`);
  for (const [long, short] of map.exports) glue = glue.replace(new RegExp(`\\bwasm\\.${escape(long)}\\b`, 'g'), `wasm.${short}`);
  glue = glue.replace('"./pulsegate_bg.js": import0', 'a: import0');
  const wasm = await readFile(file);
  await rm(file);
  return { wasm, glue };
}

/**
 * A closure of the core as a function of one argument: freed when both the core and the calls under
 * way let go of it, and not entered twice.
 */
const CLOSURE = `function makeMutClosure(a, b, f) {
  let held = 1;
  const real = (event) => {
    held++;
    const at = a;
    a = 0;
    try {
      f(at, b, event);
    } finally {
      a = at;
      real._wbg_cb_unref();
    }
  };
  real._wbg_cb_unref = () => {
    if (--held === 0) {
      wasm.__wbindgen_destroy_closure(a, b);
      a = 0;
    }
  };
  return real;
}`;

/**
 * The glue of wasm-bindgen without what a worker never needs: other ways to load, decoders for
 * gigabytes of text, a registry of closures nobody drops (the core drops its own), catching where
 * nothing is thrown (`close` without a code, `instanceof` in one realm), and what the core no longer
 * imports. What the core says goes to the function that `boot` is given.
 */
function lean(glue, imported) {
  const cut = (pattern, by) => {
    if (!pattern.test(glue)) throw new Error(`wasm-bindgen's glue has changed: nothing matches ${pattern}`);
    glue = glue.replace(pattern, by);
  };
  cut(/function decodeText\(bytes\) \{[^]*?\n\}/, 'function decodeText(bytes) { return new TextDecoder().decode(bytes); }');
  cut(/let cachedTextDecoder = [^]*?cachedTextDecoder\.decode\(\);/, '');
  cut(/return decodeText\(getUint8ArrayMemory0\(\)\.subarray\(ptr, ptr \+ len\)\)/, 'return decodeText(getArrayU8FromWasm0(ptr, len))');
  cut(/const CLOSURE_DTORS = [^]*?\n    : new FinalizationRegistry\([^;]*;/, '');
  cut(/function makeMutClosure\([^]*?\n\}/, CLOSURE);
  cut(/function\(\) \{ return handleError\(function (\(arg0\) \{\s*arg0\.close\(\);\s*\}), arguments\); \}/, 'function$1');
  cut(/function\(\) \{ return handleError\(function (\([^)]*\) )(\{[^}]*\}), arguments\); \}/g, 'function$1{ try $2 catch (e) { caught(e); } }');
  cut(/function handleError\([^]*?\n\}/, 'function caught(e) { wasm.__wbindgen_exn_store(addToExternrefTable0(e)); }');
  cut(/let result;\s*try \{\s*result = (arg0 instanceof \w+);[^]*?const ret = result;/g, 'const ret = $1;');
  // Memory that grew leaves the old view empty.
  cut(/cachedUint8ArrayMemory0 === null \|\| cachedUint8ArrayMemory0\.byteLength === 0/, '!cachedUint8ArrayMemory0?.length');
  // Pointers are below 2 GiB, kinds and times too; the engine makes numbers of what it is given.
  cut(/ ?ptr = ptr >>> 0;| >>> 0/g, '');
  cut(/ptr \/ 1/g, 'ptr');
  cut(/arg\.length \* 1/, 'arg.length');
  cut(/const val\d = \+(\w+);/g, (whole) => whole.replace('+', ''));
  cut(/        (__wb\w+): function\([^]*?\n        \},?(?: \w+\);)?\n/g, (whole, name) => (imported.has(name) ? whole : ''));
  return `${glue}
    let pulsegateTell;
    export function boot(module, tell) {
      pulsegateTell = tell;
      wasm = new WebAssembly.Instance(module, __wbg_get_imports()).exports;
      wasm.__wbindgen_start();
      return input;
    }`;
}
