// The page's own parts: what a tab does with messages, options and errors; and that importing is inert.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { load, message, settle } from './support/load.mjs';

const { Inbound, messageOf, checked, createClient, PushError, CODES, Listeners, agree, keyOf, tagOf, compareRank, workerUrl, diagnose } = await load(
  'page/inbound.ts', 'page/message.ts', 'page/options.ts', 'page/index.ts', 'page/error.ts', 'page/listeners.ts',
  'port/protocol.ts', 'worker/peers.ts', 'tier/tier.ts');

function inbound(...handlers) {
  const done = [];
  const failed = [];
  const tab = new Inbound({
    handlers: () => handlers,
    done: (n, id, outcome) => done.push([n, outcome]),
    handlerFailed: (cause) => failed.push(cause),
  });
  return { tab, done, failed };
}

test('a message is handled when all its handlers are done', async () => {
  let finish;
  const slow = new Promise((resolve) => { finish = resolve; });
  const { tab, done } = inbound(() => {}, () => slow);
  tab.received(1, message(1));
  await settle(1);
  assert.deepEqual(done, []);
  finish();
  await settle(1);
  assert.deepEqual(done, [[1, 'ok']]);
  assert.equal(tab.place, 1);
});

test('a handler that throws or rejects fails the message and nothing else', async () => {
  const { tab, done, failed } = inbound(() => { throw new Error('a'); }, async () => { throw new Error('b'); });
  tab.received(1, message(1));
  await settle(1);
  assert.deepEqual(done, [[1, 'failed']]);
  assert.deepEqual(failed.map(({ message: text }) => text), ['a', 'b']);
});

test('what a new worker posts again is not handled again', async () => {
  let calls = 0;
  let finish;
  const { tab, done } = inbound(() => { calls += 1; return new Promise((resolve) => { finish = resolve; }); });
  tab.received(1, message(1));
  tab.received(1, message(1));
  finish();
  await settle(1);
  tab.received(1, message(1));
  assert.equal(calls, 1);
  assert.deepEqual(done, [[1, 'ok'], [1, 'ok']]);
});

test('a message that met no handler may meet one later', () => {
  const handlers = [];
  const { tab, done } = inbound();
  tab.received(1, message(1));
  assert.deepEqual(done, [[1, 'none']]);
  assert.equal(handlers.length, 0);
});

test('handlers are called in order, though they take their time', async () => {
  const order = [];
  const { tab } = inbound(async ({ body }) => { order.push(body); await settle(2); });
  for (let number = 1; number <= 5; number++) tab.received(number, message(number));
  assert.deepEqual(order, [1, 2, 3, 4, 5].map((number) => `body ${number}`));
});

test('a message reads as documented', () => {
  const m = messageOf({ ...message(7, { body: '{"a":1}', note: { title: 't', body: 'b' } }), ext: '{"statics":{"taskId":"42"}}', urgency: 3 }, 5);
  assert.equal(m.topic, 'news');
  assert.deepEqual(m.json(), { a: 1 });
  assert.deepEqual(m.ext, { statics: { taskId: '42' } });
  assert.equal(m.urgency, 'high');
  assert.ok(m.stored && m.published instanceof Date);
  const live = messageOf({ ...message(8, { log: 'user:ann' }), ext: 'no json' }, 0);
  assert.deepEqual([live.topic, live.ext, live.stored], [undefined, {}, false]);
});

test('wrong options are named when the client is made', () => {
  const refused = (options, name) => assert.throws(() => createClient({ app: 'shop', ...options }), (error) => {
    assert.ok(error instanceof PushError);
    assert.equal(error.code, 'config-invalid');
    assert.ok(error.message.startsWith(`${name}:`), error.message);
    return true;
  });
  refused({ app: 'No App' }, 'app');
  refused({ getToken: () => null }, 'user');
  refused({ user: 'x'.repeat(129), getToken: () => null }, 'user');
  refused({ url: 'ftp://x' }, 'url');
  refused({ url: 'http://' }, 'url');
  refused({ clickOrigins: ['http://'] }, 'clickOrigins');
});

test('however the gateway is written, it is the same device', () => {
  const urls = ['https://push.test', 'https://push.test/', 'wss://push.test', 'https://push.test:443/'];
  const keys = new Set(urls.map((url) => keyOf(checked({ app: 'shop', url }).config)));
  assert.equal(keys.size, 1);
  assert.equal(checked({ app: 'shop', url: 'https://push.test/under/' }).config.url, 'https://push.test/under');
});

test('another gateway, app or user is another device', () => {
  const base = { url: 'https://a', app: 'b', user: 'c' };
  const keys = [base, { ...base, url: 'https://b' }, { ...base, app: 'c' }, { ...base, user: 'd' }, { ...base, app: 'bc', user: '' }].map(keyOf);
  assert.equal(new Set(keys).size, keys.length);
  assert.match(keys[0], /^[0-9a-f]{16}$/);
});

test('without a browser a client is inert', async () => {
  const client = createClient({ app: 'shop', url: 'https://push.test' });
  assert.equal(client.status.state, 'disconnected');
  assert.equal(client.notifications.permission, 'unsupported');
  client.on('message', () => {})();
  const sub = client.subscribe('news', () => {});
  sub.detach();
  await assert.rejects(client.unsubscribe('news'), { code: 'closed' });
  await assert.rejects(client.notifications.enable(), { code: 'notification-unsupported' });
  await client.disconnect();
});

test('a name that is no topic is refused where it is given', async () => {
  const client = createClient({ app: 'shop' });
  for (const topic of ['', 'a//b', '/a', 'a b', 'x'.repeat(129), '#']) await assert.rejects(client.subscribe(topic, () => {}).ready, { code: 'invalid' });
});

test('listening to a signal of the app ends with the client, and with the listener', () => {
  const end = new AbortController();
  const changes = [];
  const listeners = new Listeners(end.signal, (event) => changes.push(event));
  const app = new AbortController();
  let heard = 0;
  const off = listeners.on('state', () => { heard += 1; }, { signal: app.signal });
  listeners.on('state', () => { heard += 1; }, { signal: app.signal });
  listeners.emit('state', 1);
  assert.equal(heard, 2);
  off();
  assert.equal(getEventListeners(app.signal, 'abort').length, 1);
  end.abort();
  assert.equal(getEventListeners(app.signal, 'abort').length, 0);
  assert.deepEqual(changes, ['state', 'state', 'state'], 'came, came, went');
});

test('a listener that throws keeps nobody else from hearing', () => {
  const listeners = new Listeners();
  const heard = [];
  listeners.on('state', () => { throw new Error('a'); });
  const off = listeners.on('state', (state) => heard.push(state));
  const stop = new AbortController();
  listeners.on('state', (state) => heard.push(state), { signal: stop.signal });
  assert.equal(listeners.emit('state', 1).length, 1);
  off();
  stop.abort();
  listeners.emit('state', 2);
  assert.deepEqual(heard, [1, 1]);
});

test('two builds speak the lower of their newest versions, or find that they have none', () => {
  assert.equal(agree([3, 2], [2, 1]), 2);
  assert.equal(agree([2, 1], [3, 2]), 2);
  assert.equal(agree([1, 1], [3, 2]), 0);
  assert.equal(agree([3, 2], [1, 1]), 0);
});

test('of two workers the newer version rules, then the one of all tabs, then the one that replaced a hung one', () => {
  const rank = (build, g = 0, shared = true) => ({ build, g, shared });
  assert.ok(compareRank(rank('0.2.0+a'), rank('0.10.0+b')) < 0);
  assert.ok(compareRank(rank('1.0.0+a'), rank('0.9.9+b')) > 0);
  assert.ok(compareRank(rank('1.0.0+a', 1), rank('1.0.0+a')) > 0);
  assert.equal(compareRank(rank('1.0.0+a'), rank('1.0.0+b')), 0);
  assert.ok(compareRank(rank('1.0.0+a'), rank('1.0.0+a', 0, false)) > 0);
  assert.ok(compareRank(rank('1.0.0+a'), rank('1.0.1+a', 0, false)) < 0);
});

test('the worker has one URL a build and device', () => {
  const script = new URL('https://shop.test/pulsegate-worker.js');
  assert.equal(workerUrl({ script, v: '1.2.3+abcd', key: 'ab', g: 0 }).href, 'https://shop.test/pulsegate-worker.js?v=1.2.3%2Babcd&k=ab');
  assert.equal(workerUrl({ script, v: '1.2.3+abcd', key: 'ab', g: 2 }).searchParams.get('g'), '2');
});

test('a notification without a tag of its own has one that no other has', () => {
  assert.equal(tagOf({ id: '1', note: { title: '', body: '', tag: 'match' } }), 'match');
  assert.notEqual(tagOf({ id: '1' }), tagOf({ id: '2' }));
});

test('why a worker did not start is told apart by what its address answers', async (t) => {
  const answers = [
    [() => Promise.reject(new TypeError('offline')), 'worker-missing', true],
    [() => new Response('', { status: 404 }), 'worker-missing', false],
    [() => new Response('', { status: 502 }), 'worker-missing', true],
    [() => new Response('<html>', { headers: { 'content-type': 'text/html' } }), 'worker-missing', false],
    [() => new Response('', { headers: { 'content-type': 'text/javascript' } }), 'worker-blocked', false],
  ];
  for (const [answer, code, temporary] of answers) {
    t.mock.method(globalThis, 'fetch', async () => answer());
    const error = await diagnose(new URL('https://shop.test/pulsegate-worker.js'));
    assert.deepEqual([error.code, error.temporary], [code, temporary]);
  }
});

test('every error code has its page, and every page its code', async () => {
  const folder = fileURLToPath(new URL('../../../docs/errors', import.meta.url));
  const pages = (await readdir(folder)).filter((name) => name !== 'README.md').map((name) => name.replace('.md', ''));
  assert.deepEqual(pages.sort(), Object.keys(CODES).sort());
  for (const code of Object.keys(CODES)) {
    assert.ok(new PushError(code, '').help.endsWith(`/docs/errors/${code}.md`));
    assert.ok((await readFile(`${folder}/${code}.md`, 'utf8')).includes(code));
  }
});

test('importing the sources leaves nothing running', () => {
  const script = `import { load } from ${JSON.stringify(new URL('./support/load.mjs', import.meta.url).href)};
    await load('page/index.ts'); console.log('imported');`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', timeout: 20_000 });
  assert.equal(status, 0);
  assert.equal(stdout.trim(), 'imported');
});
