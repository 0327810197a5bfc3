// The one SharedWorker traps, or loses its process: its tabs notice and go on.

import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { processOf, spoil } from './lib/renderer.mjs';
import { heardBy, setStage } from './lib/stage.mjs';
import * as holder from './lib/holder.mjs';
import { until } from './lib/until.mjs';

const TABS = 4;
/** What is promised: the next message reaches all who live within so long. */
const GONE_MS = 2_000;
let stage;
let tabs;

beforeEach(async () => {
  await stage?.stop();
  stage = await setStage({ proxy: true, tier: 'shared-worker' });
  tabs = [];
  for (let number = 0; number < TABS; number++) tabs.push(await stage.open(`tab ${number}`, { topic: 'news' }));
});

after(() => stage?.stop());

const withWorker = (what) => holder.withWorker(stage, what);
const reachesAll = (title, within) => holder.reachesAll(stage, tabs, title, within);
/** How many messages left the inbox, read in a page from the worker's database. */
const LEFT = `(async () => {
  const name = (await indexedDB.databases()).map(({ name }) => name).find((name) => name.startsWith('pulsegate-'));
  const db = await new Promise((done) => { const asked = indexedDB.open(name); asked.onsuccess = () => done(asked.result); });
  const counted = db.transaction('done').objectStore('done').count();
  const count = await new Promise((done) => { counted.onsuccess = () => done(counted.result); });
  db.close();
  return count;
})()`;
const oneSocket = () => until('one socket', async () => (await stage.gateway.connections()) === 1 && stage.network.links === 1);

test('after a trap in the core the next message reaches every tab once', async (t) => {
  await withWorker(spoil);
  const took = await reachesAll('the core trapped');
  await oneSocket();
  for (const tab of tabs) assert.deepEqual(await tab.run('pg.errors'), [], 'one death is no error');
  t.diagnostic(`the slowest of ${TABS} tabs heard the next message after ${took} ms`);
  assert.ok(took < GONE_MS, `noticed, not found out by pings: ${took} ms`);
});

test('after the death of its process the next message reaches every tab in another process once', async (t) => {
  const pid = await withWorker((worker) => processOf(stage.browser, worker));
  const processes = [];
  for (const tab of tabs) processes.push([tab, await processOf(stage.browser, tab)]);
  tabs = processes.filter(([, its]) => its !== pid).map(([tab]) => tab);
  assert.ok(tabs.length > 0, 'there are tabs in other processes');
  process.kill(pid, 'SIGKILL');
  const took = await reachesAll('the process was killed');
  await oneSocket();
  t.diagnostic(`the slowest of ${tabs.length} tabs heard the next message after ${took} ms`);
  assert.ok(took < GONE_MS, `noticed, not found out by pings: ${took} ms`);
});

test('a tab is told of no gap in what it does not listen to, and others handled before the worker died', async () => {
  const narrow = await stage.open('narrow', { topic: 'elsewhere', narrow: '' });
  await reachesAll('none of its business');
  await until('it to have left the inbox', async () => (await tabs[0].run(LEFT)) > 0);
  await stage.browser.killSharedWorker();
  await stage.gateway.publishData('elsewhere', 'after the death');
  await heardBy(narrow, 'after the death');
  assert.deepEqual(await narrow.run('pg.gaps'), []);
});

test('three deaths in a minute are told, and tried again after a while', async () => {
  const codes = (tab) => tab.run('pg.errors.map(({ code }) => code)');
  for (let death = 1; death <= 3; death++) {
    assert.deepEqual(await codes(tabs[0]), []);
    await withWorker(spoil);
    // Whatever the core does next: here it is told of a tab.
    await tabs[0].run("dispatchEvent(new Event('online'))");
    await until(`death ${death}`, async () => (await tabs[0].run("pg.states.filter((state) => /died|crashed/.test(state)).length")) === death);
    if (death < 3) for (const tab of tabs) await stage.ready(tab);
  }
  await until('the error', async () => (await codes(tabs[0])).includes('worker-crashed'));
  const { state, reason } = await tabs[0].run('pg.client.status');
  assert.ok(state !== 'connecting' || reason === 'worker-crashed' || reason === undefined, `${state} ${reason}`);
  await stage.ready(tabs[0]);
  await reachesAll('alive again');
  assert.deepEqual(await codes(tabs[0]), ['worker-crashed'], 'told once');
});
