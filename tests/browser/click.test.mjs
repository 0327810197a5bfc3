// A real click on a real notification: the right tab comes forward, one tab hears of it, the
// funnel counts one.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { setStage } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

let stage;
let tabs;

before(async () => {
  stage = await setStage();
  tabs = [];
  for (const name of ['one', 'two', 'three']) tabs.push(await stage.open(name, { topic: 'news', foreground: 'always' }));
  await stage.allowNotifications(tabs[2]);
});

after(() => stage?.stop());

beforeEach(() => { stage.app.heard.length = 0; });

async function clickedOnce(id) {
  await until('the click to be counted', async () => (await stage.gateway.funnel(id)).clicked === 1);
  await until('the click to be heard', () => stage.app.clicks.length > 0);
  assert.deepEqual(stage.app.clicks.map((click) => click.id), [id], 'heard by exactly one tab');
}

test('a click on a notification focuses the tab that shows its address', async () => {
  const url = await tabs[0].run('location.href');
  const id = await stage.gateway.publish('news', 'to tab one', { notification: { url } });
  const pages = stage.browser.find('page', stage.app.origin).length;
  stage.bus.click(await stage.bus.see('to tab one'));
  await clickedOnce(id);
  assert.equal(stage.app.clicks[0].name, 'one', 'the tab of that address heard it');
  await until('tab one to be in front', () => tabs[0].inFront());
  assert.equal(stage.browser.find('page', stage.app.origin).length, pages, 'no further tab');
});

test('a click without an address focuses one tab of the app and is heard once', async () => {
  const id = await stage.gateway.publish('news', 'no address');
  stage.bus.click(await stage.bus.see('no address'));
  await clickedOnce(id);
});

test('a click on a button carries its action', async () => {
  const id = await stage.gateway.publish('news', 'with a button', { notification: { actions: [{ action: 'reply', title: 'Reply' }] } });
  const call = await stage.bus.see('with a button');
  assert.ok(call.actions.includes('Reply'), `the button is there: ${call.actions}`);
  // A button's key stands before its label.
  stage.bus.click(call, call.actions[call.actions.indexOf('Reply') - 1]);
  await clickedOnce(id);
  assert.equal(stage.app.clicks[0].action, 'reply');
});

test('clicking twice counts once', async () => {
  const id = await stage.gateway.publish('news', 'clicked twice');
  const call = await stage.bus.see('clicked twice');
  stage.bus.click(call);
  stage.bus.click(call);
  await until('the click to be counted', async () => (await stage.gateway.funnel(id)).clicked === 1);
  const next = await stage.gateway.publish('news', 'the next one');
  stage.bus.click(await stage.bus.see('the next one'));
  await until('the next click to be counted', async () => (await stage.gateway.funnel(next)).clicked === 1);
  assert.equal((await stage.gateway.funnel(id)).clicked, 1);
});

test('closing a notification counts it as dismissed, not clicked', async () => {
  const id = await stage.gateway.publish('news', 'closed by hand');
  stage.bus.dismiss(await stage.bus.see('closed by hand'));
  const funnel = await until('the dismissal to be counted', async () => {
    const now = await stage.gateway.funnel(id);
    return now.dismissed > 0 && now;
  });
  assert.equal(funnel.dismissed, 1);
  assert.equal(funnel.clicked, 0);
});

test('a click with no tab left opens the address, and the new tab hears of it', async () => {
  const url = stage.app.page({ url: stage.gateway.url, name: 'reopened', topic: 'news', foreground: 'always' });
  const id = await stage.gateway.publish('news', 'nobody is there', { notification: { url } });
  const call = await stage.bus.see('nobody is there');
  const keeper = await stage.browser.open('about:blank#keeper');
  for (const tab of tabs) await tab.close();
  await until('no tab of the app', () => stage.browser.find('page', stage.app.origin).length === 0);
  stage.bus.click(call);
  await until('the address to be opened', () => stage.browser.find('page', 'name=reopened').length === 1);
  await clickedOnce(id);
  assert.equal(stage.app.clicks[0].name, 'reopened');
  await keeper.close();
});
