// What each module of the page and the worker, and each part of the core, costs of the download:
// `node report.mjs`, after a build. Also written as `size.json` for docs/BROWSER_SUPPORT.md.
//
// Scripts are divided by the bytes esbuild kept of each module; the core by the bytes of each
// function, which still have their names in `../pkg/named.wasm`. A part's brotli is divided in the same
// proportion: what a module would cost alone nobody downloads.
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';
import { costsOf } from './wasm-sizes.mjs';

const path = (file) => fileURLToPath(new URL(file, import.meta.url));
const FOLDER = process.env.PULSEGATE_SUPPORT ?? path('../../target/support');
/** Smaller ones are counted together. */
const SMALLEST = 0.01;

const parts = [
  { name: 'page bundle', file: 'pulsegate.js', costs: await ofScript('page') },
  { name: 'worker script', file: 'pulsegate-worker.js', costs: await ofScript('worker') },
  { name: 'wasm', file: 'pulsegate-worker.wasm', costs: await ofWasm() },
  { name: 'React hooks', file: 'react.js', costs: await ofScript('react') },
];

const rows = [];
for (const { name, file, costs } of parts) {
  const bytes = await readFile(path(`../dist/${file}`));
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }).length;
  const sum = [...costs.values()].reduce((before, cost) => before + cost, 0);
  const shares = [...costs].map(([what, cost]) => ({ what, share: cost / sum })).sort((a, b) => b.share - a.share);
  const small = shares.filter(({ share }) => share < SMALLEST);
  const shown = shares.filter(({ share }) => share >= SMALLEST);
  if (small.length > 0) shown.push({ what: `${small.length} smaller ones`, share: small.reduce((before, { share }) => before + share, 0) });
  console.log(`\n${name}: ${bytes.length} bytes, ${brotli} brotli`);
  rows.push({ table: 'size', group: name, row: 'all of it', column: 'brotli', result: String(brotli) });
  for (const { what, share } of shown) {
    const cost = Math.round(share * brotli);
    console.log(`${String(cost).padStart(8)} ${(share * 100).toFixed(1).padStart(5)} %  ${what}`);
    rows.push({ table: 'size', group: name, row: what, column: 'brotli', result: String(cost) });
  }
}
await mkdir(FOLDER, { recursive: true });
await writeFile(join(FOLDER, 'size.json'), `${JSON.stringify({ suite: 'size', rows, versions: {} }, null, 2)}\n`);

/** Bytes a module, as esbuild counted them before the last minifier. */
async function ofScript(part) {
  const { outputs } = JSON.parse(await readFile(path(`../pkg/${part}.meta.json`), 'utf8'));
  const costs = new Map();
  for (const { inputs } of Object.values(outputs)) {
    for (const [file, { bytesInOutput }] of Object.entries(inputs)) {
      const what = file.startsWith('core:') ? 'glue of the core' : file.replace(/^.*src\//, '');
      costs.set(what, (costs.get(what) ?? 0) + bytesInOutput);
    }
  }
  return costs;
}

/** The core, shrunk once more as for shipping, but with its names. */
async function ofWasm() {
  const shrunk = path('../pkg/shrunk.wasm');
  execFileSync(process.execPath, [path('node_modules/binaryen/bin/wasm-opt'), '-Oz', '-g', '--strip-dwarf', '--strip-producers', path('../pkg/named.wasm'), '-o', shrunk]);
  const costs = costsOf(await readFile(shrunk));
  await rm(shrunk);
  return costs;
}
