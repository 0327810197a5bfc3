// What is led differently in Firefox: its permission, its profile, its back/forward cache.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { doubled, heardBy, setStage, titles } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const KILLS = 3;
let folder;
let stage;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulsegate-profiles-'));
  stage = await setStage({ proxy: true, profile: join(folder, 'profile') });
});

after(async () => {
  await stage?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

test('a person who said no is asked nothing and gets no pop-up, and the page handles the message', async () => {
  await stage.browser.setNotifications(stage.app.origin, 'denied');
  const tab = await stage.open('denied', { topic: 'news', foreground: 'always' });
  const answer = await tab.run('pg.client.notifications.enable().catch((fault) => fault.code)', { gesture: true });
  assert.equal(await tab.run('Notification.permission'), 'denied');
  assert.ok(/denied/.test(String(answer)), `enable() said ${answer}`);
  const id = await stage.gateway.publish('news', 'after a no');
  await heardBy(tab, 'after a no');
  await until('handled to be counted', async () => (await stage.gateway.funnel(id)).handled === 1);
  // The person changes their mind; order per log: once the later one is up, the earlier one would have been.
  await stage.browser.setNotifications(stage.app.origin, 'granted');
  await stage.allowNotifications(tab);
  await stage.gateway.publish('news', 'after a yes');
  await stage.bus.see('after a yes');
  assert.equal(stage.bus.times('after a no'), 0);
  await tab.close();
});

test('a page in the back/forward cache comes back and catches up', async (t) => {
  const tab = await stage.open('cached', { topic: 'news' });
  await tab.run("(globalThis.stayed = true, addEventListener('pageshow', ({ persisted }) => { globalThis.cached = persisted; }), 1)");
  await tab.goto(`${stage.app.origin}/page.html?later=1`);
  const sent = ['while cached 1', 'while cached 2'];
  for (const title of sent) await stage.gateway.publish('news', title);
  await tab.go(-1);
  await until('the page to be back', () => tab.run("Boolean(globalThis.pg?.client)"));
  for (const title of sent) await heardBy(tab, title);
  assert.deepEqual(doubled(await titles(tab)), []);
  t.diagnostic(`kept in the cache: ${await tab.run('globalThis.stayed === true && globalThis.cached === true')}`);
  await tab.close();
});

test('what was published while Firefox was closed arrives when it opens again, in order', async () => {
  const first = await stage.open('before', { topic: 'news' });
  await stage.gateway.publish('news', 'before closing');
  await heardBy(first, 'before closing');
  await stage.browser.close();
  const sent = [];
  for (let number = 0; number < 5; number++) {
    sent.push(`while closed ${number}`);
    await stage.gateway.publish('news', sent[number]);
  }
  await stage.startBrowser();
  const tab = await stage.open('after', { topic: 'news' });
  for (const title of sent) await heardBy(tab, title);
  // The page notes a message when its server knows of it, which may be out of order.
  assert.deepEqual(await tab.run('pg.got.sort((a, b) => a.order - b.order).map(({ title }) => title)'), sent);
});

test('kills of the whole browser under traffic lose nothing and show nothing twice', async (t) => {
  const accepted = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const traffic = (async () => {
      for (let number = 0; number < 20; number++) {
        const title = `kill ${kill} message ${number}`;
        await stage.gateway.publish('news', title);
        accepted.push(title);
      }
    })();
    // In the middle of it, and of what it makes the browser write.
    await until('some traffic', () => accepted.length >= 20 * kill + 8, { every: 1 });
    await stage.browser.kill();
    await traffic;
    await stage.startBrowser();
    await stage.allowNotifications(await stage.open(`life ${kill}`, { topic: 'news', foreground: 'always' }));
  }
  const heard = () => new Set(stage.app.handled.map(({ title }) => title));
  const reached = () => accepted.every((title) => heard().has(title) || stage.bus.popUps.includes(title));
  await until('every accepted message', reached, { within: 30_000 });
  assert.deepEqual(doubled(stage.bus.popUps), [], 'popped up twice');
  t.diagnostic(`${KILLS} kills, ${accepted.length} accepted, ${heard().size} handled, ${stage.bus.popUps.length} popped up`);
});

test('without SharedWorker three tabs hold one socket, and after the leader was closed the others hear the next message once', async (t) => {
  const elected = await setStage({ proxy: true, tier: 'leader' });
  t.after(() => elected.stop());
  const tabs = [];
  for (const name of ['leader', 'second', 'third']) tabs.push(await elected.open(name, { topic: 'news' }));
  const reach = async (title) => {
    const from = performance.now();
    await elected.gateway.publish('news', title);
    for (const tab of tabs) await heardBy(tab, title);
    for (const tab of tabs) assert.deepEqual(doubled(await titles(tab)), [], 'heard twice');
    return Math.round(performance.now() - from);
  };
  await reach('to three');
  for (const tab of tabs) assert.equal(await tab.run('pg.client.status.tier'), 'leader');
  await until('one socket', async () => (await elected.gateway.connections()) === 1 && elected.network.links === 1);
  await tabs.shift().close();
  t.diagnostic(`the slower of two tabs heard the next message after ${await reach('the leader is gone')} ms (aim 2000)`);
});
