/**
 * Where a device is kept, and what is written there at once: two stores obey this, IndexedDB (`idb.ts`), and
 * plain memory (`memory.ts`) where that fails.
 */
import type { ClickData, Config } from '../port/protocol.js';
import type { Done, Kept, Loaded, Receipt, Row, Superseded } from './store.js';

/** What changes in one transaction. */
export interface Change {
  /** Messages that came. */
  rows?: Row[];
  /** Handled or shown: flags of rows that stay. */
  flags?: { n: number; h: 0 | 1; p: 0 | 1 }[];
  /** Rows that leave, with what is remembered of them. */
  done?: Done[];
  /** Done rows that need not be remembered any longer: all below this. */
  forgetBelow?: number | undefined;
  receipts?: Receipt[];
  /** Receipts that arrived. */
  sent?: number[];
  kept?: Partial<Kept>;
  /** First drop everything that came of messages: the device is another one now. */
  wipe?: boolean | undefined;
}

/** Where a device is kept. */
export interface Store {
  /** False: what is written here is gone with the worker. */
  readonly durable: boolean;
  /** The one that failed and may be well again, and what it has to learn then. */
  readonly below?: Store | undefined;
  readonly unwritten?: Change;
  /** Takes over: whoever claimed before writes nothing any more. */
  claim(now: number, config: Config): Promise<void>;
  load(): Promise<Loaded>;
  /** All of it or nothing; `strict`: on the disk before this resolves. Throws {@link Superseded}. */
  write(change: Change, strict: boolean): Promise<void>;
  /** Notes that a message was shown, or (not `sure`) is about to be, without waiting for what else is being written. */
  shown(id: string, sure: boolean): Promise<void>;
  /** Rows by place; those that are gone are left out. */
  rows(places: number[]): Promise<Row[]>;
  /** Receipts that somebody else, the service worker, queued meanwhile are included. */
  receipts(): Promise<Receipt[]>;
  /**
   * Takes clicks for a tab out of the queue: those that focused it, or, with `since`, those that
   * opened a window not before it was loaded (Unix ms).
   */
  takeClicks(since: number): Promise<ClickData[]>;
  close(): void;
}
