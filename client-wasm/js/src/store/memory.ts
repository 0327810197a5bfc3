/** A device in memory: where IndexedDB failed. Acks wait for the handlers then. */
import type { ClickData } from '../port/protocol.js';
import type { Copy } from './copy.js';
import { NOTHING, type Change, type Kept, type Loaded, type Receipt, type Row, type Store } from './store.js';
import { merge } from './writer.js';

/** A device that is gone with its worker, unless the store below it takes what it holds. */
export class MemoryStore implements Store {
  readonly durable = false;
  /** What the one below has to learn. */
  unwritten: Change = {};
  readonly #copy: Copy | undefined;
  readonly #rows = new Map<number, Row>();
  readonly #receipts = new Map<number, Receipt>();
  #kept: Partial<Kept> = {};
  #queued = 0;

  /** `below`: the store that can be read, but not written; `rows`: what is known of it. */
  constructor(copy?: Copy, readonly below?: Store, rows: Row[] = []) {
    this.#copy = copy;
    for (const row of rows) this.#rows.set(row.n, row);
  }

  claim(): Promise<void> {
    return Promise.resolve();
  }

  async load(): Promise<Loaded> {
    const there = await this.below?.load().catch(() => undefined);
    if (there) return there;
    const moment = await this.#copy?.load();
    if (moment) await this.write({ rows: moment.rows, kept: moment.kept });
    return { ...NOTHING, ...this.#kept, rows: [...this.#rows.values()], shown: this.#copy?.shown ?? new Map() };
  }

  async write(change: Change): Promise<void> {
    this.unwritten = merge(this.unwritten, change);
    Object.assign(this.#kept, change.kept);
    if (change.wipe) this.#rows.clear();
    for (const row of change.rows ?? []) this.#rows.set(row.n, row);
    for (const { n, h, p } of change.flags ?? []) {
      const row = this.#rows.get(n);
      if (row) this.#rows.set(n, { ...row, h, p });
    }
    for (const { n } of change.done ?? []) this.#rows.delete(n);
    for (const receipt of change.receipts ?? []) {
      this.#queued += 1;
      this.#receipts.set(this.#queued, { ...receipt, q: this.#queued });
    }
    for (const q of change.sent ?? []) this.#receipts.delete(q);
    // What lies below is not all here.
    if (!this.below) {
      await this.#copy?.follow(change, () => Promise.resolve({ rows: [...this.#rows.values()], kept: this.#kept as Record<string, unknown> }));
    }
  }

  async shown(id: string, sure: boolean): Promise<void> {
    await this.#copy?.mark(id, sure);
  }

  async rows(places: number[]): Promise<Row[]> {
    const here = places.map((n) => this.#rows.get(n)).filter((row) => row !== undefined);
    const there = places.filter((n) => !this.#rows.has(n));
    return [...here, ...((await this.below?.rows(there).catch(() => [])) ?? [])];
  }

  receipts(): Promise<Receipt[]> {
    return Promise.resolve([...this.#receipts.values()]);
  }

  takeClicks(since: number): Promise<ClickData[]> {
    return this.below?.takeClicks(since).catch(() => []) ?? Promise.resolve([]);
  }

  close(): void {
    this.below?.close();
  }
}
