/**
 * Pop-ups: whether, through which tab, and taking them back.
 *
 * A worker has no registration to show with: it asks one tab, a visible one first, the next after a
 * second. One at a time and in order, so that a newer one of a tag never meets an older one.
 */
import type { ForegroundPolicy } from '../page/api.js';
import { SHOW_MS, plain, type MessageData } from '../port/protocol.js';
import type { Entry, Inbox } from './inbox.js';
import type { Tab } from './tab.js';

/** How long a visible tab has to handle a message before it pops up nevertheless. */
export const LOOKING_MS = 1_000;
/** How long a handler has for what a dead browser may have shown already. */
const UNSURE_MS = 5_000;
/** How long the last tab that could show a pop-up has for it. */
const LAST_MS = 10_000;

/**
 * Chromium says that a notification is shown 20 to 170 ms before it tells the desktop (M): until then a
 * `kill -9` takes it along. So long it counts as about to be shown, and the next one waits.
 */
const SETTLE_MS = 150;

/** What the notifier needs its owner for. */
export interface NotifierOwner {
  inbox: Inbox;
  tabs(): Tab[];
  foreground(): ForegroundPolicy;
  /** No tab could take these back: keep them for the next one that can. */
  keepCloses(ids: string[]): void;
}

/** See the top of the file. */
export class Notifier {
  readonly #owner: NotifierOwner;
  readonly #looking = new Map<Entry, ReturnType<typeof setTimeout>>();
  readonly #queued = new Set<Entry>();
  /** Texts of messages that are not stored. */
  readonly #live = new Map<Entry, MessageData>();
  #queue: Promise<void> = Promise.resolve();

  constructor(owner: NotifierOwner) {
    this.#owner = owner;
  }

  /** A message with a notification came, or its pop-up is still undecided. */
  consider(entry: Entry, live?: MessageData): void {
    if (!entry.p || entry.gone || this.#looking.has(entry) || this.#queued.has(entry)) return;
    if (live) this.#live.set(entry, live);
    const policy = this.#owner.foreground();
    if (policy === 'never') return this.#decided(entry, false);
    // Handled by a visible tab before a worker died of something: not a second time.
    if (policy === 'hidden-only' && entry.told) return this.#decided(entry, true);
    // Whether it was shown before the browser died nobody knows. A handler has the first word; without
    // one it is shown, perhaps again: silently, under its tag.
    const unsure = this.#unsure(entry);
    const looked = this.#owner.tabs().some((tab) => tab.visible && tab.listens && tab.wants(entry.log));
    if (unsure || (policy === 'hidden-only' && looked)) {
      this.#looking.set(
        entry,
        setTimeout(() => {
          this.#looking.delete(entry);
          this.#enqueue(entry);
        }, unsure ? UNSURE_MS : LOOKING_MS),
      );
      return;
    }
    this.#enqueue(entry);
  }

  /** A visible tab handled it: nobody needs to be told. */
  seen(entry: Entry): void {
    const timer = this.#looking.get(entry);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#looking.delete(entry);
    this.#decided(entry, true);
  }

  /** There is a tab, or it can show now: what is undecided is tried again. */
  retry(): void {
    for (const entry of this.#owner.inbox.entries) if (entry.p && !entry.gone) this.consider(entry);
  }

  /** Takes shown notifications back. */
  close(ids: string[]): void {
    this.#queue = this.#queue.then(() => {
      const tab = this.#candidates()[0];
      if (tab) tab.post({ t: 'close', ids });
      else this.#owner.keepCloses(ids);
    });
  }

  #decided(entry: Entry, handled: boolean): void {
    this.#live.delete(entry);
    this.#owner.inbox.unshown(entry, handled);
  }

  #enqueue(entry: Entry): void {
    this.#queued.add(entry);
    this.#queue = this.#queue
      .then(() => this.#show(entry))
      .catch(() => undefined)
      .finally(() => this.#queued.delete(entry));
  }

  async #show(entry: Entry): Promise<void> {
    const { inbox } = this.#owner;
    if (entry.gone || !entry.p) return;
    if (entry.n > 0 && (inbox.replaced(entry) || (entry.h && this.#unsure(entry)))) return this.#decided(entry, true);
    const m = this.#live.get(entry) ?? (await inbox.rows([entry]))[0];
    if (!m) return;
    let again = entry.maybe;
    const tried = new Set<Tab>();
    for (;;) {
      const tab = this.#candidates().find((t) => !tried.has(t));
      if (!tab || entry.gone) break;
      if (tried.size === 0) await inbox.showing(entry);
      tried.add(tab);
      const repeat = again;
      // The last one has longer: there is nobody else to ask, and a browser that has just started is slow.
      const wait = this.#candidates().length > tried.size ? SHOW_MS : LAST_MS;
      const shown = await tab.ask<boolean>((i) => ({ t: 'show', i, m: plain(m), again: repeat }), wait);
      tab.slow = shown === undefined;
      // Also where the tab went before it answered: the next one would not find what is on its way, and it would pop up twice.
      if (shown !== false) await new Promise((settled) => setTimeout(settled, SETTLE_MS));
      if (shown) {
        this.#live.delete(entry);
        return inbox.displayed(entry);
      }
      again = true;
    }
    const live = this.#owner.tabs().filter((tab) => tab.live);
    // Where nobody allowed pop-ups there will be none: the message is for handlers alone. Where there
    // is no tab, or none answered, the question stays open.
    if (this.#live.has(entry) || (live.length > 0 && live.every((tab) => tab.permission !== 'granted'))) {
      this.#decided(entry, false);
    }
  }

  /** A tab that lived through the end of the last worker says that the browser did too: it knows what is shown. */
  #unsure(entry: Entry): boolean {
    return entry.maybe && !this.#owner.tabs().some((tab) => tab.returned);
  }

  #candidates(): Tab[] {
    const rank = (tab: Tab) => (tab.slow ? 2 : 0) + (tab.visible ? 0 : 1);
    return this.#owner
      .tabs()
      .filter((tab) => tab.live && tab.shows)
      .sort((a, b) => rank(a) - rank(b));
  }
}
