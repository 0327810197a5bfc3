// Storms by hand: node storm.mjs [--seed N] [--seeds COUNT] [--events 1000] [--tier shared-worker|leader]
// One seed is played as its failure said; --seeds 500 plays 1 to 500, goes on after failures and counts.

import { parseArgs } from 'node:util';
import { setStage } from './lib/stage.mjs';
import { storm } from './lib/storm/storm.mjs';

const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' }, seeds: { type: 'string' }, events: { type: 'string', default: '1000' }, tier: { type: 'string', default: 'shared-worker' } } });
const first = Number(values.seed);
const last = first + Number(values.seeds ?? 1) - 1;
let failed = 0;
let stage;
for (let seed = first; seed <= last; seed++) {
  stage ??= await setStage({ proxy: true });
  try {
    const figures = await storm(stage, { seed, events: Number(values.events), tier: values.tier });
    console.log(`seed ${seed}: ${JSON.stringify(figures)}`);
  } catch (fault) {
    failed += 1;
    console.log(`seed ${seed}: FAILED\n${fault.message}\n`);
    // What it left behind shall not fail the next one.
    await stage.stop();
    stage = undefined;
  }
}
await stage?.stop();
console.log(`${last - first + 1} seeds of ${values.events} events, tier ${values.tier}: ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
