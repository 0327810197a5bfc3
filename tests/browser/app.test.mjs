// What an app brings along: tokens of its backend, a strict policy, a service worker of its own.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heardBy, setStage } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

const STRICT = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types pulsegate";
const WORKER = "script-src 'self' 'wasm-unsafe-eval'; connect-src *";
const OWN_WORKER = `
addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
addEventListener('fetch', (event) => {
  if (new URL(event.request.url).pathname === '/own') event.respondWith(new Response('from the worker of the app'));
});`;
let stage;

before(async () => {
  stage = await setStage({
    proxy: true,
    app: {
      headers: ({ pathname, searchParams }) => {
        if (pathname.startsWith('/pulsegate-worker')) return { 'content-security-policy': WORKER };
        return searchParams.get('name') === 'strict' ? { 'content-security-policy': STRICT } : {};
      },
      extra: { '/own-sw.js': OWN_WORKER },
    },
  });
});

after(() => stage?.stop());

test('a page with a strict policy connects, shows and breaks no rule', async () => {
  const tab = await stage.open('strict', { topic: 'news', foreground: 'always' });
  await tab.run("globalThis.broken = []; document.addEventListener('securitypolicyviolation', (event) => broken.push(event.violatedDirective + ' ' + event.blockedURI))");
  await stage.allowNotifications(tab);
  await stage.gateway.publish('news', 'to a strict page');
  await heardBy(tab, 'to a strict page');
  await stage.bus.see('to a strict page');
  assert.deepEqual(await tab.run('broken'), []);
  assert.deepEqual(tab.console.filter((line) => /Content Security Policy|TrustedScript/.test(line)), []);
  await tab.close();
});

test("an app's own service worker stays in charge of its pages", async () => {
  const tab = await stage.open('own', { topic: 'news', foreground: 'always' });
  await tab.run("navigator.serviceWorker.register('/own-sw.js').then(() => navigator.serviceWorker.ready)");
  await until('the app to be controlled by its own worker', () => tab.run("navigator.serviceWorker.controller?.scriptURL.endsWith('/own-sw.js')"));
  await stage.allowNotifications(tab);
  await stage.gateway.publish('news', 'beside another worker');
  await stage.bus.see('beside another worker');
  const scopes = await tab.run('navigator.serviceWorker.getRegistrations().then((all) => all.map(({ scope }) => new URL(scope).pathname).sort())');
  assert.deepEqual(scopes, ['/', '/pulsegate/']);
  assert.ok(await tab.run("navigator.serviceWorker.controller.scriptURL.endsWith('/own-sw.js')"));
  assert.equal(await tab.run("fetch('/own').then((answer) => answer.text())"), 'from the worker of the app');
  await tab.close();
});

test('a user is known by the token its backend signed, asked for once for all tabs', async () => {
  stage.app.tokensGiven = 0;
  const one = await stage.open('one', { user: 'ann', topic: 'news' });
  const two = await stage.open('two', { user: 'ann', topic: 'news' });
  assert.equal(stage.app.tokensGiven, 1);
  await stage.gateway.publish({ user: 'ann' }, 'to ann');
  await heardBy(one, 'to ann');
  await heardBy(two, 'to ann');
  assert.equal(await one.run('pg.client.status.user'), 'ann');
  await one.close();
  await two.close();
});

test('a topic that the token does not grant is refused by name', async () => {
  stage.app.tokenTopics = ['news', 'team/+'];
  const tab = await stage.open('narrow', { user: 'bob', topic: 'team/a' });
  await tab.run("pg.subscribe('secret')");
  await until('the refusal', () => tab.run("pg.subs.secret === 'topic-denied'"));
  await stage.gateway.publish('team/a', 'still heard');
  await heardBy(tab, 'still heard');
  stage.app.tokenTopics = ['#'];
  await tab.close();
});

test('a token that ends is renewed without a break', async () => {
  // The gateway says so 30 s before a short-lived token's end: with 32 s to live after two seconds.
  stage.app.tokenLife = 32;
  const tab = await stage.open('short', { user: 'cleo', topic: 'news' });
  await until('a second token', () => tab.run('pg.tokens >= 2'), { within: 20_000 });
  stage.app.tokenLife = 600;
  const states = await tab.run('pg.states');
  assert.deepEqual(states.slice(states.indexOf('connected')).filter((state) => state !== 'connected'), [], 'no break since the first time');
  await stage.gateway.publish({ user: 'cleo' }, 'to cleo');
  await heardBy(tab, 'to cleo');
  await tab.close();
});

test('a user who is logged out is not asked again and again', async () => {
  stage.app.tokenLife = 0;
  const tab = await stage.openEarly('out', { user: 'dora' });
  await until('the client to close', () => tab.run("pg.client.status.state === 'closed'"));
  assert.equal(await tab.run('pg.tokens'), 1);
  assert.equal(await tab.run('pg.errors[0].code'), 'unauthorized');
  stage.app.tokenLife = 600;
  await tab.close();
});

test('forget drops the device and its messages', async () => {
  const tab = await stage.open('leaving', { user: 'emil', topic: 'news' });
  await tab.run('pg.client.forget()');
  await until('the client to be closed', () => tab.run("['closed', 'disconnected'].includes(pg.client.status.state)"));
  await until('no device of that user', async () => {
    const answer = await fetch(`${stage.gateway.url}/v1/apps/shop/users/emil`, { headers: { authorization: `Bearer ${stage.gateway.key}` } });
    return answer.status === 404 || (await answer.json()).registrations?.length === 0;
  });
  await tab.close();
});

test('a missing worker file is named as such', async () => {
  const tab = await stage.openEarly('lost', { worker: '/nowhere.js' });
  await until('the error', () => tab.run("pg.errors.some(({ code }) => code === 'worker-missing' || code === 'worker-blocked')"));
  await tab.close();
});

test('a page without a network connects when it comes back', async () => {
  stage.network.down();
  const tab = await stage.openEarly('early', { topic: 'news' });
  await until('the client to try', () => tab.run("pg.states.some((state) => state.startsWith('connecting'))"));
  await stage.gateway.publish('news', 'before the subscription');
  stage.network.heal();
  await stage.ready(tab);
  await stage.gateway.publish('news', 'after the network');
  await heardBy(tab, 'after the network');
  await tab.close();
});
