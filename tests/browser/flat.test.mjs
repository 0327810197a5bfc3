// Memory of page and worker over a long life, and nothing left behind when it ends.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setStage } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

// CI measures the growth over part of the way; `PULSEGATE_FLAT=100000` walks all of it.
const MESSAGES = Number(process.env.PULSEGATE_FLAT ?? 12_000);
const FIRST = 4_000;
const BEATS = 10_000;
const BATCH = 1_000;
let stage;
let tab;
let worker;

before(async () => {
  // Each beat is answered, and thousands a second are no device's.
  stage = await setStage({ proxy: true, limits: 'frames_per_second = 0' });
  tab = await stage.openEarly('flat', { later: '' });
  await until('the page', () => tab.run('Boolean(globalThis.pg?.loaded)'));
  await tab.run(`(() => {
    pg.count = 0; pg.last = 0; pg.wrong = 0;
    delete pg.options.onMessage;
    pg.client = pg.start();
    pg.states.push = () => 0;
    pg.sub = pg.client.subscribe('flat', (message) => { const n = Number(message.body.split(' ')[0]); if (n !== pg.last + 1) pg.wrong += 1; pg.last = n; pg.count += 1; });
  })()`);
  await until('the connection', () => tab.run("pg.sub.ready.then(() => pg.client.status.state === 'connected')"));
  const [{ targetId }] = stage.browser.find('shared_worker', 'pulsegate-worker.js');
  worker = await stage.browser.attach(targetId);
});

after(() => stage?.stop());

/** Bytes of the JavaScript heap after everything that can go has gone. */
async function heap(target) {
  await target.send('HeapProfiler.enable');
  for (let round = 0; round < 3; round++) await target.send('HeapProfiler.collectGarbage');
  return (await target.send('Runtime.getHeapUsage')).usedSize;
}

let sent = 0;
async function flow(count) {
  const end = sent + count;
  while (sent < end) {
    await stage.gateway.publishMany(Array.from({ length: BATCH }, () => ({ target: { topic: 'flat' }, body: `${++sent}`, ttl_s: 600 })));
    // Not ahead of the browser by more than a few batches, so that what is measured is a life, not a pile.
    await until('the browser to follow', async () => sent - (await tab.run('pg.count')) < 4 * BATCH, { within: 60_000 });
  }
  await until('all of them', async () => (await tab.run('pg.count')) === sent, { within: 60_000 });
}

const KIB = (bytes) => Math.round(bytes / 1024);

/** What page and worker hold now. */
const both = async () => ({ page: await heap(tab), worker: await heap(worker) });

/** Neither grew by more than `most` bytes. */
function flat(from, to, most) {
  for (const who of ['page', 'worker']) assert.ok(to[who] - from[who] < most, `${who}: ${from[who]} to ${to[who]} bytes`);
}

const told = ({ page, worker: other }) => `page ${KIB(page)}, worker ${KIB(other)} KiB`;

test('memory of page and worker stays flat over messages', { timeout: 600_000 }, async (t) => {
  // By then what is remembered of the past is full: ids that would be repeats, texts, compiled code.
  await flow(FIRST);
  const from = await both();
  const began = performance.now();
  await flow(MESSAGES - FIRST);
  const seconds = (performance.now() - began) / 1000;
  const to = await both();
  assert.equal(await tab.run('pg.wrong'), 0, 'each once and in order');
  t.diagnostic(`after ${FIRST} messages ${told(from)}; after ${MESSAGES} ${told(to)}; ${Math.round((MESSAGES - FIRST) / seconds)} a second`);
  flat(from, to, 200_000 + MESSAGES);
});

test('memory of page and worker stays flat over 10,000 beats, each of which arms its timers anew', { timeout: 60_000 }, async (t) => {
  // `ServerFrame { beat: { silence_ms: 45000 } }` in a WebSocket frame, as the gateway writes it.
  const beat = Buffer.from([0x82, 0x06, 0x12, 0x04, 0x08, 0xc8, 0xdf, 0x02]);
  const beats = async (count) => {
    const heard = await tab.run('pg.client.status.lastBeatAt ?? 0');
    for (let sent = 0; sent < count; sent += 500) {
      stage.network.say(Buffer.concat(Array(500).fill(beat)));
      await tab.run('new Promise((done) => { setTimeout(done, 20); })');
    }
    await until('the last of them', () => tab.run(`pg.client.status.lastBeatAt > ${heard}`))
      .catch(async (fault) => { throw new Error(`${fault.message}: ${await stage.tell(tab)}`); });
  };
  await beats(1_000);
  const from = await both();
  await beats(BEATS - 1_000);
  const to = await both();
  assert.equal(await tab.run('pg.client.status.state'), 'connected');
  assert.equal(await tab.run('pg.client.status.reconnects'), 0, 'over one and the same link');
  t.diagnostic(`after 1,000 beats ${told(from)}; after ${BEATS} ${told(to)}`);
  flat(from, to, 200_000);
});

test('after disconnect() no listener, closure, port or lock of the client is left in the page', async () => {
  await tab.run("pg.client.disconnect().then(() => { pg.client = undefined; pg.sub = undefined; })");
  const listeners = async (expression) => {
    const { result } = await tab.send('Runtime.evaluate', { expression });
    return (await tab.send('DOMDebugger.getEventListeners', { objectId: result.objectId })).listeners.length;
  };
  const places = ['window', 'document', 'navigator.serviceWorker', 'navigator.connection', 'app.signal', 'worker'];
  await tab.run("globalThis.app = new AbortController(); navigator.serviceWorker.getRegistration('/pulsegate/').then((found) => { globalThis.worker = found?.active ?? new EventTarget(); })");
  const count = () => Promise.all(places.map(listeners));
  const before = await count();
  // The app keeps its own things: a signal, a handler. Only the client must go.
  await tab.run(`(async () => {
    globalThis.gone = [];
    globalThis.handler = () => undefined;
    for (let round = 0; round < 5; round += 1) {
      const client = pg.start();
      client.on('message', handler, { signal: app.signal });
      client.on('state', handler, { signal: app.signal })();
      const sub = client.subscribe('flat', handler, { signal: app.signal });
      sub.on('subscribed', handler, { signal: app.signal });
      await sub.ready;
      gone.push(new WeakRef(client), new WeakRef(sub));
      await client.disconnect();
      pg.client = undefined;
    }
  })()`);
  await until('the garbage to go', async () => {
    await tab.send('HeapProfiler.collectGarbage');
    return tab.run('gone.every((ref) => ref.deref() === undefined)');
  }, { every: 200 });
  assert.deepEqual(await count(), before, places.join());
  for (const kind of ['SharedWorker', 'MessagePort', 'Worker', 'BroadcastChannel']) {
    const { result } = await tab.send('Runtime.evaluate', { expression: `${kind}.prototype` });
    const { objects } = await tab.send('Runtime.queryObjects', { prototypeObjectId: result.objectId });
    const { result: length } = await tab.send('Runtime.callFunctionOn', { objectId: objects.objectId, functionDeclaration: 'function () { return this.length; }', returnByValue: true });
    assert.equal(length.value, 0, kind);
  }
  const locks = await tab.run("navigator.locks.query().then(({ held, pending }) => [...held, ...pending].map(({ name }) => name).filter((name) => name.startsWith('pulsegate-tab')))");
  assert.deepEqual(locks, []);
});
