// The first minute of a stranger: `pulsegate dev`, the printed page, the printed curl line.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { launch } from './lib/browser.mjs';
import { startDev } from './lib/gateway.mjs';
import { startBus } from './lib/notification-bus.mjs';
import { until } from './lib/until.mjs';

const run = promisify(execFile);
let bus;
let dev;
let browser;
let tab;

before(async () => {
  bus = await startBus();
  dev = await startDev();
  browser = await launch({ bus, origins: [dev.url] });
  tab = await browser.open(`${dev.url}/demo/`);
  await until('the demo to be connected', () => tab.run('document.getElementById("state").dataset.state === "connected"'))
    .catch((fault) => { throw new Error(`${fault.message}\n${tab.console.join('\n')}`); });
});

after(async () => {
  await browser?.close();
  await dev?.stop();
  bus?.stop();
});

const text = (id) => tab.run(`document.getElementById(${JSON.stringify(id)}).textContent`);

test('the front page leads to the demo', async () => {
  const answer = await fetch(dev.url);
  assert.equal(new URL(answer.url).pathname, '/demo/');
});

test('the printed curl line makes a notification appear', async () => {
  await tab.run('document.getElementById("notify-enable").click()', { gesture: true });
  await until('notifications to be on', async () => (await text('notify-state')) === 'on');
  await until('the first topic to be subscribed', () => tab.run('document.querySelector("#topic-list [data-ready=true]") !== null'));
  const { stdout } = await run('sh', ['-c', dev.curl]);
  const { id } = JSON.parse(stdout.slice(stdout.indexOf('{')));
  assert.ok(id, `no id in: ${stdout}`);
  const call = await until('a notification', () => bus.calls.at(-1));
  await until('the list to hold it', () => tab.run(`document.querySelector("#came-list h3")?.textContent === ${JSON.stringify(call.title)}`));
});

test('the send box publishes, and a click on the notification is counted to the end', async () => {
  await tab.run(`(() => {
    document.getElementById('send-head').value = 'From the box';
    document.getElementById('send-form').requestSubmit();
  })()`);
  const call = await bus.see('From the box');
  bus.click(call);
  const done = (step) => tab.run(`[...document.querySelectorAll('.message')].some((row) =>
    row.querySelector('h3').textContent === 'From the box' && row.querySelector('[data-step=${step}]').dataset.done === 'true')`);
  for (const step of ['accepted', 'received', 'handled', 'displayed', 'clicked']) {
    await until(`the step "${step}"`, () => done(step));
  }
  assert.equal(bus.times('From the box'), 1);
});

test('the curl line of the page is the one that works', async () => {
  const shown = await text('curl');
  const { stdout } = await run('sh', ['-c', `${shown.replace('"title":"Hello"', '"title":"From the page"')} -s`]);
  assert.match(stdout, /"state":"accepted"/);
  await bus.see('From the page');
});

test('two tabs of the demo say that they share one connection', async () => {
  const second = await browser.open(`${dev.url}/demo/`);
  await until('both tabs to be counted', () => second.run('document.getElementById("fact-tabs").textContent === "2"'));
  assert.equal(await second.run('document.getElementById("fact-tier").textContent'), 'shared worker');
  await second.close();
});

test('what the heartbeat believes of this network is drawn', async () => {
  await until('the chart', () => tab.run("document.querySelectorAll('#rungs li').length === 16"));
  assert.match(await text('rungs-words'), /^asks for \d+ s of silence$/);
});

test('a message can be taken back from the list', async () => {
  await tab.run(`(() => {
    document.getElementById('send-head').value = 'A mistake';
    document.getElementById('send-form').requestSubmit();
  })()`);
  await bus.see('A mistake');
  await until('the row', () => tab.run('document.querySelector("#came-list h3")?.textContent === "A mistake"'));
  await tab.run('document.querySelector("#came-list .link").click()');
  await bus.unseen('A mistake');
  await until('the row to say so', () => tab.run('document.querySelector("#came-list .message-where").textContent === "taken back"'));
});

test('a topic that was left is not heard any more, another one is', async () => {
  await tab.run('document.querySelector("#topic-list button").click()');
  await until('no topic', async () => (await text('topic-list')) === 'none');
  await tab.run(`(() => {
    document.getElementById('topic-name').value = 'weather/berlin';
    document.getElementById('topic-form').requestSubmit();
  })()`);
  await until('the new topic', () => tab.run('document.querySelector("#topic-list [data-ready=true]")?.textContent.startsWith("weather/berlin")'));
  await run('sh', ['-c', dev.curl.replace('"title":"Hello"', '"title":"To nobody"')]);
  await run('sh', ['-c', dev.curl.replace('"topic":"news"', '"topic":"weather/berlin"').replace('"title":"Hello"', '"title":"Rain"')]);
  await bus.see('Rain');
  assert.equal(bus.times('To nobody'), 0);
});

test('a reload keeps the list and the topics; disconnecting and connecting again works', async () => {
  const rows = await tab.run('document.querySelectorAll(".message").length');
  await tab.goto(`${dev.url}/demo/`);
  await until('the connection', async () => (await text('state-text')) === 'connected');
  await until('the topic', () => tab.run('document.querySelector("#topic-list [data-ready=true]")?.textContent.startsWith("weather/berlin")'));
  assert.equal(await tab.run('document.querySelectorAll(".message").length'), rows);
  await tab.run('document.getElementById("link-toggle").click()');
  await until('no connection', async () => (await text('state-text')) === 'not connected');
  await tab.run('document.getElementById("link-toggle").click()');
  await until('the connection again', async () => (await text('state-text')) === 'connected');
});

test('forgetting the device makes a new one', async () => {
  const before = await text('fact-device');
  await tab.run('document.getElementById("link-forget").click()');
  await until('another device', async () => {
    const now = await text('fact-device');
    return now !== before && now !== 'none';
  });
});

test('nothing on the page broke its content security policy', () => {
  assert.deepEqual(tab.console.filter((line) => /Content Security Policy|exception/.test(line)), []);
});
