/** The page's client: listeners and handlers on one side, the line to the worker on the other. */
import { TOKEN_MS, keyOf, type Ask, type Config, type ToTab } from '../port/protocol.js';
import { bestTier } from '../tier/best.js';
import type {
  Client,
  ClientEvents,
  ClientOptions,
  ForegroundPolicy,
  ListenOptions,
  MessageHandler,
  Off,
  Status,
  SubscribeOptions,
  Subscription,
  TagChange,
} from './api.js';
import { PushError } from './error.js';
import { takeClicks } from './clicks.js';
import { Inbound } from './inbound.js';
import { Line } from './line.js';
import { Listeners } from './listeners.js';
import { topicOf } from './message.js';
import { PageNotifications } from './notifications.js';
import { checked } from './options.js';
import { forgetBefore, otherBefore } from './remembered.js';
import { PageSubscription } from './subscription.js';
import { codeOf, errorOf } from './texts.js';
import { answerToken } from './token.js';

const NOWHERE: Status = { state: 'disconnected', tabs: 0, visibleTabs: 0, reconnects: 0 };

/** See the top of the file. */
export class PageClient implements Client {
  readonly notifications: PageNotifications;
  readonly #options: ClientOptions;
  readonly #config: Config;
  readonly #end = new AbortController();
  readonly #listeners = new Listeners<ClientEvents>(this.#end.signal, (event) => {
    if (event === 'message') this.#listen();
    if (event === 'notificationclick') this.#takeClicks();
  });
  readonly #subscriptions = new Map<string, Set<PageSubscription>>();
  readonly #asks = new Map<number, { resolve: (value: unknown) => void; reject: (error: PushError) => void; ask: Ask }>();
  readonly #inbound: Inbound;
  #line: Line | undefined;
  #status: Status = NOWHERE;
  #asked = 0;
  #clickPinged = false;
  #registration: string | undefined;
  /** Set in this tab: said again to each worker, since the first may not have been there yet. */
  #policy: ForegroundPolicy | undefined;

  constructor(options: ClientOptions) {
    const { config, script, clickOrigins } = checked(options);
    this.#options = options;
    this.#config = config;
    if (options.onError) this.on('error', options.onError);
    if (options.onMessage) this.on('message', options.onMessage);
    this.#inbound = new Inbound({
      handlers: (log) => this.#handlers(log),
      done: (n, id, outcome) => this.#line?.post({ t: 'done', n, id, outcome }),
      handlerFailed: (cause, message) =>
        this.#failed(new PushError('handler-failed', `a handler failed on message ${message.id}: ${String(cause)}`, { cause })),
    });
    this.notifications = new PageNotifications({
      script,
      clickOrigins,
      changed: () => this.#line?.post({ t: 'shows', ...this.#shows() }),
      policySet: (policy) => {
        this.#policy = policy;
        this.#line?.post({ t: 'foreground', policy });
      },
      failed: (error) => this.#failed(error),
      clicked: (db) => {
        if (db !== this.notifications.db) return;
        this.#clickPinged = true;
        this.#takeClicks();
      },
    });
    // On a server there is nothing to connect: the client is inert there.
    if (typeof window === 'object' && typeof document === 'object') this.#start(script);
  }

  get status(): Status {
    return this.#status;
  }

  on<K extends keyof ClientEvents>(
    event: K,
    listener: (event: ClientEvents[K]) => unknown,
    options?: ListenOptions,
  ): Off {
    return this.#listeners.on(event, listener, options);
  }

  subscribe(topic: string, handler: MessageHandler, options: SubscribeOptions = {}): Subscription {
    const durable = options.durable ?? true;
    const sub = new PageSubscription(topic, handler, durable, this.#end.signal, (self) => this.#detach(self));
    if (this.#end.signal.aborted) {
      sub.refused(new PushError('closed', 'the client was disconnected'));
      return sub;
    }
    if (!/^[\w.-]+(\/[\w.-]+)*$/.test(topic) || topic.length > 128) {
      sub.refused(new PushError('invalid', `"${topic}" is no topic: 1 to 128 of A-Z a-z 0-9 _ - . /, no empty segment`));
      return sub;
    }
    if (options.signal?.aborted) return sub;
    options.signal?.addEventListener('abort', () => sub.detach(), { signal: this.#end.signal });
    const all = this.#subscriptions.get(topic) ?? new Set();
    this.#subscriptions.set(topic, all.add(sub));
    this.#line?.post({ t: 'attach', topic, durable: this.#durable(topic) });
    return sub;
  }

  async unsubscribe(topic: string): Promise<void> {
    for (const sub of this.#subscriptions.get(topic) ?? []) sub.detach();
    await this.#ask({ op: 'unsubscribe', topic });
  }

  async topics(): Promise<string[]> {
    return (await this.#ask({ op: 'topics' })) as string[];
  }

  async setTags({ add = [], remove = [] }: TagChange): Promise<void> {
    await this.#ask({ op: 'tags', add: [...add], remove: [...remove] });
  }

  disconnect(): Promise<void> {
    this.#close('disconnected');
    return Promise.resolve();
  }

  async forget(): Promise<void> {
    await this.#ask({ op: 'forget' });
    forgetBefore(this.notifications.db);
    await this.notifications.close(undefined, this.notifications.db);
    this.#close('closed', 'forgotten');
  }

  // ------------------------------------------------------------------ life

  #start(script: URL): void {
    const { signal } = this.#end;
    // In a sandboxed frame of no origin the mere look at some of the browser's doors throws.
    if (!isSecureContext || origin === 'null') {
      return this.#impossible('insecure-context', 'https or localhost is needed, and no sandbox');
    }
    if (typeof Worker !== 'function') return this.#impossible('worker-unsupported', 'this browser has no workers');
    this.#setStatus({ ...NOWHERE, state: 'connecting', tabs: 1 });
    const line = new Line(
      {
        config: this.#config,
        introduce: () => ({
          tokens: this.#options.getToken !== undefined,
          visible: !document.hidden,
          online: navigator.onLine,
          ...(this.#inbound.place !== undefined && { place: this.#inbound.place }),
          all: this.#listeners.has('message'),
          topics: [...this.#subscriptions.keys()].map((topic) => [topic, this.#durable(topic)]),
          ...this.#shows(),
        }),
        welcomed: (hello) => {
          this.notifications.db = hello.db;
          this.#introduceHandlers();
        },
        heard: (message) => this.#heard(message),
        lost: (reason, retryAt) => {
          const { registration, reconnects } = this.#status;
          this.#setStatus({
            ...NOWHERE,
            state: retryAt === 'never' ? 'closed' : 'connecting',
            reason,
            tabs: 1,
            reconnects,
            ...(registration && { registration }),
            ...(typeof retryAt === 'number' && { retryAt }),
          });
        },
        failed: (error) => this.#failed(error),
      },
      bestTier(),
      { script, v: __BUILD__, key: keyOf(this.#config), g: 0 },
    );
    this.#line = line;
    document.addEventListener('visibilitychange', () => line.post({ t: 'visible', visible: !document.hidden }), { signal });
    const online = () => line.post({ t: 'online', online: navigator.onLine });
    for (const event of ['online', 'offline']) addEventListener(event, online, { signal });
    (navigator as { connection?: EventTarget }).connection?.addEventListener('change', online, { signal });
    // A page in the back/forward cache, or frozen, must hold no lock and be sent nothing.
    const rest = (event: Event) => line.end((event as PageTransitionEvent).persisted !== false);
    const wake = () => line.start();
    addEventListener('pagehide', rest, { signal });
    document.addEventListener('freeze', rest, { signal });
    addEventListener('pageshow', wake, { signal });
    document.addEventListener('resume', wake, { signal });
    line.start();
    this.notifications.begin(signal);
  }

  #impossible(code: 'insecure-context' | 'worker-unsupported', message: string): void {
    this.#setStatus({ ...NOWHERE, state: 'closed', reason: code });
    // A turn later, so that `onError` of somebody who adds it after `createClient` hears it too.
    queueMicrotask(() => this.#failed(new PushError(code, message)));
  }

  #close(state: 'disconnected' | 'closed', reason?: string): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#line?.end(false);
    for (const { reject } of this.#asks.values()) reject(new PushError('closed', 'the client was disconnected'));
    this.#asks.clear();
    this.#setStatus({ ...NOWHERE, state, ...(reason && { reason }) });
  }

  // ------------------------------------------------------------------ what the worker says

  #heard(message: ToTab): void {
    switch (message.t) {
      case 'status':
        this.#setStatus(readable({ ...NOWHERE, ...message.status }));
        return this.#registered(message.status.registration);
      case 'message':
        return this.#inbound.received(message.n, message.m);
      case 'subscribed':
        for (const sub of this.#subscriptions.get(message.topic) ?? []) sub.subscribed(message.recovered, message.replayed);
        return;
      case 'refused':
        for (const sub of this.#subscriptions.get(message.topic) ?? []) sub.refused(errorOf(message.error));
        return this.#failed(errorOf(message.error));
      case 'gap':
        return this.#gap(message.log, message.reason);
      case 'place':
        this.#inbound.place = message.n;
        return;
      case 'foreground':
        // It is kept now: said again by a tab that was away, it would undo what another one set since.
        if (message.policy === this.#policy) this.#policy = undefined;
        return this.notifications.foregroundTold(message.policy);
      case 'token': {
        // The worker asks another tab then.
        const signal = AbortSignal.timeout(TOKEN_MS);
        void answerToken(this.#options.getToken, { user: message.user, why: message.why, signal }).then((answer) => {
          this.#line?.post({ t: 'reply', i: message.i, value: answer });
        });
        return;
      }
      case 'show':
        void this.notifications.show(message.m, message.again).then((shown) => this.#line?.post({ t: 'reply', i: message.i, value: shown }));
        return;
      case 'close':
        void this.notifications.close(message.ids, message.db ?? this.notifications.db);
        return;
      case 'answer': {
        const ask = this.#asks.get(message.i);
        this.#asks.delete(message.i);
        if (message.error) ask?.reject(errorOf(message.error));
        else ask?.resolve(message.value);
        return;
      }
      case 'error':
        return this.#failed(errorOf(message.error));
      default:
    }
  }

  /** Another registration than this browser had: what the old one had not handled is lost. */
  #registered(registration: string | undefined): void {
    if (!registration || registration === this.#registration) return;
    const inThisPage = this.#registration !== undefined;
    this.#registration = registration;
    // A device that ends with its link has none before it in another life of the page.
    const other = this.#status.tier !== 'ephemeral' && otherBefore(this.notifications.db, registration);
    if (!other && !inThisPage) return;
    this.#gap('inbox', 'storage-lost');
  }

  #gap(log: string, reason: string): void {
    const topic = topicOf(log);
    this.#emit('gap', { log, reason, ...(topic !== undefined && { topic }) });
    if (log !== 'inbox') return;
    for (const subs of this.#subscriptions.values()) for (const sub of subs) sub.missed();
  }

  /** To a worker that knows nothing of this tab yet. */
  #introduceHandlers(): void {
    // What changed while the hello was under way.
    this.#line?.post({ t: 'visible', visible: !document.hidden });
    this.#line?.post({ t: 'shows', ...this.#shows() });
    if (this.#policy) this.#line?.post({ t: 'foreground', policy: this.#policy });
    if (this.#listeners.has('message')) this.#listen();
    for (const topic of this.#subscriptions.keys()) this.#line?.post({ t: 'attach', topic, durable: this.#durable(topic) });
    for (const [i, { ask }] of this.#asks) this.#line?.post({ t: 'ask', i, ask });
    this.#takeClicks();
  }

  // ------------------------------------------------------------------ handlers

  #handlers(log: string): MessageHandler[] {
    const topic = topicOf(log);
    const subs = topic === undefined ? [] : [...(this.#subscriptions.get(topic) ?? [])];
    return [...this.#listeners.all('message'), ...subs.map((sub) => sub.handler)];
  }

  #listen(): void {
    this.#line?.post({ t: 'listen', all: this.#listeners.has('message') });
  }

  /** One durable handler makes the topic durable. */
  #durable(topic: string): boolean {
    return [...(this.#subscriptions.get(topic) ?? [])].some((sub) => sub.durable);
  }

  #detach(sub: PageSubscription): void {
    const all = this.#subscriptions.get(sub.topic);
    if (!all?.delete(sub) || all.size > 0) return;
    this.#subscriptions.delete(sub.topic);
    this.#line?.post({ t: 'detach', topic: sub.topic });
  }

  #takeClicks(): void {
    if (!this.#line || !this.#listeners.has('notificationclick')) return;
    const pinged = this.#clickPinged;
    this.#clickPinged = false;
    void takeClicks((ask) => this.#ask(ask), pinged, (click) => this.#emit('notificationclick', click));
  }

  // ------------------------------------------------------------------ small things

  #shows() {
    return { shows: this.notifications.shows, permission: this.notifications.permission };
  }

  #ask(ask: Ask): Promise<unknown> {
    if (this.#end.signal.aborted || !this.#line) {
      return Promise.reject(new PushError('closed', 'the client is not connected'));
    }
    this.#asked += 1;
    const i = this.#asked;
    return new Promise((resolve, reject) => {
      this.#asks.set(i, { resolve, reject, ask });
      this.#line?.post({ t: 'ask', i, ask });
    });
  }

  #setStatus(status: Status): void {
    this.#status = status;
    this.#emit('state', status);
  }

  #failed(error: PushError): void {
    this.#listeners.emit('error', error);
  }

  /** A listener of ours that throws is an error of the app's, told like the others. */
  #emit<K extends keyof ClientEvents>(event: K, value: ClientEvents[K]): void {
    for (const cause of this.#listeners.emit(event, value)) {
      this.#failed(new PushError('handler-failed', `a listener of "${event}" failed: ${String(cause)}`, { cause }));
    }
  }
}

/** The worker tells a close by its number. */
function readable(status: Status): Status {
  const number = Number(status.reason);
  return number ? { ...status, reason: `${codeOf(number)} (${number})` } : status;
}
