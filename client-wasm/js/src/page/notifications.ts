/**
 * Notifications of this tab: permission, our service worker, showing and taking back.
 *
 * The service worker's scope is a folder no page is in, so it takes over nobody's own worker.
 */
import { tagOf, type MessageData, type NotificationData } from '../port/protocol.js';
import type { ForegroundPolicy, Notifications } from './api.js';
import { PushError } from './error.js';
import { scriptUrl } from './trusted.js';

/** The tab, as notifications need it. */
export interface NotificationsOwner {
  readonly script: URL;
  readonly clickOrigins: readonly string[];
  /** Whether pop-ups can be shown through this tab changed. */
  changed(): void;
  policySet(policy: ForegroundPolicy): void;
  failed(error: PushError): void;
  /** The service worker says that a click waits. */
  clicked(db: string): void;
}

/** See the top of the file. */
export class PageNotifications implements Notifications {
  /** Name of this device's database, once the worker said it. */
  db = '';
  #foreground: ForegroundPolicy = 'hidden-only';
  #registration: ServiceWorkerRegistration | undefined;
  /** The last pop-up asked for. */
  #showing: Promise<void> | undefined;
  #setup: Promise<void> | undefined;
  readonly #owner: NotificationsOwner;

  constructor(owner: NotificationsOwner) {
    this.#owner = owner;
  }

  get permission(): NotificationPermission | 'unsupported' {
    return supported() ? Notification.permission : 'unsupported';
  }

  get foreground(): ForegroundPolicy {
    return this.#foreground;
  }

  set foreground(policy: ForegroundPolicy) {
    this.#foreground = policy;
    this.#owner.policySet(policy);
  }

  /** The browser's setting, as another tab or an earlier day left it. */
  foregroundTold(policy: ForegroundPolicy): void {
    this.#foreground = policy;
  }

  /** Whether a pop-up could be shown now. */
  get shows(): boolean {
    return this.#registration !== undefined && this.permission === 'granted';
  }

  async enable(): Promise<void> {
    if (!supported()) {
      throw new PushError('notification-unsupported', 'this browser shows no notifications for web pages');
    }
    // Before any await: the click that allows the prompt is over after it.
    const answer = await Notification.requestPermission();
    if (answer !== 'granted') {
      throw new PushError('notification-denied', `the person answered "${answer}"`);
    }
    await this.setUp();
    // Asked for here only: some browsers prompt for it.
    void navigator.storage?.persist?.().catch(() => false);
  }

  /** Registers silently where permission is there already; later calls share the first one's fate. */
  setUp(): Promise<void> {
    return (this.#setup ??= this.#register().catch((cause: unknown) => {
      this.#setup = undefined;
      throw new PushError('notification-failed', `the service worker could not be set up: ${String(cause)}`, { cause });
    }));
  }

  /** At start: what a click on an earlier page left may be waiting. */
  begin(signal: AbortSignal): void {
    if (!supported()) return;
    const container = navigator.serviceWorker;
    container.addEventListener(
      'message',
      (event) => {
        const data = event.data as { pulsegate?: string; db?: string } | null;
        if (data?.pulsegate === 'click' && data.db) this.#owner.clicked(data.db);
      },
      { signal },
    );
    container.startMessages();
    const silently = () => {
      if (Notification.permission === 'granted') this.setUp().catch((e: PushError) => this.#owner.failed(e));
    };
    silently();
    navigator.permissions
      ?.query({ name: 'notifications' })
      .then((status) => {
        const changed = () => {
          silently();
          this.#owner.changed();
        };
        status.addEventListener('change', changed, { signal });
      })
      .catch(() => undefined);
  }

  /** Shows a message; `again`: it may have been shown before. Answers whether it is there now. */
  async show(m: MessageData, again: boolean): Promise<boolean> {
    const registration = this.#registration;
    const note = m.note;
    if (!registration || !note) return false;
    try {
      const tag = tagOf(m);
      if (again) {
        const there = await registration.getNotifications({ tag });
        if (there.some((shown) => dataOf(shown)?.id === m.id)) return true;
      }
      await (this.#showing = registration.showNotification(note.title, this.#options(m, tag, again)));
      return true;
    } catch (cause) {
      this.#owner.failed(new PushError('notification-failed', `a notification could not be shown: ${String(cause)}`, { cause }));
      return false;
    }
  }

  /** Takes back what is shown of these messages, or all of a device. */
  async close(ids: string[] | undefined, db: string): Promise<void> {
    // Right after the page was loaded the service worker may still have to be found.
    if (this.permission === 'granted') await this.setUp().catch(() => undefined);
    // What is on its way is not listed yet.
    await Promise.allSettled([this.#showing]);
    for (const shown of (await this.#registration?.getNotifications()) ?? []) {
      const data = dataOf(shown);
      if (data?.db === db && (!ids || ids.includes(data.id))) shown.close();
    }
  }

  #options(m: MessageData, tag: string, again: boolean): NotificationOptions {
    const note = m.note ?? { title: '', body: '' };
    const urls = Object.fromEntries((note.actions ?? []).filter((a) => a.url).map((a) => [a.action, a.url as string]));
    const data: NotificationData = {
      pulsegate: 1,
      db: this.db,
      id: m.id,
      url: note.url ?? '',
      urls,
      note,
      ext: m.ext,
      clickOrigins: [...this.#owner.clickOrigins],
    };
    const actions = note.actions?.map(({ action, title, icon }) => ({ action, title, ...(icon && { icon }) }));
    const options = {
      body: note.body,
      tag,
      data,
      timestamp: m.published,
      ...(note.icon && { icon: note.icon }),
      ...(note.image && { image: note.image }),
      ...(note.badge && { badge: note.badge }),
      ...(note.lang && { lang: note.lang }),
      ...(note.dir && { dir: note.dir as NotificationDirection }),
      ...(actions && { actions }),
      ...(note.requireInteraction && { requireInteraction: true }),
      ...((note.silent || again) && { silent: true }),
      ...(note.renotify && !again && { renotify: true }),
    };
    return options;
  }

  async #register(): Promise<void> {
    const { script } = this.#owner;
    const scope = new URL('pulsegate/', script).pathname;
    const url = new URL(script);
    url.searchParams.set('v', __BUILD__);
    const registration = await navigator.serviceWorker.register(scriptUrl(url), { scope, updateViaCache: 'none' });
    await activated(registration);
    this.#registration = registration;
    this.#owner.changed();
  }
}

const dataOf = (shown: Notification): NotificationData | undefined => {
  const data = shown.data as NotificationData | undefined;
  return data?.pulsegate === 1 ? data : undefined;
};

const supported = (): boolean =>
  typeof Notification === 'function' && typeof navigator === 'object' && 'serviceWorker' in navigator;

/** Not `serviceWorker.ready`: that waits for a worker that controls this page, and ours never does. */
function activated(registration: ServiceWorkerRegistration): Promise<void> {
  if (registration.active) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const worker = registration.installing ?? registration.waiting;
    if (!worker) return reject(new Error('nothing is being installed'));
    worker.onstatechange = () => {
      if (worker.state === 'activated') resolve();
      else if (worker.state === 'redundant') reject(new Error('the installation failed'));
      else return;
      worker.onstatechange = null;
    };
  });
}
