/** A device in memory: where IndexedDB failed. Acks wait for the handlers then. */
import type { ClickData } from '../port/protocol.js';
import { NOTHING, type Change, type Loaded, type Receipt, type Row, type Store } from './store.js';

/** A device that is gone with its worker. */
export class MemoryStore implements Store {
  readonly durable = false;
  readonly #rows = new Map<number, Row>();
  readonly #receipts = new Map<number, Receipt>();
  #queued = 0;

  /** Goes on where another store failed: with the rows that could still be read. */
  constructor(rows: Row[] = []) {
    for (const row of rows) this.#rows.set(row.n, row);
  }

  claim(): Promise<void> {
    return Promise.resolve();
  }

  load(): Promise<Loaded> {
    return Promise.resolve({ ...NOTHING, rows: [...this.#rows.values()] });
  }

  write(change: Change): Promise<void> {
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
    return Promise.resolve();
  }

  shown(): Promise<void> {
    return Promise.resolve();
  }

  rows(places: number[]): Promise<Row[]> {
    return Promise.resolve(places.map((n) => this.#rows.get(n)).filter((row) => row !== undefined));
  }

  receipts(): Promise<Receipt[]> {
    return Promise.resolve([...this.#receipts.values()]);
  }

  takeClicks(): Promise<ClickData[]> {
    return Promise.resolve([]);
  }

  close(): void {
    // Nothing is held.
  }
}
