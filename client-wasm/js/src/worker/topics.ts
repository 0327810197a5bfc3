/**
 * Subscriptions: they belong to the device; tabs only come and go as listeners.
 *
 * The session keeps a wish until the gateway answered and renews it on every link; here it is decided
 * which wishes there are, and which tab hears of what became of them.
 */
import type { Change } from '../store/store.js';
import type { Tab } from './tab.js';

/** A subscription that is not durable ends so long after its last listener. */
export const FLEETING_MS = 30_000;

/** What the topics need around them. */
export interface TopicsOwner {
  tabs(): Tab[];
  /** Tells the session. */
  wish(topics: string[], subscribe: boolean): void;
  write(change: Change): void;
}

/** See the top of the file. */
export class Topics {
  readonly #owner: TopicsOwner;
  /** Stored by the gateway, as far as known. */
  readonly #stored: Set<string>;
  /** Read on this link. */
  readonly #read = new Set<string>();
  readonly #fleeting: Set<string>;
  /** Something of them was lost while no tab listened. */
  readonly #lost: Set<string>;
  readonly #ends = new Map<string, ReturnType<typeof setTimeout>>();
  /** Tabs told `recovered: false`, whose gap is still to come. */
  readonly #unrecovered = new Set<string>();
  /** Wanted again by another registration: what was published in between is lost. */
  readonly #renewed = new Set<string>();
  readonly #leaving = new Map<string, (() => void)[]>();
  #wishes = new Set<string>();

  constructor(owner: TopicsOwner, stored: string[], fleeting: string[], lost: string[]) {
    this.#owner = owner;
    this.#stored = new Set(stored);
    this.#fleeting = new Set(fleeting);
    this.#lost = new Set(lost);
    for (const topic of fleeting) this.#endLater(topic);
  }

  /** The device's subscriptions. */
  list(): string[] {
    return [...this.#stored];
  }

  /** A tab's handler came. */
  attach(tab: Tab, topic: string, durable: boolean): void {
    tab.topics.set(topic, durable);
    clearTimeout(this.#ends.get(topic));
    this.#ends.delete(topic);
    if (durable) this.#fleeting.delete(topic);
    else if (!this.#stored.has(topic)) this.#fleeting.add(topic);
    const recovered = !this.#lost.delete(topic);
    this.#keep();
    const replayed = tab.offer(`topic:${topic}`);
    tab.replayed.set(topic, replayed);
    if (this.#read.has(topic) || !recovered) this.#told(tab, topic, recovered);
    // Wished again even so: the session keeps what tabs listen to over a change of registration.
    this.#wish(topic);
  }

  /** A tab's handler went. */
  detach(tab: Tab, topic: string): void {
    tab.topics.delete(topic);
    this.#endLater(topic);
  }

  /** A tab went with all its handlers. */
  gone(tab: Tab): void {
    for (const topic of tab.topics.keys()) this.#endLater(topic);
  }

  /** Ends the device's subscription; resolves once the gateway has stored that. */
  leave(topic: string): Promise<void> {
    this.#wishes.delete(topic);
    this.#fleeting.delete(topic);
    return new Promise((resolve) => {
      this.#leaving.set(topic, [...(this.#leaving.get(topic) ?? []), resolve]);
      this.#owner.wish([topic], false);
    });
  }

  /** A link began. */
  welcomed(stored: string[]): void {
    this.#read.clear();
    this.#unrecovered.clear();
    this.#stored.clear();
    for (const topic of stored) this.#stored.add(topic);
    this.#keep();
  }

  /** The link ended. */
  lost(): void {
    this.#read.clear();
  }

  /** The device got another registration: what it was subscribed to, it wants again. */
  renew(): void {
    for (const topic of this.#stored) {
      this.#renewed.add(topic);
      this.#wish(topic);
    }
  }

  /** Logged out: nothing is wanted any more. */
  clear(): void {
    this.#stored.clear();
    this.#read.clear();
    this.#renewed.clear();
    this.#fleeting.clear();
    this.#lost.clear();
    this.#keep();
  }

  subscribed(topic: string, resumed: boolean): void {
    const recovered = !this.#renewed.delete(topic) && resumed;
    // Asked for again by another tab: it was told already.
    const news = !recovered || !this.#read.has(topic);
    this.#stored.add(topic);
    this.#read.add(topic);
    if (!resumed) this.#unrecovered.add(topic);
    if (news) this.#tell(topic, recovered);
    this.#keep();
  }

  refused(topic: string, code: number): void {
    this.#read.delete(topic);
    if (code < 500 && code !== 429) this.#stored.delete(topic);
    this.#refuse(topic, code);
  }

  unsubscribed(topic: string): void {
    this.#stored.delete(topic);
    this.#read.delete(topic);
    this.#keep();
    for (const resolve of this.#leaving.get(topic) ?? []) resolve();
    this.#leaving.delete(topic);
  }

  /** The backend or a narrower token ended it. */
  ended(log: string): void {
    if (!log.startsWith('topic:')) return;
    const topic = log.slice(6);
    this.#stored.delete(topic);
    this.#read.delete(topic);
    this.#refuse(topic, 403);
  }

  /** Messages of the topic are missing. */
  gap(topic: string): void {
    // Its `recovered: false` said so already.
    if (this.#unrecovered.delete(topic)) return;
    this.#tell(topic, false);
    this.#keep();
  }

  #tell(topic: string, recovered: boolean): void {
    const tabs = this.#listeners(topic);
    if (!recovered && !tabs.length) this.#lost.add(topic);
    for (const tab of tabs) this.#told(tab, topic, recovered);
  }

  #told(tab: Tab, topic: string, recovered: boolean): void {
    const replayed = tab.replayed.get(topic) ?? 0;
    tab.replayed.delete(topic);
    tab.post({ t: 'subscribed', topic, recovered, replayed });
  }

  #refuse(topic: string, code: number): void {
    this.#keep();
    for (const tab of this.#listeners(topic)) tab.post({ t: 'refused', topic, error: { code, detail: topic } });
  }

  #listeners(topic: string): Tab[] {
    return this.#owner.tabs().filter((tab) => tab.topics.has(topic));
  }

  #endLater(topic: string): void {
    if (!this.#fleeting.has(topic) || this.#ends.has(topic) || this.#listeners(topic).length > 0) return;
    this.#ends.set(
      topic,
      setTimeout(() => {
        this.#ends.delete(topic);
        if (this.#listeners(topic).length === 0) void this.leave(topic);
      }, FLEETING_MS),
    );
  }

  /** Told together: a page attaches many handlers in one turn, the gateway counts frames. */
  #wish(topic: string): void {
    if (this.#wishes.size === 0) {
      queueMicrotask(() => {
        const topics = [...this.#wishes];
        this.#wishes = new Set();
        if (topics.length > 0) this.#owner.wish(topics, true);
      });
    }
    this.#wishes.add(topic);
  }

  #keep(): void {
    this.#owner.write({ kept: { topics: [...this.#stored], fleeting: [...this.#fleeting], lost: [...this.#lost] } });
  }
}
