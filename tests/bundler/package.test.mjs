// The tarball that `npm publish` would send, installed as a stranger would install it: into a page
// built by Vite, into a page without any tool, and into Node.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'vite';
import { DIST } from '../browser/lib/app-server.mjs';
import { launch } from '../browser/lib/chromium.mjs';
import { startGateway } from '../browser/lib/gateway.mjs';
import { until } from '../browser/lib/until.mjs';

const run = promisify(execFile);
const here = fileURLToPath(new URL('.', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.wasm': 'application/wasm', '.css': 'text/css' };
let folder;
let tarball;
let gateway;
let browser;
let site;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulsegate-package-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: DIST });
  const packed = JSON.parse(stdout);
  tarball = join(folder, Object.values(packed)[0].filename);
  site = await serve(folder);
  gateway = await startGateway({ origins: [site.origin], secret: Buffer.alloc(32, 7) });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await gateway?.stop();
  site?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Serves a folder as any static host does: no special headers. */
async function serve(root) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname));
    const file = join(root, path.endsWith('/') ? `${path}index.html` : path);
    const content = await readFile(file).catch(() => null);
    response.writeHead(content ? 200 : 404, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(content);
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  return { origin: `http://127.0.0.1:${server.address().port}`, stop: () => { server.closeAllConnections(); server.close(); } };
}

/** A fresh project with the tarball installed, and nothing fetched from anywhere. */
async function project(name, from) {
  const root = join(folder, name);
  await mkdir(root);
  if (from) await cp(join(here, from), root, { recursive: true });
  await writeFile(join(root, 'package.json'), JSON.stringify({ name, version: '1.0.0', private: true, type: 'module' }));
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', tarball], { cwd: root });
  return root;
}

const init = (root, ...more) => run(process.execPath, [join(root, 'node_modules/.bin/pulsegate'), 'init', ...more], { cwd: root });

async function receivesOneMessage(address, title) {
  const tab = await browser.open(address);
  await until('the subscription', () => tab.run('document.documentElement.dataset.ready === "true"'))
    .catch((fault) => { throw new Error(`${fault.message}: ${tab.console.join(' | ')}`); });
  await gateway.publish('news', title);
  await until('the message', () => tab.run(`[...document.querySelectorAll('#came li')].some((item) => item.textContent === ${JSON.stringify(title)})`));
  assert.equal(await tab.run(`document.querySelectorAll('#came li').length`), 1);
  await tab.close();
}

test('a page built by Vite receives a message', async (t) => {
  const root = await project('vite', 'vite-page');
  await init(root, 'public');
  // The worker is served at the root of the origin in a real site; here under the site's folder.
  await build({ root, base: '/vite/dist/', logLevel: 'warn', build: { target: 'esnext', minify: true } });
  await cp(join(root, 'public/pulsegate-worker.js'), join(folder, 'pulsegate-worker.js'));
  await cp(join(root, 'public/pulsegate-worker.wasm'), join(folder, 'pulsegate-worker.wasm'));
  const { size } = await stat(join(root, 'dist/pulsegate-worker.wasm'));
  await receivesOneMessage(`${site.origin}/vite/dist/?url=${encodeURIComponent(gateway.url)}`, 'to Vite');
  t.diagnostic(`built by Vite; the worker's wasm beside it has ${size} bytes and no bundler saw it`);
});

test('a page with nothing but a script tag receives a message', async () => {
  const root = await project('plain', 'plain-page');
  await init(root, folder);
  await receivesOneMessage(`${site.origin}/plain/?url=${encodeURIComponent(gateway.url)}`, 'to the plain page');
});

test('Node imports the package and nothing happens', async () => {
  const root = await project('node');
  await writeFile(join(root, 'use.js'), `
    import * as pulsegate from 'pulsegate';
    console.log(typeof pulsegate.createClient, typeof pulsegate.PushError);
  `);
  // Ends by itself: an import leaves no timer, socket or worker behind.
  const { stdout, stderr } = await run(process.execPath, ['use.js'], { cwd: root, timeout: 10_000 });
  assert.equal(stdout.trim(), 'function function');
  assert.equal(stderr, '');
});

test('init --check fails a build whose worker is of another version', async () => {
  const root = await project('checked');
  await init(root, 'public');
  await init(root, '--check', 'public');
  await writeFile(join(root, 'public/pulsegate-worker.js'), '/* an older one */');
  await assert.rejects(init(root, '--check', 'public'), (fault) => fault.code !== 0 && /pulsegate init/.test(fault.stderr + fault.stdout));
});

test('the tarball carries what it needs and no more', async () => {
  const root = await project('content');
  const files = (await run('tar', ['-tzf', tarball])).stdout.split('\n').filter(Boolean).map((name) => name.replace('package/', ''));
  for (const name of ['package.json', 'README.md', 'pulsegate.js', 'index.d.ts', 'pulsegate-worker.js', 'pulsegate-worker.wasm']) {
    assert.ok(files.includes(name), `${name} is in the tarball`);
  }
  const manifest = JSON.parse(await readFile(join(root, 'node_modules/pulsegate/package.json'), 'utf8'));
  assert.equal(manifest.sideEffects, false);
  assert.deepEqual(Object.keys(manifest.dependencies ?? {}), [], 'it brings nobody along');
});

test('every error code has its page, and every page its code', async () => {
  const source = await readFile(join(here, '../../client-wasm/js/src/page/error.ts'), 'utf8');
  const table = source.slice(source.indexOf('CODES = {'), source.indexOf('} as const'));
  const codes = [...table.matchAll(/^\s+'?([a-z-]+)'?: (?:true|false),/gm)].map(([, code]) => code).sort();
  assert.ok(codes.length > 10, 'the table of codes was found');
  const pages = (await readdir(join(here, '../../docs/errors'))).filter((name) => name !== 'README.md').map((name) => name.replace('.md', '')).sort();
  assert.deepEqual(pages, codes);
});
