/**
 * `pulsegate-worker.js`: one classic script in all roles.
 *
 * Listeners are added in the first synchronous turn: a service worker that adds them later never
 * hears the event that started it.
 */
import type { ToTab } from '../port/protocol.js';
import { serveNotifications } from '../sw/main.js';
import { Hub } from './hub.js';
import { Relay, type OwnScope } from './relay.js';

interface AnyWorkerScope extends OwnScope {
  readonly registration?: unknown;
  readonly SharedWorkerGlobalScope?: unknown;
  onconnect?: (event: MessageEvent) => void;
  addEventListener(type: string, listener: (event: never) => void): void;
}

const scope = self as unknown as AnyWorkerScope;

if (scope.registration) {
  serveNotifications();
} else {
  const shared = scope.SharedWorkerGlobalScope !== undefined;
  // A trap leaves the core in no state to go on: the tabs start a new worker.
  const trapped = (error: unknown) => {
    if (!(error instanceof WebAssembly.RuntimeError)) return;
    if (!shared) scope.postMessage({ t: 'died' } satisfies ToTab);
    scope.close();
  };
  scope.addEventListener('error', (event: ErrorEvent) => trapped(event.error));
  scope.addEventListener('unhandledrejection', (event: PromiseRejectionEvent) => trapped(event.reason));
  if (shared) {
    const hub = new Hub(scope, 'shared-worker');
    scope.onconnect = (event) => hub.connect(event.ports[0] as MessagePort);
  } else if (new URL(scope.location.href).searchParams.get('t') === 'ephemeral') {
    new Hub(scope, 'ephemeral').connect(scope);
  } else {
    new Relay(scope);
  }
}
