/**
 * The device: one registration, its inbox, its link, and the tabs that share them.
 *
 * The hub brings it to life once the socket lock is held, hands it the words of tabs, and ends it.
 * Everything it does is an answer to a tab (`from…`) or to the core (the methods of `LinkOwner`).
 */
import type { ForegroundPolicy, State, Status, Tier } from '../page/api.js';
import type { Ask, Config, ErrorData, ToTab, ToWorker } from '../port/protocol.js';
import type { Kept, Loaded, Receipt } from '../store/store.js';
import type { Writer } from '../store/writer.js';
import { Inbox, entryOf, type Entry, type InboxOwner } from './inbox.js';
import { Link, Say, type Batch, type LinkOwner } from './link.js';
import { Notifier } from './notifier.js';
import { Tokens, type TokenSink } from './tokens.js';
import { Topics } from './topics.js';
import type { Tab } from './tab.js';

/** So many wait for the first of the tabs that have a handler for them: acks wait. Half of it: they go on. */
const BEHIND = 1_000;

/** After a worker's death its tabs come back one by one: what some of them handled waits so long for the others. */
const RETURN_MS = 10_000;

/** A page at rest, frozen or in the back/forward cache, is waited for so long, and by so many messages. */
const REST_MS = 600_000;
const REST_MESSAGES = 1_000;

/** What a device needs its hub for. */
export interface DeviceOwner {
  tabs(): Tab[];
  /** Post to every tab. */
  all(message: ToTab): void;
  tier: Tier;
}

/** See the top of the file. */
export class Device implements LinkOwner, InboxOwner, TokenSink {
  readonly inbox: Inbox;
  readonly topics: Topics;
  readonly link: Link;
  readonly #notifier: Notifier;
  readonly #tokens: Tokens;
  readonly #owner: DeviceOwner;
  readonly #writer: Writer;
  foreground: ForegroundPolicy;
  #closes: string[];
  #state: State = 'connecting';
  #reason: string | undefined;
  #registration = '';
  #user = '';
  #session = '';
  #links = 0;
  #heardAt = 0;
  #beatAt = 0;
  #statusTimer: ReturnType<typeof setTimeout> | undefined;
  /** Receipts given to the session, oldest first. */
  #reported: Receipt[] = [];
  #online = true;
  #holding = false;
  #returning = true;
  #forgetting: (() => void)[] = [];
  /** A tab came after the device was to be forgotten: it wants a new one. */
  #fresh = false;
  /** Until then somebody may be at rest, Unix ms. */
  #rests: number;
  /** Batches whose ack waits for handlers, where nothing is kept. */
  #unkept: { entries: Entry[]; done: () => void }[] = [];

  constructor(core: WebAssembly.Module, config: Config, loaded: Loaded, writer: Writer, owner: DeviceOwner) {
    this.#owner = owner;
    this.#writer = writer;
    this.foreground = loaded.foreground;
    this.#closes = loaded.closes;
    this.inbox = new Inbox(writer, this, loaded);
    const tabs = () => owner.tabs();
    this.#notifier = new Notifier({
      inbox: this.inbox,
      tabs,
      foreground: () => this.foreground,
      keepCloses: (ids) => this.#keepCloses([...this.#closes, ...ids]),
    });
    this.topics = new Topics(
      {
        tabs,
        wish: (topics, subscribe) =>
          this.link.say(subscribe ? Say.subscribe : Say.unsubscribe, 0, 0, topics.join('\n')),
        write: (change) => void writer.write(change),
      },
      loaded.topics,
      loaded.fleeting,
      loaded.lost,
    );
    // A device that is known goes on as what it is, also while nothing can be written.
    this.link = new Link(core, config, writer.store.durable || loaded.identity !== null, this);
    this.#tokens = new Tokens(config.user, tabs, this);
    this.inbox.expire();
    setInterval(() => {
      this.inbox.expire();
      this.inbox.settle();
    }, 60_000);
    setTimeout(() => {
      this.#returning = false;
      this.inbox.settle();
    }, RETURN_MS);
    // Whoever led before may be at rest itself, or its process stopped.
    this.#rests = owner.tier === 'leader' ? Date.now() + REST_MS : loaded.rests;
    this.link.begin(loaded, this.inbox.knownIds());
    void this.#report();
  }

  // ------------------------------------------------------------------ from tabs

  /** A tab is there, or back from the cache. */
  joined(tab: Tab): void {
    this.#fresh = true;
    if (this.#state === 'closed' || this.#state === 'disconnected') this.link.say(Say.start);
    tab.post({ t: 'foreground', policy: this.foreground });
    this.#activity();
    this.#shows(tab);
    // Before anything newer is posted to it.
    tab.offer();
    this.status();
  }

  /** A tab is gone; `frozen`: it may come back, and if it was the last one the gateway is told. */
  left(tab: Tab, frozen: boolean): void {
    this.topics.gone(tab);
    if (frozen) {
      this.#rests = Date.now() + REST_MS;
      void this.#writer.write({ kept: { rests: this.#rests } });
    }
    for (const entry of tab.out) this.inbox.abandoned(entry);
    this.#activity(frozen && this.#owner.tabs().length === 0);
    this.inbox.settle();
    this.#pressure();
    this.status();
  }

  /** A tab said something that only concerns the device. */
  from(tab: Tab, said: ToWorker): void {
    switch (said.t) {
      case 'visible':
        tab.visible = said.visible;
        this.#activity();
        break;
      case 'online':
        this.#network(said.online);
        break;
      case 'shows':
        tab.shows = said.shows;
        tab.permission = said.permission;
        this.#shows(tab);
        break;
      case 'listen':
        tab.all = said.all;
        if (said.all) tab.offer();
        break;
      case 'attach':
        this.topics.attach(tab, said.topic, said.durable);
        break;
      case 'detach':
        this.topics.detach(tab, said.topic);
        break;
      case 'done':
        this.#done(tab, said.id, said.outcome);
        break;
      case 'foreground':
        this.foreground = said.policy;
        void this.#writer.write({ kept: { foreground: said.policy } });
        this.#owner.all({ t: 'foreground', policy: said.policy });
        break;
      case 'reply':
        tab.replied(said.i, said.value);
        break;
      case 'ask':
        void this.#answer(said.ask).then(
          (value) => tab.post({ t: 'answer', i: said.i, value }),
          (error: ErrorData) => tab.post({ t: 'answer', i: said.i, error }),
        );
        break;
      default:
    }
  }

  async #answer(ask: Ask): Promise<unknown> {
    switch (ask.op) {
      case 'unsubscribe':
        return this.topics.leave(ask.topic);
      case 'topics':
        return this.topics.list();
      case 'clicks':
        return this.#writer.store.takeClicks(ask.since);
      case 'forget':
        return new Promise<void>((resolve) => {
          this.#fresh = false;
          this.#forgetting.push(resolve);
          this.link.say(Say.forget);
        });
      case 'tags': {
        const code = await this.link.tags(ask.add, ask.remove);
        if (code === 0) return undefined;
        const error: ErrorData = { code: code === 403 ? 'tags-denied' : 'invalid', detail: [...ask.add, ...ask.remove].join(' ') };
        throw error;
      }
    }
  }

  #done(tab: Tab, id: string, outcome: 'ok' | 'failed' | 'none'): void {
    const entry = tab.finished(id, outcome);
    if (!entry) return;
    if (outcome !== 'ok') return this.inbox.abandoned(entry);
    this.inbox.handled(entry, tab.visible);
    if (tab.visible) this.#notifier.seen(entry);
  }

  #activity(frozen = false): void {
    const tabs = this.#owner.tabs().filter((tab) => tab.live);
    const visible = tabs.filter((tab) => tab.visible).length;
    this.link.say(Say.activity, visible, tabs.length - visible, frozen ? 'frozen' : '');
  }

  #network(online: boolean): void {
    const signal = !online ? Say.offline : this.#online ? Say.network : Say.online;
    if (online || this.#online) this.link.say(signal);
    this.#online = online;
  }

  #shows(tab: Tab): void {
    if (tab.shows && this.#closes.length > 0) {
      tab.post({ t: 'close', ids: this.#closes });
      this.#keepCloses([]);
    }
    if (tab.shows) this.#notifier.retry();
  }

  #keepCloses(ids: string[]): void {
    this.#closes = ids;
    void this.#writer.write({ kept: { closes: ids } });
  }

  // ------------------------------------------------------------------ from the inbox

  now(): number {
    return Date.now();
  }

  needed(entry: Entry): boolean {
    return (
      this.#returning ||
      (Date.now() < this.#rests && this.inbox.count < REST_MESSAGES) ||
      this.#owner.tabs().some((tab) => tab.awaits(entry))
    );
  }

  awaited(entry: Entry): boolean {
    return this.#owner.tabs().some((tab) => tab.has(entry) || tab.awaits(entry));
  }

  dropped(log: string): void {
    this.gap(log, 'inbox-full');
  }

  receipts(): void {
    void this.#report();
  }

  settled(): void {
    this.#unkept = this.#unkept.filter(({ entries, done }) => {
      // Written after all, or nobody is there who could handle it.
      const all = this.#writer.store.durable || entries.every((entry) => entry.h || entry.gone || (!entry.p && !this.awaited(entry)));
      if (all) done();
      return !all;
    });
  }

  /** A tab read on. */
  progressed(): void {
    this.inbox.settle();
    this.#pressure();
  }

  #pressure(): void {
    let behind = 0;
    for (const entry of this.inbox.entries) {
      if (!entry.h && !entry.gone && this.awaited(entry)) behind += 1;
      if (behind > BEHIND) break;
    }
    if (this.#holding ? behind * 2 > BEHIND : behind < BEHIND) return;
    this.#holding = !this.#holding;
    this.link.say(this.#holding ? Say.hold : Say.goOn);
  }

  /** Gives the session what waits in the queue, also what a service worker could not send. */
  async #report(): Promise<void> {
    const waiting = await this.#writer.store.receipts();
    const out = new Set(this.#reported.map((receipt) => receipt.q));
    const fresh = waiting.filter((receipt) => !out.has(receipt.q));
    if (!fresh.length) return;
    this.#reported.push(...fresh);
    for (const receipt of fresh) this.link.receipt(receipt);
    this.link.say(Say.report);
  }

  // ------------------------------------------------------------------ from the core

  async store(batch: Batch): Promise<void> {
    const stored = batch.messages.filter((incoming) => incoming.stored).map((incoming) => incoming.m);
    const entries = await this.inbox.take(stored, batch.cursors);
    for (const id of batch.recalls) this.#recall(id);
    for (const tab of this.#owner.tabs()) tab.pump();
    for (const { m, stored: kept } of batch.messages) if (!kept) this.#live(m);
    for (const entry of entries) this.#notifier.consider(entry);
    this.#pressure();
    if (!this.#writer.store.durable && entries.length > 0) {
      await new Promise<void>((done) => {
        this.#unkept.push({ entries, done });
        this.settled();
      });
    }
  }

  #live(m: Batch['messages'][number]['m']): void {
    const entry = entryOf({ ...m, n: 0, h: 0, p: m.note ? 1 : 0, bytes: 0, expires: 0 });
    for (const tab of this.#owner.tabs()) tab.postLive(entry, m);
    this.#notifier.consider(entry, m);
  }

  #recall(id: string): void {
    const entry = this.inbox.find(id);
    if (entry) this.inbox.remove(entry);
    this.#notifier.close([id]);
  }

  keep(kept: Partial<Kept>): Promise<void> {
    return this.#writer.write({ kept }, true).then(() => {
      if (kept.forgetting) this.#forgot();
    });
  }

  wipe(why: 'other-registration' | 'refused' | 'forgotten'): void {
    this.inbox.wipe();
    this.#reported = [];
    this.#closes = [];
    void this.#writer.write({ wipe: true, kept: { cursors: {}, closes: [] } }, true);
    this.#owner.all({ t: 'close' });
    if (why === 'forgotten') this.topics.clear();
    else this.topics.renew();
  }

  state(state: State, reason: string | undefined): void {
    this.#state = state;
    this.#reason = reason;
    if (state !== 'connected') {
      this.topics.lost();
      this.#session = '';
    }
    this.status();
  }

  welcomed(registration: string, user: string, session: string, topics: string[]): void {
    this.#registration = registration;
    this.#user = user;
    this.#session = session;
    this.#links += 1;
    this.topics.welcomed(topics);
    this.#activity();
    void this.#report();
    this.status();
  }

  gap(log: string, reason: string): void {
    if (log.startsWith('topic:')) this.topics.gap(log.slice(6));
    this.#owner.all({ t: 'gap', log, reason });
  }

  receiptsTaken(count: number): void {
    const sent = this.#reported.splice(0, count).map((receipt) => receipt.q as number);
    void this.#writer.write({ sent });
  }

  token(token: string | undefined, expires: number): void {
    this.link.say(token === undefined ? Say.anonymous : Say.token, expires, 0, token);
  }

  unavailable(): void {
    this.link.say(Say.tokenUnavailable);
  }

  denied(): void {
    this.link.say(Say.tokenDenied);
  }

  needToken(why: 'connect' | 'refresh' | 'refused'): void {
    void this.#tokens.need(why);
  }

  forgotten(): void {
    this.#registration = '';
    this.#forgot();
    if (this.#fresh) this.link.say(Say.start);
    this.status();
  }

  error(error: ErrorData): void {
    this.#owner.all({ t: 'error', error });
  }

  heard(beat: boolean): void {
    this.#heardAt = Date.now();
    if (beat) this.#beatAt = this.#heardAt;
    // Told at leisure: a stream of messages is no stream of status.
    this.#statusTimer ??= setTimeout(() => this.status(), beat ? 0 : 1_000);
  }

  #forgot(): void {
    for (const resolve of this.#forgetting) resolve();
    this.#forgetting = [];
  }

  /** Tells the tabs how the connection is doing. */
  status(): void {
    clearTimeout(this.#statusTimer);
    this.#statusTimer = undefined;
    const tabs = this.#owner.tabs().filter((tab) => tab.live);
    const status: Status = {
      state: this.#state,
      ...(this.#reason && { reason: this.#reason }),
      tier: this.#owner.tier,
      tabs: tabs.length,
      visibleTabs: tabs.filter((tab) => tab.visible).length,
      ...(this.#registration && { registration: this.#registration }),
      ...(this.#user && { user: this.#user }),
      ...(this.#session && { session: this.#session }),
      ...(this.#heardAt && { lastHeardAt: this.#heardAt }),
      ...(this.#beatAt && { lastBeatAt: this.#beatAt }),
      reconnects: Math.max(0, this.#links - 1),
    };
    this.#owner.all({ t: 'status', status });
  }
}
