// Tabs of different tiers in one browser, and tabs that can share nothing.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { doubled, heardBy, setStage, titles } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

let stage;
let tabs;

before(async () => {
  stage = await setStage({ proxy: true });
});

after(() => stage?.stop());

beforeEach(() => { tabs = []; });

async function open(name, tier, more) {
  const tab = await stage.open(name, { tier, topic: 'news', ...more });
  tabs.push(tab);
  return tab;
}

/** Publishes and waits until every tab heard it, once. */
async function reachesAll(title) {
  await stage.gateway.publish('news', title);
  for (const tab of tabs) {
    await heardBy(tab, title).catch(async (fault) => { throw new Error(`${fault.message}: ${await stage.tell(tab)}`); });
    assert.deepEqual(doubled(await titles(tab)), [], 'heard twice');
  }
}

const tiers = () => Promise.all(tabs.map((tab) => tab.run('pg.client.status.tier')));
const closeAll = async () => {
  await Promise.all(tabs.map((tab) => tab.close()));
  await until('no socket', async () => (await stage.gateway.connections()) === 0, { within: 60_000 });
};

test('a SharedWorker takes over from tabs that elected one of them, and all share its socket', async () => {
  await open('first', 'leader');
  await open('second', 'leader');
  await reachesAll('among two');
  await open('third', 'shared-worker');
  await reachesAll('among three');
  assert.deepEqual(await tiers(), ['shared-worker', 'shared-worker', 'shared-worker'], 'the worker that holds the socket');
  await open('fourth', 'leader');
  await reachesAll('among four');
  for (const tab of tabs) await until('all to be counted', async () => (await tab.run('pg.client.status.tabs')) === 4);
  assert.equal(await stage.gateway.connections(), 1);
  assert.equal(stage.network.links, 1);
  await stage.browser.killSharedWorker();
  await reachesAll('after the death of the shared worker');
  await until('one socket', async () => (await stage.gateway.connections()) === 1 && stage.network.links === 1);
  for (const tab of tabs) {
    const registrations = new Set(await Promise.all(tabs.map((other) => other.run('pg.client.status.registration'))));
    assert.equal(registrations.size, 1, 'one device');
    assert.deepEqual(await tab.run('pg.errors'), []);
  }
  await closeAll();
});

test('a tab without locks is a device of its own for as long as its link', async () => {
  const one = await open('one', 'ephemeral');
  const two = await open('two', 'ephemeral');
  await reachesAll('to two devices');
  assert.deepEqual(await tiers(), ['ephemeral', 'ephemeral']);
  const registration = (tab) => tab.run('pg.client.status.registration');
  assert.notEqual(await registration(one), await registration(two));
  assert.equal(await stage.gateway.connections(), 2);
  const atGateway = async (id) => {
    const answer = await fetch(`${stage.gateway.url}/v1/apps/shop/registrations/${id}`, { headers: { authorization: `Bearer ${stage.gateway.key}` } });
    return answer.ok ? answer.json() : null;
  };
  const before = await Promise.all(tabs.map(registration));
  stage.network.cut();
  for (const [number, tab] of tabs.entries()) {
    const now = await until('another device', async () => {
      const id = await registration(tab);
      return id !== before[number] && id;
    });
    await until('its subscription', async () => (await atGateway(now))?.topics.length === 1);
  }
  assert.deepEqual(await one.run('pg.gaps.map(({ reason }) => reason)'), ['storage-lost'], 'told that something may be missing');
  await reachesAll('after the cut');
  const id = await registration(two);
  await closeAll();
  await until('the device to go with its link', async () => (await atGateway(id)) === null);
});

test('without a store a message is acknowledged once a handler returned', async () => {
  const tab = await open('slow', 'ephemeral');
  await tab.run("pg.client.on('message', () => new Promise((done) => { pg.letGo = done; }))");
  const id = await stage.gateway.publish('news', 'held');
  await heardBy(tab, 'held');
  assert.equal((await stage.gateway.funnel(id)).received, 0);
  await tab.run('pg.letGo()');
  await until('the ack', async () => (await stage.gateway.funnel(id)).received === 1);
  await closeAll();
});

test('a person who blocks the data of the site gets messages all the same', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pulsegate-blocked-'));
  await mkdir(join(folder, 'Default'));
  await writeFile(join(folder, 'Default/Preferences'), JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }));
  const blocked = await setStage({ profile: folder, tier: 'shared-worker' });
  try {
    const tab = await blocked.open('blocked', { topic: 'news' });
    assert.match(await tab.run("navigator.locks.request('mine', () => 'granted').catch(String)"), /SecurityError/, 'the browser denies it locks');
    await blocked.gateway.publish('news', 'nevertheless');
    await heardBy(tab, 'nevertheless');
    assert.equal(await tab.run('pg.client.status.tier'), 'ephemeral');
  } finally {
    await blocked.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});
