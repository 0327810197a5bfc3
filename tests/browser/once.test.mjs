// A person is shown each message once. Calls of Notify on the desktop's bus are what is counted.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { doubled, heardBy, setStage } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

let stage;
let tab;
const sent = [];

before(async () => {
  stage = await setStage({ proxy: true });
  tab = await stage.open('first', { topic: 'news', foreground: 'always' });
  await stage.allowNotifications(tab);
});

after(() => stage?.stop());

async function publish(title, more) {
  const id = await stage.gateway.publish('news', title, more);
  sent.push(title);
  return id;
}

/** Every message of this file popped up once: no fewer, no more. */
function onceEach() {
  assert.deepEqual(doubled(stage.bus.popUps), [], 'popped up twice');
  assert.deepEqual([...stage.bus.popUps].sort(), [...sent].sort());
}

test('a published message pops up once, with its text', async () => {
  await publish('Goal');
  const call = await stage.bus.see('Goal');
  assert.match(call.body, /body of Goal/);
  onceEach();
});

test('over reconnects each message pops up once', async (t) => {
  for (let round = 0; round < 4; round++) {
    await publish(`cut ${round} before`);
    stage.network.cut();
    await publish(`cut ${round} after`);
  }
  for (const title of sent) await stage.bus.see(title);
  await stage.ready(tab);
  onceEach();
  t.diagnostic(`4 cuts, 8 messages, ${stage.bus.popUps.length - 1} pop-ups`);
});

test('over crashes of the worker each message pops up once', async (t) => {
  const before = stage.bus.popUps.length;
  for (let round = 0; round < 2; round++) {
    await publish(`crash ${round} before`);
    await stage.browser.killSharedWorker();
    await publish(`crash ${round} after`);
    await stage.bus.see(`crash ${round} before`);
    await stage.bus.see(`crash ${round} after`);
  }
  onceEach();
  t.diagnostic(`2 crashes, 4 messages, ${stage.bus.popUps.length - before} pop-ups`);
});

test('over restarts of the gateway each message pops up once', async (t) => {
  const before = stage.bus.popUps.length;
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL']) {
    await publish(`${signal} ${sent.length} before`);
    await stage.gateway.restart(signal);
    await publish(`${signal} ${sent.length} after`);
  }
  for (const title of sent) await stage.bus.see(title, { within: 30_000 });
  onceEach();
  t.diagnostic(`3 restarts, 6 messages, ${stage.bus.popUps.length - before} pop-ups`);
});

test('the funnel counts one device at each stage', async () => {
  const id = await publish('counted');
  await stage.bus.see('counted');
  const funnel = await until('displayed to be counted', async () => {
    const now = await stage.gateway.funnel(id);
    return now.displayed && now.handled && now.received && now;
  });
  const { accepted, sent: handedOver, received, handled, displayed, clicked } = funnel;
  assert.deepEqual({ accepted, handedOver, received, handled, displayed, clicked }, { accepted: 1, handedOver: 1, received: 1, handled: 1, displayed: 1, clicked: 0 });
});

test('a recall takes a shown notification back', async () => {
  const id = await publish('a mistake');
  await stage.bus.see('a mistake');
  await stage.gateway.recall(id);
  await stage.bus.unseen('a mistake');
  onceEach();
});

test('a newer message of the same tag replaces the older one on the desktop', async () => {
  await publish('score 1:0', { notification: { tag: 'match' } });
  await stage.bus.see('score 1:0');
  await stage.gateway.publish('news', 'score 2:0', { notification: { tag: 'match' } });
  await stage.bus.see('score 2:0');
  assert.ok(stage.bus.shown.includes('score 2:0') && !stage.bus.shown.includes('score 1:0'));
});

test('a message that a visible tab handled does not pop up when the policy is hidden-only', async () => {
  await tab.run("pg.client.notifications.foreground = 'hidden-only'");
  const quiet = await stage.gateway.publish('news', 'seen in the page');
  await heardBy(tab, 'seen in the page');
  await until('handled to be counted', async () => (await stage.gateway.funnel(quiet)).handled === 1);
  await tab.run("pg.client.notifications.foreground = 'always'");
  // Order per log: once the later one is up, the earlier one would have been.
  await publish('after the quiet one');
  await stage.bus.see('after the quiet one');
  assert.equal(stage.bus.times('seen in the page'), 0);
});

test('a message that only a hidden tab handled pops up when the policy is hidden-only', async () => {
  await tab.run("pg.client.notifications.foreground = 'hidden-only'");
  // Another tab of another site comes to the front, so that this one is hidden.
  const other = await stage.browser.open('about:blank#other');
  await until('the tab to be hidden', () => tab.run("document.visibilityState === 'hidden'"));
  await publish('while hidden');
  await stage.bus.see('while hidden');
  await heardBy(tab, 'while hidden');
  await other.close();
  await tab.bringToFront();
  await until('the tab to be visible', () => tab.run("document.visibilityState === 'visible'"));
});
