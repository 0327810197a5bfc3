// The storm where SharedWorker is missing: the tabs elect a leader among them.

import { after, test } from 'node:test';
import { Storms, seedsOf } from './lib/storm/seeds.mjs';

const storms = new Storms('leader');
after(() => storms.stop());

for (const seed of seedsOf('leader')) {
  test(`storm ${seed}: every message is handled once by each tab and shown once, nothing is lost, nothing of somebody else seen`, (t) => storms.play(t, seed));
}
