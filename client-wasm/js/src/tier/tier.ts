/**
 * How a tab reaches the worker that holds the browser's one connection.
 *
 * A tier opens a wire and says when it could not; what is said over it (`port/protocol.ts`) is the
 * same in all of them. Here is the SharedWorker tier; a leader among tabs and a device of the tab's
 * own are further implementations of the same interface.
 */
import type { Tier } from '../page/api.js';
import type { PushError } from '../page/error.js';
import type { ToTab, ToWorker } from '../port/protocol.js';

/** Where the worker is. */
export interface Address {
  /** The worker script, same origin. */
  script: URL;
  /** Which device: part of the worker's URL, so that each has its own. */
  key: string;
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
  /** Whether this browser has what it needs. */
  usable(): boolean;
  open(address: Address, events: WireEvents): Wire;
}
