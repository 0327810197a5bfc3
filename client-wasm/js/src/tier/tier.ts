/**
 * How a tab reaches the worker that holds the browser's one connection.
 *
 * A tier opens a wire and says when it could not; what is said over it (`port/protocol.ts`) is the
 * same in all of them: one SharedWorker (`shared.ts`), or a worker a tab (`dedicated.ts`).
 */
import type { Tier } from '../page/api.js';
import { PushError } from '../page/error.js';
import type { ToTab, ToWorker } from '../port/protocol.js';

/** Where the worker is. */
export interface Address {
  /** The worker script, same origin. */
  script: URL;
  /** Which device: part of the worker's URL, so that each has its own. */
  key: string;
  /** Its build, as its URL says: the page's own, until a worker of another one sends the tab over. */
  v: string;
  /** Numbers the worker after one that hung; 0 at first. */
  g: number;
}

/** What happens on a wire. */
export interface WireEvents {
  heard(message: ToTab): void;
  /** It could not be opened. Temporary errors are worth another try. */
  failed(error: PushError): void;
}

/** An open wire. */
export interface Wire {
  post(message: ToWorker): void;
  /** Nothing is heard any more. */
  close(): void;
}

/** A way to the worker. */
export interface TierOpener {
  readonly tier: Tier;
  open(address: Address, events: WireEvents): Wire;
}

/** URL of the worker: all tabs of one device and build come to the same. */
export function workerUrl({ script, v, key, g }: Address): URL {
  const url = new URL(script);
  url.searchParams.set('v', v);
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
    `${at} is there, but the browser does not run it as a worker: the page's Content-Security-Policy needs worker-src 'self' and allows trusted-types pulsegate`,
  );
}
