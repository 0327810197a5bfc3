// A browser that was away for ten thousand messages gets them in order, in flat memory.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setStage } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const MANY = 10_000;
let folder;
let stage;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulsegate-away-'));
  stage = await setStage({ profile: join(folder, 'profile') });
});

after(async () => {
  await stage?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const residentMiB = async (pid) => Number((await readFile(`/proc/${pid}/status`, 'utf8')).match(/VmRSS:\s+(\d+)/)[1]) / 1024;

test('a browser away for 10,000 messages gets them in order', async (t) => {
  await stage.open('early', { topic: 'news', quick: '' });
  await stage.browser.close();
  for (let from = 0; from < MANY; from += 1000) {
    const answers = await stage.gateway.publishMany(Array.from({ length: 1000 }, (_, count) => ({ target: { topic: 'news' }, body: `${from + count}` })));
    assert.ok(answers.every(({ state }) => state === 'accepted'));
  }
  const gatewayBefore = await residentMiB(stage.gateway.pid);

  await stage.startBrowser();
  const began = performance.now();
  const tab = await stage.open('back', { topic: 'news', quick: '' });
  const [info] = stage.browser.find('shared_worker', 'pulsegate-worker.js');
  const worker = await stage.browser.attach(info.targetId);
  let heap = 0;
  let gatewayPeak = 0;
  await until('all of them', async () => {
    heap = Math.max(heap, (await worker.send('Runtime.getHeapUsage')).usedSize / 2 ** 20);
    gatewayPeak = Math.max(gatewayPeak, await residentMiB(stage.gateway.pid));
    return (await tab.run('pg.got.length')) >= MANY;
  }, { within: 60_000, every: 100 });
  const seconds = (performance.now() - began) / 1000;
  const bodies = await tab.run('pg.got.map(({ body }) => Number(body))');
  assert.equal(bodies.length, MANY);
  assert.ok(bodies.every((body, index) => body === index), 'in order, none twice, none missing');
  t.diagnostic(`${MANY} messages in ${seconds.toFixed(1)} s; worker heap at most ${heap.toFixed(1)} MiB; gateway ${gatewayBefore.toFixed(0)} MiB before, ${gatewayPeak.toFixed(0)} MiB at most`);
  assert.ok(heap < 32, `the worker's heap stays flat: ${heap} MiB`);
  assert.ok(gatewayPeak - gatewayBefore < 32, `the gateway's memory stays flat: ${gatewayBefore} to ${gatewayPeak} MiB`);
});
