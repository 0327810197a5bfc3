// The short storms of every run: twenty seeds, half of them on each tier, so that all of them together are no
// longer than two. The long form is `node storm.mjs --seeds 500`, a thousand events a seed on a tier.

import { setStage } from '../stage.mjs';
import { storm } from './storm.mjs';

const SEEDS = 20;
const EVENTS = 40;

/** The seeds of a tier. */
export const seedsOf = (tier) => Array.from({ length: SEEDS }, (_, index) => index + 1).filter((seed) => (seed % 2 === 1) === (tier === 'shared-worker'));

/** Plays the storms of a tier, one after the other in one browser; what a failed one left behind fails no other. */
export class Storms {
  #tier;
  #stage;

  constructor(tier) {
    this.#tier = tier;
  }

  async play(t, seed) {
    this.#stage ??= await setStage({ proxy: true });
    try {
      const { messages, handled, lives, told, doubted, unheard, took } = await storm(this.#stage, { seed, events: EVENTS, tier: this.#tier });
      t.diagnostic(`${EVENTS} events, ${lives} lives of tabs, ${messages} messages, handled ${handled} times, ${told} told as a gap after a full disk, ${doubted} pop-ups in doubt, ${unheard} words lost, ${took} ms`);
    } catch (fault) {
      await this.stop();
      throw fault;
    }
  }

  async stop() {
    const stage = this.#stage;
    this.#stage = undefined;
    await stage?.stop();
  }
}
