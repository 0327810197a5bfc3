// What a page's policy must allow, and what a developer is told who forgot a file or a header: a page
// built by a bundler, in a real browser.

import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as esbuild from 'esbuild';
import * as vite from 'vite-8';
import { until } from '../browser/lib/until.mjs';
import { workshop } from './lib/packed.mjs';
import { came, openStage } from './lib/receive.mjs';
import { PAGE_POLICY, serve } from './lib/site.mjs';

let shop;
let stage;
let built;

before(async () => {
  [shop, stage] = await Promise.all([workshop('policy'), openStage()]);
  const root = await shop.project('page', 'app');
  built = join(root, 'dist');
  await esbuild.build({ absWorkingDir: root, entryPoints: ['main.js'], outdir: 'dist', bundle: true, minify: true, format: 'esm', logLevel: 'silent' });
  await cp(join(root, 'index.html'), join(built, 'index.html'));
  await shop.command(built, 'init', '.');
});

after(async () => {
  await stage?.stop();
  await shop?.close();
});

/** Opens the page and waits for the error it is told. */
async function isTold(address, code) {
  const { tab } = await stage.open(address);
  const told = await until('an error', () => tab.run('document.documentElement.dataset.error'));
  assert.equal(told, code);
  assert.ok((await tab.run('document.documentElement.dataset.help')).endsWith(`/docs/errors/${code}.md`), 'with its help page');
  await tab.close();
}

test('a page that may run neither eval nor WebAssembly receives a message', async () => {
  assert.doesNotMatch(PAGE_POLICY, /eval/);
  const site = await serve(built);
  const { tab, topic } = await stage.listen(`${site.origin}/`);
  await stage.gateway.publish(topic, 'without eval');
  await came(tab, 'without eval');
  assert.equal(await tab.run('document.documentElement.dataset.violations'), undefined);
  // The policy does hold: in the page both are refused.
  const refused = (code) => tab.run(`new Promise((done) => {
    document.addEventListener('securitypolicyviolation', ({ blockedURI }) => done(blockedURI), { once: true });
    try { ${code} } catch { /* refused */ }
  })`);
  assert.equal(await refused("new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))"), 'wasm-eval');
  assert.match(await refused("document.createElement('script').text = '1'"), /trusted-types-sink/);
  await tab.close();
  site.stop();
});

test('a page that requires Trusted Types of anybody else receives a message', async () => {
  const site = await serve(built, { page: PAGE_POLICY.replace('trusted-types pulsegate', 'trusted-types app pulsegate') });
  await stage.receivesOneMessage(`${site.origin}/`, 'beside a policy of the app');
  site.stop();
});

test('a page without any policy receives a message', async () => {
  const site = await serve(built, { page: '', worker: '' });
  await stage.receivesOneMessage(`${site.origin}/`, 'without a policy');
  site.stop();
});

test('a worker whose own response forbids WebAssembly is told as wasm-blocked', async () => {
  const site = await serve(built, { worker: "script-src 'self'; connect-src *" });
  await isTold(`${site.origin}/`, 'wasm-blocked');
  site.stop();
});

test('a sandboxed page, which has no origin, is told so, and nothing is thrown into it', async () => {
  const root = await shop.project('sandboxed', 'app');
  await esbuild.build({ absWorkingDir: root, entryPoints: ['main.js'], outdir: 'dist', bundle: true, format: 'iife', logLevel: 'silent' });
  const html = await readFile(join(root, 'index.html'), 'utf8');
  // Scripts that are modules are asked for with CORS, which a page without an origin does not get.
  await writeFile(join(root, 'dist/index.html'), html.replace('type="module"', 'defer'));
  const site = await serve(join(root, 'dist'), { page: 'sandbox allow-scripts' });
  const { tab } = await stage.open(`${site.origin}/`);
  assert.equal(await until('an error', () => tab.run('document.documentElement.dataset.error')), 'insecure-context');
  assert.deepEqual(tab.console, []);
  await tab.close();
  site.stop();
});

test('a site whose every unknown path answers with its page is told as worker-missing', async () => {
  const root = await shop.project('fallback', 'app');
  const server = await vite.createServer({ root, configFile: false, logLevel: 'error', cacheDir: join(root, '.vite'), server: { host: '127.0.0.1', port: 0, hmr: false } });
  await server.listen();
  const [address] = server.resolvedUrls.local;
  assert.match((await fetch(`${address}pulsegate-worker.js`, { headers: { accept: 'text/html' } })).headers.get('content-type'), /html/);
  await isTold(address, 'worker-missing');
  await server.close();
});
