/**
 * What is kept of a device, and who may write it.
 *
 * Two stores obey this: IndexedDB (`idb.ts`), and plain memory (`memory.ts`) where that fails.
 */
import type { ForegroundPolicy } from '../page/api.js';
import type { ClickData, Config, MessageData } from '../port/protocol.js';

/** A message in the inbox. */
export interface Row extends MessageData {
  /** Place in this browser: in order of arrival, so also in order within each log. */
  n: number;
  /** 1: a tab handled it. */
  h: 0 | 1;
  /** 1: whether a pop-up is due is still open. */
  p: 0 | 1;
  /** About how much room it takes. */
  bytes: number;
}

/** What is remembered of a message that left the inbox, so that it is not taken for a new one. */
export interface Done {
  n: number;
  id: string;
  log: string;
  /** The tag it was shown under, or empty. */
  tag: string;
}

/** Who this device is at its gateway. */
export interface Identity {
  registration: string;
  /** 32 bytes. */
  secret: number[];
}

/** Log name to [epoch, seq]. */
export type Cursors = Record<string, [number, number]>;

/** A receipt that waits for its way to the gateway. */
export interface Receipt {
  /** Place in the queue; given by the store. */
  q?: number;
  id: string;
  /** `Stage` of the contract. */
  stage: number;
  at: number;
  action: string;
}

/** What is kept of a device beside its messages: each under its name. */
export interface Kept {
  identity: Identity | null;
  /** A registration that asked to be forgotten and has no confirmation yet. */
  forgetting: boolean;
  /** Last generation used towards the gateway. */
  generation: number;
  /** Where the logs are. */
  cursors: Cursors;
  /** Topics of this device, as last stored by the gateway. */
  topics: string[];
  /** Those of them that only lasted as long as a tab listened. */
  fleeting: string[];
  /** Topics of which something was lost while no tab listened. */
  lost: string[];
  foreground: ForegroundPolicy;
  /** Messages whose shown notification has yet to be taken back. */
  closes: string[];
  /** Until then a page at rest may come back and ask for what others handled meanwhile, Unix ms. */
  rests: number;
  /** What the heartbeat remembers of networks: bytes of the core's. */
  heartbeat: number[];
}

/** Everything that is loaded when a worker starts. */
export interface Loaded extends Kept {
  rows: Row[];
  done: Done[];
  receipts: Receipt[];
  /** Messages that were shown of late; false: perhaps. Whoever meets such a message takes it out. */
  shown: Map<string, boolean>;
}

/** What a device that is new has. */
export const NOTHING: Loaded = {
  identity: null,
  forgetting: false,
  generation: 0,
  cursors: {},
  topics: [],
  fleeting: [],
  lost: [],
  foreground: 'hidden-only',
  rows: [],
  done: [],
  receipts: [],
  closes: [],
  rests: 0,
  heartbeat: [],
  shown: new Map(),
};

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

/** A newer holder has written here: this worker has nothing to say any more. */
export class Superseded extends Error {}

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

/** Roughly what a message weighs in the inbox. */
export function weigh(m: MessageData): number {
  return JSON.stringify(m).length * 2;
}
