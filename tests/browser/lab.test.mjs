// The laboratory of `pulsegate dev`: each switch does what its label says, and what is inside is true.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { choose, learnt } from '../../www/demo/heartbeat.js';
import { launch } from './lib/chromium.mjs';
import { startDev } from './lib/gateway.mjs';
import { startBus } from './lib/notification-bus.mjs';
import { until } from './lib/until.mjs';

let bus;
let dev;
let browser;
let tab;

before(async () => {
  bus = await startBus();
  dev = await startDev();
  browser = await launch({ bus, origins: [dev.url] });
  tab = await open();
});

after(async () => {
  await browser?.close();
  await dev?.stop();
  bus?.stop();
});

const text = (id, of = tab) => of.run(`document.getElementById(${JSON.stringify(id)}).textContent`);
const click = (id, of = tab) => of.run(`document.getElementById(${JSON.stringify(id)}).click()`, { gesture: true });
const number = async (id, of) => Number(await text(id, of));
const diary = (of = tab) => of.run('[...document.querySelectorAll("#diary li span")].map(({ textContent }) => textContent)');
const locks = (what) => tab.run(`document.querySelectorAll('#locks [data-what="${what}"]').length`);

async function connected(of) {
  await until('the laboratory to be subscribed', async () => (await diary(of)).includes('subscribed to lab'))
    .catch((fault) => { throw new Error(`${fault.message}\n${of.console.join('\n')}`); });
  return of;
}

async function open(query = '') {
  return connected(await browser.open(`${dev.url}/demo/lab/${query}`));
}

/** What this tab is to handle is chosen first: `takes` is a value of the list. */
const takes = (value) => tab.run(`(() => { const list = document.getElementById('handler-takes'); list.value = '${value}'; list.dispatchEvent(new Event('change')); })()`);

test('what is sent is handled and leaves the inbox', async () => {
  await click('send-twenty');
  await until('twenty to be handled', async () => (await number('count-handled')) === 20);
  // A worker that began a moment ago waits ten seconds for tabs of one before it.
  await until('the inbox to be empty', async () => (await text('count-inbox')) === '0' && (await number('count-done')) >= 20, { within: 40_000 });
});

test('what the heartbeat believes of the network is drawn as it is stored', async () => {
  await until('the chart', () => tab.run("document.querySelectorAll('#rungs li').length === 16"));
  // While a person looks it stands on what it is sure of, and tries nothing.
  assert.match(await text('rungs-words'), /^asks for \d+ s of silence$/);
  const shares = await tab.run("[...document.querySelectorAll('#rungs i')].map((bar) => Number(bar.style.getPropertyValue('--share')))");
  assert.ok(Math.abs(shares[0] - 1) < 1e-6, 'the lowest rung is safe');
  assert.deepEqual(shares, [...shares].sort((a, b) => b - a), 'more silence is never safer');
  assert.equal(await tab.run("document.querySelectorAll('#rungs [data-kind=base]').length"), 1);
});

test('the drawn choice is the core\'s, and a change of belief is put into words', () => {
  const prior = [0.5, 0.5, 0.5, 5, 1.5, 2.5, 5, 4, 5, 11, 5, 2, 9, 7, 1, 41].map((weight) => weight / 100.5);
  const { base, tries } = choose(prior, 580);
  // 55 and 230, as `proto/src/heartbeat/belief.rs` has it of nothing known.
  assert.deepEqual([base, tries, choose(prior, 115).base], [3, 8, 3]);
  const after = (times) => {
    const weights = prior.map((weight, rung) => weight * times(rung));
    const sum = weights.reduce((a, b) => a + b);
    return weights.map((weight) => weight / sum);
  };
  assert.match(learnt(prior, after((rung) => (rung < 9 ? 0.02 : 1))), /^silence survived: 285 s is 99 % sure$/);
  assert.match(learnt(prior, after((rung) => (rung > 3 ? 0.1 : 1))), /^a path died: 70 s is 59 % sure, and was 94 %$/);
  assert.equal(learnt(prior, prior), '');
});

test('a handler that takes its time keeps its message in the inbox, one that never returns for good', async () => {
  await takes('1000');
  await click('send-one');
  await until('the message to be in hands', async () => (await text('count-busy')) === '1');
  await until('it to be handled', async () => (await text('count-handled')) === '21');
  await takes('never');
  await click('send-one');
  await until('a row of the inbox', () => tab.run('document.querySelectorAll("#inbox-rows tr").length === 1'));
  assert.match(await tab.run('document.querySelector("#inbox-rows tr").textContent'), /topic:labwaits for a handler$/);
  await tab.goto(`${dev.url}/demo/lab/`);
  await connected(tab);
  await until('the next life of the tab to handle it', async () => (await text('count-handled')) === '1');
});

test('a handler that throws leaves its message to another tab', async () => {
  await click('handler-throws');
  await click('send-one');
  await until('the failure', async () => (await text('count-failed')) === '1' && (await text('count-inbox')) === '1');
  const second = await open();
  await until('the other tab to handle it', async () => (await text('count-handled', second)) === '1');
  await second.close();
  await tab.bringToFront();
  await click('handler-throws');
});

test('without a handler a message waits, and the one that comes gets it', async () => {
  await click('handler-listens');
  await click('send-one');
  await until('the message to wait', async () => (await text('count-inbox')) === '1');
  await click('handler-listens');
  await until('it to be handled', async () => (await text('count-inbox')) === '0');
});

test('locks and generation show one socket, a life a tab, and a newer generation after the worker was ended', async () => {
  const second = await open();
  await tab.bringToFront();
  await until('two tabs', async () => (await text('fact-tabs')) === '2');
  await until('the locks', async () => (await locks('socket')) === 1 && (await locks('worker')) >= 1 && (await locks('tab')) >= 2);
  const before = await number('fact-generation');
  assert.ok(before > 1.7e12, `a generation: ${before}`);
  await click('kill-worker');
  await until('the death to be counted', async () => (await text('count-deaths')) === '1');
  await until('a newer generation', async () => (await number('fact-generation')) > before);
  await until('the connection', async () => (await text('state-text')) === 'connected');
  const handled = await number('count-handled');
  await click('send-one');
  await until('both tabs to handle', async () => (await number('count-handled')) === handled + 1 && (await number('count-handled', second)) === 1);
  await second.close();
  await tab.bringToFront();
});

test('while the lock is held nobody is connected, and afterwards everything comes', async () => {
  const handled = await number('count-handled');
  await click('hold-socket');
  await until('no connection', async () => (await text('state-text')) !== 'connected');
  await click('send-one');
  await until('it to be accepted', async () => (await text('send-note')).startsWith('Accepted'));
  assert.notEqual(await text('state-text'), 'connected');
  assert.equal(await number('count-handled'), handled);
  await click('hold-socket');
  await until('the message', async () => (await number('count-handled')) === handled + 1);
});

test('a browser that is wrong about its network does not cut the link: the gateway is asked', async () => {
  await until('the connection', async () => (await text('state-text')) === 'connected');
  const before = await text('fact-heard');
  await click('go-offline');
  assert.equal(await tab.run('navigator.onLine'), false);
  await until('the answer', async () => (await text('fact-heard')) !== before);
  assert.equal(await text('state-text'), 'connected');
  await click('go-offline');
  assert.equal(await tab.run('navigator.onLine'), true);
});

test('a database thrown away comes back from the second copy', async () => {
  const device = () => text('fact-registration');
  const before = await until('the device', async () => (await device()) !== 'none' && device());
  const deaths = await number('count-deaths');
  await click('drop-database');
  await until('another worker', async () => (await number('count-deaths')) > deaths && (await text('state-text')) === 'connected');
  await until('the device again', async () => (await device()) === before);
});

test('a device cleared with its second copy is another one, and the page is told', async () => {
  const before = await text('fact-registration');
  await click('drop-all');
  await until('another device', async () => !['none', before].includes(await text('fact-registration')));
  await until('the page to be told', async () => (await diary()).some((line) => line.includes('storage-lost')));
});

test('whoever signs in next is somebody else, in all tabs, and finds an empty inbox', async () => {
  const second = await open();
  await click('handler-listens', second);
  await click('handler-listens');
  await click('send-one');
  await tab.bringToFront();
  await until('a message that waits', async () => (await text('count-inbox')) === '1');
  await tab.run('document.querySelector("[data-user=ann]").click()');
  for (const one of [tab, second]) {
    await until('the tab to be Ann\'s', async () => (await text('fact-user', one)) === 'Ann');
    await connected(one);
  }
  await tab.bringToFront();
  await until('an empty inbox', async () => (await text('count-inbox')) === '0' && (await text('fact-registration')) !== 'none');
  await click('notify-enable');
  await until('notifications', async () => (await diary()).includes('notifications are on'));
  await click('send-person');
  await bus.see(await until('the notification', () => bus.calls.at(-1)?.title));
  await until('Ann to get it', async () => (await number('count-handled')) === 1 && (await number('count-handled', second)) === 1);
  await second.close();
  await tab.bringToFront();
});

test('forgetting the device takes what is shown along', async () => {
  assert.equal(bus.shown.length, 1);
  await click('forget');
  await until('the desktop to be empty', () => bus.shown.length === 0);
  await until('the client to be closed', async () => ['closed', 'not connected'].includes(await text('state-text')));
});

test('nothing on the page broke its content security policy', () => {
  assert.deepEqual(tab.console.filter((line) => /Content Security Policy|exception/.test(line)), []);
});
