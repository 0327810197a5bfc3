// The whole browser killed under traffic, and what a person and the app saw of it afterwards.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { doubled, setStage } from './stage.mjs';
import { until } from './until.mjs';

const PAGE = { topic: 'news', foreground: 'always', canary: '' };

const number = (title) => Number(title.split(' ').at(-1));
/** Every second message is a notification, every other one data for the app alone. */
const isShown = (name) => number(name) % 2 === 0;

/**
 * Publishes as fast as the browser takes it, kills it `kills` times after a random number of
 * messages or in the middle of its start, each time followed by `death(profile)`, and waits for the rest.
 * Nothing may be lost, nothing shown twice. Answers with how often the browser lost its database.
 */
export async function killUnderTraffic(t, kills, death = () => {}) {
  const folder = await mkdtemp(join(tmpdir(), 'pulsegate-profiles-'));
  const profile = join(folder, 'profile');
  const stage = await setStage({ profile });
  let flowing = true;
  t.after(async () => {
    flowing = false;
    await stage.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  // How often a page met an origin without any database, beyond the first time.
  const losses = () => stage.app.heard.filter(({ what }) => what === 'no-database').length - 1;
  let tab = await stage.open('tab', PAGE);
  await stage.allowNotifications(tab);
  const accepted = [];
  const handled = () => new Set(stage.app.handled.map(({ body }) => body));
  const arrived = () => new Set([...handled(), ...stage.bus.popUps]);
  const traffic = (async () => {
    while (flowing) {
      const name = `flow ${accepted.length}`;
      if (isShown(name)) await stage.gateway.publish('news', name);
      else await stage.gateway.publishData('news', name);
      accepted.push(name);
      // No further ahead than the browser could be when it dies.
      await until('the browser to follow', () => !flowing || accepted.length - arrived().size < 40, { within: 60_000 });
    }
  })();
  for (let kill = 0; kill < kills; kill++) {
    const enough = arrived().size + Math.floor(Math.random() * 25);
    await until('traffic', () => arrived().size >= enough, { within: 30_000 }).catch(async (fault) => {
      throw new Error(`${fault.message}; kill ${kill}, ${accepted.length} accepted, ${arrived().size} arrived, ${await stage.tell(tab)}`);
    });
    await stage.browser.kill();
    await death(profile);
    await stage.startBrowser();
    tab = await stage.openEarly('tab', PAGE);
  }
  flowing = false;
  await traffic;
  await stage.ready(tab);
  const missing = () => {
    const have = arrived();
    return accepted.filter((name) => !have.has(name));
  };
  await until('every accepted message to arrive', () => missing().length === 0, { within: 30_000 })
    .catch(async (fault) => { throw new Error(`${fault.message}; missing ${missing()}; ${await stage.tell(tab)}`); });
  // Pop-ups come in order: once this one is there all others are decided, but for those in doubt.
  await stage.gateway.publish('news', 'the last');
  await stage.bus.see('the last', { within: 60_000 });
  // Whether a person saw the pop-up that was on its way to the screen when the power went nobody can
  // know: a handler may answer for it. That is one a kill.
  const due = accepted.filter(isShown);
  const unseen = () => due.filter((name) => stage.bus.times(name) === 0);
  assert.ok(unseen().length <= kills, `not shown: ${unseen()}`);
  const shown = stage.bus.popUps;
  t.diagnostic(`${kills} kills, the database lost ${losses()} times; ${accepted.length} accepted, ${accepted.length - missing().length} arrived; ` +
    `${due.length} notifications, ${shown.length - 1} pop-ups, ${unseen().length} in doubt left to a handler; ` +
    `${stage.app.handled.length - handled().size} messages handled again`);
  assert.deepEqual(doubled(shown), [], 'shown twice');
  assert.deepEqual(stage.app.gaps, [], 'nothing was missed, so nothing is told');
  for (const life of stage.app.lives) {
    const came = life.map(({ body }) => number(body)).filter((no) => !Number.isNaN(no));
    assert.deepEqual(came, [...came].sort((a, b) => a - b), 'in the order of the log');
  }
  return losses();
}
