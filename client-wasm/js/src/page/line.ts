/**
 * A tab's line to the worker: it says hello, keeps hearing, and is opened again when the worker dies.
 *
 * A worker's death is silent to its ports: the tab queues on the lock the worker holds while it
 * lives. A worker that hangs is found by pings, and replaced under the next number.
 */
import { PORT_OLDEST, PORT_VERSION, PING_MS, type Config, type ToTab, type ToWorker } from '../port/protocol.js';
import { dedicated } from '../tier/dedicated.js';
import type { Address, TierOpener, Wire } from '../tier/tier.js';
import { PushError } from './error.js';

/** Deaths within this time that make it `worker-crashed`, and the longest wait from then on. */
const DEATHS = 3;
const DEATHS_MS = 60_000;
const LONGEST_WAIT_MS = 300_000;
/** How long the first hello may go unanswered. */
const HELLO_MS = 2_000;
/** Pings without an answer before a worker counts as hung. */
const UNANSWERED = 2;

/** The tab, as its line needs it. */
export interface LineOwner {
  readonly config: Config;
  /** What the hello says of the tab now. */
  introduce(): Pick<
    Extract<ToWorker, { t: 'hello' }>,
    'tokens' | 'visible' | 'online' | 'shows' | 'permission' | 'place' | 'all' | 'topics'
  >;
  /** The worker answered: say what this tab listens to. */
  welcomed(hello: Extract<ToTab, { t: 'hello' }>): void;
  heard(message: ToTab): void;
  /** The worker is gone; the next one is started at `retryAt`, at once, or never. */
  lost(reason: string, retryAt: number | 'at once' | 'never'): void;
  failed(error: PushError): void;
}

/** See the top of the file. */
export class Line {
  readonly #owner: LineOwner;
  #opener: TierOpener;
  readonly #address: Address;
  #wire: Wire | undefined;
  #stop: AbortController | undefined;
  #deaths: number[] = [];
  #wait = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #open = false;
  #patience = HELLO_MS;
  #welcome = () => undefined as void;
  #introduce = () => undefined as void;

  constructor(owner: LineOwner, opener: TierOpener, address: Address) {
    this.#owner = owner;
    this.#opener = opener;
    this.#address = address;
  }

  post(message: ToWorker): void {
    if (this.#open) this.#wire?.post(message);
  }

  /** Opens the wire, and again whenever the worker dies. */
  start(): void {
    if (this.#stop) return;
    clearTimeout(this.#retry);
    const stop = new AbortController();
    this.#stop = stop;
    if (this.#opener.tier === 'ephemeral') return this.#hello('', stop);
    const tab = `pulsegate-tab-${crypto.randomUUID()}`;
    // Held as long as the tab lives: its death is granted to the worker.
    navigator.locks
      .request(tab, () => {
        if (stop.signal.aborted) return undefined;
        this.#hello(tab, stop);
        return new Promise<void>((release) => stop.signal.addEventListener('abort', () => release()));
      })
      .catch(() => {
        // The browser gives this page no locks: nothing can be shared.
        if (this.#stop !== stop) return;
        this.#opener = dedicated('ephemeral');
        this.#drop();
        this.start();
      });
  }

  /** Says bye and lets go of every lock; `frozen`: it may start again. */
  end(frozen: boolean): void {
    clearTimeout(this.#retry);
    this.post({ t: 'bye', frozen, place: this.#owner.introduce().place });
    this.#drop();
  }

  #drop(): void {
    this.#open = false;
    this.#wire?.close();
    this.#wire = undefined;
    this.#stop?.abort();
    this.#stop = undefined;
  }

  #hello(lock: string, stop: AbortController): void {
    const wire = this.#opener.open(this.#address, {
      heard: (message) => {
        if (!stop.signal.aborted) this.#heard(message, stop);
      },
      failed: (error) => {
        if (stop.signal.aborted) return;
        this.#owner.failed(error);
        this.#drop();
        if (error.temporary) this.#again(error.code);
        else this.#owner.lost(error.code, 'never');
      },
    });
    this.#wire = wire;
    this.#introduce = () =>
      wire.post({
        t: 'hello',
        v: PORT_VERSION,
        oldest: PORT_OLDEST,
        build: __BUILD__,
        config: this.#owner.config,
        lock,
        ...this.#owner.introduce(),
      });
    this.#introduce();
    this.#ping(wire, stop);
    // A port to a worker that was just dying leads nowhere, and nobody says so: another one is tried,
    // each time with more patience, since a slow start looks the same. From the second time on the
    // next worker too: one that hangs since before this page came answers nobody.
    const timer = setTimeout(() => {
      if (this.#patience > HELLO_MS) this.#address.g += 1;
      this.#patience *= 2;
      this.#drop();
      this.start();
    }, this.#patience);
    this.#welcome = () => clearTimeout(timer);
    stop.signal.addEventListener('abort', this.#welcome);
  }

  #heard(message: ToTab, stop: AbortController): void {
    // Whatever it says, it lives.
    this.#welcome();
    if (message.t === 'hello') {
      this.#open = true;
      this.#patience = HELLO_MS;
      if (message.life) this.#watch(message.life, stop);
      this.#owner.welcomed(message);
    } else if (message.t === 'outdated') {
      this.#drop();
      const error = new PushError(
        'worker-outdated',
        `the worker is of build ${message.build}, the page of ${__BUILD__}; run npx pulsegate init and reload`,
      );
      this.#owner.failed(error);
      this.#owner.lost(error.code, 'never');
    } else if (message.t === 'move') {
      const url = new URL(message.url);
      this.#address.script = new URL(url.pathname, url.origin);
      this.#address.v = url.searchParams.get('v') ?? __BUILD__;
      this.#address.g = Number(url.searchParams.get('g'));
      this.#drop();
      this.start();
    } else if (message.t === 'introduce') {
      this.#open = false;
      this.#introduce();
    } else if (message.t === 'died') {
      this.#drop();
      this.#died();
    } else if (message.t === 'pong') {
      this.#unanswered = 0;
    } else {
      this.#owner.heard(message);
    }
  }

  /** Granted means: the worker that held it is dead. */
  #watch(life: string, stop: AbortController): void {
    navigator.locks
      .request(life, { mode: 'shared', signal: stop.signal }, () => {
        if (stop.signal.aborted) return;
        this.#drop();
        this.#died();
      })
      .catch(() => undefined);
  }

  #unanswered = 0;

  #ping(wire: Wire, stop: AbortController): void {
    this.#unanswered = 0;
    let last = performance.now();
    let i = 0;
    const timer = setInterval(() => {
      const late = performance.now() - last > PING_MS * 2;
      last = performance.now();
      // A throttled or suspended page reads its timers before its messages: that proves nothing.
      if (late) this.#unanswered = 0;
      if (this.#unanswered >= UNANSWERED) {
        this.#address.g += 1;
        this.#drop();
        this.#died();
        return;
      }
      this.#unanswered += 1;
      i += 1;
      wire.post({ t: 'ping', i });
    }, PING_MS);
    stop.signal.addEventListener('abort', () => clearInterval(timer));
  }

  #died(): void {
    const now = performance.now();
    this.#deaths = [...this.#deaths.filter((at) => now - at < DEATHS_MS), now];
    if (this.#deaths.length < DEATHS) {
      this.#wait = 0;
      this.#owner.lost('the worker died and is started again', 'at once');
      this.start();
      return;
    }
    if (this.#deaths.length === DEATHS) {
      this.#owner.failed(new PushError('worker-crashed', 'the worker died three times in a minute'));
    }
    this.#again('worker-crashed');
  }

  #again(reason: string): void {
    this.#wait = Math.min(Math.max(this.#wait * 2, 1_000), LONGEST_WAIT_MS);
    // Full jitter above half: many tabs find it out at once.
    const wait = this.#wait * (0.5 + Math.random() / 2);
    this.#owner.lost(reason, Date.now() + wait);
    this.#retry = setTimeout(() => this.start(), wait);
  }
}
