/** A device in IndexedDB. The service worker opens the same database for receipts and clicks. */
import type { ClickData, Config } from '../port/protocol.js';
import { Copy, type Moment } from './copy.js';
import { NOTHING, Superseded, type Change, type Done, type Kept, type Loaded, type Receipt, type Row, type Store } from './store.js';

const STORES = ['inbox', 'done', 'kv', 'receipts', 'clicks'] as const;

/** The second copy is at most so much older than the database. */
const COPY_MS = 1_000;
/** Up to so many unhandled messages it is taken each time; of more only when as many have come since the last one. */
const COPY_MESSAGES = 100;

/** Name of the database of a device. */
export const nameOf = (key: string): string => `pulsegate-${key}`;

/** Opens a device's database. `gone` is called when somebody deletes it or it breaks. */
export function openDatabase(name: string, gone: () => void): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      const db = request.result;
      db.createObjectStore('inbox', { keyPath: 'n' }).createIndex('id', 'id');
      db.createObjectStore('done', { keyPath: 'n' });
      db.createObjectStore('kv');
      db.createObjectStore('receipts', { keyPath: 'q', autoIncrement: true });
      db.createObjectStore('clicks', { autoIncrement: true });
    };
    request.onsuccess = () => {
      const db = request.result;
      // Whoever wants to delete or upgrade must not wait for us.
      db.onversionchange = () => {
        db.close();
        gone();
      };
      db.onclose = gone;
      resolve(db);
    };
    request.onblocked = reject;
    request.onerror = () => reject(request.error);
  });
}

/** The result of one request. */
export function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Resolves when a transaction is committed. */
export function committed(tx: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve();
    tx.onabort = () => reject(tx.error);
  });
}

/** A device kept in IndexedDB. */
export class IdbStore implements Store {
  readonly durable = true;
  readonly #db: IDBDatabase;
  readonly #copy: Copy;
  #holder = 0;
  /** The database knows of no device, present or past: it was made just now. */
  #fresh = false;
  /** Registration and logs, as the second copy has them. */
  #who = '';
  #kept: Partial<Kept> = {};
  #came = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(db: IDBDatabase) {
    this.#db = db;
    this.#copy = new Copy(db.name);
  }

  async claim(now: number, config: Config): Promise<void> {
    const tx = this.#db.transaction('kv', 'readwrite', { durability: 'strict' });
    const kv = tx.objectStore('kv');
    const done = committed(tx);
    const last = (await result(kv.get('holder'))) as number | undefined;
    this.#fresh = (await result(kv.getKey('identity'))) === undefined;
    this.#holder = Math.max((last ?? 0) + 1, now);
    kv.put(this.#holder, 'holder');
    kv.put(config, 'config');
    await done;
  }

  async load(): Promise<Loaded> {
    const moment = await this.#copy.load();
    if (this.#fresh && moment) {
      await this.write({ rows: moment.rows, kept: { ...moment.kept, holder: this.#holder } as Partial<Kept> }, true);
    }
    const tx = this.#db.transaction(STORES, 'readonly');
    const all = (name: string) => result<unknown[]>(tx.objectStore(name).getAll());
    const [{ rows, kept }, done, receipts] = await Promise.all([this.#moment(tx), all('done'), all('receipts')]);
    const loaded = { ...NOTHING, ...kept, rows, done: done as Done[], receipts: receipts as Receipt[], shown: this.#copy.shown };
    this.#kept = { ...loaded };
    this.#who = this.#whoNow();
    this.#copySoon();
    return loaded;
  }

  async #moment(tx: IDBTransaction): Promise<Moment> {
    const kv = tx.objectStore('kv');
    const [rows, values, names] = await Promise.all([
      result<Row[]>(tx.objectStore('inbox').getAll()),
      result<unknown[]>(kv.getAll()),
      result(kv.getAllKeys()),
    ]);
    return { rows, kept: Object.fromEntries(names.map((name, i) => [name, values[i]])) };
  }

  async write(change: Change, strict: boolean): Promise<void> {
    const tx = this.#db.transaction(scopeOf(change), 'readwrite', { durability: strict ? 'strict' : 'relaxed' });
    let superseded = false;
    const done = committed(tx).catch((error: unknown) => {
      throw superseded ? new Superseded() : error;
    });
    const kv = tx.objectStore('kv');
    // Checked inside the transaction: a newer holder's claim is either seen here or comes after it.
    kv.get('holder').onsuccess = (event) => {
      if ((event.target as IDBRequest<number>).result !== this.#holder) {
        superseded = true;
        tx.abort();
        return;
      }
      try {
        apply(tx, change);
      } catch {
        tx.abort();
      }
    };
    await done;
    this.#came += change.rows?.length ?? 0;
    Object.assign(this.#kept, change.kept);
    const who = this.#whoNow();
    if (who === this.#who) return this.#copySoon();
    // Before anything of a new log is acked the copy must name that log: where a device names no
    // cursor the gateway takes its own, which is past what was acked.
    this.#who = who;
    await this.#copyNow();
  }

  #whoNow(): string {
    const { identity, forgetting, cursors = {} } = this.#kept;
    return JSON.stringify([identity?.registration, forgetting, ...Object.entries(cursors).map(([log, at]) => log + at[0])]);
  }

  #copySoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#copyNow(COPY_MESSAGES + this.#came);
    }, COPY_MS);
  }

  #copyNow(most = Infinity): Promise<void> {
    return this.#copy.save(async () => {
      const tx = this.#db.transaction(['inbox', 'kv']);
      if ((await result(tx.objectStore('inbox').count())) > most) return undefined;
      this.#came = 0;
      return this.#moment(tx);
    });
  }

  shown(id: string, sure: boolean): Promise<void> {
    return this.#copy.mark(id, sure);
  }

  async rows(places: number[]): Promise<Row[]> {
    const inbox = this.#db.transaction('inbox', 'readonly').objectStore('inbox');
    const found = await Promise.all(places.map((n) => result<Row | undefined>(inbox.get(n))));
    return found.filter((row) => row !== undefined);
  }

  receipts(): Promise<Receipt[]> {
    return result<Receipt[]>(this.#db.transaction('receipts', 'readonly').objectStore('receipts').getAll());
  }

  async takeClicks(since: number): Promise<ClickData[]> {
    const tx = this.#db.transaction('clicks', 'readwrite');
    const taken: ClickData[] = [];
    tx.objectStore('clicks').openCursor().onsuccess = (event) => {
      const cursor = (event.target as IDBRequest<IDBCursorWithValue | null>).result;
      if (!cursor) return;
      const click = cursor.value as ClickData;
      // A second of slack: the window may be there before the click is written down.
      const mine = since > 0 ? click.opened && since >= click.at - 1_000 : !click.opened;
      if (mine) taken.push(click);
      // A click nobody came for within a minute is stale.
      if (mine || Date.now() - click.at > 60_000) cursor.delete();
      cursor.continue();
    };
    await committed(tx);
    return taken.filter((click) => Date.now() - click.at < 60_000);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#db.onclose = null;
    this.#db.close();
  }
}

function scopeOf(c: Change): string[] {
  return STORES.filter((name) => c.wipe || name !== 'clicks');
}

function apply(tx: IDBTransaction, c: Change): void {
  if (c.wipe) {
    for (const name of STORES) if (name !== 'kv') tx.objectStore(name).clear();
  }
  const inbox = tx.objectStore('inbox');
  const done = tx.objectStore('done');
  const kv = tx.objectStore('kv');
  const receipts = tx.objectStore('receipts');
  for (const row of c.rows ?? []) inbox.put(row);
  for (const { n, h, p } of c.flags ?? []) {
    inbox.get(n).onsuccess = (event) => {
      const row = (event.target as IDBRequest<Row | undefined>).result;
      if (row) inbox.put({ ...row, h, p });
    };
  }
  for (const d of c.done ?? []) {
    inbox.delete(d.n);
    done.put(d);
  }
  if (c.forgetBelow !== undefined) done.delete(IDBKeyRange.upperBound(c.forgetBelow, true));
  for (const receipt of c.receipts ?? []) receipts.put(receipt);
  for (const q of c.sent ?? []) receipts.delete(q);
  for (const [name, value] of Object.entries(c.kept ?? {})) kv.put(value, name);
}
