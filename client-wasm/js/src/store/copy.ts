/**
 * A second copy of a device, in Cache Storage: it does not die with the database.
 *
 * Chromium throws a site's IndexedDB away when the end of its log cannot be read, as after some
 * `kill -9` in the middle of a write. The copy is an older moment of the same database, taken in one
 * transaction: who the device is, where its logs were, and what was not handled then. What came
 * later the gateway sends again, since the device names the older cursors. Beside it lie marks of
 * what was shown since, one small entry each, so that nothing pops up a second time.
 *
 * Both go with the site's data. Where Cache Storage is missing or full there is no second copy.
 */
import type { Change, Kept, Row } from './store.js';

/** The copy is mostly at most so much older than the database. */
const COPY_MS = 1_000;
/** Up to so many unhandled messages it is taken each time; of more only when as many have come since the last one. */
const COPY_MESSAGES = 100;

/** A moment of the database: its inbox, and everything else by name. */
export interface Moment {
  rows: Row[];
  kept: Record<string, unknown>;
}

/** Reads a moment; nothing if it has more than `most` messages. */
export type Take = (most: number) => Promise<Moment | undefined>;

const FOLDER = '/pulsegate/';

/** Of a mark the message; of a moment nothing. */
const idOf = (request: Request): string => new URL(request.url).pathname.slice(FOLDER.length);

/** See the top of the file. */
export class Copy {
  readonly #name: string;
  /** Marks found at the start whose messages were not met yet: they may come again. */
  readonly shown = new Map<string, boolean>();
  #last: Promise<void> = Promise.resolve();
  /** Registration and logs, as the copy has them. */
  #who = '';
  readonly #kept: Partial<Kept> = {};
  #came = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `name`: of the database. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Notes that a message was shown, or (not `sure`) is about to be. */
  mark(id: string, sure: boolean): Promise<void> {
    return this.#put(`${id}?${+sure}`, '').catch(() => undefined);
  }

  /** Reads the marks, and answers with the moment, if there is one. */
  async load(): Promise<Moment | undefined> {
    const { shown } = this;
    let moment: Moment | undefined;
    try {
      const cache = await caches.open(this.#name);
      for (const request of await cache.keys()) {
        const id = idOf(request);
        // One that was cut while it was written is none; the one before it is still there then.
        if (!id) moment = await cache.match(request).then((found) => found?.json()).catch(() => moment);
        else shown.set(id, shown.get(id) || request.url.endsWith('1'));
      }
    } catch {
      // No Cache Storage here.
    }
    return moment;
  }

  /** `change` is in the database: the copy follows soon, or, where it must, before this resolves. */
  follow(change: Change, take: Take): Promise<void> | undefined {
    this.#came += change.rows?.length ?? 0;
    const { identity, forgetting, cursors = {} } = Object.assign(this.#kept, change.kept);
    // Before anything of a new log is acked the copy must name that log: where a device names no
    // cursor the gateway takes its own, which is past what was acked.
    const who = JSON.stringify([identity?.registration, forgetting, ...Object.entries(cursors).map(([log, at]) => log + at[0])]);
    if (who !== this.#who) {
      this.#who = who;
      return this.#save(take, Infinity);
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#save(take, COPY_MESSAGES + 2 * this.#came);
    }, COPY_MS);
    return undefined;
  }

  /** Keeps a moment, then drops the one before it and the marks it makes needless. One at a time. */
  #save(take: Take, most: number): Promise<void> {
    const saved = this.#last.then(async () => {
      const cache = await caches.open(this.#name);
      const before = await cache.keys();
      const open = new Set(this.shown.keys());
      const came = this.#came;
      const moment = await take(most);
      if (!moment) return;
      this.#came -= came;
      await this.#put(`?${crypto.randomUUID()}`, JSON.stringify(moment));
      for (const { p, id } of moment.rows) if (p) open.add(id);
      await Promise.all(before.filter((request) => !open.has(idOf(request))).map((request) => cache.delete(request)));
    });
    this.#last = saved.catch(() => undefined);
    return this.#last;
  }

  /** Opened anew each time: some apps drop all caches they do not know when they are released. */
  async #put(name: string, text: string): Promise<void> {
    const cache = await caches.open(this.#name);
    await cache.put(FOLDER + name, new Response(text));
  }
}
