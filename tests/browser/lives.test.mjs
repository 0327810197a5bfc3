// All lives of a tab: hidden, frozen, in the back/forward cache, discarded, crashed, reloaded. What
// came meanwhile is caught up on, in order, and nobody else is held up.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { back, crash, discard, freeze, hide, leave, wake } from './lib/lives.mjs';
import { doubled, heardBy, setStage, titles } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

let stage;
let keeper;
let throttled;

before(async () => {
  // A person's Chromium slows a hidden page down after five minutes: here after ten seconds, or a minute
  // if it was busy by then.
  stage = await setStage({ flags: ['--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/10'] });
  // In a window of its own, where nobody brings it to the front again, and with a topic of its own.
  throttled = await stage.open('throttled', { topic: 'quiet', quick: '', narrow: '' }, { newWindow: true });
  await throttled.run('globalThis.ticks = []; setInterval(() => ticks.push(performance.now()), 100)');
  await hide(stage.browser, throttled);
  keeper = await stage.open('keeper', { topic: 'news', quick: '', narrow: '' }, { newWindow: true });
});

after(() => stage?.stop());

let sent = 0;
/** Publishes so many and waits until the tab that stays has them. */
async function flow(count) {
  const fresh = Array.from({ length: count }, () => `message ${++sent}`);
  for (const title of fresh) await stage.gateway.publishData('news', title);
  await heardBy(keeper, fresh.at(-1));
  return fresh;
}

/** What a tab heard of these, in its order. */
const of = async (tab, wanted) => (await titles(tab)).filter((title) => wanted.includes(title));

async function caughtUp(tab, wanted) {
  await heardBy(tab, wanted.at(-1));
  assert.deepEqual(await of(tab, wanted), wanted, 'in order, each once');
  assert.deepEqual(await tab.run('pg.subscribed.filter(({ recovered }) => !recovered)'), [], 'nothing was said to be missing');
}

/** Web Locks that Pulsegate's tabs hold. */
const tabLocks = (tab) => tab.run("navigator.locks.query().then(({ held }) => held.filter(({ name }) => name.startsWith('pulsegate-tab')).length)");

test('a frozen tab is sent nothing, and goes on from its place when it wakes, in order', async () => {
  const tab = await stage.open('frozen', { topic: 'news', quick: '', narrow: '' });
  await freeze(tab);
  await until('the worker to know', async () => (await keeper.run('pg.client.status.tabs')) === 2);
  const missed = await flow(20);
  assert.deepEqual(await titles(tab), []);
  await wake(tab);
  await caughtUp(tab, missed);
  await tab.close();
});

test('a page in the back/forward cache stays cached while messages flow, holds no lock, and catches up in order', async () => {
  const tab = await stage.open('cached', { topic: 'news', quick: '', narrow: '' });
  const locks = await tabLocks(keeper);
  const before = await flow(1);
  await heardBy(tab, before[0]);
  await leave(tab, stage.app.page({ name: 'elsewhere', later: '' }));
  await until('its lock to fall', async () => (await tabLocks(keeper)) === locks - 1);
  const missed = await flow(100);
  const { cached, why } = await back(tab);
  assert.ok(cached, `it was not in the cache: ${why}`);
  await caughtUp(tab, [...before, ...missed]);
  const after = await flow(1);
  await caughtUp(tab, [...before, ...missed, ...after]);
  await tab.close();
});

test('a page that comes back from the cache alone gets what nobody handled', async () => {
  const tab = await stage.open('alone', { topic: 'solo', quick: '', narrow: '' });
  await leave(tab, stage.app.page({ name: 'elsewhere', later: '' }));
  const fresh = ['solo 1', 'solo 2', 'solo 3'];
  for (const title of fresh) await stage.gateway.publishData('solo', title);
  await flow(1);
  const { cached, why } = await back(tab);
  assert.ok(cached, `it was not in the cache: ${why}`);
  await heardBy(tab, 'solo 3');
  assert.deepEqual(await of(tab, fresh), fresh);
  await tab.close();
});

test('a discarded tab is no tab any more, and loaded again gets what nobody handled', async () => {
  const tab = await stage.open('dropped', { topic: 'drop', quick: '', narrow: '' });
  const tabs = await keeper.run('pg.client.status.tabs');
  const other = await hide(stage.browser, tab);
  await discard(stage.browser, tab, 'name=dropped');
  await until('one tab fewer', async () => (await keeper.run('pg.client.status.tabs')) === tabs - 1);
  await stage.gateway.publishData('drop', 'while discarded');
  await flow(1);
  const [{ targetId }] = stage.browser.find('page', 'name=dropped');
  await stage.browser.send('Target.activateTarget', { targetId });
  const again = await until('the page to be loaded again', async () => {
    const [info] = stage.browser.find('page', 'name=dropped');
    const one = await stage.browser.attach(info.targetId);
    return (await one.run('document.wasDiscarded && Boolean(globalThis.pg?.loaded)')) && one;
  });
  await heardBy(again, 'while discarded');
  assert.deepEqual(await of(again, ['while discarded']), ['while discarded']);
  await again.close();
  await other.close();
});

test('what a crashed tab had not handled is offered to the next one', async () => {
  const tab = await stage.open('crashing', { topic: 'fragile', quick: '', narrow: '' });
  await tab.run('pg.before = () => new Promise(() => undefined)');
  await stage.gateway.publishData('fragile', 'in the hands of a tab that crashed');
  await until('it to be at the handler', () => tab.run('pg.began >= 1'));
  await crash(tab);
  const next = await stage.open('next', { topic: 'fragile', quick: '', narrow: '' });
  await heardBy(next, 'in the hands of a tab that crashed');
  assert.deepEqual(doubled(await titles(next)), []);
  await tab.close();
  await next.close();
});

test('a crashed tab that is loaded again gets what its handler had not finished', async () => {
  const tab = await stage.open('restored', { topic: 'again', quick: '', narrow: '' });
  await tab.run('pg.before = () => new Promise(() => undefined)');
  await stage.gateway.publishData('again', 'before the crash');
  await until('it to be at the handler', () => tab.run('pg.began >= 1'));
  await crash(tab);
  await tab.send('Page.reload');
  await until('the page', () => tab.run('Boolean(globalThis.pg?.loaded)'));
  await heardBy(tab, 'before the crash');
  await tab.close();
});

test('a reloaded tab gets again what its handler had not finished, and nothing else', async () => {
  const tab = await stage.open('reloaded', { topic: 'twice', quick: '', narrow: '' });
  await stage.gateway.publishData('twice', 'finished');
  await heardBy(tab, 'finished');
  await tab.run('pg.before = () => new Promise(() => undefined)');
  await stage.gateway.publishData('twice', 'unfinished');
  await until('it to be at the handler', () => tab.run('pg.began >= 2'));
  await tab.send('Page.reload');
  await until('the page', () => tab.run('Boolean(globalThis.pg?.loaded)'));
  await heardBy(tab, 'unfinished');
  assert.deepEqual(await titles(tab), ['unfinished']);
  await tab.close();
});

test('a tab long hidden, whose own timers tick once a minute, hears at once and stays connected', { timeout: 120_000 }, async (t) => {
  await until('it to be slowed down', () => throttled.run("document.visibilityState === 'hidden' && performance.now() - (ticks.at(-1) ?? 0) > 3_000"), { within: 90_000, every: 200 });
  const from = await throttled.run('ticks.length');
  const states = await throttled.run('pg.states.length');
  const took = [];
  for (let round = 0; round < 5; round++) {
    const began = performance.now();
    await stage.gateway.publishData('quiet', `round ${round}`);
    await heardBy(throttled, `round ${round}`);
    took.push(Math.round(performance.now() - began));
  }
  const ticked = (await throttled.run('ticks.length')) - from;
  t.diagnostic(`five messages after ${took.join(', ')} ms; meanwhile the page's timer of 100 ms ticked ${ticked} times`);
  assert.ok(Math.max(...took) < 2_000, `at once: ${took}`);
  assert.deepEqual(await throttled.run(`pg.states.slice(${states}).filter((state) => state !== 'connected')`), []);
  assert.equal(await throttled.run('pg.client.status.state'), 'connected');
  assert.deepEqual(doubled(await titles(throttled)), []);
});

test('the worker\'s timers, and what a message sets off, are not slowed down while every tab is hidden', async (t) => {
  // The only visible tab is another site's.
  const other = await hide(stage.browser, keeper);
  const [info] = stage.browser.find('shared_worker', 'pulsegate-worker.js');
  if (info) {
    const worker = await stage.browser.attach(info.targetId);
    const late = await worker.run('new Promise((done) => { const began = performance.now(); let left = 20; const tick = () => { left -= 1; if (left) setTimeout(tick, 50); else done(performance.now() - began - 950); }; setTimeout(tick, 50); })');
    t.diagnostic(`twenty timers of 50 ms in the worker were ${Math.round(late)} ms late together`);
    assert.ok(late < 1_000);
  }
  // A handler that waits on a timer of its own, armed by the message.
  await throttled.run('pg.before = () => new Promise((done) => { setTimeout(done, 50); })');
  const began = performance.now();
  await stage.gateway.publishData('quiet', 'to a handler that waits');
  await heardBy(throttled, 'to a handler that waits');
  const took = performance.now() - began;
  t.diagnostic(`a timer of 50 ms armed by a message in the slowed page came after ${Math.round(took)} ms`);
  assert.ok(took < 5_000);
  await other.close();
});
