/**
 * A worker of the tab's own: where there is no SharedWorker, or nothing to share by.
 *
 * As `leader` it takes part in the election of the one that holds the socket, and carries what this
 * tab and that one say (`worker/relay.ts`). As `ephemeral` it is a device for this tab alone. Ending
 * it ends its channels, locks and socket in the same turn, as a page on its way into the
 * back/forward cache must.
 */
import { scriptUrl } from '../page/trusted.js';
import type { ToTab } from '../port/protocol.js';
import { diagnose, workerUrl, type TierOpener } from './tier.js';

/** See the top of the file. */
export const dedicated = (tier: 'leader' | 'ephemeral'): TierOpener => ({
  tier,
  open(address, events) {
    let worker: Worker | undefined;
    let closed = false;
    const failed = () => {
      void diagnose(address.script).then((error) => {
        if (!closed) events.failed(error);
      });
    };
    try {
      const url = workerUrl(address);
      url.searchParams.set('t', tier);
      worker = new Worker(scriptUrl(url));
      worker.onmessage = (event) => events.heard(event.data as ToTab);
      // With a message, something was thrown by a script that runs: its death is told in other ways.
      worker.onerror = (event) => event.message ?? failed();
    } catch {
      failed();
    }
    return {
      post: (message) => worker?.postMessage(message),
      close() {
        closed = true;
        worker?.terminate();
      },
    };
  },
});
