/** The SharedWorker tier: one worker for all tabs, whoever opened it. */
import { scriptUrl } from '../page/trusted.js';
import type { ToTab } from '../port/protocol.js';
import { diagnose, workerUrl, type TierOpener } from './tier.js';

/** See the top of the file. */
export const sharedWorker: TierOpener = {
  tier: 'shared-worker',
  open(address, events) {
    let port: MessagePort | undefined;
    let closed = false;
    const unsent: unknown[] = [];
    const start = (extended: boolean) => {
      const failed = () => {
        void diagnose(address.script).then((error) => {
          if (closed) return;
          // Another tab may have started it without; the values must agree. Asked for again in the same
          // breath, Firefox would say nothing for ever about a file that is not there.
          if (extended && error.code === 'worker-blocked') start(false);
          else events.failed(error);
        });
      };
      try {
        const options = extended ? { extendedLifetime: true } : {};
        const worker = new SharedWorker(scriptUrl(workerUrl(address)), options as WorkerOptions);
        worker.onerror = failed;
        port?.close();
        port = worker.port;
        port.onmessage = (event) => {
          unsent.length = 0;
          events.heard(event.data as ToTab);
        };
        // What was posted to a worker that never started is said again to the next.
        for (const message of unsent) port.postMessage(message);
      } catch {
        failed();
      }
    };
    start(true);
    return {
      post(message) {
        if (unsent.length < 16) unsent.push(message);
        port?.postMessage(message);
      },
      close() {
        closed = true;
        if (port) port.onmessage = null;
        port?.close();
      },
    };
  },
};
