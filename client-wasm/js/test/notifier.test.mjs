// Pop-ups: whether, through which tab, once.
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { load, message } from './support/load.mjs';

const { Copy, Inbox, MemoryStore, Writer, Tab, Notifier } =
  await load('worker/inbox.ts', 'store/copy.ts', 'store/memory.ts', 'store/writer.ts', 'worker/tab.ts', 'worker/notifier.ts');

beforeEach(() => mock.timers.reset());

/** Promises only: time is the test's, but for what a pop-up takes to be on the screen. */
const turn = async () => {
  for (let i = 0; i < 60; i++) await Promise.resolve();
  mock.timers.tick(150);
  for (let i = 0; i < 60; i++) await Promise.resolve();
};

async function stage({ policy = 'always', rows = [], marks = new Map() } = {}) {
  mock.timers.enable({ apis: ['setTimeout'] });
  const tabs = [];
  const store = new MemoryStore(new Copy('test'), undefined, rows);
  const writer = new Writer(store, { free: () => ({}), failed: () => store, superseded() {} });
  const awaited = (entry) => tabs.some(({ tab }) => tab.has(entry) || tab.awaits(entry));
  const inbox = new Inbox(writer, { now: () => 1, needed: () => true, awaited, dropped() {}, receipts() {}, settled() {} }, { ...await store.load(), shown: marks });
  const closes = [];
  const notifier = new Notifier({ inbox, tabs: () => tabs.map(({ tab }) => tab), foreground: () => policy, keepCloses: (ids) => closes.push(...ids) });
  /** `answers` false: it never says whether it showed. */
  const open = ({ visible = false, shows = true, answers = true, permission = 'granted' } = {}) => {
    const one = { shown: [], closed: [] };
    one.tab = new Tab({
      postMessage(said) {
        if (said.t === 'show') {
          one.shown.push({ body: said.m.body, again: said.again });
          if (answers) queueMicrotask(() => one.tab.replied(said.i, true));
        }
        if (said.t === 'close') one.closed.push(...said.ids);
      },
    }, { inbox, progressed() {} }, inbox.last);
    Object.assign(one.tab, { visible, shows, permission });
    tabs.push(one);
    return one;
  };
  let number = 0;
  const arrive = async (note = {}) => {
    const [entry] = await inbox.take([message(number += 1, { note: { title: 't', body: 'b', ...note } })], {});
    for (const { tab } of tabs) tab.pump();
    notifier.consider(entry);
    await turn();
    return entry;
  };
  return { inbox, notifier, open, arrive, closes };
}

test('what a tab that went may have on its way to the desktop gets there before another tab is asked', async () => {
  const { open, arrive } = await stage();
  const [gone, other] = [open({ visible: true, answers: false }), open()];
  await arrive();
  assert.equal(gone.shown.length, 1);
  gone.tab.end();
  for (let i = 0; i < 60; i++) await Promise.resolve();
  assert.deepEqual(other.shown, []);
  await turn();
  assert.deepEqual(other.shown, [{ body: 'body 1', again: true }]);
});

test('a visible tab is asked before hidden ones', async () => {
  const { open, arrive } = await stage();
  const [hidden, visible] = [open(), open({ visible: true })];
  const entry = await arrive();
  assert.deepEqual(visible.shown, [{ body: 'body 1', again: false }]);
  assert.deepEqual(hidden.shown, []);
  assert.equal(entry.p, 0);
  assert.equal(entry.h, 1, 'shown is handled');
});

test('a tab that does not answer is passed over after a second, and the next one looks first', async () => {
  const { open, arrive } = await stage();
  const [silent, other] = [open({ visible: true, answers: false }), open()];
  await arrive();
  assert.equal(other.shown.length, 0);
  mock.timers.tick(1_000);
  await turn();
  assert.deepEqual(other.shown, [{ body: 'body 1', again: true }]);
  await arrive();
  assert.equal(silent.shown.length, 1, 'and is asked last from then on');
  assert.deepEqual(other.shown[1], { body: 'body 2', again: false });
});

test('without any tab the question stays open for the next one', async () => {
  const { open, arrive, notifier } = await stage();
  const entry = await arrive();
  assert.equal(entry.p, 1);
  const tab = open();
  notifier.retry();
  await turn();
  assert.equal(tab.shown.length, 1);
  assert.equal(entry.p, 0);
});

test('where nobody allowed pop-ups the message is for handlers alone', async () => {
  const { open, arrive } = await stage();
  open({ shows: false, permission: 'denied' });
  const entry = await arrive();
  assert.deepEqual([entry.p, entry.h], [0, 0]);
});

test('hidden-only: no pop-up if a visible tab handled it within a second', async () => {
  const { inbox, notifier, open, arrive } = await stage({ policy: 'hidden-only' });
  const { tab, shown } = open({ visible: true });
  tab.all = true;
  const entry = await arrive();
  inbox.handled(entry, true);
  notifier.seen(entry);
  mock.timers.tick(1_000);
  await turn();
  assert.deepEqual(shown, []);
  assert.deepEqual([entry.p, entry.h], [0, 1]);
});

test('hidden-only: a pop-up if the visible tab took longer, and at once if none listens', async () => {
  const { open, arrive } = await stage({ policy: 'hidden-only' });
  const { tab, shown } = open({ visible: true });
  await arrive();
  assert.equal(shown.length, 1, 'nobody listens');
  tab.all = true;
  await arrive();
  assert.equal(shown.length, 1);
  mock.timers.tick(1_000);
  await turn();
  assert.equal(shown.length, 2);
});

test('never: no pop-up, and the message stays for a handler', async () => {
  const { open, arrive } = await stage({ policy: 'never' });
  const { shown } = open({ visible: true });
  const entry = await arrive();
  assert.deepEqual(shown, []);
  assert.deepEqual([entry.p, entry.h], [0, 0]);
});

test('a notification whose tag a newer one took is not shown any more', async () => {
  const { open, arrive, inbox, notifier } = await stage();
  const older = await arrive({ tag: 'match' });
  const newer = await arrive({ tag: 'match' });
  await inbox.displayed(newer);
  const { shown } = open();
  notifier.retry();
  await turn();
  assert.deepEqual(shown, []);
  assert.equal(older.p, 0);
});

test('what an earlier worker was about to show is left to a handler for five seconds, then shown as a repeat', async () => {
  const row = { ...message(1, { note: { title: 't', body: 'b' } }), n: 1, h: 0, p: 1, bytes: 1 };
  const { open, notifier } = await stage({ rows: [row], marks: new Map([[row.id, false]]) });
  const { shown } = open();
  notifier.retry();
  await turn();
  assert.deepEqual(shown, []);
  mock.timers.tick(5_000);
  await turn();
  assert.deepEqual(shown, [{ body: 'body 1', again: true }]);
});

test('what no earlier worker was about to show is shown like anything new', async () => {
  const row = { ...message(1, { note: { title: 't', body: 'b' } }), n: 1, h: 1, p: 1, bytes: 1 };
  const { open, notifier } = await stage({ rows: [row] });
  const { shown } = open();
  notifier.retry();
  await turn();
  assert.deepEqual(shown, [{ body: 'body 1', again: false }]);
});

test('what an earlier worker showed is not shown when it comes again', async () => {
  const marks = new Map([[message(1).id, true]]);
  const { open, arrive } = await stage({ marks });
  const { shown } = open();
  const entry = await arrive();
  assert.deepEqual(shown, []);
  assert.deepEqual([entry.p, marks.size], [0, 0]);
});

test('the only tab that can show has ten seconds, and the next pop-up waits for it', async () => {
  const { open, arrive } = await stage();
  const { shown, tab } = open({ answers: false });
  const first = await arrive();
  await arrive();
  mock.timers.tick(9_000);
  await turn();
  assert.equal(shown.length, 1);
  tab.replied(1, true);
  await turn();
  assert.deepEqual([first.p, shown.length], [0, 2]);
});

test('a message that a handler has at hand is handled when the handler says so, shown or not', async () => {
  const { inbox, open, arrive } = await stage();
  const { tab } = open();
  tab.all = true;
  const entry = await arrive();
  assert.deepEqual([entry.p, entry.h], [0, 0], 'shown, and still out');
  tab.finished(entry.id, 'failed');
  inbox.abandoned(entry);
  assert.equal(entry.h, 1, 'shown is enough once nobody is at it');
});

test('a recall is taken back through a tab, or kept until there is one', async () => {
  const { open, notifier, closes } = await stage();
  notifier.close(['a']);
  await turn();
  assert.deepEqual(closes, ['a']);
  const { closed } = open();
  notifier.close(['b']);
  await turn();
  assert.deepEqual(closed, ['b']);
});
