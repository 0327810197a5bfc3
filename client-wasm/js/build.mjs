// Writes the npm package `pulsegate` into ../dist: page bundle, worker script and wasm, types, the
// React hooks and the command. Prints sizes; the bars are those of the design, kilobytes of brotli.
//
// Reads ../pkg, where `wasm-bindgen --target web` and `wasm-opt` left the core.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { shorten } from './core.mjs';
import { mangleProps } from './mangle.mjs';
import { writePackage } from './manifest.mjs';
import { shrink } from './minify.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const dist = path('../dist');
const BARS = { 'pulsegate.js': 7, 'pulsegate-worker.js': 12, 'pulsegate-worker.wasm': 24 };

const { version } = JSON.parse(await readFile(path('package.json'), 'utf8'));
const { wasm, glue } = await shorten(path('../pkg'));
const hash = createHash('sha256').update(wasm).digest('hex').slice(0, 16);

/** Everything that makes a build: two builds of the same sources have the same name. */
async function buildName() {
  const result = await build({ ...common, ...worker, write: false, define: { __BUILD__: '""', __WASM_HASH__: `"${hash}"` } });
  const digest = createHash('sha256').update(await shrink(result.outputFiles[0].text, { module: false })).digest('hex').slice(0, 6);
  return `${version}+${digest}`;
}

const common = {
  bundle: true,
  target: 'es2022',
  legalComments: 'none',
  charset: 'utf8',
  mangleProps,
  logLevel: 'warning',
};
const worker = {
  entryPoints: [path('src/worker/main.ts')],
  outfile: `${dist}/pulsegate-worker.js`,
  format: 'iife',
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

/** Builds a script; what each module costs in it goes beside the core, for the report of sizes. */
async function emit(part, options) {
  await build({ ...common, define, ...options });
  const { metafile } = await build({ ...common, define, ...options, minify: true, write: false, metafile: true });
  await writeFile(path(`../pkg/${part}.meta.json`), JSON.stringify(metafile));
}

await emit('worker', worker);
await emit('page', { format: 'esm', entryPoints: [path('src/page/index.ts')], outfile: `${dist}/pulsegate.js` });
await emit('react', {
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

await writePackage(dist, version);

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
