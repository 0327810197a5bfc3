// A disk that is full, and has room again.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { heardBy, setStage } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

let stage;
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulsegate-profiles-'));
  stage = await setStage({
    profile: join(folder, 'profile'),
    app: { extra: { '/other': '<!doctype html><title>another site</title>' } },
  });
});

after(async () => {
  await stage?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const open = (name = 'tab', more) => stage.open(name, { topic: 'news', foreground: 'always', ...more });
const registrationOf = (tab) => tab.run('pg.client.status.registration');
const codes = (tab) => tab.run('pg.errors.map(({ code }) => code)');
/** Name of the device's database, and of its second copy. */
const deviceOf = (tab) => tab.run("indexedDB.databases().then((all) => all.find(({ name }) => name.startsWith('pulsegate-')).name)");

/** Ids of messages that the database knows as handled. */
const leftOf = async (tab) => tab.run(`new Promise((done) => {
  indexedDB.open(${JSON.stringify(await deviceOf(tab))}).onsuccess = ({ target: { result: db } }) => {
    db.transaction('done').objectStore('done').getAll().onsuccess = ({ target: { result } }) => { db.close(); done(result.map(({ id }) => id)); };
  };
})`);

/**
 * How much the site may store from now on; asked from another site, before this one stores anything:
 * the browser remembers for half a minute how much room there was.
 */
async function allow(quotaSize) {
  const other = await stage.browser.open(`${stage.app.origin.replace('127.0.0.1', 'localhost')}/other`);
  await other.send('Storage.overrideQuotaForOrigin', { origin: stage.app.origin, quotaSize });
  return other;
}

let filled;
let registration;
const full = [];

test('when the disk is full messages are handled and shown from memory, acked after that, and the app is told once', { timeout: 60_000 }, async () => {
  await allow(1_500_000);
  filled = await open();
  await stage.allowNotifications(filled);
  registration = await registrationOf(filled);
  const publish = async () => {
    const title = `filling ${full.length}`;
    full.push({ title, id: await stage.gateway.publish('news', title, { body: 'x'.repeat(40_000) }) });
    await heardBy(filled, title);
  };
  await until('the disk to be full', async () => {
    await publish();
    return (await codes(filled)).includes('storage');
  }, { within: 50_000 });
  for (let count = 0; count < 5; count++) await publish();
  for (const { title, id } of full) {
    await stage.bus.see(title);
    await until('the ack', async () => (await stage.gateway.funnel(id)).received === 1);
  }
  assert.deepEqual(await codes(filled), ['storage'], 'told once');
});

test('a browser that starts on a full disk goes on as the same device', async () => {
  await stage.browser.close();
  await stage.startBrowser();
  await allow(1);
  filled = await open();
  await stage.gateway.publish('news', 'on a full disk');
  await heardBy(filled, 'on a full disk');
  await stage.bus.see('on a full disk');
  assert.deepEqual(await codes(filled), ['storage']);
  assert.equal(await registrationOf(filled), registration);
});

test('when there is room again all is kept that happened in memory', { timeout: 90_000 }, async () => {
  await filled.send('Storage.overrideQuotaForOrigin', { origin: stage.app.origin });
  const last = await stage.gateway.publish('news', 'last on a full disk');
  await until('the database to know of it', async () => (await leftOf(filled)).includes(last), { within: 60_000 });
  stage.app.heard.length = 0;
  await stage.browser.killSharedWorker();
  await stage.gateway.publish('news', 'kept');
  await heardBy(filled, 'kept');
  assert.deepEqual(stage.app.handled.map(({ title }) => title), ['kept'], 'nothing else is handled again');
  for (const title of ['last on a full disk', 'kept']) {
    await stage.bus.see(title);
    assert.equal(stage.bus.times(title), 1);
  }
  assert.equal(await registrationOf(filled), registration);
  assert.deepEqual(await filled.run('pg.gaps'), []);
  await filled.close();
});
