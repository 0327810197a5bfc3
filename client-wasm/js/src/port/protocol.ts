/**
 * What a tab and the worker say to each other over a port.
 *
 * Both sides first exchange their build and the versions they speak, and speak the lower of the two
 * newest. Growth is compatible: an unknown `t` is ignored.
 */
import type { ForegroundPolicy, NotificationContent, Status } from '../page/api.js';
import type { PushErrorCode } from '../page/error.js';

/** The newest version of this protocol that this build speaks. */
export const PORT_VERSION = 1;
/** The oldest one: the version before the newest, as soon as there is one. */
export const PORT_OLDEST = 1;
/** Messages a tab may have without having finished them. */
export const CREDIT = 64;
/** A tab asks the worker for a sign of life this often, and gives up after two without. */
export const PING_MS = 5_000;
/** How long a tab has for a token, and how long for a pop-up. */
export const TOKEN_MS = 5_000;
export const SHOW_MS = 1_000;

/** Which device of which app at which gateway; equal for all tabs of one worker. */
export interface Config {
  /** Base of the gateway, `http:` or `https:`, without a trailing slash. */
  url: string;
  app: string;
  /** Empty: anonymous. */
  user: string;
}

/** A message as it travels to a tab and to the notification it becomes. */
export interface MessageData {
  id: string;
  log: string;
  body: string;
  /** JSON text of the published `ext`, or empty. */
  ext: string;
  note?: NotificationContent;
  published: number;
  expires: number;
  urgency: number;
  key: string;
}

/** An error as it travels; the page has the words for it (`page/texts.ts`). */
export interface ErrorData {
  /** A number: the gateway's error or close code. */
  code: PushErrorCode | number;
  /** What it is about: a topic, an address, a close code, what was thrown. */
  detail: string;
  temporary?: boolean;
}

/** How a tab's handlers did with a message: all returned, one threw, or there was none. */
export type Outcome = 'ok' | 'failed' | 'none';

/** What `getToken` of a tab came to. */
export type TokenAnswer = { token: string | null } | { unauthorized: string } | { failed: string };

/** Something a tab asks for and gets one answer to. */
export type Ask =
  | { op: 'unsubscribe'; topic: string }
  | { op: 'topics' }
  | { op: 'tags'; add: string[]; remove: string[] }
  | { op: 'forget' }
  | { op: 'clicks'; since: number };

/** A click that waits for its tab. */
export interface ClickData {
  id: string;
  action: string;
  url: string;
  note: NotificationContent;
  ext: string;
  /** Unix ms. */
  at: number;
  /** Opened a window for it: the tab at this URL hears of it. */
  opened: boolean;
}

/** Tab to worker. */
export type ToWorker =
  | {
      t: 'hello';
      v: number;
      oldest: number;
      build: string;
      config: Config;
      /** Whether this tab can fetch tokens. */
      tokens: boolean;
      /** Name of the Web Lock this tab holds as long as it lives; empty where there are no locks. */
      lock: string;
      visible: boolean;
      online: boolean;
      /** Whether a pop-up could be shown through this tab now. */
      shows: boolean;
      permission: string;
      /** Last place this tab had from a worker, if it had one. */
      place?: number;
      /** What it listens to already, so that nothing is taken for none of its business. */
      all?: boolean;
      topics?: [topic: string, durable: boolean][];
    }
  /** Nothing may be posted to it any more: it goes, or (`frozen`) may come back over a new port and read on from `place`. */
  | { t: 'bye'; frozen: boolean; place?: number | undefined }
  | { t: 'ping'; i: number }
  | { t: 'visible'; visible: boolean }
  | { t: 'online'; online: boolean }
  | { t: 'shows'; shows: boolean; permission: string }
  | { t: 'listen'; all: boolean }
  | { t: 'attach'; topic: string; durable: boolean }
  | { t: 'detach'; topic: string }
  | { t: 'done'; n: number; id: string; outcome: Outcome }
  | { t: 'foreground'; policy: ForegroundPolicy }
  /** Answers `token` with a `TokenAnswer`, and `show` with whether it is shown. */
  | { t: 'reply'; i: number; value: TokenAnswer | boolean }
  | { t: 'ask'; i: number; ask: Ask };

/** Worker to tab. */
export type ToTab =
  | {
      t: 'hello';
      v: number;
      build: string;
      /** Name of the Web Lock the worker holds as long as it lives; empty where there are no locks. */
      life: string;
      foreground: ForegroundPolicy;
      /** Name of this device's database, which the service worker opens too. */
      db: string;
    }
  | { t: 'outdated'; build: string; v: number }
  /** Another worker holds the device now, and knows nothing of this tab: say hello. */
  | { t: 'introduce' }
  /** The tab's own worker is about to end by a trap. */
  | { t: 'died' }
  | { t: 'pong'; i: number }
  /** From here on messages are posted to it. */
  | { t: 'place'; n: number }
  | { t: 'status'; status: Status }
  | { t: 'message'; n: number; m: MessageData }
  | { t: 'subscribed'; topic: string; recovered: boolean; replayed: number }
  | { t: 'refused'; topic: string; error: ErrorData }
  | { t: 'gap'; log: string; reason: string }
  | { t: 'foreground'; policy: ForegroundPolicy }
  | { t: 'token'; i: number; why: 'connect' | 'refresh' | 'refused'; user: string }
  | { t: 'show'; i: number; m: MessageData; again: boolean }
  /** Close what is shown: these messages, or, without ids, everything of `db`'s device, by default this one. */
  | { t: 'close'; ids?: string[]; db?: string }
  | { t: 'answer'; i: number; value?: unknown; error?: ErrorData }
  | { t: 'error'; error: ErrorData }
  /** A newer worker runs there: come over. */
  | { t: 'move'; url: string };

/** A message without what only the inbox knows of it. */
export function plain({ id, log, body, ext, note, published, expires, urgency, key }: MessageData): MessageData {
  return { id, log, body, ext, published, expires, urgency, key, ...(note && { note }) };
}

/** What our notifications carry, so that the service worker can answer a click on one. */
export interface NotificationData {
  pulsegate: 1;
  db: string;
  id: string;
  url: string;
  /** Action name to URL. */
  urls: Record<string, string>;
  note: NotificationContent;
  ext: string;
  clickOrigins: string[];
}

/** The tag a message's notification is shown under. */
export function tagOf(m: { id: string; note?: NotificationContent }): string {
  return m.note?.tag || `pulsegate-${m.id}`;
}

/** The version two sides speak, or 0 if there is none. */
export function agree(mine: [number, number], theirs: [number, number]): number {
  const v = Math.min(mine[0], theirs[0]);
  return v >= mine[1] && v >= theirs[1] ? v : 0;
}

/** Which worker, database and locks belong to (gateway, app, user): 64 bits in hex. */
export function keyOf(config: Config): string {
  // cyrb53's mixing over two lanes; names only have to differ, not to resist anybody.
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (const c of JSON.stringify([config.url, config.app, config.user])) {
    const x = c.codePointAt(0) ?? 0;
    a = Math.imul(a ^ x, 2654435761);
    b = Math.imul(b ^ x, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (b >>> 0).toString(16).padStart(8, '0') + (a >>> 0).toString(16).padStart(8, '0');
}
