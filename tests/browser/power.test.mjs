// The browser put to sleep, away, and given back an old disk or none.

import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { heardBy, setStage } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

let stage;
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulsegate-profiles-'));
  stage = await setStage({ profile: join(folder, 'profile') });
  await stage.allowNotifications(await open());
});

after(async () => {
  await stage?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const open = (more) => stage.open('tab', { topic: 'news', foreground: 'always', ...more });

test('messages published while the browser was closed arrive when it opens again, in order', async () => {
  await stage.browser.close();
  const away = [];
  for (let count = 0; count < 25; count++) {
    const title = `away ${count}`;
    await stage.gateway.publish('news', title);
    away.push(title);
  }
  stage.app.heard.length = 0;
  await stage.startBrowser();
  const tab = await open();
  await heardBy(tab, 'away 24');
  const came = () => stage.app.lives.flat().map(({ body }) => body).filter((body) => body.startsWith('away'));
  await until('all to be told', () => came().length >= away.length);
  assert.deepEqual(came(), away);
  for (const title of away) await stage.bus.see(title);
  for (const title of away) assert.equal(stage.bus.times(title), 1);
});

test('a browser that slept hears afterwards what came meanwhile, once', async (t) => {
  const tab = await open();
  stage.browser.signalAll('SIGSTOP');
  for (let count = 0; count < 5; count++) await stage.gateway.publish('news', `asleep ${count}`);
  await stage.gateway.restart('SIGKILL');
  const woken = performance.now();
  stage.browser.signalAll('SIGCONT');
  await heardBy(tab, 'asleep 4', { within: 30_000 });
  t.diagnostic(`heard ${Math.round(performance.now() - woken)} ms after waking, over a restart of the gateway`);
  for (let count = 0; count < 5; count++) {
    await stage.bus.see(`asleep ${count}`);
    assert.equal(stage.bus.times(`asleep ${count}`), 1);
  }
  await tab.close();
});

test('a browser whose storage was rolled back gets again what it lost', async () => {
  const tab = await open();
  await stage.gateway.publish('news', 'before the copy');
  await heardBy(tab, 'before the copy');
  await stage.browser.close();
  const copy = join(folder, 'copy');
  await cp(join(folder, 'profile'), copy, { recursive: true });

  await stage.startBrowser();
  const later = await open();
  const id = await stage.gateway.publish('news', 'after the copy');
  await heardBy(later, 'after the copy');
  await until('the ack to arrive', async () => (await stage.gateway.funnel(id)).received === 1);
  await stage.browser.close();

  // The disk forgets: the gateway has the ack, the browser no longer has the message.
  stage.app.heard.length = 0;
  await stage.startBrowser(copy);
  const restored = await open();
  await heardBy(restored, 'after the copy');
  assert.deepEqual(stage.app.handled.map(({ title }) => title), ['after the copy'], 'what it lost, and only that');
  await stage.browser.close();
  await stage.startBrowser();
});

test('a browser that threw away only its database goes on as the same device, and nothing is missed', async () => {
  let tab = await open();
  const registration = await tab.run('pg.client.status.registration');
  await stage.gateway.publish('news', 'before the loss');
  await stage.bus.see('before the loss');
  await stage.browser.kill();
  await rm(join(folder, 'profile/Default/IndexedDB'), { recursive: true });
  await stage.gateway.publish('news', 'during the loss');
  await stage.startBrowser();
  tab = await open();
  await heardBy(tab, 'during the loss');
  await stage.bus.see('during the loss');
  assert.equal(stage.bus.times('before the loss'), 1);
  assert.equal(await tab.run('pg.client.status.registration'), registration);
  assert.deepEqual(await tab.run('pg.gaps'), []);
  await tab.close();
});

test('a browser that lost its database and the copy is told and goes on', async () => {
  await stage.browser.close();
  await rm(join(folder, 'profile/Default/IndexedDB'), { recursive: true });
  await rm(join(folder, 'profile/Default/Service Worker/CacheStorage'), { recursive: true });
  await stage.startBrowser();
  const tab = await open();
  await until('the page to be told', () => tab.run("pg.gaps.some(({ reason }) => reason === 'storage-lost')"));
  await until('recovered: false', () => tab.run("pg.subscribed.some(({ topic, recovered }) => topic === 'news' && !recovered)"));
  await stage.gateway.publish('news', 'to the new device');
  await heardBy(tab, 'to the new device');
  await stage.bus.see('to the new device');
  await tab.close();
});

test('a browser whose gateway lost its store is told of the gap and goes on', async () => {
  const tab = await open();
  await stage.gateway.publish('news', 'in the old store');
  await heardBy(tab, 'in the old store');
  await stage.gateway.wipe();
  await until('recovered: false', () => tab.run("pg.subscribed.some(({ topic, recovered }) => topic === 'news' && !recovered)"), { within: 30_000 });
  await stage.gateway.publish('news', 'in the new store');
  await heardBy(tab, 'in the new store', { within: 30_000 });
  await stage.bus.see('in the new store');
});
