// The device with its real core: what becomes of messages over the lives of its tabs, and of itself.
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { load, loadCore, message } from './support/load.mjs';

const encode = (text) => new TextEncoder().encode(text);
const { Device, MemoryStore, Tab, Writer } = await load('store/memory.ts', 'store/writer.ts', 'worker/device.ts', 'worker/tab.ts');
const core = await loadCore();

beforeEach(() => mock.timers.reset());

const config = { url: 'http://127.0.0.1:1', app: 'shop', user: '' };
/** Promises only: time is the test's. */
const turn = async () => {
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 40; i++) await Promise.resolve();
    mock.timers.tick(1);
  }
};

/** Words to the core, of `Say` in `worker/link.ts`. */
const HOLD = 7;
const GO_ON = 8;

/** A device on a store, mostly of its own. */
async function start(store = new MemoryStore()) {
  const tabs = [];
  const told = [];
  const writer = new Writer(store, { free: () => ({}), failed: () => store, superseded() {} });
  const device = new Device(core, config, await store.load(), writer, { tier: 'shared-worker', tabs: () => tabs.map(({ tab }) => tab), all: (said) => told.push(said) });
  /** A tab with a handler for everything that takes what it is posted, or with `idle` keeps it. */
  const join = (place, idle = false) => {
    const got = [];
    const tab = new Tab({
      postMessage(said) {
        if (said.t !== 'message') return;
        got.push(Number(said.m.body.slice(5)));
        if (!idle) queueMicrotask(() => device.from(tab, { t: 'done', n: said.n, id: said.m.id, outcome: 'ok' }));
      },
    }, { inbox: device.inbox, progressed: () => device.progressed() }, place ?? device.inbox.last);
    tab.all = true;
    const one = { tab, got };
    tabs.push(one);
    device.joined(tab);
    return one;
  };
  const leave = ({ tab }, frozen = false) => {
    tabs.splice(tabs.findIndex((one) => one.tab === tab), 1);
    tab.end();
    device.left(tab, frozen);
  };
  const arrive = async (...numbers) => {
    void device.store({ messages: numbers.map((number) => ({ m: message(number, { expires: 0 }), stored: true })), recalls: [], cursors: {} });
    await turn();
  };
  return { device, join, leave, arrive, store, told };
}

/** Time is the test's own from here on. */
const ownTime = () => mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000 });

test('a tab that comes is offered what nobody handled before it is sent anything newer', async () => {
  ownTime();
  const { join, leave, arrive } = await start();
  const stuck = join(undefined, true);
  await arrive(1);
  assert.deepEqual(stuck.got, [1]);
  leave(stuck);
  // It is there, but its word that it listens is still under way.
  const late = join();
  await arrive(2);
  late.tab.offer();
  await turn();
  assert.deepEqual(late.got, [1, 2]);
});

test('what others handled while a tab was at rest waits for it, also when the worker is another one by then', async () => {
  ownTime();
  const first = await start();
  const [stays, rests] = [first.join(), first.join()];
  await first.arrive(1);
  const place = first.device.inbox.last;
  first.leave(rests, true);
  await first.arrive(2);
  assert.deepEqual(stays.got, [1, 2]);
  const second = await start(first.store);
  const here = second.join(first.device.inbox.last);
  await second.arrive(3);
  // Long after tabs that were alive would have come back.
  mock.timers.tick(120_000);
  await turn();
  assert.deepEqual(here.got, [3]);
  assert.deepEqual([...second.device.inbox.missedSince(place)], [], 'nothing is missing');
  const back = second.join(place);
  await turn();
  assert.deepEqual(back.got, [2, 3]);
});

test('nothing that was handled is kept for anybody once no tab is at rest, or none came back in time', async () => {
  ownTime();
  const first = await start();
  first.join();
  await first.arrive(1);
  mock.timers.tick(10_000);
  await turn();
  assert.equal(first.device.inbox.count, 0, 'nobody rests');
  const rests = first.join();
  first.leave(rests, true);
  await first.arrive(2);
  assert.equal(first.device.inbox.count, 1, 'one rests');
  mock.timers.tick(660_000);
  await turn();
  assert.equal(first.device.inbox.count, 0, 'it was away too long');
});

test('acks wait while a thousand messages wait for the fastest tab that has a handler for them, whatever another tab listens to', async () => {
  ownTime();
  const { device, join, arrive } = await start();
  const elsewhere = join();
  elsewhere.tab.all = false;
  elsewhere.tab.topics.set('weather', true);
  const slow = join(undefined, true);
  const said = [];
  const { say } = device.link;
  device.link.say = (kind, ...rest) => { said.push(kind); return say.call(device.link, kind, ...rest); };
  await arrive(...Array.from({ length: 999 }, (_, i) => i));
  assert.ok(!said.includes(HOLD), 'not yet');
  await arrive(999);
  assert.equal(said.filter((kind) => kind === HOLD).length, 1);
  // A faster one comes, and handles all of them.
  const fast = join();
  for (let i = 0; i < 40; i++) await turn();
  assert.equal(fast.got.length, 1_000);
  assert.equal(slow.got.length, 64);
  assert.equal(said.filter((kind) => kind === GO_ON).length, 1);
});

test('nobody is told of a device, or of what it subscribed, before what it is has been written', async () => {
  ownTime();
  const { device, told } = await start();
  await turn();
  told.length = 0;
  // As the core tells of a first Welcome, in one breath.
  pulsegateTell(6, 1, 0, Uint8Array.from([...new Uint8Array(32), ...encode('device')]));
  pulsegateTell(9, 0, 0, encode('device\nann\nsession\n'));
  assert.deepEqual(told, []);
  await turn();
  assert.equal(told.find(({ t }) => t === 'status').status.registration, 'device');
});
