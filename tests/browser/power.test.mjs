// The browser killed like by a power cut, put to sleep, away, and given back an old disk.

import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { doubled, heardBy, setStage } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const KILLS = 10;
let stage;
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulsegate-profiles-'));
  stage = await setStage({ profile: join(folder, 'profile') });
});

after(async () => {
  await stage?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const open = (more) => stage.open('tab', { topic: 'news', foreground: 'always', ...more });
const number = (title) => Number(title.split(' ').at(-1));

test('ten kills of the whole browser under traffic lose nothing and show nothing twice', { timeout: 110_000 }, async (t) => {
  let tab = await open();
  await stage.allowNotifications(tab);
  const accepted = [];
  const handled = () => new Set(stage.app.handled.map(({ title }) => title));
  let flowing = true;
  const traffic = (async () => {
    while (flowing) {
      const title = `flow ${accepted.length}`;
      await stage.gateway.publish('news', title);
      accepted.push(title);
      // As fast as the browser handles them, and no further ahead than it could be when it dies.
      await until('the browser to follow', () => !flowing || accepted.length - handled().size < 40, { within: 60_000 });
    }
  })();
  for (let kill = 0; kill < KILLS; kill++) {
    // After a random number of messages handled in this life, or in the middle of its start, the power goes.
    const enough = handled().size + Math.floor(Math.random() * 25);
    await until('traffic', () => handled().size >= enough, { within: 30_000 });
    await stage.browser.kill();
    await stage.startBrowser();
    tab = await stage.openEarly('tab', { topic: 'news', foreground: 'always' });
  }
  flowing = false;
  await traffic;
  await stage.ready(tab);
  await until('every accepted message to be handled', () => { const have = handled(); return accepted.every((title) => have.has(title)); }, { within: 30_000 });
  await until('every accepted message to be shown', () => accepted.every((title) => stage.bus.times(title) > 0), { within: 30_000 });
  t.diagnostic(`${KILLS} kills, ${accepted.length} accepted, ${handled().size} handled, ${stage.bus.popUps.length} pop-ups, ` +
    `${stage.app.handled.length - handled().size} offered again after a kill`);
  assert.deepEqual(doubled(stage.bus.popUps), [], 'shown twice');
  // Order: a message handled for the first time comes after all that were published before it.
  const first = [...handled()].map(number);
  assert.deepEqual(first, [...first].sort((a, b) => a - b), 'first handled in the order of the log');
  await stage.browser.close();
  await stage.startBrowser();
});

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
  assert.deepEqual(stage.app.handled.map(({ title }) => title).filter((title) => title.startsWith('away')), away);
  for (const title of away) await stage.bus.see(title);
  assert.deepEqual(doubled(stage.bus.popUps), []);
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
