// The one SharedWorker hangs, or was started by a page that asked for another kind.

import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { doubled, heardBy, setStage, titles } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const TABS = 4;
let stage;
let tabs;

beforeEach(async () => {
  await stage?.stop();
  stage = await setStage({ proxy: true, tier: 'shared-worker' });
  tabs = [];
  for (let number = 0; number < TABS; number++) tabs.push(await stage.open(`tab ${number}`, { topic: 'news' }));
});

after(() => stage?.stop());

/**
 * Does something with the worker that holds the socket, and lets go of it: a worker that is started in
 * the place of one with a debugger waits for that debugger.
 */
async function withWorker(what) {
  const [info] = await until('a shared worker', () => {
    const found = stage.browser.find('shared_worker', 'pulsegate-worker.js');
    return found.length > 0 && found;
  });
  const worker = await stage.browser.attach(info.targetId);
  try {
    return await what(worker);
  } finally {
    await worker.detach();
  }
}

/** Publishes, waits until every tab heard it once, and returns how long the slowest took. */
async function reachesAll(title, within = 15_000) {
  const from = performance.now();
  await stage.gateway.publish('news', title);
  await Promise.all(tabs.map((tab) => heardBy(tab, title, { within }).catch(async (fault) => { throw new Error(`${fault.message}: ${await stage.tell(tab)}`); })));
  const took = Math.round(performance.now() - from);
  for (const tab of tabs) assert.deepEqual(doubled(await titles(tab)), [], 'heard twice');
  return took;
}

const oneSocket = () => until('one socket', async () => (await stage.gateway.connections()) === 1 && stage.network.links === 1);

test('a worker that hangs is found by pings, and another one takes its lock', async (t) => {
  await withWorker((worker) => worker.run("new BroadcastChannel('hang').onmessage = () => { for (;;); }, 0"));
  await tabs[0].run("new BroadcastChannel('hang').postMessage(0)");
  const took = await reachesAll('the worker hung', 40_000);
  await stage.ready(tabs[0]);
  t.diagnostic(`the slowest of ${TABS} tabs heard the next message after ${took} ms`);
  // A tab that comes later does not fall back to the one that hangs.
  tabs.push(await stage.open('later', { topic: 'news' }));
  await reachesAll('to all');
  await oneSocket();
});

test('a worker that another tab started without an extended lifetime is shared nevertheless', async () => {
  // Another user's worker: it is not there yet.
  const early = await stage.openEarly('early', { topic: 'news', user: 'ann', later: '' });
  await early.run('{ const Real = SharedWorker; globalThis.SharedWorker = class extends Real { constructor(url) { super(url); } }; void pg.start(); }');
  await stage.ready(early);
  const other = await stage.openEarly('other', { topic: 'news', user: 'ann', later: '' });
  // The browser says so by an event alone.
  await other.run(`{ const Real = SharedWorker; globalThis.SharedWorker = class extends Real {
    constructor(url, options) { super(url, options); this.addEventListener('error', () => { globalThis.refused = options.extendedLifetime; }); } }; void pg.start(); }`);
  await stage.ready(other);
  assert.equal(await other.run('globalThis.refused'), true, 'the first try was refused');
  tabs = [early, other];
  await reachesAll('to both');
  assert.equal(await other.run('pg.client.status.tabs'), 2);
});
