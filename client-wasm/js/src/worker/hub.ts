/**
 * Ports in, one device behind them: in the SharedWorker, or in the worker of the tab that holds the
 * socket lock.
 *
 * A port says hello and is answered at once; what it says beyond pings waits until the device is
 * there: life lock, then socket lock, then storage and core. Any wasm trap ends the worker; tabs see
 * the life lock fall and start a new one. Tabs with a worker of their own come over BroadcastChannels,
 * whichever tier the holder is of.
 */
import type { Status, Tier } from '../page/api.js';
import {
  PORT_OLDEST,
  PORT_VERSION,
  agree,
  type Config,
  type ErrorData,
  type ToTab,
  type ToWorker,
} from '../port/protocol.js';
import { Copy } from '../store/copy.js';
import { IdbStore, nameOf, openDatabase } from '../store/idb.js';
import { MemoryStore } from '../store/memory.js';
import { NOTHING, type Loaded, type Store } from '../store/store.js';
import { noteUser, socketLock } from '../store/users.js';
import { Writer } from '../store/writer.js';
import { Device, type DeviceOwner } from './device.js';
import { Peers } from './peers.js';
import { Say } from './link.js';
import { Tab, type Pipe } from './tab.js';
import { Fatal, loadCore } from './wasm.js';

/** The socket closes so long after the last tab, the worker so much later. */
const CLOSE_SOCKET_MS = 5_000;
const CLOSE_WORKER_MS = 10_000;
/** A holder says so often that it lives, to tabs that cannot ask it. */
const LEAD_MS = 2_000;
/** A tab that is still there after so long took back what it was told to. */
const CLOSED_MS = 1_000;
/** Who is there now is written down again so long after it failed. */
const NOTE_MS = 3_000;

/** The worker around a hub. */
export interface Scope {
  /** Ends it; `moved`: by a decision, not by a failure. */
  close(moved?: boolean): void;
  location: { href: string };
}

/** See the top of the file. */
export class Hub implements DeviceOwner {
  readonly tier: Tier;
  readonly #scope: Scope;
  readonly #life: string;
  readonly #g: number;
  readonly #key: string;
  readonly #tabs = new Map<Pipe, Tab>();
  readonly #waiting = new Map<Pipe, ToWorker[]>();
  #alive: Promise<void>;
  /** Since when it holds the socket lock; 0: it does not yet. */
  #at: number;
  /** Since when the one before did. */
  #before = 0;
  #leading: ReturnType<typeof setInterval> | undefined;
  #started = false;
  #config: Config | undefined;
  #device: Device | undefined;
  #writer: Writer | undefined;
  #peers: Peers | undefined;
  #lastTab: ReturnType<typeof setTimeout>[] = [];
  #fatal: ErrorData | undefined;
  #storageTold = false;
  #ended = false;

  /** `at`: since when the worker holds the socket lock, if it does so already. */
  constructor(scope: Scope, tier: Tier, at = 0) {
    this.#scope = scope;
    this.tier = tier;
    this.#at = at;
    const { href } = scope.location;
    const words = new URL(href).searchParams;
    this.#g = Number(words.get('g'));
    this.#key = words.get('k') ?? '';
    this.#life = tier === 'ephemeral' ? '' : crypto.randomUUID();
    if (!this.#life) {
      this.#alive = Promise.resolve();
      return;
    }
    // Held until the worker is gone; tabs wait for it to fall.
    this.#alive = new Promise((held) => {
      void navigator.locks.request(this.#life, () => {
        held();
        return new Promise(() => undefined);
      });
    });
    const rank = { build: __BUILD__, shared: tier === 'shared-worker', g: this.#g };
    this.#peers = new Peers(this.#key, rank, href, {
      yield: (url) => this.yield(url),
      led: (since) => {
        this.#before = Math.max(this.#before, since);
        // The next in line may be older too.
        if (this.#started && this.#at === 0) this.#peers?.want();
      },
      sought: () => this.#lead(),
      join: (since, wire) => {
        if (since !== this.#at || this.#ended) return;
        const pipe = new BroadcastChannel(wire);
        this.connect(pipe);
        pipe.postMessage({ t: 'introduce' } satisfies ToTab);
        this.#leading ??= setInterval(() => this.#lead(), LEAD_MS);
      },
    });
    this.#lead();
  }

  /** A tab opened a port. */
  connect(port: Pipe): void {
    port.onmessage = (event: MessageEvent) => this.#heard(port, event.data as ToWorker);
  }

  /** Ends here: the socket is another worker's, and the tabs are too. */
  yield(url: string): void {
    void this.#end({ t: 'move', url });
  }

  #lead(): void {
    if (this.#at > 0 && !this.#ended) this.#peers?.lead(this.#at);
  }

  tabs(): Tab[] {
    return [...this.#tabs.values()];
  }

  all(message: ToTab): void {
    // How its own end looks is nobody's business: the next worker goes on.
    if (this.#ended) return;
    for (const tab of this.#tabs.values()) tab.post(message);
  }

  #heard(port: Pipe, said: ToWorker): void {
    if (said.t === 'ping') port.postMessage({ t: 'pong', i: said.i });
    else if (said.t === 'hello') this.#hello(port, said);
    else if (said.t === 'bye') this.#drop(port, said.frozen, said.place);
    else this.#later(port, said);
  }

  #later(port: Pipe, said: ToWorker): void {
    const waiting = this.#waiting.get(port);
    const tab = this.#tabs.get(port);
    if (waiting) waiting.push(said);
    else if (tab) this.#device?.from(tab, said);
  }

  #hello(port: Pipe, said: Extract<ToWorker, { t: 'hello' }>): void {
    const v = agree([PORT_VERSION, PORT_OLDEST], [said.v, said.oldest]);
    const config = (this.#config ??= said.config);
    if (v === 0 || JSON.stringify(config) !== JSON.stringify(said.config)) {
      port.postMessage({ t: 'outdated', build: __BUILD__, v: PORT_VERSION } satisfies ToTab);
      return;
    }
    for (const timer of this.#lastTab) clearTimeout(timer);
    this.#lastTab = [];
    this.#waiting.set(port, [said]);
    // Whoever hears `life` may wait for it, so it must be held by then.
    void this.#alive.then(() => {
      if (this.#ended) return;
      const db = nameOf(this.#key);
      const foreground = this.#device?.foreground ?? 'hidden-only';
      port.postMessage({ t: 'hello', v, build: __BUILD__, life: this.#life, foreground, db } satisfies ToTab);
      if (this.#fatal) this.#tell(port, this.#fatal);
      if (this.#device) this.#join(port);
      else this.#start(config);
    });
  }

  /** The device is there: the port becomes a tab of it. */
  #join(port: Pipe): void {
    const device = this.#device;
    const waiting = this.#waiting.get(port);
    const hello = waiting?.[0];
    if (!device || !waiting || hello?.t !== 'hello') return;
    this.#waiting.delete(port);
    // A place of another life of the database lies ahead of everything: the tab begins at the end.
    const place = Math.min(hello.place ?? device.inbox.last, device.inbox.last);
    const tab = new Tab(port, { inbox: device.inbox, progressed: () => device.progressed() }, place);
    this.#tabs.set(port, tab);
    if (hello.lock) this.#watch(port, tab, hello.lock);
    tab.visible = hello.visible;
    tab.tokens = hello.tokens;
    tab.shows = hello.shows;
    tab.permission = hello.permission;
    tab.all = hello.all ?? false;
    for (const [topic, durable] of hello.topics ?? []) tab.topics.set(topic, durable);
    tab.post({ t: 'place', n: place });
    if (hello.place !== undefined) {
      tab.returned = true;
      for (const log of device.inbox.missedSince(place)) {
        // What it does not listen to it did not miss: others handled that.
        if (log !== 'inbox' && !tab.wants(log)) continue;
        tab.post({ t: 'gap', log, reason: 'retention' });
        if (log.startsWith('topic:')) tab.post({ t: 'subscribed', topic: log.slice(6), recovered: false, replayed: 0 });
      }
    }
    device.joined(tab);
    for (const said of waiting.slice(1)) device.from(tab, said);
  }

  /** Queues on the lock that a tab holds while it lives: granted, it died without a bye. */
  #watch(port: Pipe, tab: Tab, lock: string): void {
    navigator.locks
      .request(lock, { signal: tab.gone.signal }, () => {
        // A tab's own worker ends without a word: the tab may be at rest, and not have had what is out.
        this.#drop(port, port instanceof BroadcastChannel, Math.min(...tab.out.map(({ n }) => (n > 0 ? n - 1 : Infinity))));
      })
      .catch(() => undefined);
  }

  /** Nothing is posted to it from here on: a page in the back/forward cache comes back over a new port. */
  #drop(port: Pipe, frozen = false, place = Infinity): void {
    const tab = this.#tabs.get(port);
    this.#waiting.delete(port);
    if (tab) {
      this.#tabs.delete(port);
      tab.end();
      // What is under way to it may never reach it.
      tab.place = Math.min(tab.place, place);
      this.#device?.left(tab, frozen);
    }
    port.close();
    if (this.#tabs.size > 0 || this.#waiting.size > 0 || this.#lastTab.length > 0) return;
    this.#lastTab = [
      setTimeout(() => this.#device?.link.say(Say.stop), CLOSE_SOCKET_MS),
      setTimeout(() => void this.#end(), CLOSE_WORKER_MS),
    ];
  }

  #start(config: Config): void {
    if (this.#started || this.#fatal) return;
    this.#started = true;
    const loading = loadCore(this.#scope.location.href);
    loading.catch(() => undefined);
    const hold = () => this.#hold(config, loading).catch((error: unknown) => this.#failed(error));
    if (this.tier !== 'shared-worker') return void hold();
    // One that hung does not hear: the tabs that found it out numbered this one, and it takes the lock.
    const options = this.#g > 0 ? { steal: true } : {};
    this.#peers?.want();
    navigator.locks
      .request(socketLock(this.#key), options, async () => {
        this.#at = Math.max(Date.now(), this.#before + 1);
        this.#lead();
        // Who waits for the lock by now, and is older, moves too.
        this.#peers?.want();
        await hold();
        return new Promise(() => undefined);
      })
      // Stolen: whoever did it has the tabs too, or will.
      .catch(() => void this.#end());
  }

  async #hold(config: Config, loading: Promise<WebAssembly.Module>): Promise<void> {
    if (this.#ended) return;
    // A tab that is a device of its own keeps nothing.
    const copy = this.tier === 'ephemeral' ? undefined : new Copy(nameOf(this.#key));
    const { store, loaded } = await this.#open(config, copy);
    const core = await loading;
    const writer = new Writer(store, {
      free: () => this.#device?.inbox.free() ?? {},
      failed: (error, below) => {
        this.#storageFailed(error);
        return new MemoryStore(copy, below, this.#device?.inbox.remaining());
      },
      superseded: () => void this.#end(),
    });
    this.#writer = writer;
    this.#device = new Device(core, config, loaded, writer, this);
    for (const port of [...this.#waiting.keys()]) this.#join(port);
    const came = this.tabs().some((tab) => !tab.returned);
    const changed = async (db: string) => {
      const heard = this.tabs();
      this.all({ t: 'close', db });
      await new Promise((closed) => setTimeout(closed, CLOSED_MS));
      return heard.some((tab) => tab.live);
    };
    // Also once a full disk has room again.
    const note = (): void => void noteUser(config, this.#key, changed, came).catch(() => setTimeout(note, NOTE_MS));
    note();
  }

  async #open(config: Config, copy: Copy | undefined): Promise<{ store: Store; loaded: Loaded }> {
    let idb: IdbStore | undefined;
    if (!copy) return { store: new MemoryStore(), loaded: NOTHING };
    try {
      const db = await openDatabase(nameOf(this.#key), (wait) => {
        // Deleted under us: a fresh worker goes on from the second copy. Where that is gone too it is a
        // new device, and pages say that things are missing.
        void this.#end(undefined, wait);
      });
      idb = new IdbStore(db, copy);
      await idb.claim(Date.now(), config);
      return { store: idb, loaded: await idb.load() };
    } catch (error) {
      this.#storageFailed(error);
      // What has no room for anything new can mostly be read.
      const store = new MemoryStore(copy, idb);
      return { store, loaded: await store.load() };
    }
  }

  /** Of tabs, and of those that wait to be one. */
  #ports(): Set<Pipe> {
    return new Set([...this.#tabs.keys(), ...this.#waiting.keys()]);
  }

  /** Told once: a store that is nearly full fails now and then. */
  #storageFailed(error: unknown): void {
    if (this.#storageTold) return;
    this.#storageTold = true;
    const data: ErrorData = { code: 'storage', detail: String(error) };
    for (const port of this.#ports()) {
      port.postMessage({ t: 'error', error: data } satisfies ToTab);
    }
  }

  #failed(error: unknown): void {
    this.#fatal = error instanceof Fatal ? error.data : { code: 'worker-crashed', detail: String(error) };
    for (const port of this.#waiting.keys()) this.#tell(port, this.#fatal);
    if (this.#fatal.temporary) void this.#end();
  }

  #tell(port: Pipe, error: ErrorData): void {
    port.postMessage({ t: 'error', error } satisfies ToTab);
    const state = error.temporary ? 'connecting' : 'closed';
    const status = { state, reason: `${error.code}` } as Status;
    port.postMessage({ t: 'status', status } satisfies ToTab);
  }

  /** Finishes what is being written, sends the tabs away if told where, and dies: the locks fall with it. */
  async #end(last?: ToTab, wait = 0): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    try {
      this.#device?.link.say(Say.stop);
      await this.#writer?.stop();
      this.#writer?.store.close();
      this.#peers?.close();
      if (last) {
        for (const port of this.#ports()) port.postMessage(last);
      }
    } finally {
      setTimeout(() => this.#scope.close(last !== undefined), wait);
    }
  }
}
