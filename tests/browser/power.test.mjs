// The browser killed like by a power cut, put to sleep, away, and given back an old disk.

import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
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

test('ten kills of the whole browser under traffic show nothing twice and lose only what the browser itself threw away', { timeout: 110_000 }, async (t) => {
  let tab = await open();
  await stage.allowNotifications(tab);
  // The browser writes what a page keeps in localStorage a few seconds later; by it the page knows
  // that there was a device before.
  await until('the page to be remembered on disk', async () => {
    const store = join(folder, 'profile/Default/Local Storage/leveldb');
    const files = await Promise.all((await readdir(store)).map((name) => readFile(join(store, name))));
    return files.some((content) => content.includes('pulsegate-had'));
  });
  // Every second message is a notification, every other one data for the app alone.
  const accepted = [];
  const isShown = (name) => number(name) % 2 === 0;
  const handled = () => new Set(stage.app.handled.map(({ body }) => body));
  // Chromium itself throws a site's database away after about one such kill in forty, when the log of
  // its LevelDB was cut in the middle of a record. The page must be told; what it had not handled
  // by then may be missing, and nothing else.
  const losses = () => new Set(stage.app.gaps.filter(({ reason }) => reason === 'storage-lost').map(({ registration }) => registration)).size;
  const excused = new Set();
  let lossesSeen = 0;
  const arrived = () => {
    const have = handled();
    for (const title of stage.bus.popUps) have.add(title);
    if (losses() > lossesSeen) {
      lossesSeen = losses();
      for (const name of accepted) if (!have.has(name)) excused.add(name);
    }
    for (const name of excused) have.add(name);
    return have;
  };
  let flowing = true;
  const traffic = (async () => {
    while (flowing) {
      const name = `flow ${accepted.length}`;
      if (isShown(name)) await stage.gateway.publish('news', name);
      else await stage.gateway.publishData('news', name);
      accepted.push(name);
      // As fast as the browser takes them, and no further ahead than it could be when it dies.
      await until('the browser to follow', () => !flowing || accepted.length - arrived().size < 40, { within: 60_000 });
    }
  })();
  t.after(() => { flowing = false; });
  for (let kill = 0; kill < KILLS; kill++) {
    // After a random number of messages in this life, or in the middle of its start, the power goes.
    const enough = arrived().size + Math.floor(Math.random() * 25);
    await until('traffic', () => arrived().size >= enough, { within: 30_000 }).catch(async (fault) => {
      throw new Error(`${fault.message}; kill ${kill}, ${accepted.length} accepted, ${arrived().size} arrived, ${await stage.tell(tab)}`);
    });
    await stage.browser.kill();
    await stage.startBrowser();
    tab = await stage.openEarly('tab', { topic: 'news', foreground: 'always' });
  }
  flowing = false;
  await traffic;
  await stage.ready(tab);
  const missing = () => {
    const have = arrived();
    return accepted.filter((name) => !have.has(name));
  };
  await until('every accepted message to arrive', () => missing().length === 0, { within: 30_000 })
    .catch(async (fault) => { throw new Error(`${fault.message}; missing ${missing()}; ${await stage.tell(tab)}`); });
  const shown = stage.bus.popUps;
  t.diagnostic(`${KILLS} kills, ${accepted.length} accepted, ${new Set(shown).size} of ${accepted.filter(isShown).length} notifications shown, ${shown.length} pop-ups, ` +
    `${handled().size} handled, ${stage.app.handled.length - handled().size} offered again after a kill, ` +
    `${losses()} times the browser lost its database (told; ${excused.size} messages with it)`);
  assert.deepEqual(doubled(shown), [], 'shown twice');
  for (const life of stage.app.lives) {
    const came = life.map(({ body }) => number(body));
    assert.deepEqual(came, [...came].sort((a, b) => a - b), 'in the order of the log');
  }
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

test('a browser that threw its database away is told and goes on', async () => {
  await stage.browser.close();
  await rm(join(folder, 'profile/Default/IndexedDB'), { recursive: true });
  await stage.startBrowser();
  const tab = await open();
  assert.deepEqual(await tab.run("pg.gaps.map(({ reason }) => reason)"), ['storage-lost']);
  assert.ok(await tab.run("pg.subscribed.some(({ topic, recovered }) => topic === 'news' && !recovered)"));
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
