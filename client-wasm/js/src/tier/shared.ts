/** The SharedWorker tier: one worker for all tabs, whoever opened it. */
import { PushError } from '../page/error.js';
import { scriptUrl } from '../page/trusted.js';
import type { ToTab } from '../port/protocol.js';
import type { Address, TierOpener, Wire, WireEvents } from './tier.js';

/** URL of the worker: all tabs of one device and build come to the same. */
export function workerUrl({ script, key, g }: Address): URL {
  const url = new URL(script);
  url.searchParams.set('v', __BUILD__);
  url.searchParams.set('k', key);
  if (g > 0) url.searchParams.set('g', String(g));
  return url;
}

/** Why a worker could not be started: the browser does not say, but the script's answer does. */
export async function diagnose(script: URL): Promise<PushError> {
  const at = `${script.origin}${script.pathname}`;
  const init = 'put it there with: npx pulsegate init public/';
  let response: Response;
  try {
    response = await fetch(script, { cache: 'no-cache' });
  } catch (cause) {
    return new PushError('worker-missing', `${at} could not be fetched`, { cause, temporary: true });
  }
  if (response.status >= 500) {
    return new PushError('worker-missing', `${at} answered ${response.status}`, { temporary: true });
  }
  if (!response.ok) return new PushError('worker-missing', `${at} answered ${response.status}; ${init}`);
  const type = response.headers.get('content-type') ?? '';
  if (!/javascript/i.test(type)) {
    return new PushError('worker-missing', `${at} is "${type}", not a script (an app's fallback page?); ${init}`);
  }
  return new PushError(
    'worker-blocked',
    `${at} is there, but the browser does not run it as a worker: the page's Content-Security-Policy needs worker-src 'self'`,
  );
}

/** See the top of the file. */
export const sharedWorker: TierOpener = {
  tier: 'shared-worker',
  usable: () => typeof SharedWorker === 'function',
  open(address: Address, events: WireEvents): Wire {
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
