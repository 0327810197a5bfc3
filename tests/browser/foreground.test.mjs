// What a person is shown: permission and its changes, one foreground policy for all windows of a
// browser, and where a click may lead.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { freeze, hide, show, wake } from './lib/lives.mjs';
import { doubled, heardBy, setStage } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

let stage;
let foreign;
let first;
let second;

before(async () => {
  stage = await setStage();
  foreign = createServer((request, response) => { response.writeHead(200, { 'content-type': 'text/html' }).end('<title>another site</title>'); });
  await new Promise((done) => { foreign.listen(0, '127.0.0.1', done); });
  foreign.origin = `http://127.0.0.1:${foreign.address().port}`;
});

after(async () => {
  await stage?.stop();
  foreign?.closeAllConnections();
  foreign?.close();
});

beforeEach(() => { stage.app.heard.length = 0; });

const permit = (setting) => stage.browser.send('Browser.setPermission', { permission: { name: 'notifications' }, setting, origin: stage.app.origin });
const permission = (tab) => tab.run('pg.client.notifications.permission');
const waiting = (tab) => tab.run(`indexedDB.databases().then((all) => Promise.all(all.filter(({ name }) => name.startsWith('pulsegate-')).map(({ name }) => new Promise((resolve) => {
  indexedDB.open(name).onsuccess = ({ target: { result: db } }) => {
    db.transaction('inbox').objectStore('inbox').count().onsuccess = ({ target }) => { db.close(); resolve(target.result); };
  };
})))).then((counts) => counts.reduce((sum, count) => sum + count, 0))`);
const policy = (tab, value) => tab.run(`pg.client.notifications.foreground = ${JSON.stringify(value)}; 0`);
const policyOf = (tab) => tab.run('pg.client.notifications.foreground');

/** A pop-up that must not come has not come when a later one of the same log is there. */
async function isNotShown(title, marker) {
  await policy(first, 'always');
  await until('the policy to be known', async () => (await policyOf(second)) === 'always');
  await stage.gateway.publish('news', marker);
  await stage.bus.see(marker);
  assert.equal(stage.bus.times(title), 0, `${title} popped up`);
}

test('while nobody was asked nothing pops up, handlers hear everything, and enable() says what was answered', async () => {
  await permit('denied');
  first = await stage.open('first', { topic: 'news' });
  assert.equal(await permission(first), 'denied');
  const code = await first.run('pg.client.notifications.enable().then(() => "allowed", ({ code }) => code)', { gesture: true });
  assert.equal(code, 'notification-denied');
  await stage.gateway.publish('news', 'while denied');
  await heardBy(first, 'while denied');
  await permit('prompt');
  await until('the question to be open', async () => (await permission(first)) === 'default');
  await stage.gateway.publish('news', 'while nobody was asked');
  await heardBy(first, 'while nobody was asked');
  assert.deepEqual(stage.bus.calls, []);
});

test('permission given while the page runs shows the next message, on the first load, without a reload', async () => {
  await policy(first, 'always');
  await permit('granted');
  await until('permission', async () => (await permission(first)) === 'granted');
  await first.run('pg.client.notifications.enable()', { gesture: true });
  await stage.gateway.publish('news', 'now allowed');
  await stage.bus.see('now allowed');
  assert.equal(await first.run('navigator.serviceWorker.controller'), null, 'our service worker controls no page');
  assert.deepEqual(stage.bus.popUps, ['now allowed'], 'and nothing from before');
});

test('permission taken away while the page runs: handlers go on, nothing pops up, nothing fails; given again it pops up', async () => {
  await permit('denied');
  await until('permission to be gone', async () => (await permission(first)) === 'denied');
  await stage.gateway.publish('news', 'denied again');
  await heardBy(first, 'denied again');
  await until('the worker to know that nothing will pop up', async () => (await waiting(first)) === 0);
  await permit('granted');
  await until('permission', async () => (await permission(first)) === 'granted');
  await stage.gateway.publish('news', 'allowed again');
  await stage.bus.see('allowed again');
  assert.equal(stage.bus.times('denied again'), 0);
  assert.deepEqual(await first.run("pg.errors.filter(({ code }) => code === 'notification-failed')"), []);
});

test('the policy is one for all windows, and the last one set wins', async () => {
  second = await stage.open('second', { topic: 'news' }, { newWindow: true });
  await until('the second window to know', async () => (await policyOf(second)) === 'always');
  await policy(second, 'never');
  await until('the first window to know', async () => (await policyOf(first)) === 'never');
  await stage.gateway.publish('news', 'under never');
  await heardBy(first, 'under never');
  await heardBy(second, 'under never');
  await isNotShown('under never', 'after never');
});

test('a window that was away does not undo what another one set since', async () => {
  await policy(second, 'hidden-only');
  await until('the first window to know', async () => (await policyOf(first)) === 'hidden-only');
  // The second was told in the same turn, and over its port the message comes behind that.
  await stage.gateway.publish('news', 'before it froze');
  await heardBy(second, 'before it froze');
  await freeze(second);
  await policy(first, 'never');
  await wake(second);
  await until('the second window to know', async () => (await policyOf(second)) === 'never');
  for (const { targetId } of stage.browser.find('shared_worker', 'pulsegate-worker.js')) await stage.browser.send('Target.closeTarget', { targetId });
  await stage.ready(first);
  await stage.ready(second);
  await stage.gateway.publish('news', 'still never');
  await heardBy(second, 'still never');
  assert.deepEqual([await policyOf(first), await policyOf(second)], ['never', 'never']);
  await isNotShown('still never', 'after still never');
});

test('hidden-only: one visible window of two that handles it is enough for silence', async () => {
  await policy(first, 'hidden-only');
  await until('the second window to know', async () => (await policyOf(second)) === 'hidden-only');
  const cover = await hide(stage.browser, second);
  await show(first).catch(() => undefined);
  assert.equal(await first.run('document.visibilityState'), 'visible');
  const id = await stage.gateway.publish('news', 'seen in one window');
  await until('it to count as handled', async () => (await stage.gateway.funnel(id)).handled === 1);
  await isNotShown('seen in one window', 'after one window');
  await cover.close();
});

test('hidden-only: a visible window whose handler takes longer than a second is shown it, once', async () => {
  await policy(first, 'hidden-only');
  await until('the second window to know', async () => (await policyOf(second)) === 'hidden-only');
  await first.run('pg.before = () => new Promise((done) => { pg.open = done; })');
  await second.run('pg.before = () => new Promise((done) => { pg.open = done; })');
  await stage.gateway.publish('news', 'not looked at');
  await stage.bus.see('not looked at');
  for (const tab of [first, second]) {
    await tab.run('pg.before = undefined; pg.open()');
    await heardBy(tab, 'not looked at');
  }
  assert.equal(stage.bus.times('not looked at'), 1);
  assert.deepEqual(doubled(stage.bus.popUps), [], 'nothing in this file popped up twice');
});

test('a shared worker has no registration: it shows through a page, whichever is there', async () => {
  const [{ targetId }] = stage.browser.find('shared_worker', 'pulsegate-worker.js');
  const worker = await stage.browser.attach(targetId);
  assert.equal(await worker.run('typeof self.registration'), 'undefined');
  await policy(first, 'always');
  await second.close();
  await stage.gateway.publish('news', 'through the page that is left');
  await stage.bus.see('through the page that is left');
});

test('a click may lead to another origin that the app named: it is opened, one tab of ours hears of it, and it counts once', async () => {
  await first.run(`pg.client.disconnect(); pg.options.clickOrigins = [${JSON.stringify(foreign.origin)}]; pg.options.url = pg.options.url; pg.start(); pg.client.notifications.foreground = 'always'; 0`);
  await stage.ready(first);
  await stage.allowNotifications(first);
  const id = await stage.gateway.publish('news', 'to another site', { notification: { url: `${foreign.origin}/there` } });
  stage.bus.click(await stage.bus.see('to another site'));
  await until('the other site to be opened', () => stage.browser.find('page', `${foreign.origin}/there`).length === 1);
  await until('the click to be counted', async () => (await stage.gateway.funnel(id)).clicked === 1);
  await until('the click to be heard', () => stage.app.clicks.length > 0);
  assert.deepEqual(stage.app.clicks.map((click) => click.id), [id]);
  // A tab of the other site that is there already is no window of ours: it is not focused but opened anew.
  const again = await stage.gateway.publish('news', 'to another site again', { notification: { url: `${foreign.origin}/there` } });
  stage.bus.click(await stage.bus.see('to another site again'));
  await until('a second tab of it', () => stage.browser.find('page', `${foreign.origin}/there`).length === 2);
  await until('the click to be counted', async () => (await stage.gateway.funnel(again)).clicked === 1);
  await until('the second click to be heard', () => stage.app.clicks.length === 2);
});

test('a click may lead nowhere else: the address of a stranger is not opened, and the click is still heard once', async () => {
  await first.bringToFront();
  const pages = stage.browser.find('page', '').length;
  for (const url of ['http://localhost:1/evil', 'javascript:alert(1)']) {
    stage.app.heard.length = 0;
    const title = `to ${url}`;
    const id = await stage.gateway.publish('news', title, { notification: { url } }).catch(({ status }) => status);
    // The gateway itself refuses what is no web address.
    if (id === 422) continue;
    stage.bus.click(await stage.bus.see(title));
    await until('the click to be heard', () => stage.app.clicks.length > 0);
    await until('the click to be counted', async () => (await stage.gateway.funnel(id)).clicked === 1);
    assert.deepEqual(stage.app.clicks.map((click) => click.id), [id]);
  }
  assert.equal(stage.browser.find('page', '').length, pages, 'no further page');
});

test("a notification of the app's own is not ours to answer", async () => {
  await first.run(`(async () => {
    const registration = await navigator.serviceWorker.getRegistration('/pulsegate/');
    await registration.showNotification('of the app itself', { data: { own: 1 } });
  })()`);
  stage.bus.click(await stage.bus.see('of the app itself'));
  const id = await stage.gateway.publish('news', 'ours, after it');
  stage.bus.click(await stage.bus.see('ours, after it'));
  await until('our click to be heard', () => stage.app.clicks.length > 0);
  assert.deepEqual(stage.app.clicks.map((click) => click.id), [id]);
});
