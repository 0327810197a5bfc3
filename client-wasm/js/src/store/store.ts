/** What is kept of a device: rows and values as they lie in the database, which outlives a build. */
import type { ForegroundPolicy } from '../page/api.js';
import type { MessageData } from '../port/protocol.js';

export type { Change, Store } from './change.js';

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

/** A newer holder has written here: this worker has nothing to say any more. */
export class Superseded extends Error {}

/** Roughly what a message weighs in the inbox. */
export function weigh(m: MessageData): number {
  return JSON.stringify(m).length * 2;
}
