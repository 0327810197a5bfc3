// Handlers as apps write them: throwing, never returning, late, slow, gone. Each message is handled
// once a tab that has a handler, and what nobody handled waits for one.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { doubled, heardBy, setStage, titles } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const NARROW = { quick: '', narrow: '' };
let stage;
let fleeting;

before(async () => {
  stage = await setStage();
  // Its tab is closed now, and looked at again half a minute later, in the last test.
  const tab = await stage.open('fleeting', { ...NARROW, topic: 'base' });
  await tab.run("pg.subscribe('brief', { durable: false })");
  await until('both subscriptions', () => tab.run('pg.ready()'));
  fleeting = await tab.run('pg.client.status.registration');
  await tab.close();
});

after(() => stage?.stop());

const NEVER = 'pg.before = () => new Promise(() => undefined)';

/** Publishes a batch of data to a topic: `from`, `from + 1`, … */
async function publish(topic, count, from = 1, pad = 0) {
  const lines = Array.from({ length: count }, (_, index) => ({ target: { topic }, body: `${topic} ${from + index}`.padEnd(pad, '.') }));
  for (let at = 0; at < lines.length; at += 1_000) {
    const answers = await stage.gateway.publishMany(lines.slice(at, at + 1_000));
    assert.ok(answers.every(({ state }) => state === 'accepted'));
  }
  return lines.map(({ body }) => body);
}

/** Topics the gateway holds for a registration. */
async function topicsOf(registration) {
  const answer = await fetch(`${stage.gateway.url}/v1/apps/shop/registrations/${registration}`, { headers: { authorization: `Bearer ${stage.gateway.key}` } });
  return (await answer.json()).topics.map(({ topic }) => topic);
}

/** Unhandled rows of the inbox, read in the page from the worker's database. (Handled ones may be kept for tabs at rest.) */
const inbox = (tab) => tab.run(`(async () => {
  const name = (await indexedDB.databases()).map(({ name }) => name).find((name) => name.startsWith('pulsegate-'));
  const db = await new Promise((done) => { const asked = indexedDB.open(name); asked.onsuccess = () => done(asked.result); });
  const read = db.transaction('inbox').objectStore('inbox').getAll();
  const rows = await new Promise((done) => { read.onsuccess = () => done(read.result); });
  db.close();
  return rows.filter(({ h }) => h === 0).length;
})()`);

test('a handler that throws is told as an error, and the message goes to the next tab that has one', async () => {
  const tab = await stage.open('thrower', { ...NARROW, topic: 'throws' });
  await tab.run("pg.before = () => { throw new Error('a fault of the app'); }");
  await publish('throws', 1);
  await until('the error', () => tab.run("pg.errors.some(({ code, message }) => code === 'handler-failed' && message.includes('a fault of the app'))"));
  await tab.run('pg.before = undefined');
  await publish('throws', 1, 2);
  await heardBy(tab, 'throws 2');
  assert.deepEqual(await titles(tab), ['throws 2'], 'not offered to the same tab again');
  const next = await stage.open('next', { ...NARROW, topic: 'throws' });
  await heardBy(next, 'throws 1');
  assert.deepEqual(await titles(next), ['throws 1']);
  await tab.close();
  await next.close();
});

test('a handler that never returns holds up its own tab after 64 messages, and no other', async () => {
  const stuck = await stage.open('stuck', { ...NARROW, topic: 'never' });
  const quick = await stage.open('quick', { ...NARROW, topic: 'never' });
  await stuck.run(NEVER);
  const all = await publish('never', 200);
  await heardBy(quick, all.at(-1));
  assert.deepEqual(await titles(quick), all);
  // The quick one may have been told all before the stuck one was told its part.
  await until('its credit to be used up', async () => (await stuck.run('pg.began')) >= 64);
  const [next] = await publish('never', 1, 201);
  await heardBy(quick, next);
  assert.equal(await stuck.run('pg.began'), 64, 'its credit');
  await stuck.close();
  await until('the inbox to hold nothing unhandled', async () => (await inbox(quick)) === 0);
  await quick.close();
});

test('a slow tab beside a fast one gets everything in order, at its own pace', async (t) => {
  const slow = await stage.open('slow', { ...NARROW, topic: 'pace' });
  const fast = await stage.open('fast', { ...NARROW, topic: 'pace' });
  // One at a time, as an app with a queue of its own does.
  await slow.run('globalThis.queue = Promise.resolve(); pg.before = () => (queue = queue.then(() => new Promise((done) => { setTimeout(done, 5); })))');
  await slow.bringToFront();
  const all = await publish('pace', 300);
  await heardBy(fast, all.at(-1));
  const behind = 300 - (await titles(slow)).length;
  await heardBy(slow, all.at(-1), { within: 30_000 });
  assert.deepEqual(await titles(slow), all);
  assert.deepEqual(await titles(fast), all);
  t.diagnostic(`when the fast one was done the slow one was ${behind} behind`);
  assert.ok(behind > 0);
  await slow.close();
  await fast.close();
});

test('while the fastest tab is a thousand behind, acks wait and the gateway holds the rest; then all arrive in order', async (t) => {
  const tab = await stage.open('dammed', { ...NARROW, topic: 'flood' });
  await tab.run('pg.gate = new Promise((open) => { pg.open = open; }); pg.before = () => pg.gate');
  const all = await publish('flood', 3_000);
  // It has grown to where it stays: what is acked, and one window beyond.
  let held = 0;
  let still = 0;
  await until('the flow to stand still', async () => {
    const now = await inbox(tab);
    still = now === held && now > 1_000 ? still + 1 : 0;
    held = now;
    return still >= 8;
  }, { every: 50, within: 30_000 });
  t.diagnostic(`${held} of 3,000 came to the browser while its only handler stood still`);
  assert.ok(held < 2_000, `the rest waits at the gateway: ${held}`);
  assert.equal(await tab.run('pg.began'), 64);
  await tab.run('pg.open()');
  await heardBy(tab, all.at(-1), { within: 60_000 });
  assert.deepEqual(await titles(tab), all);
  await tab.close();
});

test('what comes while no tab has a handler is offered to the next one that attaches one, in order', async () => {
  const early = await stage.open('early', { ...NARROW, topic: ['base', 'late'] });
  await early.close();
  const late = await stage.open('late', { ...NARROW, topic: 'base' });
  const first = await publish('late', 5);
  await publish('base', 1);
  await heardBy(late, 'base 1');
  await late.run("pg.subscribe('late')");
  await heardBy(late, first.at(-1));
  const more = await publish('late', 2, 6);
  await heardBy(late, more.at(-1));
  assert.deepEqual((await titles(late)).filter((title) => title.startsWith('late')), [...first, ...more]);
  assert.deepEqual(await late.run("pg.subscribed.filter(({ topic }) => topic === 'late').map(({ recovered, replayed }) => [recovered, replayed])"), [[true, 5]]);
  await late.close();
});

test('a handler taken off by its signal hears nothing more, and the subscription stays with the device', async () => {
  const tab = await stage.open('signal', { ...NARROW, topic: 'base' });
  await tab.run("pg.end = new AbortController(); pg.subscribe('kept', { signal: pg.end.signal })");
  await until('the subscription', () => tab.run('pg.ready()'));
  await publish('kept', 1);
  await heardBy(tab, 'kept 1');
  await tab.run('pg.end.abort()');
  await publish('kept', 1, 2);
  await publish('base', 1, 2);
  await heardBy(tab, 'base 2');
  assert.ok(!(await titles(tab)).includes('kept 2'));
  assert.ok((await topicsOf(fleeting)).includes('kept'));
  await tab.run("pg.subscribe('kept')");
  await heardBy(tab, 'kept 2');
  await tab.run("pg.client.unsubscribe('kept')");
  assert.ok(!(await topicsOf(fleeting)).includes('kept'));
  await tab.close();
});

test('an inbox that is full lets the oldest go, and the next handler hears recovered: false', async (t) => {
  const tab = await stage.open('full', { ...NARROW, topic: ['base', 'heap'] });
  // The subscription stays, its only handler goes.
  const before = await inbox(tab);
  await tab.close();
  const idle = await stage.open('watching', { ...NARROW, topic: 'base' });
  const all = await publish('heap', 160, 1, 40_000);
  await publish('base', 1, 3);
  await heardBy(idle, 'base 3');
  await until('room to be made', () => idle.run("pg.gaps.some(({ reason, topic }) => reason === 'inbox-full' && topic === 'heap')"));
  const held = await inbox(idle) - before;
  await idle.run("pg.subscribe('heap')");
  await heardBy(idle, all.at(-1), { within: 30_000 });
  const heard = (await titles(idle)).filter((title) => title.startsWith('heap'));
  assert.deepEqual(heard, all.slice(-heard.length), 'the newest, in order');
  assert.ok(heard.length < 160 && heard.length > 80, `${heard.length} kept`);
  assert.equal(await idle.run("pg.subscribed.find(({ topic }) => topic === 'heap').recovered"), false);
  t.diagnostic(`of 160 messages of 40 kB the inbox kept ${held}, the handler heard ${heard.length}`);
  await idle.close();
});

test('a subscription that is not durable ends half a minute after its last tab went; the others stay', { timeout: 60_000 }, async () => {
  await stage.open('later', { ...NARROW, topic: 'base' });
  const topics = await until('it to end', async () => {
    const now = await topicsOf(fleeting);
    return !now.includes('brief') && now;
  }, { within: 45_000, every: 200 });
  assert.ok(topics.includes('base'));
  assert.deepEqual(doubled(topics), []);
});
