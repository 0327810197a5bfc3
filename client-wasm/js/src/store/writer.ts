/**
 * One transaction at a time; what is asked meanwhile shares the next one.
 *
 * A failed write frees handled rows and is tried once more; then the store is given up.
 */
import { Superseded, type Change, type Store } from './store.js';

interface Waiter {
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** What the writer needs its owner for. */
export interface WriterOwner {
  /** Makes room: the rows that could go, or nothing. */
  free(): Change;
  /** The store failed for good. Answers with the one to go on with; what was to be written is written there. */
  failed(error: unknown): Store;
  /** A newer holder wrote: stop. */
  superseded(): void;
}

/** Adds `b` to `a`, as if written one after the other: a wipe drops what came before it about messages. */
export function merge(a: Change, b: Change): Change {
  const join = <T>(before: T[] = [], after: T[] = []): T[] => [...(b.wipe ? [] : before), ...after];
  return {
    rows: join(a.rows, b.rows),
    flags: join(a.flags, b.flags),
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
    try {
      await this.store.write(change, strict);
    } catch (error) {
      if (error instanceof Superseded) throw error;
      try {
        await this.store.write(merge(this.#owner.free(), change), strict);
      } catch (again) {
        if (again instanceof Superseded) throw again;
        this.store = this.#owner.failed(again);
        await this.store.write(change, strict);
      }
    }
  }
}
