// Writes the npm package `pulsegate` into ../dist: page bundle, worker script and wasm, types, the
// React hooks and the command. Prints sizes; the bars are those of the design, kilobytes of brotli.
//
// Reads ../pkg, where `wasm-bindgen --target web` and `wasm-opt` left the core.
import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { shrink } from './minify.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const dist = path('../dist');
const BARS = { 'pulsegate.js': 7, 'pulsegate-worker.js': 12, 'pulsegate-worker.wasm': 24 };

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

const { version } = JSON.parse(await readFile(path('package.json'), 'utf8'));
const { wasm, glue } = await shorten();
const hash = createHash('sha256').update(wasm).digest('hex').slice(0, 16);

/**
 * The core with short names for what it shares with its glue, and without the texts of its panics.
 *
 * Import names carry hashes, which do not compress. The texts went with the code that printed them
 * (`snip.mjs`); their bytes, among them paths of the machine that built, become zeros.
 */
async function shorten() {
  const file = path('../pkg/short.wasm');
  const opt = (...words) => execFileSync(process.execPath, [path('node_modules/binaryen/bin/wasm-opt'), ...BROWSERS_HAVE, ...words], { encoding: 'utf8' });
  // Nothing of ours lies below 1 KiB, where Rust puts the far end of the stack.
  // A second round on flat code finds another 150 bytes.
  opt('--low-memory-unused', '-Oz', path('../pkg/pulsegate_bg.wasm'), '-o', file);
  opt('--low-memory-unused', '--flatten', '--rereloop', '-Oz', '-Oz', '--converge', file, '-o', file);
  const map = JSON.parse(opt('--minify-imports-and-exports-and-modules', file, '-o', file));
  let glue = lean(await readFile(path('../pkg/pulsegate.js'), 'utf8'));
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

/** Everything that makes a build: two builds of the same sources have the same name. */
async function buildName() {
  const result = await build({ ...common, ...worker, write: false, define: { __BUILD__: '""', __WASM_HASH__: `"${hash}"` } });
  const digest = createHash('sha256').update(await shrink(result.outputFiles[0].text, { module: false })).digest('hex').slice(0, 6);
  return `${version}+${digest}`;
}

const common = {
  bundle: true,
  minify: true,
  target: 'es2022',
  legalComments: 'none',
  charset: 'utf8',
  logLevel: 'warning',
};
const worker = {
  entryPoints: [path('src/worker/main.ts')],
  outfile: `${dist}/pulsegate-worker.js`,
  format: 'iife',
  // Names that only the worker's own modules say to each other: none of a browser's, and none that
  // crosses a port or lies in storage.
  mangleProps: new RegExp(`^(${[
    'joined', 'welcomed', 'receiptsTaken', 'needToken', 'knownIds', 'missedSince', 'abandoned', 'unshown', 'settle', 'settled',
    'expire', 'recalls', 'keepCloses', 'listens', 'awaits', 'awaited', 'postLive', 'pump', 'renew', 'superseded', 'replied',
    'progressed', 'unavailable', 'denied', 'takeClicks', 'displayed', 'showing', 'consider', 'remaining', 'unsubscribed', 'behind',
    'returned', 'dropped', 'needed', 'beyond',
  ].join('|')})$`),
  plugins: [{
    name: 'core',
    setup(b) {
      b.onResolve({ filter: /^#core$/ }, () => ({ path: 'core', namespace: 'core' }));
      b.onLoad({ filter: /.*/, namespace: 'core' }, () => ({ contents: glue, loader: 'js' }));
    },
  }],
  // The glue would look for the wasm beside itself; ours is handed a compiled module.
  logOverride: { 'empty-import-meta': 'silent' },
};

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
const name = await buildName();
const define = { __BUILD__: JSON.stringify(name), __WASM_HASH__: JSON.stringify(hash) };

await build({ ...common, ...worker, define });
await build({ ...common, define, format: 'esm', entryPoints: [path('src/page/index.ts')], outfile: `${dist}/pulsegate.js` });
await build({
  ...common,
  define,
  format: 'esm',
  entryPoints: [path('src/react/index.ts')],
  outfile: `${dist}/react.js`,
  external: ['react'],
  plugins: [{
    // One client module for both entries, so that `PushError` is one class.
    name: 'pulsegate',
    setup: (b) => b.onResolve({ filter: /page\/index\.js$/ }, () => ({ path: './pulsegate.js', external: true })),
  }],
});
for (const [file, module] of [['pulsegate-worker.js', false], ['pulsegate.js', true], ['react.js', true]]) {
  await writeFile(`${dist}/${file}`, await shrink(await readFile(`${dist}/${file}`, 'utf8'), { module }));
}
await writeFile(`${dist}/pulsegate-worker.wasm`, wasm);

execFileSync(process.execPath, [
  path('node_modules/typescript/bin/tsc'), '--project', path('tsconfig.json'),
  '--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', `${dist}/types`,
], { stdio: 'inherit' });
for (const inner of ['worker', 'sw', 'store']) await rm(`${dist}/types/${inner}`, { recursive: true, force: true });
await writeFile(`${dist}/index.d.ts`, "export * from './types/page/index.js';\n");
await writeFile(`${dist}/react.d.ts`, "export * from './types/react/index.js';\n");

await cp(path('src/init/init.mjs'), `${dist}/init.mjs`);
await chmod(`${dist}/init.mjs`, 0o755);
await cp(path('README.md'), `${dist}/README.md`);
for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT']) await cp(path(`../../${licence}`), `${dist}/${licence}`);
await writeFile(`${dist}/package.json`, `${JSON.stringify({
  name: 'pulsegate',
  version,
  description: 'Self-hosted push for the web: one connection per browser, every message once, notifications shown once',
  license: 'Apache-2.0 OR MIT',
  repository: { type: 'git', url: 'git+https://github.com/pulsegate/pulsegate.git', directory: 'client-wasm' },
  keywords: ['push', 'notifications', 'websocket', 'pubsub', 'realtime'],
  type: 'module',
  sideEffects: false,
  engines: { node: '>=20' },
  exports: {
    '.': { types: './index.d.ts', default: './pulsegate.js' },
    './react': { types: './react.d.ts', default: './react.js' },
    './pulsegate-worker.js': './pulsegate-worker.js',
    './pulsegate-worker.wasm': './pulsegate-worker.wasm',
    './package.json': './package.json',
  },
  types: './index.d.ts',
  bin: { pulsegate: 'init.mjs' },
  peerDependencies: { react: '>=18' },
  peerDependenciesMeta: { react: { optional: true } },
  files: [
    'pulsegate.js', 'react.js', 'index.d.ts', 'react.d.ts', 'types', 'init.mjs',
    'pulsegate-worker.js', 'pulsegate-worker.wasm', 'LICENSE-APACHE', 'LICENSE-MIT',
  ],
}, null, 2)}\n`);

console.log(`pulsegate ${name}, wasm ${hash}`);
for (const [file, bar] of Object.entries(BARS)) {
  const bytes = await readFile(`${dist}/${file}`);
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });
  await writeFile(`${dist}/${file}.br`, brotli);
  await writeFile(`${dist}/${file}.gz`, gzipSync(bytes, { level: 9 }));
  const kb = brotli.length / 1000;
  console.log(`${file.padEnd(24)} ${kb.toFixed(1).padStart(6)} kB brotli of ${(bytes.length / 1000).toFixed(1)} kB, bar ${bar}`);
  // Said here, judged by `cargo xtask sizes`: a page too large still has to be looked at.
  if (kb > bar) console.warn(`${file} is over its bar`);
}
