// Eight tabs in a storm: random events, the same for the same seed, where tabs share a SharedWorker. What has to
// hold is written at the top of lib/storm/ledger.mjs; a failure prints its events and how to see it again.

import { after, test } from 'node:test';
import { Storms, seedsOf } from './lib/storm/seeds.mjs';

const storms = new Storms('shared-worker');
after(() => storms.stop());

for (const seed of seedsOf('shared-worker')) {
  test(`storm ${seed}: every message is handled once by each tab and shown once, nothing is lost, nothing of somebody else seen`, (t) => storms.play(t, seed));
}
