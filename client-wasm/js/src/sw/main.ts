/**
 * The service worker: it shows nothing by itself; it answers clicks and closes, and sends their
 * receipts from a queue in IndexedDB.
 *
 * Its scope controls no page, so the pages it focuses navigate themselves.
 */
import type { ClickData, Config, NotificationData } from '../port/protocol.js';
import { committed, openDatabase, result } from '../store/idb.js';
import type { Identity, Receipt, Row } from '../store/store.js';
import { encodeReport } from './report.js';

const CLICKED = 3;
const DISMISSED = 4;

interface WindowClient {
  readonly url: string;
  readonly visibilityState: string;
  focus(): Promise<unknown>;
  postMessage(message: unknown): void;
}

interface NotificationEventLike extends Event {
  readonly action: string;
  readonly notification: Notification;
  waitUntil(promise: Promise<unknown>): void;
}

interface ServiceWorkerScope {
  readonly clients: {
    matchAll(options: { type: 'window'; includeUncontrolled: true }): Promise<WindowClient[]>;
    openWindow(url: string): Promise<unknown>;
    claim(): Promise<void>;
  };
  readonly location: Location;
  skipWaiting(): Promise<void>;
  addEventListener(type: string, listener: (event: never) => void): void;
}

const scope = self as unknown as ServiceWorkerScope;

/** Adds the listeners, in the first turn. */
export function serveNotifications(): void {
  scope.addEventListener('install', () => void scope.skipWaiting());
  scope.addEventListener('notificationclick', (event: NotificationEventLike) => {
    const data = dataOf(event.notification);
    event.notification.close();
    if (data) event.waitUntil(clicked(data, event.action));
  });
  scope.addEventListener('notificationclose', (event: NotificationEventLike) => {
    const data = dataOf(event.notification);
    if (data) event.waitUntil(note(data, DISMISSED, '').then(report, () => undefined));
  });
}

function dataOf(notification: Notification): NotificationData | undefined {
  const data = notification.data as NotificationData | undefined;
  return data?.pulsegate === 1 ? data : undefined;
}

/** Where a click may go: the same origin, or one the app named. */
export function targetOf(data: NotificationData, action: string, origin: string): { url: string; foreign: boolean } {
  const wanted = (action && data.urls[action]) || data.url;
  if (!wanted) return { url: '', foreign: false };
  try {
    const url = new URL(wanted, origin);
    if (url.origin === origin) return { url: url.href, foreign: false };
    if (url.protocol.startsWith('http') && data.clickOrigins.includes(url.origin)) return { url: url.href, foreign: true };
  } catch {
    // No URL: the click is heard, and goes nowhere.
  }
  return { url: '', foreign: false };
}

async function clicked(data: NotificationData, action: string): Promise<void> {
  const { url, foreign } = targetOf(data, action, scope.location.origin);
  const windows = await scope.clients.matchAll({ type: 'window', includeUncontrolled: true });
  // Another site's tab cannot be told: of a click that leads there one of ours hears, if there is one.
  const there = choose(windows, foreign ? '' : url);
  const opened = !there;
  const click: ClickData = { id: data.id, action, url, note: data.note, ext: data.ext, at: Date.now(), opened };
  // Opening and focusing are allowed for a moment after the click only: before anything is written.
  const moved = there && !foreign
    ? there.focus().catch(() => undefined)
    : scope.clients.openWindow(url || scope.location.origin).catch(() => undefined);
  const db = await note(data, CLICKED, action, foreign && opened ? undefined : click).catch(() => undefined);
  const opener = await moved;
  (there ?? (opener as WindowClient | null | undefined))?.postMessage({ pulsegate: 'click', db: data.db });
  if (db) await report(db);
}

/** The tab that shows the URL; for a click that goes nowhere any tab, one that is seen first. */
export function choose<T extends { url: string; visibilityState: string }>(windows: T[], url: string): T | undefined {
  const bare = (text: string) => text.split('#')[0];
  if (url) return windows.find((w) => w.url === url) ?? windows.find((w) => bare(w.url) === bare(url));
  return windows.find((w) => w.visibilityState === 'visible') ?? windows[0];
}

/**
 * In one transaction: the receipt, the click that waits for its tab, and that the message needs no pop-up
 * any more. A device that is gone, with its database, is not made anew for that.
 */
async function note(data: NotificationData, stage: number, action: string, click?: ClickData): Promise<IDBDatabase> {
  const db = await openDatabase(data.db, () => undefined, false);
  const tx = db.transaction(['inbox', 'receipts', 'clicks'], 'readwrite', { durability: 'strict' });
  tx.objectStore('receipts').put({ id: data.id, stage, at: Date.now(), action });
  if (click) tx.objectStore('clicks').put(click);
  const inbox = tx.objectStore('inbox');
  inbox.index('id').get(data.id).onsuccess = (event) => {
    const row = (event.target as IDBRequest<Row | undefined>).result;
    if (row) inbox.put({ ...row, h: 1, p: 0 });
  };
  await committed(tx);
  return db;
}

/** Sends the queue; what does not arrive stays for the next time, or for the worker's link. */
async function report(db: IDBDatabase): Promise<void> {
  try {
    const tx = db.transaction(['kv', 'receipts'], 'readonly');
    const [config, identity, receipts] = await Promise.all([
      result<Config | undefined>(tx.objectStore('kv').get('config')),
      result<Identity | undefined>(tx.objectStore('kv').get('identity')),
      result<Receipt[]>(tx.objectStore('receipts').getAll(null, 1_000)),
    ]);
    if (!config || !identity || !receipts.length) return;
    const secret = btoa(String.fromCharCode(...identity.secret)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
    const response = await fetch(`${config.url}/v1/apps/${config.app}/receipts`, {
      method: 'POST',
      keepalive: true,
      headers: {
        authorization: `Registration ${identity.registration}.${secret}`,
        'content-type': 'application/x-protobuf',
      },
      body: encodeReport(receipts) as BodyInit,
    });
    if (!response.ok) return;
    const done = db.transaction('receipts', 'readwrite');
    for (const { q } of receipts) done.objectStore('receipts').delete(q as number);
    await committed(done);
  } catch {
    // Offline: the queue is there when somebody comes back.
  } finally {
    db.close();
  }
}
