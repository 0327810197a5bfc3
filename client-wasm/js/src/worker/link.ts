/**
 * The core's host: what the Rust session asks for, done with storage and tabs.
 *
 * The names are the contract with `client-wasm/src/host.rs`; numbers are the variants of the
 * session's enums in the order of `perform.rs`.
 */
import { Core } from '#core';
import type { NotificationContent, State } from '../page/api.js';
import type { PushErrorCode } from '../page/error.js';
import type { Config, ErrorData, MessageData } from '../port/protocol.js';
import type { Change, Cursors, Loaded } from '../store/store.js';
import { uuidBytes, uuidText } from './uuid.js';

/** Signals of `Core.signal`. */
export const SIGNAL = {
  start: 0,
  stop: 1,
  online: 2,
  offline: 3,
  network: 4,
  visible: 5,
  forget: 6,
  hold: 7,
  goOn: 8,
  tokenUnavailable: 9,
  tokenDenied: 10,
} as const;

/** A message as it came from the gateway. */
export interface Incoming {
  m: MessageData;
  /** False: `ttl_s: 0`. */
  stored: boolean;
}

/** A batch the session wants in one transaction. */
export interface Batch {
  messages: Incoming[];
  recalls: { id: string; tag: string }[];
  cursors: Cursors;
}

/** The worker, as the link needs it. */
export interface LinkOwner {
  /** Resolves when the batch is safe: on the disk, or handled where there is none. */
  store(batch: Batch): Promise<void>;
  /** Rejects if it cannot be kept. */
  keep(change: Change): Promise<void>;
  wipe(why: 'other-registration' | 'refused' | 'forgotten'): void;
  state(state: State, reason: string | undefined): void;
  welcomed(registration: string, user: string, session: string, topics: string[]): void;
  subscribed(topic: string, recovered: boolean): void;
  refused(topic: string, code: number): void;
  unsubscribed(topic: string): void;
  logEnded(log: string, code: number): void;
  gap(log: string, reason: string): void;
  receiptsTaken(count: number): void;
  needToken(why: 'connect' | 'refresh' | 'refused'): void;
  forgotten(): void;
  error(error: ErrorData): void;
  heard(beat: boolean): void;
}

const STATES: readonly State[] = ['disconnected', 'connecting', 'connected', 'offline', 'closed'];
const GAPS = ['unspecified', 'retention', 'epoch-changed', 'cursor-ahead', 'corrupt'];
const TOKEN_WHYS = ['connect', 'refresh', 'refused', 'refused'] as const;
const WIPES = ['other-registration', 'refused', 'forgotten'] as const;

/** The code of the app's error for a close by the gateway. */
export function closeError(code: number): PushErrorCode {
  if (code === 4401) return 'unauthorized';
  if (code === 4403) return 'forbidden';
  if (code === 4426) return 'version-unsupported';
  if (code === 4529) return 'rate-limited';
  if (code >= 4400 && code < 4500) return 'protocol-violation';
  return 'unavailable';
}

function reasonText(reason: number, code: number): string | undefined {
  switch (reason) {
    case 0:
      return undefined;
    case 1:
      return `${closeError(code)} (${code})`;
    case 2:
      return 'the gateway could not be reached or the connection broke';
    case 3:
      return 'the connection fell silent';
    case 4:
      return 'the gateway did not answer in time';
    case 5:
      return 'token-failed';
    case 6:
    case 7:
      return 'unauthorized';
    case 8:
      return 'forgotten';
    case 9:
      return 'no tab is connected';
    default:
      return 'protocol-violation';
  }
}

/** The WebSocket of the gateway at `url`. */
export function socketUrl(url: string): string {
  return `${url.replace(/^http/, 'ws')}/v1/connect`;
}

/** Software and browser, as the gateway's logs and console show it. */
export function agent(): string {
  const ua = navigator.userAgent;
  const browser = /(Firefox|Edg|OPR|Chrome)\/(\d+)/.exec(ua) ?? /(Version)\/(\d+).*Safari/.exec(ua);
  const name = browser ? ` ${browser[1] === 'Version' ? 'Safari' : browser[1]}/${browser[2]}` : '';
  return `pulsegate-js/${__BUILD__.split('+')[0]}${name}`;
}

/** See the top of the file. */
export class Link {
  readonly core: Core;
  readonly #owner: LinkOwner;
  #batch: Batch = { messages: [], recalls: [], cursors: {} };
  #cursors: Cursors = {};
  #wishes = new Map<number, (error: number) => void>();
  #wish = 0;

  constructor(config: Config, owner: LinkOwner) {
    this.#owner = owner;
    const seed = new Float64Array(crypto.getRandomValues(new Uint8Array(8)).buffer)[0] as number;
    this.core = new Core(this, socketUrl(config.url), config.app, agent(), config.user !== '', seed);
  }

  /** Takes the device over, as storage holds it, and connects. */
  begin(loaded: Loaded, known: string[]): void {
    this.#cursors = { ...loaded.cursors };
    for (const [log, [epoch, seq]] of Object.entries(loaded.cursors)) this.core.cursor(log, epoch, seq);
    const recent = new Uint8Array(known.length * 16);
    known.forEach((id, i) => recent.set(uuidBytes(id), i * 16));
    const { registration, secret } = loaded.identity ?? { registration: '', secret: new Uint8Array() };
    this.core.begin(registration, secret, loaded.generation, loaded.forgetting, recent, Date.now());
  }

  /** Changes tags; the promise ends with the gateway's answer, 0 if it took them. */
  tags(add: string[], remove: string[]): Promise<number> {
    this.#wish += 1;
    const wish = this.#wish;
    return new Promise((resolve) => {
      this.#wishes.set(wish, resolve);
      if (!this.core.tags(wish, add.join('\n'), remove.join('\n'))) {
        this.#wishes.delete(wish);
        resolve(400);
      }
    });
  }

  // ------------------------------------------------------------------ called by the core

  needToken(why: number): void {
    this.#owner.needToken(TOKEN_WHYS[why] ?? 'connect');
  }

  message(
    log: string,
    stored: boolean,
    id: Uint8Array,
    texts: string[],
    flags: number,
    published: number,
    expires: number,
  ): void {
    const [body = '', ext = '', key = ''] = texts;
    const m: MessageData = { id: uuidText(id), log, body, ext, published, expires, urgency: flags & 3, key };
    if (flags & 4) m.note = noteOf(texts.slice(3), flags);
    this.#batch.messages.push({ m, stored });
  }

  recall(id: Uint8Array, tag: string): void {
    this.#batch.recalls.push({ id: uuidText(id), tag });
  }

  cursor(log: string, epoch: number, seq: number): void {
    this.#cursors[log] = [epoch, seq];
  }

  ended(log: string): void {
    delete this.#cursors[log];
  }

  commit(no: number): void {
    const batch = { ...this.#batch, cursors: { ...this.#cursors } };
    this.#batch = { messages: [], recalls: [], cursors: {} };
    void this.#owner.store(batch).then(
      () => this.core.stored(no),
      () => this.core.storeFailed(no),
    );
  }

  save(registration: string, secret: Uint8Array, generation: number, forgetting: boolean): void {
    const identity = registration ? { registration, secret } : null;
    void this.#owner.keep({ identity, generation, forgetting }).then(() => this.core.saved());
  }

  wipe(why: number): void {
    this.#cursors = {};
    this.#batch = { messages: [], recalls: [], cursors: {} };
    this.#owner.wipe(WIPES[why] ?? 'forgotten');
  }

  state(state: number, reason: number, code: number): void {
    this.#owner.state(STATES[state] ?? 'closed', reasonText(reason, code));
  }

  welcomed(registration: string, user: string, session: string, topics: string[]): void {
    this.#owner.welcomed(registration, user, session, topics);
  }

  subscribed(topic: string, recovered: boolean): void {
    this.#owner.subscribed(topic, recovered);
  }

  refused(topic: string, error: number): void {
    this.#owner.refused(topic, error);
  }

  unsubscribed(topic: string): void {
    this.#owner.unsubscribed(topic);
  }

  settled(wish: number, error: number): void {
    this.#wishes.get(wish)?.(error);
    this.#wishes.delete(wish);
  }

  logEnded(log: string, why: number): void {
    this.#owner.logEnded(log, why);
  }

  gap(log: string, reason: number): void {
    this.#owner.gap(log, GAPS[reason] ?? 'unspecified');
  }

  receiptsTaken(count: number): void {
    this.#owner.receiptsTaken(count);
  }

  forgotten(): void {
    this.#owner.forgotten();
  }

  fault(kind: number, code: number, text: string): void {
    const detail = text ? `: ${text}` : '';
    if (kind === 0) {
      this.#owner.error({ code: closeError(code), message: `the gateway closed with ${code}${detail}` });
    } else if (kind === 1) {
      this.#owner.error({ code: 'unauthorized', message: `the gateway refuses the token${detail}` });
    } else if (kind === 2) {
      this.#owner.error({
        code: 'unauthorized',
        message: `the gateway refused the new token (${code}); the old one is used until it expires`,
        temporary: true,
      });
    }
    // 3, storage: told where it happened.
  }

  heard(beat: boolean): void {
    this.#owner.heard(beat);
  }
}

function noteOf(texts: string[], flags: number): NotificationContent {
  const [title = '', body = '', icon, image, badge, url, tag, lang, dir] = texts;
  const actions = [];
  for (let i = 9; i + 3 < texts.length; i += 4) {
    const [action = '', label = '', actionIcon, actionUrl] = texts.slice(i, i + 4);
    actions.push({
      action,
      title: label,
      ...(actionIcon && { icon: actionIcon }),
      ...(actionUrl && { url: actionUrl }),
    });
  }
  return {
    title,
    body,
    ...(icon && { icon }),
    ...(image && { image }),
    ...(badge && { badge }),
    ...(url && { url }),
    ...(tag && { tag }),
    ...(lang && { lang }),
    ...(dir && { dir }),
    ...(actions.length > 0 && { actions }),
    ...(!!(flags & 8) && { requireInteraction: true }),
    ...(!!(flags & 16) && { silent: true }),
    ...(!!(flags & 32) && { renotify: true }),
  };
}
