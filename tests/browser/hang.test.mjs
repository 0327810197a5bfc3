// The one SharedWorker hangs, or was started by a page that asked for another kind.

import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { setStage } from './lib/stage.mjs';
import * as holder from './lib/holder.mjs';
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

const withWorker = (what) => holder.withWorker(stage, what);
const reachesAll = (title, within) => holder.reachesAll(stage, tabs, title, within);
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
