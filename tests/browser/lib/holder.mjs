// What is done to the worker that holds the socket, and whether every tab still hears.

import assert from 'node:assert/strict';
import { doubled, heardBy, titles } from './stage.mjs';
import { until } from './until.mjs';

/**
 * Does something with the worker that holds the socket, and lets go of it: a worker that is started in
 * the place of one with a debugger waits for that debugger.
 */
export async function withWorker(stage, what) {
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
export async function reachesAll(stage, tabs, title, within = 15_000) {
  const from = performance.now();
  await stage.gateway.publish('news', title);
  await Promise.all(tabs.map((tab) => heardBy(tab, title, { within }).catch(async (fault) => { throw new Error(`${fault.message}: ${await stage.tell(tab)}`); })));
  const took = Math.round(performance.now() - from);
  for (const tab of tabs) assert.deepEqual(doubled(await titles(tab)), [], 'heard twice');
  return took;
}
