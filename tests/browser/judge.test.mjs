// The judge of the storms itself: each promise, broken, is named; and a seed is always the same storm.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger } from './lib/storm/ledger.mjs';
import { plan } from './lib/storm/plan.mjs';

const QUIET = { times: () => 1, shown: () => false };

/** A login of Ann with one tab that listens. */
function scene() {
  const ledger = new Ledger();
  ledger.login('ann');
  const say = (what, detail) => ledger.heard({ what, life: 'life-1', tab: 0, user: 'ann', ...detail });
  say('listening');
  return { ledger, say, judge: (desktop = QUIET) => ledger.faults(new Set(['life-1']), desktop) };
}

test('what was handled once, in order, and popped up once is no fault', () => {
  const { ledger, say, judge } = scene();
  for (const to of ['topic', 'ann', 'bob', 'topic']) {
    const number = ledger.sending(to, true);
    if (to !== 'bob') say('handled', { number });
  }
  assert.deepEqual(judge(), []);
});

test('a message that a listening tab never handled is named, and one that nobody handled too', () => {
  const { ledger, judge } = scene();
  ledger.sending('topic', false);
  assert.match(judge().join(), /handled by nobody.*never handled message 0/s);
});

test('a message that nobody is known to have handled is counted where a page went that may have, and named elsewhere', () => {
  const { ledger, judge } = scene();
  ledger.leaves(0);
  ledger.sending('ann', false);
  ledger.leaves(1);
  assert.match(judge().join(), /handled by nobody/);
  ledger.leaves(2);
  assert.doesNotMatch(judge().join(), /handled by nobody/);
  ledger.settle(new Set(['life-1']), QUIET);
  assert.equal(ledger.totals.unheard, 1);
});

test('a message handled twice, and one after a later one of its log, are named', () => {
  const { ledger, say, judge } = scene();
  const [first, second] = [ledger.sending('ann', false), ledger.sending('ann', false)];
  say('handled', { number: second });
  say('handled', { number: first });
  say('handled', { number: second });
  assert.match(judge().join(), /handled message 1 to ann 2 times/);
  assert.match(judge().join(), /handled message 0 to ann after 1/);
});

test('a message to another user is named, in a page and on the desktop', () => {
  const { ledger, say, judge } = scene();
  const number = ledger.sending('bob', true);
  say('handled', { number });
  assert.match(judge().join(), /life life\) handled message 0 to bob/);
  assert.match(judge({ times: () => 1, shown: () => true }).join(), /stands on the desktop of ann/);
});

test('a notification that popped up never, or twice, is named', () => {
  const { ledger, say, judge } = scene();
  say('handled', { number: ledger.sending('ann', true) });
  assert.match(judge({ ...QUIET, times: () => 0 }).join(), /never popped up/);
  assert.match(judge({ ...QUIET, times: () => 2 }).join(), /popped up 2 times/);
});

test('a notification that a worker died over, and a page handled, is counted where it never popped up', () => {
  const { ledger, say, judge } = scene();
  const never = { ...QUIET, times: () => 0 };
  const number = ledger.sending('ann', true);
  ledger.died();
  assert.match(judge(never).join(), /handled by nobody.*never popped up/s);
  say('handled', { number });
  assert.deepEqual(judge(never), []);
  ledger.settle(new Set(['life-1']), never);
  assert.equal(ledger.totals.doubted, 1);
});

test('storage-lost ends the claim where a worker died on a full disk, and is a fault elsewhere', () => {
  const { ledger, say, judge } = scene();
  ledger.sending('ann', false);
  say('gap', { log: 'inbox', reason: 'storage-lost' });
  assert.match(judge().join(), /told of a gap in inbox: storage-lost/);
  const full = scene();
  full.ledger.full();
  full.ledger.sending('ann', false);
  full.ledger.died();
  full.say('gap', { log: 'inbox', reason: 'storage-lost' });
  assert.deepEqual(full.judge(), []);
  full.say('listening');
  full.ledger.sending('ann', false);
  assert.match(full.judge().join(), /message 1 to ann was handled by nobody/);
});

test('a gap told to a page that was at rest is no fault after a full disk, and one elsewhere', () => {
  const { ledger, say, judge } = scene();
  ledger.full();
  ledger.rests(0);
  ledger.sending('topic', false);
  const other = () => ledger.heard({ what: 'handled', life: 'life-2', tab: 1, user: 'ann', number: 0 });
  other();
  say('gap', { log: 'topic:storm', reason: 'retention' });
  assert.deepEqual(judge(), []);
  assert.equal(ledger.totals.told, 1);
  ledger.sending('topic', false);
  ledger.heard({ what: 'handled', life: 'life-2', tab: 1, user: 'ann', number: 1 });
  assert.match(judge().join(), /never handled message 1/);
});

test('what a worker held in memory may be handled and shown once more after its death, and nothing else may', () => {
  const { ledger, say, judge } = scene();
  const [first, second] = [ledger.sending('ann', true), ledger.sending('ann', true)];
  say('handled', { number: second });
  say('handled', { number: first });
  ledger.died();
  const twice = { ...QUIET, times: () => 2 };
  assert.match(judge(twice).join(), /popped up 2 times.*handled message 0 to ann after 1/);
  ledger.full();
  ledger.died();
  assert.deepEqual(judge(twice), []);
  assert.match(judge({ ...QUIET, times: () => 3 }).join(), /popped up 3 times/);
  ledger.written();
  ledger.settle(new Set(['life-1']), QUIET);
  const [third, fourth] = [ledger.sending('ann', false), ledger.sending('ann', false)];
  say('handled', { number: fourth });
  say('handled', { number: third });
  ledger.died();
  assert.match(judge().join(), /handled message 2 to ann after 3/);
});

test('a gap, and what was settled before a page was loaded, are named', () => {
  const { ledger, say, judge } = scene();
  const number = ledger.sending('topic', false);
  say('handled', { number });
  say('gap', { log: 'topic:storm', reason: 'retention' });
  assert.match(judge().join(), /told of a gap/);
  ledger.settle(new Set(['life-1']), QUIET);
  ledger.heard({ what: 'handled', life: 'life-2', tab: 1, user: 'ann', number });
  assert.match(ledger.faults(new Set(), QUIET).join(), /settled before it was loaded/);
});

test('what was sent while another user was there, or before the first page listened, is owed to nobody', () => {
  const ledger = new Ledger();
  ledger.login('ann');
  ledger.sending('ann', true);
  ledger.login('bob');
  ledger.sending('ann', true);
  assert.deepEqual(ledger.faults(new Set(), { times: () => 0, shown: () => false }), []);
});

test('what a page itself says it handled counts, also where the telling was lost', () => {
  const { ledger, judge } = scene();
  const number = ledger.sending('topic', false);
  ledger.confess('life-1', [number]);
  assert.deepEqual(judge(), []);
  ledger.confess('life-1', [number, number]);
  assert.match(judge().join(), /2 times/);
});

test('a seed is always the same storm, another one another, and every kind of event comes', () => {
  assert.deepEqual(plan(7, 200), plan(7, 200));
  assert.notDeepEqual(plan(7, 200), plan(8, 200));
  const kinds = new Set(plan(7, 1000).map(({ kind }) => kind));
  const all = ['open', 'close', 'front', 'freeze', 'resume', 'reload', 'away', 'back', 'crash', 'kill', 'cut', 'offline', 'online', 'restart', 'expire', 'user', 'quota', 'room'];
  assert.deepEqual(all.filter((kind) => !kinds.has(kind)), []);
});
