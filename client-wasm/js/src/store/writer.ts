/**
 * One transaction at a time; what is asked meanwhile shares the next one.
 *
 * A failed write frees handled rows and is tried once more; then another store takes over, until the
 * failed one takes all of it after all.
 */
import { Superseded, type Change, type Store } from './store.js';

interface Waiter {
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** A store that failed is tried again after so long. */
const AGAIN_MS = 3_000;

/** What the writer needs its owner for. */
export interface WriterOwner {
  /** Makes room: the rows that could go, or nothing. */
  free(): Change;
  /** The store failed. Answers with the one to go on with; what was to be written is written there. */
  failed(error: unknown, store: Store): Store;
  /** A newer holder wrote: stop. */
  superseded(): void;
}

/**
 * Adds `b` to `a`, as if written one after the other: a wipe drops what came before it about messages,
 * and of a message that left only that remains. (Flags are written once their row was read, which
 * would be after it was deleted.)
 */
export function merge(a: Change, b: Change): Change {
  const left = new Set(b.done?.map(({ n }) => n));
  const stays = ({ n }: { n: number }): boolean => !left.has(n);
  const join = <T>(before: T[] = [], after: T[] = []): T[] => [...(b.wipe ? [] : before), ...after];
  return {
    rows: join(a.rows, b.rows).filter(stays),
    flags: join(a.flags, b.flags).filter(stays),
    done: join(a.done, b.done),
    receipts: join(a.receipts, b.receipts),
    sent: join(a.sent, b.sent),
    forgetBelow: b.forgetBelow ?? a.forgetBelow,
    kept: { ...a.kept, ...b.kept },
    wipe: a.wipe || b.wipe,
  };
}

/** Groups changes into transactions. */
export class Writer {
  store: Store;
  readonly #owner: WriterOwner;
  #next: Change | undefined;
  #strict = false;
  #waiters: Waiter[] = [];
  #running = false;
  #stopped = false;
  #again = 0;

  constructor(store: Store, owner: WriterOwner) {
    this.store = store;
    this.#owner = owner;
  }

  /** Resolves when `change` is written; `strict`: and on the disk. Never resolves after `stop`. */
  write(change: Change, strict = false): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#stopped) return;
      this.#next = merge(this.#next ?? {}, change);
      this.#strict ||= strict;
      this.#waiters.push({ resolve, reject });
      void this.#run();
    });
  }

  /** Writes nothing more; resolves when the transaction under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    while (this.#running) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** Resolves when everything asked for so far is written. */
  flush(): Promise<void> {
    return this.#next || this.#running ? this.write({}) : Promise.resolve();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    // Let what comes in the same turn share the transaction.
    await Promise.resolve();
    while (this.#next && !this.#stopped) {
      const change = this.#next;
      const strict = this.#strict;
      const waiters = this.#waiters;
      this.#next = undefined;
      this.#strict = false;
      this.#waiters = [];
      try {
        await this.#attempt(change, strict);
        for (const w of waiters) w.resolve();
      } catch (error) {
        if (error instanceof Superseded) {
          this.#stopped = true;
          this.#owner.superseded();
          break;
        }
        for (const w of waiters) w.reject(error);
      }
    }
    this.#running = false;
  }

  async #attempt(change: Change, strict: boolean): Promise<void> {
    const { below, unwritten = {} } = this.store;
    const store = below && Date.now() > this.#again ? below : this.store;
    const all = merge(store === below ? unwritten : {}, change);
    try {
      await store.write(all, strict);
      this.store = store;
    } catch (error) {
      if (error instanceof Superseded) throw error;
      try {
        await store.write(merge(this.#owner.free(), all), strict);
        this.store = store;
      } catch (again) {
        if (again instanceof Superseded) throw again;
        this.#again = Date.now() + AGAIN_MS;
        setTimeout(() => void this.write({}), AGAIN_MS);
        if (store === this.store) this.store = this.#owner.failed(again, store);
        await this.store.write(change, strict);
      }
    }
  }
}
