// The whole browser stands still, as on a machine that sleeps or swaps: what that costs the heartbeat.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pass } from 'node:timers/promises';
import { heardBy, setStage } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

/** `ClientFrame.probe` and `ClientFrame.beat_reply`. */
const PROBE = 4;
const BEAT_REPLY = 2;

let stage;
let tab;

before(async () => {
  stage = await setStage({ proxy: true });
  tab = await stage.open('sleeper', { topic: 'news', quick: '', narrow: '' });
});

after(() => stage?.stop());

/** What the heartbeat keeps of its networks: opaque, but equal as long as nothing is learnt. */
const belief = () => tab.run(`(async () => {
  const result = (request) => new Promise((done, fail) => { request.onsuccess = () => done(request.result); request.onerror = () => fail(request.error); });
  const { name } = (await indexedDB.databases()).find((one) => one.name.startsWith('pulsegate-'));
  const db = await result(indexedDB.open(name));
  const row = await result(db.transaction('kv').objectStore('kv').get('heartbeat'));
  db.close();
  return JSON.stringify(row);
})()`);

const said = (kind) => stage.network.said.filter((one) => one === kind).length;

async function sleep(seconds) {
  stage.browser.signalAll('SIGSTOP');
  await pass(seconds * 1_000);
  stage.browser.signalAll('SIGCONT');
}

async function afterSleep(seconds, from, before, probes) {
  const title = `after ${seconds} s`;
  await stage.gateway.publishData('news', title);
  await heardBy(tab, title);
  await pass(5_000);
  const asked = said(PROBE) - probes;
  assert.equal(await belief(), before, 'nothing was learnt');
  assert.equal(await tab.run('pg.client.status.session'), from, 'the link lives on');
  return asked;
}

test('something is remembered of the network from the first welcome on', async () => {
  const row = await until('the row', async () => { const text = await belief(); return text && JSON.parse(text); });
  // Version, length of a key, the key, the day, and sixteen weights of four bytes.
  assert.deepEqual([row[0], row.length], [1, 2 + row[1] + 4 + 64]);
});

test('stopped for 45 s over a beat it asks at most once, and believes what it believed', { timeout: 180_000 }, async (t) => {
  // 55 s of silence are asked for while a person looks: the beat falls into the stop.
  await pass(25_000);
  const [from, before, probes] = [await tab.run('pg.client.status.session'), await belief(), said(PROBE)];
  const answered = said(BEAT_REPLY);
  await sleep(45);
  await until('the beat to be answered', () => said(BEAT_REPLY) > answered, { within: 30_000 });
  const asked = await afterSleep(45, from, before, probes);
  t.diagnostic(`${asked} probes`);
  assert.ok(asked <= 1);
});

test('stopped for 120 s it asks once, and believes what it believed', { timeout: 240_000 }, async () => {
  const [from, before, probes] = [await tab.run('pg.client.status.session'), await belief(), said(PROBE)];
  await sleep(120);
  assert.equal(await afterSleep(120, from, before, probes), 1);
});
