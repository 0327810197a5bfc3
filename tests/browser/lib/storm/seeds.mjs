// The short storms that run every time: each seed a test, all in one browser.

import { after, before, test } from 'node:test';
import { setStage } from '../stage.mjs';
import { storm } from './storm.mjs';

const SEEDS = 20;
/** Together 1,000 events a tier; the long form is `node storm.mjs --seeds 500`, 1,000 events a seed. */
const EVENTS = 50;

export function storms(tier) {
  let stage;
  before(async () => { stage = await setStage({ proxy: true }); });
  after(() => stage?.stop());
  for (let seed = 1; seed <= SEEDS; seed++) {
    test(`storm ${seed}: every message is handled once by each tab and shown once, nothing is lost, nothing of somebody else seen`, async (t) => {
      const { messages, handled, lives, told, took } = await storm(stage, { seed, events: EVENTS, tier });
      t.diagnostic(`${EVENTS} events, ${lives} lives of tabs, ${messages} messages, handled ${handled} times, ${told} told as a gap after a worker's death, ${took} ms`);
    });
  }
}
