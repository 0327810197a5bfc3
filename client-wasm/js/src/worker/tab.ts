/** A tab as the worker sees it: its port, what it listens to, and how far it has read. */
import { CREDIT, plain, type MessageData, type ToTab, type TokenAnswer } from '../port/protocol.js';
import type { Entry, Inbox } from './inbox.js';

/** What a tab's reading needs around it. */
export interface TabOwner {
  inbox: Inbox;
  /** The tab read on, or finished something. */
  progressed(): void;
}

/** The sending half of a tab's port. */
export interface Port {
  postMessage(message: ToTab): void;
}

/** A tab's port: of a SharedWorker, a channel to the tab's own worker, or that worker's own global scope. */
export interface Pipe extends Port {
  onmessage: unknown;
  close(): void;
}

/** See the top of the file. */
export class Tab {
  readonly port: Port;
  /** False after its bye or death: what is posted into the back/forward cache evicts the page. */
  live = true;
  visible = false;
  online = true;
  tokens = false;
  /** A pop-up can be shown through it. */
  shows = false;
  permission = 'default';
  /** It did not answer in time: others are asked first. */
  slow = false;
  /** It lived through the end of an earlier worker, and so did the browser: what is shown is known. */
  returned = false;
  /** Hears every message. */
  all = false;
  /** Topics with a handler here, and whether the subscription is to outlive it. */
  readonly topics = new Map<string, boolean>();
  /** How many messages a handler that came was offered, while nobody was told yet. */
  readonly replayed = new Map<string, number>();
  /** Everything up to here was posted to it or is none of its business. */
  place: number;
  /** Ends the wait for its death. */
  readonly gone = new AbortController();
  #credit = CREDIT;
  readonly #out = new Map<string, Entry>();
  /** Messages that a handler here failed on. */
  readonly #failed = new WeakSet<Entry>();
  /** Unhandled ones from before its handler came. */
  #backlog: Entry[] = [];
  #pumping = false;
  readonly #owner: TabOwner;
  /** Questions that are out, by number. */
  readonly #asked = new Map<number, (value: TokenAnswer | boolean | undefined) => void>();
  #asks = 0;

  constructor(port: Port, owner: TabOwner, place: number) {
    this.port = port;
    this.#owner = owner;
    this.place = place;
  }

  post(message: ToTab): void {
    if (this.live) this.port.postMessage(message);
  }

  /** Asks it something; nothing if it has not answered within `ms`, or is gone. */
  ask<T extends TokenAnswer | boolean>(question: (i: number) => ToTab, ms: number): Promise<T | undefined> {
    this.#asks += 1;
    const i = this.#asks;
    return new Promise((resolve) => {
      const end = (value: TokenAnswer | boolean | undefined) => {
        clearTimeout(timer);
        this.#asked.delete(i);
        resolve(value as T | undefined);
      };
      const timer = setTimeout(end, ms);
      this.#asked.set(i, end);
      this.post(question(i));
    });
  }

  /** It answered. */
  replied(i: number, value: TokenAnswer | boolean): void {
    this.#asked.get(i)?.(value);
  }

  /** It is gone: nothing of it is waited for. */
  end(): void {
    this.live = false;
    this.gone.abort();
    for (const end of this.#asked.values()) end(undefined);
  }

  /** Whether a handler here hears that log. */
  wants(log: string): boolean {
    return this.all || (log.startsWith('topic:') && this.topics.has(log.slice(6)));
  }

  /** Whether it listens at all. */
  get listens(): boolean {
    return this.live && (this.all || this.topics.size > 0);
  }

  /** Whether `entry` still has to pass here. */
  awaits(entry: Entry): boolean {
    return this.wants(entry.log) && (entry.n > this.place || this.#backlog.includes(entry));
  }

  /** Whether its handlers have `entry` now. */
  has(entry: Entry): boolean {
    return this.live && this.#out.has(entry.id);
  }

  /** What its handlers have now. */
  get out(): Entry[] {
    return [...this.#out.values()];
  }

  /** A handler came for `log`, or, without one, all that are here did: it is offered what nobody handled. Answers with how many that are, also of those it has already. */
  offer(log?: string): number {
    const unhandled = this.#owner.inbox.after(
      0,
      Infinity,
      (entry) => !entry.h && (log === undefined ? this.wants(entry.log) : entry.log === log) && !this.#failed.has(entry),
    );
    const fresh = unhandled.filter((entry) => entry.n <= this.place && !this.#out.has(entry.id) && !this.#backlog.includes(entry));
    this.#backlog = [...this.#backlog, ...fresh].sort((a, b) => a.n - b.n);
    this.pump();
    return unhandled.length;
  }

  /** Its handlers finished with a message. Answers with the entry if one was out. */
  finished(id: string, outcome: 'ok' | 'failed' | 'none'): Entry | undefined {
    const entry = this.#out.get(id);
    if (!entry) return undefined;
    this.#out.delete(id);
    this.#credit = Math.min(CREDIT, this.#credit + 1);
    if (outcome === 'failed') this.#failed.add(entry);
    // Its handler was taken off while the message was under way, and another one is there by now.
    if (outcome === 'none' && !entry.h && entry.n > 0 && !entry.gone && this.wants(entry.log)) {
      this.#backlog.push(entry);
    }
    this.pump();
    return entry;
  }

  /** A message that is not stored: now, or never. */
  postLive(entry: Entry, m: MessageData): boolean {
    if (!this.listens || !this.wants(entry.log) || this.#credit === 0) return false;
    this.#send(entry, m);
    return true;
  }

  /** Posts as much as its credit allows. */
  pump(): void {
    if (!this.#pumping) void this.#pump();
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    while (this.listens && this.#credit > 0) {
      const next = this.#next();
      if (!next.length) break;
      const rows = await this.#owner.inbox.rows(next).catch(() => undefined);
      // It may have gone, or come back with another place, while the text was read.
      if (!this.listens || !rows) break;
      // Texts that cannot be read now are none the next moment either; later, or past them with the next one.
      if (!rows.length && !next.some((entry) => entry.gone)) break;
      // Older ones were offered meanwhile: they come first.
      if ((this.#backlog[0]?.n ?? Infinity) < (next[0]?.n ?? 0)) continue;
      for (const row of rows) {
        const entry = this.#owner.inbox.find(row.id);
        const at = entry ? this.#backlog.indexOf(entry) : -1;
        if (!entry || (at < 0 && entry.n <= this.place)) continue;
        if (at >= 0) this.#backlog.splice(at, 1);
        else this.place = entry.n;
        this.#send(entry, row);
      }
      this.#backlog = this.#backlog.filter((entry) => !entry.gone);
      this.#skip(next);
      this.#owner.progressed();
    }
    // In the same turn as it was seen that there is no more: what is asked for from now on is not overlooked.
    this.#pumping = false;
  }

  #next(): Entry[] {
    const now = Date.now();
    this.#backlog = this.#backlog.filter((entry) => !entry.gone && !entry.h);
    if (this.#backlog.length > 0) return this.#backlog.slice(0, this.#credit);
    const next = this.#owner.inbox.after(
      this.place,
      this.#credit,
      (entry) => this.wants(entry.log) && (entry.expires === 0 || entry.expires > now),
    );
    // Nothing more for it: what lies between is none of its business.
    if (!next.length) this.place = Math.max(this.place, this.#owner.inbox.last);
    return next;
  }

  /** Moves past entries that vanished while their text was read, so that the loop ends. */
  #skip(tried: Entry[]): void {
    const last = tried.at(-1);
    if (last && this.#backlog.length === 0 && last.gone) this.place = Math.max(this.place, last.n);
  }

  #send(entry: Entry, m: MessageData): void {
    this.#credit -= 1;
    this.#out.set(entry.id, entry);
    this.post({ t: 'message', n: entry.n, m: plain(m) });
  }
}
