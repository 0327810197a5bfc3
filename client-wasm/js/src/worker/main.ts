/**
 * `pulsegate-worker.js`: one classic script in three roles.
 *
 * Listeners are added in the first synchronous turn: a service worker that adds them later never
 * hears the event that started it.
 */
import { serveNotifications } from '../sw/main.js';
import { Hub } from './hub.js';

interface AnyWorkerScope {
  readonly registration?: unknown;
  readonly SharedWorkerGlobalScope?: unknown;
  onconnect?: (event: MessageEvent) => void;
  close(): void;
  location: { href: string };
  addEventListener(type: string, listener: (event: never) => void): void;
}

const scope = self as unknown as AnyWorkerScope;

if (scope.registration) {
  serveNotifications();
} else if (scope.SharedWorkerGlobalScope) {
  // A trap leaves the core in no state to go on: the tabs start a new worker.
  const trapped = (error: unknown) => {
    if (error instanceof WebAssembly.RuntimeError) scope.close();
  };
  scope.addEventListener('error', (event: ErrorEvent) => trapped(event.error));
  scope.addEventListener('unhandledrejection', (event: PromiseRejectionEvent) => trapped(event.reason));
  const hub = new Hub(scope);
  scope.onconnect = (event) => hub.connect(event.ports[0] as MessagePort);
}
// A dedicated worker, the tier of browsers without SharedWorker, has nothing to say yet: no page opens one.
