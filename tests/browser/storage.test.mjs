// Storage that fails: blocked, gone, of another version, cleared, private, partitioned, not there at all.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { heardBy, setStage } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

let stage;
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulsegate-profiles-'));
  stage = await setStage({
    profile: join(folder, 'profile'),
    // A name that is no loopback: over http it is no secure context.
    flags: ['--host-resolver-rules=MAP shop.example 127.0.0.1'],
    app: {
      headers: ({ pathname }) => (pathname === '/clear' ? { 'clear-site-data': '"storage"' } : {}),
      extra: { '/clear': 'cleared', '/other': '<!doctype html><title>another site</title>' },
    },
  });
});

after(async () => {
  await stage?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const open = (name = 'tab', more) => stage.open(name, { topic: 'news', foreground: 'always', ...more });
const registrationOf = (tab) => tab.run('pg.client.status.registration');
const codes = (tab) => tab.run('pg.errors.map(({ code }) => code)');
/** Name of the device's database, and of its second copy. */
const deviceOf = (tab) => tab.run("indexedDB.databases().then((all) => all.find(({ name }) => name.startsWith('pulsegate-')).name)");

test('a database deleted while it is in use is made anew from the copy', async () => {
  const tab = await open();
  const registration = await registrationOf(tab);
  await stage.gateway.publish('news', 'before the deletion');
  await heardBy(tab, 'before the deletion');
  await stage.bus.see('before the deletion');
  await tab.send('Storage.clearDataForOrigin', { origin: stage.app.origin, storageTypes: 'indexeddb' });
  await stage.gateway.publish('news', 'after the deletion');
  await heardBy(tab, 'after the deletion');
  await stage.bus.see('after the deletion');
  assert.equal(await registrationOf(tab), registration);
  assert.equal(stage.bus.times('before the deletion'), 1);
  assert.deepEqual(await codes(tab), []);
  await tab.close();
});

test('a database that cannot be opened, since somebody deletes it and another holds it, costs nothing', async () => {
  const tab = await open();
  const registration = await registrationOf(tab);
  const name = await deviceOf(tab);
  // A page that never lets go, and one that waits for it.
  await tab.run(`new Promise((done) => { indexedDB.open(${JSON.stringify(name)}).onsuccess = (event) => { globalThis.held = event.target.result; done(); }; })`);
  await tab.run(`void indexedDB.deleteDatabase(${JSON.stringify(name)})`);
  await stage.gateway.publish('news', 'while blocked');
  await heardBy(tab, 'while blocked', { within: 30_000 });
  await stage.bus.see('while blocked');
  assert.deepEqual(await codes(tab), ['storage']);
  assert.equal(await registrationOf(tab), registration);
  await tab.run('held.close()');
  await stage.browser.killSharedWorker();
  await stage.gateway.publish('news', 'unblocked');
  await heardBy(tab, 'unblocked');
  assert.equal(await registrationOf(tab), registration);
  assert.equal(stage.bus.times('while blocked'), 1);
  await tab.close();
});

test('the worker lets go of a database that somebody upgrades, and goes on without it', async () => {
  const tab = await open();
  const registration = await registrationOf(tab);
  const name = await deviceOf(tab);
  const upgraded = await tab.run(`new Promise((done) => {
    const request = indexedDB.open(${JSON.stringify(name)}, 9);
    request.onblocked = () => done('blocked');
    request.onsuccess = () => { request.result.close(); done('upgraded'); };
    request.onerror = () => done(String(request.error));
  })`);
  assert.equal(upgraded, 'upgraded');
  await stage.gateway.publish('news', 'of another version');
  await heardBy(tab, 'of another version', { within: 30_000 });
  assert.equal(await registrationOf(tab), registration);
  assert.deepEqual(await codes(tab), ['storage']);
  await tab.run(`new Promise((done) => { indexedDB.deleteDatabase(${JSON.stringify(name)}).onsuccess = done; })`);
  await stage.browser.killSharedWorker();
  await stage.gateway.publish('news', 'of our version');
  await heardBy(tab, 'of our version');
  await tab.close();
});

test('logging out takes the copy too: the next device is a new one', async () => {
  const tab = await open();
  const registration = await registrationOf(tab);
  const name = await deviceOf(tab);
  await tab.run('pg.client.forget()');
  const copied = () => tab.run(`caches.open(${JSON.stringify(name)}).then(async (cache) => Promise.all((await cache.keys()).map(async (key) => (await cache.match(key)).text())))`);
  // Kept until the gateway has confirmed it, and no longer.
  await until('no trace of it', async () => !(await copied()).join().includes(registration));
  await tab.close();
  const next = await open();
  assert.notEqual(await registrationOf(next), registration);
  await next.close();
});

test('a private window has a device of its own, which is gone with it', async () => {
  const seen = [];
  for (let round = 0; round < 2; round++) {
    const { browserContextId } = await stage.browser.send('Target.createBrowserContext');
    const tab = await stage.open('private', { topic: 'news' }, { browserContextId, newWindow: true });
    await stage.gateway.publish('news', `in private ${round}`);
    await heardBy(tab, `in private ${round}`);
    seen.push(await registrationOf(tab));
    assert.equal(await tab.run('pg.client.status.tier'), 'shared-worker');
    assert.deepEqual(await codes(tab), []);
    await stage.browser.send('Target.disposeBrowserContext', { browserContextId });
  }
  assert.notEqual(seen[0], seen[1]);
});

test('over plain http off loopback the app is told that the context is insecure', async () => {
  const tab = await stage.browser.open(stage.app.page({ url: stage.gateway.url, topic: 'news' }).replace('127.0.0.1', 'shop.example'));
  await until('the error', async () => (await codes(tab)).length > 0);
  assert.deepEqual(await codes(tab), ['insecure-context']);
  assert.deepEqual(await tab.run('[pg.client.status.state, pg.client.status.reason]'), ['closed', 'insecure-context']);
  await tab.close();
});

test('a frame in another site has a device of its own: its storage is partitioned', async () => {
  const own = await open('own');
  const outer = await stage.browser.open(`${stage.app.origin.replace('127.0.0.1', 'localhost')}/other`);
  const inner = stage.app.page({ url: stage.gateway.url, name: 'framed', topic: 'news' });
  await outer.run(`document.body.append(Object.assign(document.createElement('iframe'), { src: ${JSON.stringify(inner)} }))`);
  const framed = await stage.browser.attach(await until('the frame', () => stage.browser.find('iframe', 'framed')[0]?.targetId));
  await stage.ready(framed);
  await stage.gateway.publish('news', 'to both');
  await heardBy(own, 'to both');
  await heardBy(framed, 'to both');
  assert.notEqual(await registrationOf(framed), await registrationOf(own));
  assert.equal(await framed.run('pg.client.status.tier'), 'shared-worker');
  await stage.bus.see('to both');
  assert.equal(stage.bus.times('to both'), 1, 'shown by the one with permission');
  await outer.close();
  await own.close();
});

test('the header Clear-Site-Data takes the device and its copy together', async () => {
  const tab = await open();
  const old = await registrationOf(tab);
  const left = "Promise.all([indexedDB.databases(), caches.keys()]).then(([databases, copies]) => databases.length + copies.length)";
  await tab.run("fetch('/clear')");
  await until('nothing to be left', async () => await tab.run(left) === 0, { every: 5 });
  // Nothing comes back later either.
  await stage.browser.close();
  await stage.startBrowser();
  const next = await open();
  assert.notEqual(await registrationOf(next), old);
  await stage.gateway.publish('news', 'after clearing');
  await heardBy(next, 'after clearing');
  await next.close();
});
