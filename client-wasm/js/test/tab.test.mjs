// A tab's reading: in order, with a credit, each message once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load, message, settle } from './support/load.mjs';

const { Copy, Inbox, MemoryStore, Writer, Tab } = await load('worker/inbox.ts', 'store/copy.ts', 'store/memory.ts', 'store/writer.ts', 'worker/tab.ts');

async function stage() {
  const tabs = [];
  const store = new MemoryStore(new Copy('test'));
  const writer = new Writer(store, { free: () => ({}), failed: () => store, superseded() {} });
  const inbox = new Inbox(writer, {
    now: () => Date.now(), needed: (entry) => tabs.some(({ tab }) => tab.awaits(entry)), awaited: () => false, dropped() {}, receipts() {}, settled() {},
  }, await store.load());
  const open = () => {
    const posted = [];
    const tab = new Tab({ postMessage: (said) => posted.push(said) }, { inbox, progressed: () => inbox.settle() }, inbox.last);
    const one = { tab, posted, got: () => posted.filter(({ t }) => t === 'message').map(({ m }) => m.body) };
    tabs.push(one);
    return one;
  };
  let number = 0;
  const publish = async (count, options) => {
    const messages = Array.from({ length: count }, () => message(number += 1, options));
    const entries = await inbox.take(messages, {});
    for (const { tab } of tabs) tab.pump();
    await settle();
    return entries;
  };
  return { inbox, open, publish };
}

const bodies = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `body ${from + i}`);

test('every tab with a handler gets each message once, in order', async () => {
  const { open, publish } = await stage();
  const [a, b, deaf] = [open(), open(), open()];
  a.tab.topics.set('news', true);
  b.tab.all = true;
  await publish(10);
  assert.deepEqual(a.got(), bodies(1, 10));
  assert.deepEqual(b.got(), bodies(1, 10));
  assert.deepEqual(deaf.got(), []);
});

test('a tab has 64 messages out at most, and goes on from its own place', async () => {
  const { open, publish } = await stage();
  const [slow, fast] = [open(), open()];
  slow.tab.all = fast.tab.all = true;
  const entries = await publish(100);
  assert.deepEqual(slow.got(), bodies(1, 64));
  assert.equal(entries.filter((entry) => slow.tab.awaits(entry)).length, 36);
  for (const { id } of entries.slice(0, 64)) fast.tab.finished(id, 'ok');
  await settle();
  assert.deepEqual(fast.got(), bodies(1, 100));
  slow.tab.finished(entries[0].id, 'ok');
  await settle();
  assert.deepEqual(slow.got(), bodies(1, 65));
});

test('what nobody handled is offered to the next tab that attaches a handler, in order', async () => {
  const { inbox, open, publish } = await stage();
  const [first, second] = await publish(3);
  inbox.handled(second, false);
  const late = open();
  late.tab.topics.set('news', true);
  assert.equal(late.tab.offer('topic:news'), 2);
  await publish(1);
  assert.deepEqual(late.got(), ['body 1', 'body 3', 'body 4']);
  assert.equal(first.h, 0);
});

test('a handler on another topic is offered nothing of this one', async () => {
  const { open, publish } = await stage();
  await publish(1);
  await publish(1, { log: 'topic:weather' });
  const { tab, got } = open();
  tab.topics.set('weather', true);
  tab.offer('topic:weather');
  await publish(1);
  await settle();
  assert.deepEqual(got(), ['body 2']);
});

test('a message whose handler failed is not offered to the same tab again', async () => {
  const { open, publish } = await stage();
  const { tab, got } = open();
  tab.topics.set('news', true);
  const [entry] = await publish(1);
  tab.finished(entry.id, 'failed');
  tab.offer('topic:news');
  await settle();
  assert.deepEqual(got(), ['body 1']);
});

test('a message that met no handler any more comes again with the next one', async () => {
  const { open, publish } = await stage();
  const { tab, got } = open();
  tab.topics.set('news', true);
  const [entry] = await publish(1);
  tab.topics.delete('news');
  tab.topics.set('news', true);
  tab.finished(entry.id, 'none');
  await settle();
  assert.deepEqual(got(), ['body 1', 'body 1']);
});

test('nothing is posted to a tab that said bye', async () => {
  const { open, publish } = await stage();
  const { tab, got } = open();
  tab.all = true;
  tab.live = false;
  await publish(1);
  assert.deepEqual(got(), []);
});

test('a message that is not stored takes credit, and is dropped without any', async () => {
  const { open, publish } = await stage();
  const { tab } = open();
  tab.all = true;
  const live = (id) => ({ n: 0, id, log: 'all', h: 0, p: 0, gone: false });
  assert.ok(tab.postLive(live('a'), message(900, { log: 'all' })));
  await publish(63);
  assert.equal(tab.postLive(live('b'), message(901, { log: 'all' })), false);
  tab.finished('a', 'ok');
  assert.ok(tab.postLive(live('b'), message(901, { log: 'all' })));
});

test('what is asked for in the turn in which a tab had read everything is not overlooked', async () => {
  const { inbox, open } = await stage();
  const { tab, got } = open();
  // A returning tab: nothing to read before its handler is there, and that comes in the same turn.
  await inbox.take([message(1)], {});
  tab.pump();
  tab.all = true;
  tab.pump();
  await settle();
  assert.deepEqual(got(), ['body 1']);
});

test('older messages that are offered while a newer one is being read come before it', async () => {
  const { inbox, open, publish } = await stage();
  await publish(2);
  const late = open();
  await inbox.take([message(3)], {});
  late.tab.all = true;
  late.tab.pump();
  late.tab.offer();
  await settle();
  assert.deepEqual(late.got(), bodies(1, 3));
});

test('texts that cannot be read are waited for without a loop that stops the worker', async () => {
  const { inbox, open, publish } = await stage();
  const { tab, got } = open();
  tab.all = true;
  const { rows } = inbox;
  inbox.rows = () => Promise.resolve([]);
  await publish(2);
  assert.deepEqual(got(), []);
  inbox.rows = rows;
  await publish(1);
  assert.deepEqual(got(), bodies(1, 3));
});
