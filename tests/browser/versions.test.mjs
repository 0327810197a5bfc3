// Releases: pages and workers of this version and of its neighbours meet in one browser.
//
// A neighbour is this build under another version's name, byte for byte the same otherwise: what is
// tested is who rules, who moves, and who is told.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DIST } from './lib/app-server.mjs';
import { doubled, heardBy, setStage, titles } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const OLD = '0.0.9+01d000';
const NEW = '7.0.0+2e3000';
const extra = {};
let stage;
let page;
let worker;
let own;

before(async () => {
  [page, worker] = await Promise.all(['pulsegate.js', 'pulsegate-worker.js'].map((file) => readFile(join(DIST, file), 'utf8')));
  [own] = page.match(/\d+\.\d+\.\d+\+[0-9a-f]{6}/);
  assert.ok(worker.includes(own), 'page and worker are of one build');
  stage = await setStage({ proxy: true, tier: 'shared-worker', app: { extra } });
});

after(() => stage?.stop());

/** What the app's server hands out from now on. */
function deploy({ pages = own, workers = own, change = (text) => text }) {
  extra['/pulsegate.js'] = change(page.replaceAll(own, pages));
  extra['/pulsegate-worker.js'] = worker.replaceAll(own, workers);
}

async function reachesAll(tabs, title) {
  await stage.gateway.publish('news', title);
  for (const tab of tabs) {
    await heardBy(tab, title).catch(async (fault) => { throw new Error(`${fault.message}: ${await stage.tell(tab)}`); });
    assert.deepEqual(doubled(await titles(tab)), [], 'heard twice');
  }
  await until('one socket', async () => (await stage.gateway.connections()) === 1);
}

/** The version of the worker that holds the socket, as the gateway was told. */
async function ruling(tab) {
  const id = await tab.run('pg.client.status.registration');
  const answer = await fetch(`${stage.gateway.url}/v1/apps/shop/registrations/${id}`, { headers: { authorization: `Bearer ${stage.gateway.key}` } });
  return (await answer.json()).agent.replace('pulsegate-js/', '');
}

async function closeAll(tabs) {
  for (const tab of tabs) await tab.close();
  await until('no socket', async () => (await stage.gateway.connections()) === 0, { within: 60_000 });
  users += 1;
}

// A user a case: a shared worker outlives its tabs for a while, and is of one user.
let users = 0;
const open = (name, tier) => stage.open(name, { tier, topic: 'news', user: `user-${users}` });
const version = (build) => build.split('+')[0];

for (const tier of ['shared-worker', 'leader']) {
  test(`a page of one version works with the worker of the other (${tier})`, async () => {
    for (const [pages, workers] of [[NEW, OLD], [OLD, NEW]]) {
      deploy({ pages, workers });
      const tab = await open('mixed', tier);
      await reachesAll([tab], `${pages} with ${workers}`);
      assert.equal(await ruling(tab), version(workers));
      assert.deepEqual(await tab.run('pg.errors'), []);
      await closeAll([tab]);
    }
  });

  test(`a newer worker takes socket and tabs over from an older one, and an older one leaves them alone (${tier})`, async () => {
    deploy({ pages: OLD, workers: OLD });
    const before = await open('before the release', tier);
    await reachesAll([before], 'before the release');
    assert.equal(await ruling(before), version(OLD));
    deploy({ pages: NEW, workers: NEW });
    const after_ = await open('after the release', tier);
    await reachesAll([before, after_], 'after the release');
    await until('the newer to rule', async () => (await ruling(after_)) === version(NEW));
    // A page out of a cache, with the worker it came with.
    deploy({ pages: OLD, workers: OLD });
    const late = await open('late', tier);
    await reachesAll([before, after_, late], 'from a cache');
    assert.equal(await ruling(late), version(NEW), 'the newer one rules on');
    // The older page with the newer script.
    deploy({ pages: OLD, workers: NEW });
    const mixed = await open('mixed', tier);
    await reachesAll([before, after_, late, mixed], 'all of them');
    for (const tab of [before, after_, late, mixed]) assert.deepEqual(await tab.run('pg.errors'), []);
    await closeAll([before, after_, late, mixed]);
  });

  test(`a page that a worker cannot speak with any more is told as worker-outdated (${tier})`, async () => {
    deploy({ change: (text) => text.replace(/v:1,oldest:1/, 'v:3,oldest:2') });
    assert.ok(extra['/pulsegate.js'].includes('oldest:2'), 'the page speaks what nobody else does');
    const tab = await stage.openEarly('too new', { tier, user: `user-${users}` });
    await until('the error', () => tab.run("pg.errors.some(({ code, message }) => code === 'worker-outdated' && message.includes('npx pulsegate init'))"));
    assert.equal(await tab.run('pg.client.status.state'), 'closed');
    deploy({ change: (text) => text.replace(/v:1,oldest:1/, 'v:2,oldest:1') });
    const next = await open('one ahead', tier);
    await reachesAll([next], 'one version ahead');
    await closeAll([tab, next]);
  });
}
