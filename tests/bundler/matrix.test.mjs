// The packed tarball in every build tool we name: built, served under a strict policy, loaded in
// Chromium, and receiving one message from the real gateway.

import assert from 'node:assert/strict';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { promisify } from 'node:util';
import * as esbuild from 'esbuild';
import * as vite7 from 'vite-7';
import * as vite8 from 'vite-8';
import webpack from 'webpack';
import { startNext } from './lib/next.mjs';
import { run, workshop } from './lib/packed.mjs';
import { openStage } from './lib/receive.mjs';
import { recorder } from './lib/record.mjs';
import { serve } from './lib/site.mjs';

const require = createRequire(import.meta.url);
const versionOf = (name) => require(`${name}/package.json`).version;
const proves = recorder('bundler', {
  'Vite 7': vite7.version, 'Vite 8': vite8.version, webpack: webpack.version, esbuild: esbuild.version, Next: versionOf('next'), Node: process.versions.node,
});
let shop;
let stage;

before(async () => {
  [shop, stage] = await Promise.all([workshop('matrix'), openStage()]);
});

after(async () => {
  await stage?.stop();
  await shop?.close();
});

/** Serves what was built, beside it the worker's files, and lets the page receive. */
async function receivesBuilt(folder, title) {
  await shop.command(folder, 'init', '.');
  const site = await serve(folder);
  try {
    await stage.receivesOneMessage(`${site.origin}/`, title);
  } finally {
    site.stop();
  }
}

/** A bundler that met the wasm would have put a copy of its own somewhere. */
async function assertNoWasmIn(folder) {
  const built = await readdir(folder, { recursive: true });
  assert.deepEqual(built.filter((name) => name.endsWith('.wasm')), []);
}

for (const [name, vite] of [['Vite 7', vite7], ['Vite 8', vite8]]) {
  const config = (root) => ({ root, configFile: false, logLevel: 'warn', cacheDir: join(root, '.vite') });

  proves(name, 'build', `a page built by ${name} receives a message`, async () => {
    const root = await shop.project(`${name.replace(' ', '-')}-build`.toLowerCase(), 'app');
    await vite.build({ ...config(root), build: { target: 'esnext' } });
    await assertNoWasmIn(join(root, 'dist'));
    await receivesBuilt(join(root, 'dist'), `built by ${name}`);
  });

  proves(name, 'dev', `a page in the dev server of ${name} receives a message`, async () => {
    const root = await shop.project(`${name.replace(' ', '-')}-dev`.toLowerCase(), 'app');
    await shop.command(root, 'init', 'public');
    const server = await vite.createServer({ ...config(root), server: { host: '127.0.0.1', port: 0, hmr: false } });
    try {
      await server.listen();
      await stage.receivesOneMessage(server.resolvedUrls.local[0], `served by ${name}`);
    } finally {
      await server.close();
    }
  });
}

proves('webpack 5', 'build', 'a page built by webpack receives a message', async () => {
  const root = await shop.project('webpack', 'app');
  const output = join(root, 'dist');
  const stats = await promisify(webpack)({
    context: root, mode: 'production', target: 'web', entry: './main.js', output: { path: output, filename: 'main.js' }, devtool: false,
  });
  const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
  assert.deepEqual([...errors, ...warnings].map(({ message }) => message), []);
  await cp(join(root, 'index.html'), join(output, 'index.html'));
  await assertNoWasmIn(output);
  await receivesBuilt(output, 'built by webpack');
});

proves('esbuild', 'build', 'a page built by esbuild receives a message', async () => {
  const root = await shop.project('esbuild', 'app');
  const output = join(root, 'dist');
  const { warnings } = await esbuild.build({
    absWorkingDir: root, entryPoints: ['main.js'], outdir: 'dist', bundle: true, minify: true, format: 'esm', target: 'es2022', logLevel: 'silent',
  });
  assert.deepEqual(warnings, []);
  await cp(join(root, 'index.html'), join(output, 'index.html'));
  await receivesBuilt(output, 'built by esbuild');
});

proves('Next', 'build', 'a page rendered by Next on the server receives a message in the browser', async (t) => {
  const root = await shop.project('next', 'next');
  await shop.command(root, 'init', 'public');
  const next = await startNext(root);
  t.after(() => next.stop());
  const html = await (await fetch(`${next.origin}/?${new URLSearchParams({ url: stage.gateway.url, topic: 'news' })}`)).text();
  assert.match(html, /<p id="state">disconnected<\/p>/, 'the server rendered it without a connection');
  await stage.receivesOneMessage(`${next.origin}/`, 'rendered by Next');
});

proves('no bundler', 'build', 'a page with nothing but a script tag receives a message', async () => {
  const root = await shop.project('plain', 'app');
  await cp(join(shop.installed, 'pulsegate.js'), join(root, 'pulsegate.js'));
  const main = await readFile(join(root, 'main.js'), 'utf8');
  await writeFile(join(root, 'main.js'), main.replace("from 'pulsegate'", "from './pulsegate.js'"));
  await receivesBuilt(root, 'to the plain page');
});

proves('Node', 'build', 'Node imports the package and nothing happens', async () => {
  const root = await shop.project('node');
  await writeFile(join(root, 'use.js'), `
    import * as pulsegate from 'pulsegate';
    const client = pulsegate.createClient({ url: 'https://push.example.com', app: 'shop' });
    client.subscribe('news', () => {});
    console.log(client.status.state, typeof pulsegate.PushError);
  `);
  // Ends by itself: neither an import nor a client leaves a timer, socket or worker behind.
  const { stdout, stderr } = await run(process.execPath, ['use.js'], { cwd: root, timeout: 10_000 });
  assert.equal(stdout.trim(), 'disconnected function');
  assert.equal(stderr, '');
});

proves('Node, require', 'build', 'a CommonJS module of Node requires the package', async () => {
  const root = await shop.project('node-cjs');
  await writeFile(join(root, 'use.cjs'), "const { createClient } = require('pulsegate'); console.log(typeof createClient);");
  const { stdout } = await run(process.execPath, ['use.cjs'], { cwd: root, timeout: 10_000 });
  assert.equal(stdout.trim(), 'function');
});
