// The inbox on a store: nothing is lost, nothing comes twice, and there is an end to its size.
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { freshBrowser } from './support/browser.mjs';
import { load, message, settle } from './support/load.mjs';

const { Copy, Inbox, IdbStore, MemoryStore, Writer, Superseded, openDatabase, merge, INBOX_BYTES } =
  await load('worker/inbox.ts', 'store/copy.ts', 'store/idb.ts', 'store/memory.ts', 'store/writer.ts', 'store/store.ts');

// Another name for each test: what one left behind may still be at work.
let name = 'test 0';
beforeEach(() => { name = `test ${Number(name.slice(5)) + 1}`; return freshBrowser(); });

const config = { url: 'http://gateway', app: 'shop', user: '' };

async function open({ wrap = (store) => store, needed = () => false, awaited = () => false } = {}) {
  const copy = new Copy(name);
  const db = await openDatabase(name, () => {});
  // One that met its gateway before.
  db.transaction('kv', 'readwrite').objectStore('kv').put(null, 'identity');
  const store = wrap(new IdbStore(db, copy));
  await store.claim(Date.now(), config);
  const seen = { dropped: [], failed: 0, superseded: 0, memory: undefined };
  const writer = new Writer(store, {
    free: () => inbox.free(),
    failed: (_, below) => { seen.failed += 1; seen.memory = new MemoryStore(copy, below, inbox.remaining()); return seen.memory; },
    superseded: () => { seen.superseded += 1; },
  });
  const inbox = new Inbox(writer, {
    now: () => Date.now(), needed, awaited, dropped: (log) => seen.dropped.push(log), receipts() {}, settled() {},
  }, await store.load());
  return { store, writer, inbox, seen };
}

test('messages and cursors are there after a restart', async () => {
  const first = await open();
  const [{ n }] = await first.inbox.take([message(1), message(2)], { 'topic:news': [7, 2] });
  first.store.close();
  const second = await open();
  assert.deepEqual(second.inbox.entries.map(({ n, id }) => [n, id]), [[n, message(1).id], [n + 1, message(2).id]]);
  assert.deepEqual((await second.store.load()).cursors, { 'topic:news': [7, 2] });
  const rows = await second.inbox.rows(second.inbox.entries);
  assert.deepEqual(rows.map(({ body }) => body), ['body 1', 'body 2']);
});

test('a message that is here, or left not long ago, is not taken again', async () => {
  const first = await open();
  const [entry] = await first.inbox.take([message(1)], {});
  first.inbox.handled(entry, false);
  await settle();
  await first.writer.flush();
  assert.equal(first.inbox.count, 0, 'handled, and nobody needs it');
  assert.deepEqual(await first.inbox.take([message(1), message(2)], {}).then((taken) => taken.map(({ id }) => id)), [message(2).id]);
  first.store.close();
  const second = await open();
  assert.ok(second.inbox.known(message(1).id));
  assert.deepEqual(await second.inbox.take([message(1)], {}), []);
});

test('what a tab still has to read stays, handled or not', async () => {
  let slow = true;
  const { inbox, writer, store } = await open({ needed: () => slow });
  const [entry] = await inbox.take([message(1)], {});
  inbox.handled(entry, false);
  await settle();
  await writer.flush();
  assert.equal(inbox.count, 1);
  assert.equal((await store.load()).rows[0].h, 1, 'but it is marked');
  slow = false;
  inbox.settle();
  await settle();
  await writer.flush();
  assert.equal((await store.load()).rows.length, 0);
});

test('an older holder writes nothing after a newer one claimed', async () => {
  const old = await open();
  await old.inbox.take([message(1)], { all: [1, 1] });
  const young = await open();
  await assert.rejects(old.store.write({ kept: { cursors: { all: [1, 0] } } }, true), Superseded);
  old.inbox.take([message(2)], { all: [1, 2] });
  await settle();
  assert.equal(old.seen.superseded, 1);
  assert.deepEqual((await young.store.load()).cursors, { all: [1, 1] });
  assert.equal((await young.store.load()).rows.length, 1);
});

test('the oldest goes when there is no more room, and the app is told', async () => {
  const { inbox, seen } = await open();
  const body = 'x'.repeat(INBOX_BYTES / 8 - 1_000);
  for (let number = 1; number <= 6; number++) await inbox.take([message(number, { body, log: `topic:t${number}` })], {});
  assert.deepEqual(seen.dropped, ['topic:t1', 'topic:t2']);
  assert.equal(inbox.find(message(1).id), undefined);
  assert.ok(inbox.find(message(6).id));
});

test('a message that was handled goes with a word if a slow tab had still to come to it', async () => {
  const slow = new Set();
  const { inbox, seen } = await open({ needed: () => true, awaited: ({ id }) => slow.has(id) });
  const body = 'x'.repeat(INBOX_BYTES / 8 - 1_000);
  for (let number = 1; number <= 6; number++) {
    const [entry] = await inbox.take([message(number, { body, log: `topic:t${number}` })], {});
    inbox.handled(entry, false);
    if (number === 1) slow.add(entry.id);
  }
  assert.equal(inbox.find(message(2).id), undefined);
  assert.deepEqual(seen.dropped, ['topic:t1']);
});

test('a tab that was away longer than is remembered is told that anything may be missing', async () => {
  const { inbox, writer, store } = await open();
  const entries = await inbox.take(Array.from({ length: 2_600 }, (_, i) => message(i + 1, { log: i === 0 ? 'topic:rare' : 'topic:busy' })), {});
  for (const entry of entries) inbox.remove(entry);
  await writer.flush();
  assert.ok(inbox.missedSince(0).has('inbox'));
  const [{ n }] = entries;
  assert.deepEqual([...inbox.missedSince(n + 1_999)], ['topic:busy']);
  store.close();
  const { inbox: later } = await open();
  assert.ok(later.missedSince(0).has('inbox'), 'also after a restart');
  assert.deepEqual([...later.missedSince(n + 2_598)], ['topic:busy']);
});

test('what has expired leaves without a word', async () => {
  const { inbox, seen, writer } = await open();
  await inbox.take([message(1, { expires: Date.now() - 1 }), message(2)], {});
  inbox.expire();
  await writer.flush();
  assert.deepEqual(inbox.entries.filter(({ gone }) => !gone).map(({ id }) => id), [message(2).id]);
  assert.deepEqual(seen.dropped, []);
});

test('what was shown is not shown again after a crash, though its mark was all that got written', async () => {
  const first = await open();
  await first.inbox.take([message(1, { note: { title: 't', body: 'b' } })], {});
  await first.store.shown(message(1).id, true);
  first.store.close();
  const second = await open();
  assert.equal(second.inbox.entries[0].p, 0);
});

test('a newer notification of a tag is remembered over a restart', async () => {
  const note = { title: 't', body: 'b', tag: 'match' };
  const first = await open();
  const [older] = await first.inbox.take([message(1, { note })], {});
  const [newer] = await first.inbox.take([message(2, { note })], {});
  await first.inbox.displayed(newer);
  assert.ok(first.inbox.replaced(older));
  await settle();
  await first.writer.flush();
  first.store.close();
  const second = await open();
  assert.ok(second.inbox.replaced(second.inbox.entries[0]));
});

test('receipts and their reason are written in one transaction', async () => {
  const { inbox, writer, store } = await open();
  const [entry] = await inbox.take([message(1)], {});
  inbox.handled(entry, true);
  inbox.handled(entry, true);
  await settle();
  await writer.flush();
  const { receipts, rows } = await store.load();
  assert.deepEqual(receipts.map(({ id, stage }) => [id, stage]), [[message(1).id, 5]], 'once');
  assert.equal(rows.length, 0);
});

test('a failed write frees handled rows and is tried once more', async () => {
  let failures = 1;
  const changes = [];
  const wrap = (store) => new Proxy(store, {
    get(target, name) {
      if (name !== 'write') return typeof target[name] === 'function' ? target[name].bind(target) : target[name];
      return (change, strict) => {
        changes.push(change);
        if (changes.length > 2 && failures-- > 0) return Promise.reject(new DOMException('full', 'QuotaExceededError'));
        return target.write(change, strict);
      };
    },
  });
  const { inbox, seen, store, writer } = await open({ wrap, needed: () => true });
  const [entry] = await inbox.take([message(1)], {});
  inbox.handled(entry, false);
  await settle();
  await writer.flush();
  await inbox.take([message(2)], { all: [1, 2] });
  assert.equal(seen.failed, 0);
  assert.deepEqual((await store.load()).rows.map(({ id }) => id), [message(2).id], 'the handled one made room');
});

/** A store that takes nothing while `full.is`. */
function fillable(full) {
  return (store) => new Proxy(store, {
    get(target, name) {
      if (name === 'write' && full.is) return () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
      return typeof target[name] === 'function' ? target[name].bind(target) : target[name];
    },
  });
}

test('while a store takes nothing the memory does, and what the store holds can be read', async () => {
  const full = { is: false };
  const { inbox, seen, writer } = await open({ wrap: fillable(full) });
  // More than the memory keeps texts of.
  await inbox.take(Array.from({ length: 600 }, (_, i) => message(i + 1)), {});
  full.is = true;
  await inbox.take([message(601)], {});
  await inbox.take([message(602)], {});
  assert.equal(seen.failed, 1, 'told once');
  assert.equal(writer.store.durable, false);
  assert.deepEqual((await inbox.rows(inbox.entries)).map(({ id }) => id).sort(), Array.from({ length: 602 }, (_, i) => message(i + 1).id));
  await writer.stop();
});

test('what a worker took with it gets another place when it comes again: a tab has not passed it yet', async () => {
  const full = { is: true };
  const first = await open({ wrap: fillable(full) });
  const [passed] = await first.inbox.take([message(1)], {});
  await settle();
  // It dies before it could write, and the gateway sends again, in another order.
  const second = await open();
  const again = await second.inbox.take([message(2), message(1)], {});
  assert.ok(again.every(({ n }) => n > passed.n));
});

test('a store that has room again learns all that happened meanwhile, and acks are its own again', async () => {
  const full = { is: false };
  const now = Date.now();
  mock.timers.enable({ apis: ['Date'], now });
  const first = await open({ wrap: fillable(full) });
  const [stays, leaves] = await first.inbox.take([message(1), message(2)], { all: [1, 2] });
  full.is = true;
  const [later] = await first.inbox.take([message(3), message(4)], { all: [1, 4] });
  first.inbox.handled(leaves, false);
  first.inbox.handled(later, false);
  await settle();
  await first.writer.flush();
  full.is = false;
  await first.inbox.take([message(5)], { all: [1, 5] });
  assert.equal(first.writer.store.durable, false, 'not asked again at once');
  mock.timers.setTime(now + 3_001);
  await first.inbox.take([message(6)], { all: [1, 6] });
  assert.equal(first.writer.store.durable, true);
  mock.timers.reset();
  await first.writer.stop();
  first.store.close();
  const second = await open();
  assert.deepEqual(second.inbox.entries.map(({ id }) => id), [stays.id, message(4).id, message(5).id, message(6).id]);
  assert.deepEqual((await second.store.load()).cursors, { all: [1, 6] });
  assert.ok(second.inbox.known(leaves.id) && second.inbox.known(later.id));
});

test('a browser too full to begin with shows what it holds, and takes the rest when there is room', async () => {
  const before = await open();
  await before.inbox.take([message(1)], { all: [1, 1] });
  before.store.close();
  const copy = new Copy(name);
  const below = new IdbStore(await openDatabase(name, () => {}), copy);
  const claim = IDBDatabase.prototype.transaction;
  IDBDatabase.prototype.transaction = function (names, mode, options) {
    if (mode === 'readwrite') throw new DOMException('full', 'QuotaExceededError');
    return claim.call(this, names, mode, options);
  };
  const memory = new MemoryStore(copy, below);
  try {
    await assert.rejects(below.claim(Date.now(), config));
    const loaded = await memory.load();
    assert.deepEqual([loaded.rows.length, loaded.cursors], [1, { all: [1, 1] }]);
  } finally {
    IDBDatabase.prototype.transaction = claim;
  }
  const writer = new Writer(memory, { free: () => ({}), failed: () => assert.fail(), superseded: () => assert.fail() });
  await writer.write({ kept: { cursors: { all: [1, 2] } } });
  assert.equal(writer.store, below);
  below.close();
  assert.deepEqual((await (await open()).store.load()).cursors, { all: [1, 2] });
});

test('flags of a message that left in the same breath do not bring it back', async () => {
  const { inbox, store, writer } = await open();
  const [entry] = await inbox.take([message(1)], {});
  void writer.write({ flags: [{ n: entry.n, h: 1, p: 1 }] });
  await writer.write({ done: [{ n: entry.n, id: entry.id, log: entry.log, tag: '' }] });
  assert.deepEqual((await store.load()).rows, []);
});

test('a wipe drops what was to be written before it, and keeps who the device is', () => {
  const merged = merge({ rows: [message(1)], kept: { cursors: { all: [1, 1] }, generation: 9 } }, { wipe: true, kept: { identity: null, cursors: {} } });
  assert.deepEqual(merged.rows, []);
  assert.deepEqual(merged.kept, { cursors: {}, generation: 9, identity: null });
  assert.equal(merged.wipe, true);
});

test('a message that was being written when the inbox was wiped does not come back', async () => {
  const { inbox, writer, store } = await open();
  const taking = inbox.take([message(1)], {});
  inbox.wipe();
  await writer.write({ wipe: true }, true);
  assert.deepEqual(await taking, []);
  assert.equal((await store.load()).rows.length, 0);
});

test('clicks are handed to one tab each: the focused one, or the one a click opened', async () => {
  const { store } = await open();
  const now = Date.now();
  const db = await openDatabase(name, () => {});
  const put = db.transaction('clicks', 'readwrite').objectStore('clicks');
  for (const [id, opened, at] of [['focused', false, now], ['opened', true, now], ['stale', false, now - 61_000]]) put.put({ id, opened, at });
  const ids = async (since) => (await store.takeClicks(since)).map(({ id }) => id);
  assert.deepEqual(await ids(now - 10_000), [], 'a tab that was there before');
  assert.deepEqual(await ids(now + 100), ['opened']);
  assert.deepEqual(await ids(0), ['focused']);
  assert.deepEqual(await ids(0), []);
  db.close();
});
