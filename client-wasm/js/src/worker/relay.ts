/**
 * The worker of one tab where there is no SharedWorker: it waits in line for the socket lock, and
 * carries what the tab and the holder say to each other.
 *
 * Whoever is granted the lock becomes a hub, and says so to all others; each opens a channel to it
 * and has its tab introduce itself. A holder that says nothing for six seconds hangs, or its process
 * is stopped: the lock is stolen from it. What it does when it wakes up counts for nothing: its
 * writes are refused by the claim of the new one, its socket by the gateway.
 */
import type { ToTab, ToWorker } from '../port/protocol.js';
import { socketLock } from '../store/users.js';
import { Hub, type Scope } from './hub.js';
import { compareRank, peersOf, type Said } from './peers.js';
import type { Pipe } from './tab.js';

/** A holder's silence after which its lock is stolen: three of its signs of life, and half a second for chance, so that one tab is first. */
const SILENCE_MS = 6_000;
const CHANCE_MS = 500;
/** A timer this late means that this worker slept itself, which proves nothing. */
const LATE_MS = 1_000;

/** A dedicated worker's global scope. */
export type OwnScope = Scope & Pipe;

/** See the top of the file. */
export class Relay {
  readonly #scope: OwnScope;
  readonly #key: string;
  readonly #life = crypto.randomUUID();
  readonly #peers: BroadcastChannel;
  /** Since when the present holder is that. */
  #at = 0;
  #wire: BroadcastChannel | undefined;
  /** The holder was heard on it. */
  #joined = false;
  #hub: Hub | undefined;
  #queued = new AbortController();
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(scope: OwnScope) {
    this.#scope = scope;
    this.#key = new URL(scope.location.href).searchParams.get('k') ?? '';
    this.#peers = new BroadcastChannel(peersOf(this.#key));
    this.#peers.onmessage = ({ data }: MessageEvent<Said>) => {
      if (data.t === 'lead') this.#led(data);
    };
    scope.onmessage = ({ data }: MessageEvent<ToWorker>) => {
      if (data.t === 'ping') this.#tell({ t: 'pong', i: data.i });
      else this.#wire?.postMessage(data);
    };
    // Held until the worker is gone, and before the tab hears of it.
    void navigator.locks.request(this.#life, () => {
      this.#tell({ t: 'pong', i: 0 });
      this.#say({ t: 'who' });
      this.#queue({ signal: this.#queued.signal });
      this.#alive();
      return new Promise(() => undefined);
    });
  }

  #tell(message: ToTab): void {
    this.#scope.postMessage(message);
  }

  #say(said: Said): void {
    this.#peers.postMessage(said);
  }

  #led({ at, rank }: Extract<Said, { t: 'lead' }>): void {
    // One that was stopped and woke up does not know yet.
    if (at < this.#at) return;
    this.#alive();
    // Without an answer by its next sign of life it did not hear: then once more.
    if (at === this.#at && this.#joined) return;
    this.#at = at;
    this.#joined = false;
    const mine = { build: __BUILD__, shared: false, g: 0 };
    if (compareRank(rank, mine) < 0) this.#say({ t: 'want', rank: mine, url: this.#scope.location.href });
    // A channel for this holder alone: what an older one still says is heard by nobody.
    this.#wire?.close();
    const name = crypto.randomUUID();
    this.#wire = new BroadcastChannel(name);
    this.#wire.onmessage = ({ data }: MessageEvent<ToTab>) => {
      this.#joined = true;
      // A tab stays with its worker, whoever holds the socket.
      if (data.t === 'move') return;
      this.#tell(data.t === 'hello' ? { ...data, life: this.#life } : data);
    };
    this.#say({ t: 'join', at, wire: name });
  }

  /** The holder gave a sign of life, or has all its time for one. */
  #alive(): void {
    clearTimeout(this.#silence);
    if (this.#hub) return;
    const wait = SILENCE_MS + Math.random() * CHANCE_MS;
    const due = performance.now() + wait;
    this.#silence = setTimeout(() => {
      if (performance.now() - due > LATE_MS) return this.#alive();
      this.#queued.abort();
      this.#queue({ steal: true });
    }, wait);
  }

  #queue(options: LockOptions): void {
    const { location } = this.#scope;
    navigator.locks
      .request(socketLock(this.#key), options, () => {
        const close = (moved?: boolean) => {
          // A fresh worker takes this one's place in the line.
          if (moved) this.#tell({ t: 'move', url: location.href });
          this.#scope.close();
        };
        this.#hub = new Hub({ close, location }, 'leader', Math.max(Date.now(), this.#at + 1));
        this.#alive();
        return new Promise(() => undefined);
      })
      // Stolen from the hub, if there is one.
      .catch(() => this.#hub?.yield(location.href));
  }
}
