// Why the package keeps its wasm away from bundlers: what the usual ways of shipping it come to. Each is
// a fact the design rests on (docs/decisions/0040), and fails when a pinned tool has learned better.

import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { brotliCompressSync } from 'node:zlib';
import * as esbuild from 'esbuild';
import * as vite7 from 'vite-7';
import { until } from '../browser/lib/until.mjs';
import { launch } from '../browser/lib/chromium.mjs';
import { workshop } from './lib/packed.mjs';

let shop;
let browser;

before(async () => {
  [shop, browser] = await Promise.all([workshop('facts'), launch()]);
  // Another package, which ships its wasm in the two usual ways.
  const other = join(shop.folder, 'node_modules/other');
  await mkdir(other);
  await cp(join(shop.installed, 'pulsegate-worker.wasm'), join(other, 'core.wasm'));
  await writeFile(join(other, 'package.json'), JSON.stringify({ name: 'other', version: '1.0.0', type: 'module', exports: { './by-url': './by-url.js', './by-import': './by-import.js' } }));
  await writeFile(join(other, 'by-url.js'), "export const address = new URL('./core.wasm', import.meta.url);");
  await writeFile(join(other, 'by-import.js'), "import * as core from './core.wasm';\nexport { core };");
});

after(async () => {
  await browser?.close();
  await shop?.close();
});

async function site(name, way) {
  const root = await shop.project(name);
  await writeFile(join(root, 'index.html'), '<!doctype html><html lang="en"><head><title>another package</title></head><body><script type="module" src="/main.js"></script></body></html>');
  await writeFile(join(root, 'main.js'), way === 'by-url'
    ? "import { address } from 'other/by-url';\nfetch(address).then(async (answer) => { document.documentElement.dataset.got = (answer.headers.get('content-type') ?? '') === 'application/wasm' ? 'wasm' : `${answer.status} and no wasm`; });"
    : "import { core } from 'other/by-import';\nconsole.log(core);");
  return root;
}

const toEsbuild = (root) => esbuild.build({ absWorkingDir: root, entryPoints: ['main.js'], outdir: 'dist', bundle: true, format: 'esm', logLevel: 'silent' });
const viteOf = (root) => ({ root, configFile: false, logLevel: 'silent', cacheDir: join(root, '.vite') });

test('esbuild leaves a wasm that is named by new URL behind', async () => {
  const root = await site('url-esbuild', 'by-url');
  await toEsbuild(root);
  assert.deepEqual(await readdir(join(root, 'dist')), ['main.js']);
  assert.match(await readFile(join(root, 'dist/main.js'), 'utf8'), /new URL\("\.\/core\.wasm", import\.meta\.url\)/, 'the page would ask for a file that is not there');
});

test('the dev server of Vite 7 does not find a wasm that a package names by new URL', async () => {
  const root = await site('url-vite', 'by-url');
  const server = await vite7.createServer({ ...viteOf(root), appType: 'mpa', server: { host: '127.0.0.1', port: 0, hmr: false } });
  await server.listen();
  const tab = await browser.open(server.resolvedUrls.local[0]);
  assert.equal(await until('an answer', () => tab.run('document.documentElement.dataset.got')), '404 and no wasm');
  await tab.close();
  await server.close();
});

test('esbuild refuses to import a wasm', async () => {
  await assert.rejects(toEsbuild(await site('import-esbuild', 'by-import')), /No loader is configured for "\.wasm" files/);
});

test('Vite 7 refuses to import a wasm', async () => {
  await assert.rejects(vite7.build(viteOf(await site('import-vite', 'by-import'))), /wasm/i);
});

test('a wasm written into the script as base64 weighs a fifth more to download, at least', async () => {
  const wasm = await readFile(join(shop.installed, 'pulsegate-worker.wasm'));
  const more = brotliCompressSync(wasm.toString('base64')).length / brotliCompressSync(wasm).length - 1;
  assert.ok(more > 0.2, `${(more * 100).toFixed(0)} % more`);
});
