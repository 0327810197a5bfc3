// What a page's policies do to the worker, in both tiers that share one: it runs, or the app is told why not.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heardBy, setStage } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const ISOLATED = { 'cross-origin-embedder-policy': 'require-corp', 'cross-origin-opener-policy': 'same-origin' };
const PAGES = {
  isolated: ISOLATED,
  'no worker': { 'content-security-policy': "default-src 'none'; script-src 'self'; connect-src 'self'; worker-src 'none'" },
  'other types': { 'content-security-policy': "require-trusted-types-for 'script'; trusted-types other" },
};
const WORKER = { 'cross-origin-embedder-policy': 'require-corp', 'cross-origin-resource-policy': 'same-origin' };
let stage;

before(async () => {
  stage = await setStage({
    tier: 'shared-worker',
    app: {
      headers: ({ pathname, searchParams }) => (pathname.startsWith('/pulsegate-worker') ? WORKER : PAGES[searchParams.get('name')] ?? {}),
    },
  });
});

after(() => stage?.stop());

async function isToldBlocked(name, tier) {
  const tab = await stage.openEarly(name, { tier });
  // Notifications are allowed here: that their worker was refused is told as well.
  const error = await until('the error', () => tab.run("pg.errors.find(({ code }) => code !== 'notification-failed')"));
  assert.equal(error.code, 'worker-blocked', error.message);
  assert.equal(await tab.run('pg.client.status.state'), 'closed');
  await tab.close();
  return error.message;
}

for (const tier of ['shared-worker', 'leader']) {
  test(`a cross-origin isolated page gets its messages (${tier})`, async () => {
    const tab = await stage.open('isolated', { tier, topic: 'news' });
    assert.equal(await tab.run('crossOriginIsolated'), true);
    await stage.gateway.publish('news', `isolated, ${tier}`);
    await heardBy(tab, `isolated, ${tier}`);
    assert.deepEqual(await tab.run('pg.errors'), []);
    await tab.close();
  });

  test(`a page whose policy forbids workers is told as worker-blocked (${tier})`, async () => {
    assert.match(await isToldBlocked('no worker', tier), /worker-src 'self'/);
  });

  test(`a page whose policy knows no Trusted Types policy of ours is told as worker-blocked (${tier})`, async () => {
    assert.match(await isToldBlocked('other types', tier), /trusted-types pulsegate/);
  });
}
