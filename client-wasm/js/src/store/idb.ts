/** A device in IndexedDB. The service worker opens the same database for receipts and clicks. */
import type { ClickData, Config } from '../port/protocol.js';
import type { Copy, Moment } from './copy.js';
import { NOTHING, Superseded, type Change, type Done, type Kept, type Loaded, type Receipt, type Row, type Store } from './store.js';

const STORES = ['inbox', 'done', 'kv', 'receipts', 'clicks'] as const;

/** A database that somebody deletes, and somebody else still holds, cannot be opened: so long is waited. */
const OPEN_MS = 10_000;

/** A browser that clears a site is done with it by then. */
const CLEARED_MS = 1_000;

/** Name of the database of a device. */
export const nameOf = (key: string): string => `pulsegate-${key}`;

/** Opens a device's database. `gone` is called when somebody deletes it or it breaks, with how long to wait before it is made anew. */
export function openDatabase(name: string, gone: (wait?: number) => void, make = true): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      if (!make) return request.transaction?.abort();
      const db = request.result;
      db.createObjectStore('inbox', { keyPath: 'n' }).createIndex('id', 'id');
      db.createObjectStore('done', { keyPath: 'n' });
      db.createObjectStore('kv');
      db.createObjectStore('receipts', { keyPath: 'q', autoIncrement: true });
      db.createObjectStore('clicks', { autoIncrement: true });
    };
    request.onsuccess = () => {
      clearTimeout(late);
      const db = request.result;
      // Whoever wants to delete or upgrade must not wait for us.
      db.onversionchange = () => {
        db.close();
        gone();
      };
      // The browser took it, mostly with all that the site has: whoever starts anew at once would find,
      // and bring back, the half that is not gone yet.
      db.onclose = () => gone(CLEARED_MS);
      resolve(db);
    };
    const late = setTimeout(() => {
      request.onsuccess = () => request.result.close();
      reject(new Error('the database is blocked'));
    }, OPEN_MS);
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
  #config: Config | undefined;

  constructor(db: IDBDatabase, copy: Copy) {
    this.#db = db;
    this.#copy = copy;
  }

  async claim(now: number, config: Config): Promise<void> {
    this.#config = config;
    const tx = this.#db.transaction('kv', 'readwrite', { durability: 'strict' });
    const kv = tx.objectStore('kv');
    const done = committed(tx);
    const last = (await result(kv.get('holder'))) as number | undefined;
    const holder = Math.max((last ?? 0) + 1, now);
    kv.put(holder, 'holder');
    kv.put(config, 'config');
    await done;
    this.#holder = holder;
  }

  async load(): Promise<Loaded> {
    const moment = await this.#copy.load();
    const fresh = (await result(this.#db.transaction('kv').objectStore('kv').getKey('identity'))) === undefined;
    // Made just now: it knows of no device, not even of one that logged out.
    if (fresh && moment) await this.write({ rows: moment.rows, kept: { ...moment.kept, holder: this.#holder } as Partial<Kept> }, true);
    const tx = this.#db.transaction(STORES);
    const all = (name: string) => result<unknown[]>(tx.objectStore(name).getAll());
    const [{ rows, kept }, done, receipts] = await Promise.all([this.#moment(tx), all('done'), all('receipts')]);
    void this.#copy.follow({ kept }, this.#take);
    return { ...NOTHING, ...kept, rows, done: done as Done[], receipts: receipts as Receipt[], shown: this.#copy.shown };
  }

  #take = async (most: number): Promise<Moment | undefined> => {
    const tx = this.#db.transaction(['inbox', 'kv']);
    return (await result(tx.objectStore('inbox').count())) > most ? undefined : this.#moment(tx);
  };

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
    // There was no room even for that.
    if (!this.#holder && this.#config) await this.claim(Date.now(), this.#config);
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
    await this.#copy.follow(change, this.#take);
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
