// The second copy: a device whose database is lost goes on as the same one.
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { freshBrowser, loseDatabases } from './support/browser.mjs';
import { load, message } from './support/load.mjs';

const { Copy, IdbStore, MemoryStore, noteUser, openDatabase } =
  await load('store/copy.ts', 'store/idb.ts', 'store/memory.ts', 'store/users.ts');

// Another name for each test: what one left behind may still be at work.
let NAME = 'pulsegate-test-0';
beforeEach(() => {
  mock.timers.reset();
  NAME = `pulsegate-test-${Number(NAME.slice(15)) + 1}`;
  return freshBrowser();
});

const config = { url: 'http://gateway', app: 'shop', user: '' };
const identity = { registration: 'r1', secret: [1, 2, 3] };
const row = (n, more) => ({ ...message(n, { note: { title: 't', body: 'b' } }), n, h: 0, p: 1, bytes: 1, ...more });

/** A worker starts. */
async function start() {
  const store = new IdbStore(await openDatabase(NAME, () => {}), new Copy(NAME));
  await store.claim(Date.now(), config);
  return { store, loaded: await store.load() };
}

/** Until what is asked for is so. */
async function until(probe) {
  while (!await probe()) await new Promise((done) => { setImmediate(done); });
}

const keys = async () => (await (await caches.open(NAME)).keys()).map(({ url }) => url.replace(/.*pulsegate\//, ''));

test('a device whose database is lost is the same one, with what it had not handled and the cursors of then', async () => {
  const { store } = await start();
  await store.write({ kept: { identity, generation: 7, topics: ['news'], fleeting: [], forgetting: false } }, true);
  await store.write({ rows: [row(1), row(2)], kept: { cursors: { 'topic:news': [5, 2] } } }, true);
  store.close();
  loseDatabases();
  const { loaded } = await start();
  assert.deepEqual(loaded.identity, identity);
  assert.equal(loaded.generation, 7);
  assert.deepEqual(loaded.topics, ['news']);
  assert.deepEqual(loaded.cursors, { 'topic:news': [5, 2] });
  assert.deepEqual(loaded.rows.map(({ n, id, body, p }) => [n, id, body, p]), [[1, row(1).id, 'body 1', 1], [2, row(2).id, 'body 2', 1]]);
});

test('the copy names a new log before its first messages can be acked, and follows what else comes within a second', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { store } = await start();
  await store.write({ kept: { identity, cursors: { all: [5, 1] } } }, true);
  await store.write({ rows: [row(1)], kept: { cursors: { all: [5, 2] } } }, true);
  const copied = async () => {
    const cache = await caches.open(NAME);
    const moments = (await cache.keys()).filter(({ url }) => url.includes('pulsegate/?'));
    return (await (await cache.match(moments.at(-1))).json()).kept.cursors.all[1];
  };
  assert.equal(await copied(), 1, 'an older moment: the gateway sends the rest again');
  mock.timers.tick(2_000);
  await until(async () => await copied() === 2);
  await until(async () => (await keys()).length === 1);
});

test('a mark keeps a message from being shown again until the copy itself says so', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { store } = await start();
  await store.write({ rows: [row(1), row(2)], kept: { identity, cursors: { all: [5, 2] } } }, true);
  await store.shown(row(1).id, false);
  await store.shown(row(1).id, true);
  await store.shown(row(2).id, false);
  store.close();
  loseDatabases();
  const again = await start();
  assert.deepEqual([...again.loaded.shown], [[row(1).id, true], [row(2).id, false]]);
  // Both were met, and one is decided.
  again.loaded.shown.clear();
  await again.store.write({ flags: [{ n: 1, h: 0, p: 0 }] }, false);
  mock.timers.tick(2_000);
  await until(async () => (await keys()).filter((key) => key.startsWith('?')).length === 1 && (await keys()).length === 2);
  assert.ok((await keys()).includes(`${row(2).id}?0`));
});

test('a mark whose message has not come again yet is kept', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const first = await start();
  await first.store.write({ kept: { identity, cursors: { all: [5, 1] } } }, true);
  await first.store.shown(row(9).id, true);
  first.store.close();
  loseDatabases();
  const { store } = await start();
  await store.write({ rows: [row(1)] }, true);
  mock.timers.tick(2_000);
  const moment = (await keys()).find((key) => key.startsWith('?'));
  await until(async () => !(await keys()).includes(moment));
  assert.ok((await keys()).includes(`${row(9).id}?1`));
});

test('a great backlog is copied only when as much has come again', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { store } = await start();
  await store.write({ kept: { identity } }, true);
  const [moment] = await keys();
  await store.write({ rows: Array.from({ length: 300 }, (_, i) => row(i + 1)) }, false);
  mock.timers.tick(1_000);
  await until(async () => !(await keys()).includes(moment));
  const [great] = await keys();
  await store.write({ rows: [row(301)] }, false);
  mock.timers.tick(1_000);
  await store.write({ rows: [row(302)] }, false);
  mock.timers.tick(1_000);
  for (let turn = 0; turn < 50; turn++) await keys();
  assert.deepEqual(await keys(), [great]);
  await store.write({ rows: Array.from({ length: 450 }, (_, i) => row(i + 303)) }, false);
  await until(async () => { mock.timers.tick(1_000); return !(await keys()).includes(great); });
});

test('a device that logged out does not come back from the copy', async () => {
  const { store } = await start();
  await store.write({ rows: [row(1)], kept: { identity, cursors: { all: [5, 1] } } }, true);
  await store.write({ wipe: true, kept: { cursors: {}, closes: [] } }, true);
  await store.write({ kept: { identity: null, forgetting: false } }, true);
  store.close();
  loseDatabases();
  const { loaded } = await start();
  assert.equal(loaded.identity, null);
  assert.deepEqual(loaded.rows, []);
});

test('a copy is no way round a logout that the database knows of', async () => {
  const { store } = await start();
  await store.write({ kept: { identity } }, true);
  const cache = await caches.open(NAME);
  const [moment] = await cache.keys();
  const text = await (await cache.match(moment)).text();
  await store.write({ kept: { identity: null } }, true);
  store.close();
  await cache.put('/pulsegate/?old', new Response(text));
  const { loaded } = await start();
  assert.equal(loaded.identity, null);
});

test('a copy that was cut while it was written is passed over', async () => {
  const { store } = await start();
  await store.write({ kept: { identity } }, true);
  store.close();
  await (await caches.open(NAME)).put('/pulsegate/?cut', new Response('{"rows":[{"id"'));
  loseDatabases();
  assert.deepEqual((await start()).loaded.identity, identity);
});

test('without Cache Storage the database alone keeps the device', async () => {
  const there = globalThis.caches;
  globalThis.caches = { open: () => Promise.reject(new DOMException('blocked', 'SecurityError')) };
  try {
    const { store } = await start();
    await store.write({ rows: [row(1)], kept: { identity } }, true);
    await store.shown(row(1).id, true);
    store.close();
    assert.deepEqual((await start()).loaded.identity, identity);
  } finally {
    globalThis.caches = there;
  }
});

test('where the database cannot be opened the copy alone keeps the device', async () => {
  const { store } = await start();
  await store.write({ rows: [row(1)], kept: { identity, cursors: { all: [5, 1] } } }, true);
  await store.shown(row(1).id, true);
  store.close();
  const memory = new MemoryStore(new Copy(NAME));
  const loaded = await memory.load();
  assert.deepEqual([loaded.identity, loaded.rows.length, loaded.shown.size], [identity, 1, 1]);
  await memory.write({ rows: [row(2)], kept: { cursors: { all: [5, 2], 'topic:news': [5, 2] } } });
  const again = await new MemoryStore(new Copy(NAME)).load();
  assert.deepEqual([again.identity, again.rows.length, again.cursors], [identity, 2, { all: [5, 2], 'topic:news': [5, 2] }]);
});

test('when somebody else uses the app the copies of others go', async () => {
  const { store } = await start();
  await store.write({ rows: [row(1)], kept: { identity } }, true);
  store.close();
  await caches.open('the-apps-own');
  await noteUser({ ...config, user: 'ann' }, 'ann', () => Promise.resolve(true));
  await until(async () => (await caches.keys()).length === 1);
  assert.deepEqual(await caches.keys(), ['the-apps-own']);
});
