// People: who is signed in, in which tabs, whose token goes out, and what stays when they leave.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { freeze, wake } from './lib/lives.mjs';
import { heardBy, setStage, titles } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

let stage;
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulsegate-people-'));
  stage = await setStage({ proxy: true, profile: join(folder, 'profile') });
});

after(async () => {
  await stage?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** A tab whose client starts when the test says so. */
async function prepare(name, user, script = '', options) {
  const tab = await stage.openEarly(name, { user, later: '', quick: '' }, options);
  await until('the page', () => tab.run('Boolean(globalThis.pg?.loaded)'));
  await tab.run(`${script}; 0`);
  return tab;
}

const start = (tab) => tab.run('pg.start(); 0');
const status = (tab) => tab.run('pg.client.status');
const connected = (tab) => until('the connection', async () => (await status(tab)).state === 'connected')
  .catch(async (fault) => { throw new Error(`${fault.message}: ${await stage.tell(tab)}`); });
const close = (...tabs) => Promise.all(tabs.map((tab) => tab.close()));

/** Devices the gateway knows of a user. */
async function devices(user) {
  const answer = await fetch(`${stage.gateway.url}/v1/apps/shop/users/${user}`, { headers: { authorization: `Bearer ${stage.gateway.key}` } });
  return answer.status === 404 ? [] : (await answer.json()).registrations;
}

const databases = (tab) => tab.run("indexedDB.databases().then((all) => all.map(({ name }) => name).filter((name) => name.startsWith('pulsegate-')))");

test('one token is fetched for all tabs, by a visible one', async () => {
  const hidden = await prepare('hidden', 'ada');
  const visible = await prepare('visible', 'ada');
  await until('the first to be hidden', () => hidden.run("document.visibilityState === 'hidden'"));
  await Promise.all([start(hidden), start(visible)]);
  await connected(hidden);
  await connected(visible);
  // The worker may have been started by the hidden one alone; from then on the visible one is asked.
  stage.network.cut();
  await until('the connection to be lost', () => visible.run("pg.states.filter((state) => state === 'connected').length >= 2 || pg.client.status.reconnects > 0"));
  await connected(visible);
  const [first, second] = [await hidden.run('pg.tokens'), await visible.run('pg.tokens')];
  assert.ok(first + second <= 2, `${first} and ${second} tokens`);
  assert.equal((await devices('ada')).length, 1, 'one device');
  await close(hidden, visible);
});

test('a getToken that does not answer is passed over after five seconds; a frozen tab is never asked', async (t) => {
  const frozen = await prepare('frozen', 'bea');
  const hidden = await prepare('hidden', 'bea');
  const silent = await prepare('silent', 'bea', 'pg.getToken = () => new Promise(() => undefined)');
  await start(frozen);
  await connected(frozen);
  const asked = await frozen.run('pg.tokens');
  await start(hidden);
  await start(silent);
  await connected(silent);
  await until('three tabs', async () => (await status(silent)).tabs === 3);
  await freeze(frozen);
  await until('two tabs', async () => (await status(silent)).tabs === 2);
  // A new worker knows no token.
  const began = performance.now();
  for (const { targetId } of stage.browser.find('shared_worker', 'pulsegate-worker.js')) await stage.browser.send('Target.closeTarget', { targetId });
  await until('the silent one to be asked', () => silent.run('pg.tokens >= 1'));
  await until('the hidden one to be asked', () => hidden.run('pg.tokens >= 1'));
  const took = performance.now() - began;
  await connected(hidden);
  assert.ok(took > 4_900, `after ${took} ms`);
  assert.equal(await frozen.run('pg.tokens'), asked);
  t.diagnostic(`the visible tab did not answer; the hidden one was asked after ${(took / 1000).toFixed(1)} s`);
  await wake(frozen);
  await close(frozen, hidden, silent);
});

test('null means anonymous', async () => {
  const tab = await prepare('nobody', 'cy', 'pg.getToken = () => null');
  await start(tab);
  await connected(tab);
  assert.equal((await status(tab)).user ?? '', '');
  assert.equal((await devices('cy')).length, 0);
  await tab.close();
});

test('a user who is logged out is not asked again, in no tab; a tab that is opened later asks once more', async () => {
  const out = 'pg.getToken = () => { throw new pg.UnauthorizedError("logged out"); }';
  const tabs = [await prepare('one', 'dan', out), await prepare('two', 'dan', out)];
  for (const tab of tabs) await start(tab);
  for (const tab of tabs) await until('the client to stop', async () => (await status(tab)).state === 'closed');
  assert.equal((await status(tabs[0])).reason, 'unauthorized');
  const asked = async () => (await tabs[0].run('pg.tokens')) + (await tabs[1].run('pg.tokens'));
  const before = await asked();
  assert.ok(before <= 2, `asked ${before} times`);
  stage.network.cut();
  await tabs[1].bringToFront();
  const third = await stage.open('three', { user: 'dan' });
  await connected(third);
  assert.ok(await asked() <= before + 1, 'the others at most once more');
  for (const tab of tabs) await connected(tab);
  await close(...tabs, third);
});

test('while no tab gets a token the client is connecting, says why and when, and asks ever more seldom', async (t) => {
  const tab = await prepare('failing', 'eve', 'globalThis.asked = []; pg.getToken = () => { asked.push(performance.now()); if (pg.works) return pg.works(); throw new Error("the backend is down"); }');
  await start(tab);
  await until('a third try', () => tab.run('asked.length >= 3'), { within: 30_000 });
  const seen = await tab.run('pg.states');
  assert.ok(seen.includes('connecting:token-failed'), `${seen}`);
  assert.ok(!seen.includes('closed'), 'it does not give up');
  assert.match(await tab.run("pg.errors.find(({ code }) => code === 'token-failed').message"), /the backend is down/);
  const times = await tab.run('asked');
  t.diagnostic(`asked again after ${times.slice(1).map((at, index) => Math.round(at - times[index])).join(' and ')} ms`);
  await tab.run(`pg.works = async () => (await fetch('/token?user=eve')).text()`);
  await until('the connection', async () => (await status(tab)).state === 'connected', { within: 30_000 });
  await tab.close();
});

test('a token that the gateway does not take is no loop', async (t) => {
  // Signed by somebody else: refused, asked for anew, refused again.
  const wrong = stage.app.token('finn').replace(/\.[^.]*$/, '.AAAA');
  const tab = await prepare('refused', 'finn', `globalThis.asked = []; pg.getToken = ({ why }) => { asked.push(why); return ${JSON.stringify(wrong)}; }`);
  await start(tab);
  await until('the refusal', () => tab.run("asked.includes('refused')"));
  const until3 = performance.now() + 3_000;
  await until('three seconds', () => performance.now() > until3);
  const asked = await tab.run('asked');
  t.diagnostic(`in three seconds getToken was called for ${asked.join(', ')}`);
  assert.ok(asked.length <= 6, `${asked}`);
  assert.ok(await tab.run("pg.errors.some(({ code }) => code === 'unauthorized')"));
  await tab.close();
});

test('a token of somebody else is never sent', async () => {
  const tab = await prepare('mixed', 'gus', `pg.getToken = () => ${JSON.stringify(stage.app.token('hal'))}`);
  const links = stage.network.links;
  await start(tab);
  await until('the client to stop', async () => (await status(tab)).state === 'closed');
  assert.deepEqual(await tab.run('pg.errors.map(({ code }) => code)'), ['user-mismatch']);
  assert.deepEqual(await devices('hal'), []);
  assert.deepEqual(await devices('gus'), []);
  assert.ok(stage.network.links <= links + 1);
  await tab.close();
});

test('two people in two tabs of one browser see their own messages only', async () => {
  const [ida, jan] = [await stage.open('ida', { user: 'ida' }), await stage.open('jan', { user: 'jan' })];
  await stage.gateway.publish({ user: 'ida' }, 'for ida');
  await stage.gateway.publish({ user: 'jan' }, 'for jan');
  await heardBy(ida, 'for ida');
  await heardBy(jan, 'for jan');
  assert.deepEqual(await titles(ida), ['for ida']);
  assert.deepEqual(await titles(jan), ['for jan']);
  assert.equal((await databases(ida)).length >= 2, true, 'a device each');
  await close(ida, jan);
});

test('signing out ends it in all tabs, wipes the inbox, closes what is shown, and signing in again is a new device', async () => {
  const tabs = [await stage.open('kim', { user: 'kim', foreground: 'always' }), await stage.open('kim too', { user: 'kim' })];
  await stage.allowNotifications(tabs[0]);
  await stage.gateway.publish({ user: 'kim' }, 'still on the screen');
  await stage.bus.see('still on the screen');
  const [{ id }] = await devices('kim');
  await tabs[0].run('pg.client.forget()');
  assert.equal((await status(tabs[0])).state, 'closed');
  assert.equal((await status(tabs[0])).reason, 'forgotten');
  await until('the other tab to be told', async () => (await status(tabs[1])).state === 'closed');
  await stage.bus.unseen('still on the screen');
  await until('no device of hers', async () => (await devices('kim')).length === 0);
  await tabs[0].run('pg.start(); 0');
  await connected(tabs[0]);
  const again = await until('a device', async () => (await devices('kim'))[0]);
  assert.notEqual(again.id, id);
  await stage.gateway.publish({ user: 'kim' }, 'to the new device');
  await heardBy(tabs[0], 'to the new device');
  await close(...tabs);
});

test('when somebody else signs in, what the one before had is wiped and taken off the screen', async () => {
  const lea = await stage.open('lea', { user: 'lea', idle: '', foreground: 'always' });
  await stage.allowNotifications(lea);
  const mine = await databases(lea);
  await stage.gateway.publish({ user: 'lea' }, 'a secret of lea');
  await stage.bus.see('a secret of lea');
  const max = await stage.open('max', { user: 'max' });
  const [his] = (await databases(max)).filter((name) => !mine.includes(name));
  // That her worker is another one by now does not make her the one who came last.
  for (const { targetId } of stage.browser.find('shared_worker', 'pulsegate-worker.js')) await stage.browser.send('Target.closeTarget', { targetId });
  await stage.ready(lea);
  await stage.ready(max);
  await lea.close();
  await stage.bus.unseen('a secret of lea', { within: 30_000 });
  await until("nobody's database but his", async () => (await databases(max)).join() === his, { within: 30_000 })
    .catch(async (fault) => { throw new Error(`${fault.message}: ${await databases(max)}; hers ${mine}, his ${his}; locks ${await max.run('navigator.locks.query().then((all) => JSON.stringify(all))')}`); });
  assert.deepEqual(await titles(max), []);
  await max.close();
});

test('signing out without a network is kept over a restart of the browser until the gateway confirms it', async () => {
  const tab = await stage.open('nia', { user: 'nia' });
  const [{ id }] = await devices('nia');
  stage.network.down();
  await tab.run('pg.client.forget()');
  assert.equal((await status(tab)).reason, 'forgotten');
  await stage.browser.close();
  assert.equal((await devices('nia'))[0].id, id, 'the gateway does not know yet');
  await stage.startBrowser();
  // Somebody else comes first: the secret is still needed, and stays.
  const other = await stage.openEarly('ole', { user: 'ole' });
  await until('the page', () => other.run('Boolean(globalThis.pg?.loaded)'));
  stage.network.heal();
  await connected(other);
  await other.close();
  const again = await stage.open('nia', { user: 'nia' });
  await until('the old device to be gone, and a new one', async () => {
    const now = await devices('nia');
    return now.length === 1 && now[0].id !== id;
  }, { within: 20_000 });
  await stage.gateway.publish({ user: 'nia' }, 'welcome back');
  await heardBy(again, 'welcome back');
  await again.close();
});
