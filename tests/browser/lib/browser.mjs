// Which browser the tests drive: `PULSEGATE_BROWSER=firefox`, else Chromium.

import { launch as launchChromium } from './chromium.mjs';
import { END_CHANNEL, launchFirefox } from './firefox.mjs';

export const inFirefox = process.env.PULSEGATE_BROWSER === 'firefox';

/** Starts the browser under test; see `chromium.mjs` and `firefox.mjs`. */
export const launch = inFirefox ? launchFirefox : launchChromium;

/**
 * What the app's server adds to the worker's script. Chromium ends a shared worker from outside;
 * Firefox's BiDi reaches no worker, so there the worker ends itself when it is told to.
 */
export const WORKER_END = inFirefox ? `\nif ('onconnect' in self) new BroadcastChannel('${END_CHANNEL}').onmessage = () => self.close();\n` : '';
