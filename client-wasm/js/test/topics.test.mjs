// Subscriptions belong to the device; tabs come and go.
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { load } from './support/load.mjs';

const { Topics, codeOf } = await load('worker/topics.ts', 'page/texts.ts');

beforeEach(() => mock.timers.reset());
const turn = async () => { for (let i = 0; i < 10; i++) await Promise.resolve(); };

function stage({ stored = [], fleeting = [], lost = [] } = {}) {
  mock.timers.enable({ apis: ['setTimeout'] });
  const tabs = [];
  const wishes = [];
  let kept = {};
  const topics = new Topics({ tabs: () => tabs, wish: (names, subscribe) => wishes.push([...names, subscribe]), write: (change) => { kept = change.kept; } }, stored, fleeting, lost);
  const open = () => {
    const tab = { topics: new Map(), replayed: new Map(), posted: [], offer: () => 2, post: (said) => tab.posted.push(said) };
    tabs.push(tab);
    return tab;
  };
  const close = (tab) => { tabs.splice(tabs.indexOf(tab), 1); topics.gone(tab); };
  return { topics, wishes, open, close, kept: () => kept };
}

test('what a page attaches in one turn is asked for together', async () => {
  const { topics, wishes, open } = stage();
  const tab = open();
  for (const topic of ['a', 'b', 'c']) topics.attach(tab, topic, true);
  await turn();
  assert.deepEqual(wishes, [['a', 'b', 'c', true]]);
});

test('a tab hears when its topic is read, and at once if it is already', async () => {
  const { topics, open } = stage();
  const [one, two] = [open(), open()];
  topics.attach(one, 'a', true);
  topics.subscribed('a', true);
  assert.deepEqual(one.posted, [{ t: 'subscribed', topic: 'a', recovered: true, replayed: 2 }], 'with what it was offered before');
  assert.deepEqual(two.posted, []);
  topics.attach(two, 'a', true);
  assert.deepEqual(two.posted, [{ t: 'subscribed', topic: 'a', recovered: true, replayed: 2 }]);
});

test('closing the last tab ends no durable subscription', () => {
  const { topics, wishes, open, close, kept } = stage();
  const tab = open();
  topics.attach(tab, 'a', true);
  topics.subscribed('a', true);
  close(tab);
  mock.timers.tick(60_000);
  assert.ok(wishes.every((wish) => wish.at(-1)));
  assert.deepEqual(kept(), { topics: ['a'], fleeting: [], lost: [] });
});

test('one that is not durable ends 30 s after its last listener, unless another came', async () => {
  const { topics, wishes, open, close } = stage();
  const one = open();
  topics.attach(one, 'a', false);
  topics.subscribed('a', true);
  close(one);
  mock.timers.tick(29_000);
  const two = open();
  topics.attach(two, 'a', false);
  mock.timers.tick(60_000);
  await turn();
  assert.ok(wishes.every((wish) => wish.at(-1)), 'still wanted');
  close(two);
  mock.timers.tick(30_000);
  assert.deepEqual(wishes.at(-1), ['a', false]);
});

test('a durable handler makes a fleeting topic durable', () => {
  const { topics, wishes, open, close } = stage({ stored: ['a'], fleeting: ['a'] });
  const tab = open();
  topics.attach(tab, 'a', true);
  close(tab);
  mock.timers.tick(60_000);
  assert.ok(wishes.every((wish) => wish.at(-1)));
});

test('a fleeting topic of a worker that died ends too', () => {
  const { wishes } = stage({ stored: ['a'], fleeting: ['a'] });
  mock.timers.tick(30_000);
  assert.deepEqual(wishes, [['a', false]]);
});

test('unsubscribing resolves when the gateway has stored it', async () => {
  const { topics, wishes, kept } = stage({ stored: ['a', 'b'] });
  let left = false;
  const leaving = topics.leave('a').then(() => { left = true; });
  await turn();
  assert.equal(left, false);
  assert.deepEqual(wishes, [['a', false]]);
  topics.unsubscribed('a');
  await leaving;
  assert.deepEqual(topics.list(), ['b']);
  assert.deepEqual(kept().topics, ['b']);
});

test('one gap is told once, whether the start or the gap says so first', () => {
  const { topics, open } = stage();
  const tab = open();
  topics.attach(tab, 'a', true);
  const lost = () => tab.posted.filter(({ recovered }) => recovered === false).length;
  topics.subscribed('a', false);
  topics.gap('a');
  assert.equal(lost(), 1);
  topics.gap('a');
  assert.equal(lost(), 2, 'a later gap is another one');
});

test('what was lost while no tab listened is told to the next one that does, once', () => {
  const { topics, open, kept } = stage();
  topics.gap('a');
  assert.deepEqual(kept().lost, ['a'], 'also after a crash');
  const [one, two] = [open(), open()];
  topics.attach(one, 'a', true);
  topics.attach(two, 'a', true);
  assert.deepEqual(one.posted.map(({ recovered }) => recovered), [false]);
  assert.deepEqual(two.posted, []);
});

test('a tab that asks for a topic anew is no news to the others', () => {
  const { topics, open } = stage();
  const [one, two] = [open(), open()];
  topics.attach(one, 'a', true);
  topics.subscribed('a', true);
  topics.attach(two, 'a', true);
  topics.subscribed('a', true);
  assert.equal(one.posted.length, 1);
  assert.equal(two.posted.length, 1);
});

test('a refusal is told to who listens, with a code of ours', () => {
  const { topics, open } = stage({ stored: ['a'] });
  const tab = open();
  topics.attach(tab, 'a', true);
  topics.refused('a', 403);
  assert.equal(codeOf(tab.posted.at(-1).error.code), 'topic-denied');
  assert.deepEqual(topics.list(), []);
  assert.deepEqual([413, 429, 503, 400].map((code) => codeOf(code)), ['too-many-topics', 'rate-limited', 'unavailable', 'invalid']);
});

test('another registration wants again what the last one had', async () => {
  const { topics, wishes } = stage({ stored: ['a', 'b'] });
  topics.renew();
  await turn();
  assert.deepEqual(wishes, [['a', 'b', true]]);
});

test('close codes have a code of ours, unknown ones by their hundred', () => {
  const table = { 4400: 'protocol-violation', 4401: 'unauthorized', 4403: 'forbidden', 4413: 'protocol-violation', 4426: 'version-unsupported',
    4499: 'protocol-violation', 4500: 'unavailable', 4503: 'unavailable', 4529: 'rate-limited', 4599: 'unavailable', 1006: 'unavailable' };
  for (const [number, code] of Object.entries(table)) assert.equal(codeOf(Number(number)), code, number);
});
