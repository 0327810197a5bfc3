/**
 * The core's host: what the Rust session asks for, done with storage and tabs.
 *
 * `Say` and the cases of `tell` are the contract with `client-wasm/src/driver.rs` and `host.rs`.
 */
import { boot, type Input } from '#core';
import type { State } from '../page/api.js';
import type { Config, ErrorData, MessageData } from '../port/protocol.js';
import type { Cursors, Identity, Kept, Loaded, Receipt } from '../store/store.js';
import { decode, decodeMessage } from './decode.js';
import type { Topics } from './topics.js';
import { uuidBytes, uuidText } from './uuid.js';

/** Kinds of `Core.input`. */
export const enum Say {
  start = 0,
  stop = 1,
  online = 2,
  offline = 3,
  network = 4,
  visible = 5,
  forget = 6,
  hold = 7,
  goOn = 8,
  tokenUnavailable = 9,
  tokenDenied = 10,
  cursor = 11,
  begin = 12,
  saved = 13,
  stored = 14,
  storeFailed = 15,
  token = 16,
  anonymous = 17,
  subscribe = 18,
  unsubscribe = 19,
  tags = 20,
  receipt = 21,
  report = 22,
  activity = 23,
  gateway = 24,
  gateways = 25,
  heartbeat = 26,
  make = 100,
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A message as it came from the gateway. */
export interface Incoming {
  m: MessageData;
  /** False: `ttl_s: 0`. */
  stored: boolean;
}

/** A batch the session wants in one transaction. */
export interface Batch {
  messages: Incoming[];
  recalls: string[];
  cursors: Cursors;
}

/** The worker, as the link needs it. */
export interface LinkOwner {
  /** Resolves when the batch is safe: on the disk, or handled where there is none. */
  store(batch: Batch): Promise<void>;
  /** Rejects if it cannot be kept. */
  keep(kept: Partial<Kept>): Promise<void>;
  wipe(why: 'other-registration' | 'refused' | 'forgotten'): void;
  state(state: State, reason: string | undefined): void;
  welcomed(registration: string, user: string, session: string, topics: string[]): void;
  /** Subscriptions are nobody else's business. */
  readonly topics: Topics;
  gap(log: string, reason: string): void;
  receiptsTaken(count: number): void;
  needToken(why: 'connect' | 'refresh' | 'refused'): void;
  forgotten(): void;
  error(error: ErrorData): void;
  heard(beat: boolean): void;
}

const STATES = 'disconnected connecting connected offline closed'.split(' ') as State[];
const GAPS = 'unspecified retention epoch-changed cursor-ahead corrupt'.split(' ');
const TOKEN_WHYS = ['connect', 'refresh', 'refused', 'refused'] as const;
const WIPES = ['other-registration', 'refused', 'forgotten'] as const;

/** By the number of the session's reason; close codes are numbers from 1000. */
const REASONS = [
  ,
  ,
  'unreachable',
  'silent',
  'silent',
  'token-failed',
  'unauthorized',
  'unauthorized',
  'forgotten',
  ,
  'protocol-violation',
];

/** The WebSocket of the gateway at `url`. */
export function socketUrl(url: string): string {
  return `${url.replace(/^http/, 'ws')}/v1/connect`;
}

/** What the gateway's logs show; the browser says itself who it is, at the upgrade. */
export function agent(): string {
  return `pulsegate-js/${__BUILD__.split('+')[0]}`;
}

/** See the top of the file. */
export class Link {
  readonly #owner: LinkOwner;
  readonly #input: Input;
  #batch: Batch = { messages: [], recalls: [], cursors: {} };
  #cursors: Cursors = {};
  #wishes = new Map<number, (error: number) => void>();
  #wish = 0;
  /** Resolves when what the device is has been written. */
  #kept: Promise<void> = Promise.resolve();
  readonly #url: string;

  /** `kept`: false: nothing outlives the worker, so the device is to end with its link. */
  constructor(core: WebAssembly.Module, config: Config, kept: boolean, owner: LinkOwner) {
    this.#owner = owner;
    this.#url = config.url;
    this.#input = boot(core, (kind, x, y, bytes) => this.#tell(kind, x, y, bytes));
    const seed = new Float64Array(crypto.getRandomValues(new Uint8Array(8)).buffer)[0] as number;
    const words = [socketUrl(config.url), config.app, agent(), kept ? '' : 'ephemeral'];
    this.say(Say.make, seed, config.user ? 1 : 0, words.join('\n'));
  }

  /** Tells the session something; which arguments count is said in `driver.rs`. */
  say(kind: number, x = 0, y = 0, text: string | Uint8Array = ''): void {
    this.#input(kind, x, y, typeof text === 'string' ? encode(text) : text);
  }

  /** Takes the device over, as storage holds it, and connects. */
  begin(loaded: Loaded, known: string[]): void {
    this.#cursors = { ...loaded.cursors };
    for (const [log, [epoch, seq]] of Object.entries(loaded.cursors)) this.say(Say.cursor, epoch, seq, log);
    this.say(Say.heartbeat, -new Date().getTimezoneOffset(), 0, Uint8Array.from(loaded.heartbeat));
    const { registration = '', secret = [] } = loaded.identity ?? {};
    const bytes = [registration.length, ...encode(registration), ...secret];
    for (const id of known) bytes.push(...uuidBytes(id));
    this.say(Say.begin, loaded.generation, loaded.forgetting ? -Date.now() : Date.now(), Uint8Array.from(bytes));
  }

  /** A stage that a message reached; told with `Say.report`. */
  receipt({ id, stage, at, action }: Receipt): void {
    this.say(Say.receipt, stage, at, Uint8Array.from([...uuidBytes(id), ...encode(action)]));
  }

  /** Changes tags; the promise ends with the gateway's answer, 0 if it took them. */
  tags(add: string[], remove: string[]): Promise<number> {
    this.#wish += 1;
    const lines = [...add.map((tag) => `+${tag}`), ...remove.map((tag) => `-${tag}`)];
    return new Promise((resolve) => {
      this.#wishes.set(this.#wish, resolve);
      this.say(Say.tags, this.#wish, 0, lines.join('\n'));
    });
  }

  /** Called by the core. */
  #tell(kind: number, x: number, y: number, bytes: Uint8Array): void {
    const owner = this.#owner;
    // Of the kinds that are no text, nobody reads it.
    const text = decode(bytes);
    switch (kind) {
      case 0:
        return owner.needToken(TOKEN_WHYS[x] as 'connect');
      case 1:
        this.#batch.messages.push(incoming(x > 0, bytes));
        return;
      case 2:
        this.#batch.recalls.push(uuidText(bytes));
        return;
      case 3:
        this.#cursors[text] = [x, y];
        return;
      case 4:
        delete this.#cursors[text];
        return;
      case 5:
        return this.#commit(x);
      case 6:
        this.#kept = owner.keep({ identity: identityOf(bytes), generation: x, forgetting: y > 0 });
        void this.#kept.then(() => this.say(Say.saved));
        return;
      case 7:
        this.#cursors = {};
        this.#batch = { messages: [], recalls: [], cursors: {} };
        return owner.wipe(WIPES[x] as 'forgotten');
      case 21:
        void owner.keep({ heartbeat: [...bytes] });
        return;
      default:
        // Nobody is told of a device before it is known on the disk: a worker that died before would have lost it silently.
        void this.#kept.then(() => this.#told(kind, x, y, text));
    }
  }

  #told(kind: number, x: number, y: number, text: string): void {
    const owner = this.#owner;
    switch (kind) {
      case 8:
        return owner.state(STATES[x] as State, y >= 1000 ? `${y}` : REASONS[y]);
      case 9: {
        // Each line ends with a newline, so the last piece is empty.
        const [registration = '', user = '', session = '', ...topics] = text.split('\n').slice(0, -1);
        return owner.welcomed(registration, user, session, topics);
      }
      case 10:
        return owner.topics.subscribed(text, x > 0);
      case 11:
        return owner.topics.refused(text, x);
      case 12:
        return owner.topics.unsubscribed(text);
      case 13:
        this.#wishes.get(x)?.(y);
        this.#wishes.delete(x);
        return;
      case 14:
        return owner.topics.ended(text);
      case 15:
        return owner.gap(text, GAPS[x] as string);
      case 16:
        return owner.receiptsTaken(x);
      case 17:
        return owner.forgotten();
      case 18:
        return this.#fault(x, y, text);
      case 19:
        return owner.heard(x > 0);
      case 20:
        void this.#gateways();
        return;
      default:
    }
  }

  /** The gateways of the list, told to the core. Without a list the configured one is alone: nothing is to be said. */
  async #gateways(): Promise<void> {
    try {
      const { gateways, ttl_s } = await (await fetch(`${this.#url}/v1/gateways`)).json();
      for (const { url, weight } of gateways) this.say(Say.gateway, weight, 0, url === this.#url ? '' : socketUrl(url));
      this.say(Say.gateways, ttl_s);
    } catch {
      // Nobody answers, or it is no list: the core asks again when it is worth it.
    }
  }

  #commit(no: number): void {
    const batch = { ...this.#batch, cursors: { ...this.#cursors } };
    this.#batch = { messages: [], recalls: [], cursors: {} };
    void this.#owner.store(batch).then(
      () => this.say(Say.stored, no),
      () => this.say(Say.storeFailed, no),
    );
  }

  #fault(what: number, code: number, text: string): void {
    // 3, storage, was told where it happened. A refused refresh leaves the old token until it ends.
    if (what === 0) this.#owner.error({ code, detail: text });
    else if (what < 3) this.#owner.error({ code: 'unauthorized', detail: text || `${code}`, temporary: what === 2 });
  }
}

function identityOf(bytes: Uint8Array): Identity | null {
  return bytes.length > 0 ? { secret: [...bytes.slice(0, 32)], registration: decode(bytes.subarray(32)) } : null;
}

/** The log after its length in a byte, then the message as the gateway wrote it. */
function incoming(stored: boolean, bytes: Uint8Array): Incoming {
  const end = 1 + (bytes[0] ?? 0);
  return { m: decodeMessage(decode(bytes.subarray(1, end)), bytes.subarray(end)), stored };
}
