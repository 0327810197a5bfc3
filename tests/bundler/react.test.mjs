// The hooks with both majors of React: rendered on a server, hydrated in a browser, under StrictMode.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import * as esbuild from 'esbuild';
import { until } from '../browser/lib/until.mjs';
import { HERE, run, workshop } from './lib/packed.mjs';
import { openStage } from './lib/receive.mjs';
import { recorder } from './lib/record.mjs';
import { serve } from './lib/site.mjs';

const REACTS = [['React 18', join(HERE, 'react-18/node_modules')], ['React 19', join(HERE, 'node_modules')]];
const require = createRequire(import.meta.url);
const proves = recorder('react', Object.fromEntries(REACTS.map(([name, folder]) => [name, require(join(folder, 'react/package.json')).version])));
let shop;
let stage;

before(async () => {
  [shop, stage] = await Promise.all([workshop('react'), openStage()]);
});

after(async () => {
  await stage?.stop();
  await shop?.close();
});

/** Builds the page with one React, in its development build: only there StrictMode mounts twice. */
async function bundle(root, modules, entry, more) {
  await esbuild.build({
    absWorkingDir: root, entryPoints: [entry], bundle: true, jsx: 'automatic', logLevel: 'silent',
    alias: { react: join(modules, 'react'), 'react-dom': join(modules, 'react-dom') },
    define: { 'process.env.NODE_ENV': '"development"' },
    ...more,
  });
}

for (const [name, modules] of REACTS) {
  describe(name, () => {
    let html;
    let site;
    let tab;
    let topic;
    const text = (id) => tab.run(`document.getElementById(${JSON.stringify(id)})?.textContent`);
    const shows = (id, wanted) => until(`${id} to be "${wanted}"`, async () => (await text(id)) === wanted)
      .catch(async (fault) => { throw new Error(`${fault.message}: it is "${await text(id)}"; ${tab.console.join(' | ')}`); });
    const wish = (more) => tab.run(`page.wish(${JSON.stringify(more)})`);
    const handled = () => tab.run('page.handled');
    const hears = (entry) => until(`"${entry}" to be handled`, async () => (await handled()).includes(entry));

    before(async () => {
      const root = await shop.project(name.toLowerCase().replace(' ', '-'), 'react');
      await bundle(root, modules, 'server.jsx', { platform: 'node', format: 'cjs', outfile: 'server.cjs' });
      await bundle(root, modules, 'main.jsx', { format: 'esm', outfile: 'main.js' });
      const server = await run(process.execPath, ['server.cjs'], { cwd: root, timeout: 20_000 });
      assert.equal(server.stderr, '');
      html = server.stdout;
      await writeFile(join(root, 'index.html'), `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${name}</title></head><body><div id="root">${html}</div><script type="module" src="/main.js"></script></body></html>`);
      await shop.command(root, 'init', '.');
      site = await serve(root);
      ({ tab, topic } = await stage.open(`${site.origin}/`));
    });

    after(async () => {
      await tab?.close();
      site?.stop();
    });

    it('renders on a server without connecting, and the process ends by itself', () => {
      assert.match(html, /<p id="state">disconnected<\/p><p id="tabs">0<\/p><p id="ready">not ready: nothing said<\/p><ul id="came"><\/ul>/);
    });

    proves(name, 'build', `${name} hydrates what the server rendered and connects, and nobody complains`, async () => {
      await shows('state', 'connected');
      await shows('ready', topic);
      assert.deepEqual(await tab.run('page.faults'), [], 'nothing to recover from, no policy broken');
      assert.deepEqual(tab.console.filter((line) => /^(error|warning|exception)/.test(line)), []);
    });

    it('the double mount of StrictMode leaves one client, one tab and one subscription', async () => {
      // React 19 leaves a hydrated tree at one mount; what is mounted in the browser it mounts twice.
      await wish({ mounted: false });
      await shows('state', 'unmounted');
      await tab.run('void Object.assign(page, { mounts: 0, unmounts: 0 })');
      await wish({ mounted: true });
      await shows('ready', topic);
      assert.deepEqual(await tab.run('[page.mounts, page.unmounts]'), [2, 1], 'StrictMode did mount twice');
      assert.equal(await tab.run('new Set(page.clients).size'), 1, 'it found the client it had left a moment before');
      assert.equal(await text('tabs'), '1');
      assert.equal(await stage.gateway.connections(), 1);
      await stage.gateway.publish(topic, 'once');
      await hears('once in round 1');
      assert.deepEqual(await handled(), ['once in round 1']);
    });

    it('the handler of the latest render is called, and a render subscribes nobody anew', async () => {
      await wish({ round: 2 });
      await stage.gateway.publish(topic, 'later');
      await hears('later in round 2');
      assert.deepEqual(await handled(), ['once in round 1', 'later in round 2']);
      assert.deepEqual(await tab.run('[page.mounts, new Set(page.clients).size]'), [2, 1]);
    });

    it('unmounting detaches the handler, and what comes meanwhile waits for the next mount', async () => {
      await wish({ listening: false });
      await until('the list to be gone', async () => (await text('ready')) === undefined);
      const id = await stage.gateway.publish(topic, 'meanwhile');
      await until('the browser to have it', async () => (await stage.gateway.funnel(id)).received === 1);
      assert.ok(!(await handled()).some((entry) => entry.startsWith('meanwhile')), 'no handler was there');
      await wish({ listening: true });
      await hears('meanwhile in round 2');
      assert.equal((await handled()).filter((entry) => entry.startsWith('meanwhile')).length, 1);
    });

    it('another topic takes the place of the first', async () => {
      const other = `${topic}/other`;
      await wish({ topic: other });
      await shows('ready', other);
      await stage.gateway.publish(topic, 'to the first');
      await stage.gateway.publish(other, 'to the other');
      await hears('to the other in round 2');
      await wish({ topic: '' });
      await shows('ready', topic);
      await hears('to the first in round 2');
    });

    it('a refused topic is told as a state, not thrown', async () => {
      await wish({ topic: 'no topic' });
      await shows('ready', 'not ready: invalid');
      await wish({ topic: '' });
      await shows('ready', topic);
    });

    it('a second component with the same options shares the client', async () => {
      await wish({ twice: true });
      await until('the second client', () => tab.run('Boolean(page.second)'));
      assert.ok(await tab.run('page.second === page.clients.at(-1)'));
      await stage.gateway.publish(topic, 'to both');
      await hears('to both in round 2');
      await hears('to both in the second');
      assert.equal(await text('tabs'), '1');
      await wish({ twice: false });
    });

    it('options null let the client go, and options bring one back', async () => {
      await wish({ loggedIn: false });
      await shows('state', 'disconnected');
      await wish({ loggedIn: true });
      await shows('state', 'connected');
      await shows('ready', topic);
    });

    it('after unmounting the whole app its connection ends', async () => {
      await wish({ mounted: false });
      await shows('state', 'unmounted');
      await until('the client to disconnect', () => tab.run('page.clients.at(-1).status.state === "disconnected"'));
      await until('the socket to be closed', async () => (await stage.gateway.connections()) === 0);
      assert.deepEqual(await tab.run('page.faults'), []);
      assert.deepEqual(tab.console.filter((line) => /^(error|exception)/.test(line)), []);
    });
  });
}
