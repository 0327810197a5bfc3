// Where there is no SharedWorker: one tab's worker holds the socket for all, whoever goes, hangs or dies.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { processOf, spoil } from './lib/renderer.mjs';
import { doubled, heardBy, setStage, titles } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const TABS = 5;
/** What is promised: a message to all who live so long after the leader went, and after it stopped without a word. */
const GONE_MS = 2_000;
const STOPPED_MS = 8_000;
let stage;
let tabs;

const open = (name, more) => stage.open(name, { tier: 'leader', topic: 'news', ...more });

before(async () => {
  stage = await setStage({ proxy: true, app: { extra: { '/elsewhere': '<title>elsewhere</title>' } } });
  tabs = [];
  for (let number = 0; number < TABS; number++) tabs.push(await open(`tab ${number}`));
});

after(() => stage?.stop());

/** Publishes, waits until every tab of `live` heard it, and returns how long the slowest took. */
async function reaches(live, title, within = 15_000) {
  const from = performance.now();
  await stage.gateway.publish('news', title);
  await Promise.all(live.map((tab) => heardBy(tab, title, { within })
    .catch(async (fault) => { throw new Error(`${fault.message}: ${await stage.tell(tab)} gaps ${await tab.run("JSON.stringify([pg.gaps, pg.got])")}`); })));
  return Math.round(performance.now() - from);
}

/** The tab whose worker holds the socket: the one that has a socket lock held by its own client. */
async function leaderOf(live) {
  const leading = [];
  for (const tab of live) {
    const worker = await stage.browser.workerOf(tab);
    // A hub has loaded the core: it alone has a memory.
    const { result } = await worker.send('Runtime.evaluate', { expression: 'WebAssembly.Memory.prototype' });
    const { objects } = await worker.send('Runtime.queryObjects', { prototypeObjectId: result.objectId });
    const { result: length } = await worker.send('Runtime.callFunctionOn', { objectId: objects.objectId, functionDeclaration: 'function () { return this.length; }', returnByValue: true });
    if (length.value > 0) leading.push(tab);
  }
  assert.equal(leading.length, 1, 'one tab holds the socket');
  return leading[0];
}

async function onceEach(live, title) {
  for (const tab of live) {
    const heard = await titles(tab);
    assert.deepEqual(doubled(heard), [], 'heard twice');
    assert.ok(heard.includes(title), `missed "${title}"`);
  }
}

test('without SharedWorker five tabs hold one socket', async (t) => {
  const took = await reaches(tabs, 'to five tabs');
  assert.equal(await stage.gateway.connections(), 1, "the gateway's gauge");
  assert.equal(stage.network.links, 1, 'sockets through the network');
  for (const tab of tabs) {
    assert.equal(await tab.run('pg.client.status.tier'), 'leader');
    await until('all tabs to be counted', async () => (await tab.run('pg.client.status.tabs')) === TABS);
  }
  await onceEach(tabs, 'to five tabs');
  t.diagnostic(`${TABS} tabs, 1 socket; the slowest tab heard it after ${took} ms`);
});

test('after the leader was closed the next message reaches every live tab once', async (t) => {
  // The first one opened the socket.
  await tabs.shift().close();
  const took = await reaches(tabs, 'the leader is gone');
  await onceEach(tabs, 'the leader is gone');
  t.diagnostic(`the slowest of ${tabs.length} tabs heard the next message after ${took} ms`);
  assert.ok(took < GONE_MS, `noticed, not waited for: ${took} ms`);
});

test('after a leader that was told to freeze the next message reaches every live tab once, and the frozen one when it wakes', async (t) => {
  const leader = await leaderOf(tabs);
  const others = tabs.filter((tab) => tab !== leader);
  await leader.send('Page.setWebLifecycleState', { state: 'frozen' });
  const took = await reaches(others, 'the leader froze');
  await reaches(others, 'still frozen');
  await onceEach(others, 'the leader froze');
  await leader.send('Page.setWebLifecycleState', { state: 'active' });
  await heardBy(leader, 'still frozen');
  assert.deepEqual((await titles(leader)).slice(-2), ['the leader froze', 'still frozen'], 'in order');
  await onceEach([leader], 'the leader froze');
  t.diagnostic(`the slowest of ${others.length} tabs heard the next message after ${took} ms`);
  assert.ok(took < GONE_MS, `noticed, not waited for: ${took} ms`);
});

test('after a stop of the leader\'s process the next message reaches every live tab once, and the stopped one when it wakes', async (t) => {
  const leader = await leaderOf(tabs);
  const pid = await processOf(stage.browser, leader);
  const others = tabs.filter((tab) => tab !== leader);
  process.kill(pid, 'SIGSTOP');
  let took;
  try {
    took = await reaches(others, 'the leader was stopped');
    await reaches(others, 'still stopped');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await onceEach(others, 'the leader was stopped');
  await heardBy(leader, 'still stopped');
  assert.deepEqual((await titles(leader)).slice(-2), ['the leader was stopped', 'still stopped'], 'in order');
  await reaches(tabs, 'all awake');
  for (const tab of tabs) await onceEach([tab], 'all awake');
  await until('one socket', async () => (await stage.gateway.connections()) === 1);
  t.diagnostic(`the slowest of ${others.length} tabs heard the next message after ${took} ms`);
  assert.ok(took < STOPPED_MS, `its lock was stolen before tabs count it as dead: ${took} ms`);
});

test('after a trap in the leader\'s core the next message reaches every live tab once', async (t) => {
  const leader = await leaderOf(tabs);
  await spoil(await stage.browser.workerOf(leader));
  const took = await reaches(tabs, 'the core trapped');
  await onceEach(tabs, 'the core trapped');
  assert.ok((await leader.run('pg.states')).includes('connecting:the worker died and is started again'));
  t.diagnostic(`the slowest of ${tabs.length} tabs heard the next message after ${took} ms`);
  assert.ok(took < GONE_MS, `noticed, not waited for: ${took} ms`);
});

test('after the death of the leader\'s process the next message reaches every live tab once', async (t) => {
  const leader = await leaderOf(tabs);
  process.kill(await processOf(stage.browser, leader), 'SIGKILL');
  tabs = tabs.filter((tab) => tab !== leader);
  const took = await reaches(tabs, 'the process was killed');
  await onceEach(tabs, 'the process was killed');
  t.diagnostic(`the slowest of ${tabs.length} tabs heard the next message after ${took} ms`);
  assert.ok(took < GONE_MS, `noticed, not waited for: ${took} ms`);
});

test('a leader in the back/forward cache stays cached, gives the socket away and catches up', async (t) => {
  const leader = await leaderOf(tabs);
  const others = tabs.filter((tab) => tab !== leader);
  await leader.run("pg.stayed = true");
  await leader.goto(`${stage.app.origin}/elsewhere`);
  const took = await reaches(others, 'the leader is elsewhere');
  await leader.run('history.back()');
  await until('the page to come back from the cache', () => leader.run('Boolean(globalThis.pg?.stayed)'), { within: 5_000 }).catch(async (fault) => {
    const why = await leader.run("JSON.stringify(performance.getEntriesByType('navigation')[0].notRestoredReasons)");
    throw new Error(`${fault.message}: not restored because of ${why}`);
  });
  await heardBy(leader, 'the leader is elsewhere');
  await reaches(tabs, 'back again');
  for (const tab of tabs) await onceEach([tab], 'back again');
  await onceEach([leader], 'the leader is elsewhere');
  t.diagnostic(`the slowest of ${others.length} tabs heard the next message after ${took} ms`);
  assert.ok(took < GONE_MS, `noticed, not waited for: ${took} ms`);
});

test('while a tab of somebody is open nothing of theirs is wiped, whoever of their tabs leads and whoever came after them', async () => {
  const registration = (tab) => tab.run('pg.client.status.registration');
  const databases = (tab) => tab.run("indexedDB.databases().then((all) => all.map(({ name }) => name).filter((name) => name.startsWith('pulsegate-')).length)");
  const [first, second] = [await open('pia', { user: 'pia', topic: 'pia' }), await open('pia too', { user: 'pia', topic: 'pia' })];
  const device = await registration(first);
  const quin = await open('quin', { user: 'quin', topic: 'quin' });
  const before = await databases(quin);
  await until('what wipes her to wait behind her second tab', () => quin.run(`navigator.locks.query().then(({ held, pending }) =>
    held.some(({ name }) => name.startsWith('pulsegate-socket') && pending.filter((one) => one.name === name).length === 2))`));
  await first.close();
  await heardBy(second, await said('pia', 'to her second tab'));
  const third = await open('pia again', { user: 'pia', topic: 'pia' });
  await second.close();
  await heardBy(third, await said('pia', 'to her third tab'));
  assert.equal(await registration(third), device, 'the same device');
  assert.deepEqual(await third.run('pg.gaps'), []);
  await third.close();
  await until('her database to go with her last tab', async () => (await databases(quin)) < before);
  await quin.close();
});

async function said(topic, title) {
  await stage.gateway.publish(topic, title);
  return title;
}
