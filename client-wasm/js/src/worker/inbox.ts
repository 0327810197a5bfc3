/**
 * The inbox: every message that came and is not yet handled, in order of arrival.
 *
 * A slim entry of each message is in memory; the text of those that arrived last too, of the others
 * in the store. A message leaves when it is handled, its pop-up is decided and every live tab with a
 * handler for it has read past it; or when it expires, is recalled, or the oldest must make room.
 */
import { tagOf, type MessageData } from '../port/protocol.js';
import { weigh, type Change, type Cursors, type Done, type Loaded, type Receipt, type Row } from '../store/store.js';
import type { Writer } from '../store/writer.js';

/** Messages the inbox holds at most, and their size. */
export const INBOX_MESSAGES = 10_000;
export const INBOX_BYTES = 8 * 1024 * 1024;
/** Messages remembered after they left, so that a repeat is not taken for a new one. */
export const REMEMBERED = 2_000;
/** So many stay when the oldest of them are dropped. */
const KEPT = REMEMBERED - (REMEMBERED >> 3);
/** Rows whose text stays in memory, and its size. */
const CACHED = 512;
const CACHED_BYTES = 1024 * 1024;

/** `Stage` of the contract. */
export const STAGE = { received: 1, displayed: 2, clicked: 3, dismissed: 4, handled: 5 } as const;

/** What is known of a message without its text. */
export interface Entry {
  /** Place in this browser; 0: live only (`ttl_s: 0`), never stored. */
  n: number;
  id: string;
  log: string;
  /** A tab handled it. */
  h: 0 | 1;
  /** Whether a pop-up is due is still open. */
  p: 0 | 1;
  bytes: number;
  expires: number;
  tag: string;
  /** It was shown, or shown by an earlier worker as far as one knows. */
  shown: boolean;
  /** It was about to be shown when an earlier worker ended: perhaps it was. */
  maybe: boolean;
  /** HANDLED was reported. */
  told: boolean;
  /** It left the inbox. */
  gone: boolean;
  /** Its flags as the store has them. */
  saved: number;
}

/** What the inbox needs its owner for. */
export interface InboxOwner {
  now(): number;
  /** Whether a live tab with a handler for it has not come to it yet. */
  needed(entry: Entry): boolean;
  /** Whether a live tab's handler has it, or will have it. */
  awaited(entry: Entry): boolean;
  /** An unhandled message had to go. */
  dropped(log: string): void;
  /** Receipts were queued. */
  receipts(): void;
  /** Messages were handled, or left. */
  settled(): void;
}

/** See the top of the file. */
export class Inbox {
  /** By `n`, ascending; entries that are `gone` are swept out now and then. */
  entries: Entry[] = [];
  readonly #byId = new Map<string, Entry>();
  readonly #done = new Map<string, Done>();
  readonly #shownTags = new Map<string, number>();
  readonly #cache = new Map<number, Row>();
  #cachedBytes = 0;
  #count = 0;
  #bytes = 0;
  #gone = 0;
  /**
   * The last place given out, and the last that arrived: between them a write is under way. No worker
   * gives a place that one before it gave, and may not have written: the clock goes on.
   */
  #given = Date.now();
  #last = 0;
  /** Below this place it is not known any more what left. */
  #pruned = 0;
  readonly #dirty = new Set<Entry>();
  #receipts: Receipt[] = [];
  #flushing = false;
  #wipes = 0;
  /** What was shown before this worker; false: perhaps. */
  readonly #shown: Map<string, boolean>;
  readonly #writer: Writer;
  readonly #owner: InboxOwner;

  constructor(writer: Writer, owner: InboxOwner, loaded: Loaded) {
    this.#writer = writer;
    this.#owner = owner;
    this.#shown = loaded.shown;
    for (const done of loaded.done) this.#remember(done);
    // Fewer are there only if none was ever dropped.
    if (loaded.done.length >= KEPT) this.#pruned = Math.min(...loaded.done.map((done) => done.n));
    for (const row of loaded.rows) this.#insert(this.#shown.get(row.id) ? { ...row, p: 0 } : row, true);
  }

  /** The last place that arrived. A tab that reads on from here misses nothing that is being written. */
  get last(): number {
    return this.#last;
  }

  /** Messages held. */
  get count(): number {
    return this.#count;
  }

  /** Ids that would be repeats: of the inbox and of what left it last. */
  knownIds(): string[] {
    return [...this.#done.keys(), ...this.#byId.keys()];
  }

  /** Whether this message is here or left not long ago. */
  known(id: string): boolean {
    return this.#byId.has(id) || this.#done.has(id);
  }

  find(id: string): Entry | undefined {
    return this.#byId.get(id);
  }

  /** Logs of which something left the inbox beyond `place`: a tab that was away since has missed it. `inbox`: any of them. */
  missedSince(place: number): Set<string> {
    const logs = new Set(place + 1 < this.#pruned ? ['inbox'] : []);
    for (const done of this.#done.values()) if (done.n > place) logs.add(done.log);
    return logs;
  }

  /** Takes messages and cursors in one strict transaction; then they are there for the tabs. */
  async take(messages: MessageData[], cursors: Cursors): Promise<Entry[]> {
    const rows = messages
      .filter((m) => !this.known(m.id))
      .map((m): Row => ({ ...m, n: (this.#given += 1), h: 0, p: m.note && !this.#shown.get(m.id) ? 1 : 0, bytes: weigh(m) }));
    const wipes = this.#wipes;
    await this.#writer.write({ rows, kept: { cursors: { ...cursors } } }, true);
    // Wiped while it was being written: the wipe follows it in the store.
    if (wipes !== this.#wipes) return [];
    const entries = rows.map((row) => this.#insert(row, false));
    this.#makeRoom();
    return entries;
  }

  /** The entries after `place`, in order, `limit` at most, that `wanted` says yes to. */
  after(place: number, limit: number, wanted: (entry: Entry) => boolean): Entry[] {
    const found: Entry[] = [];
    for (let i = this.#indexAfter(place); i < this.entries.length && found.length < limit; i += 1) {
      const entry = this.entries[i] as Entry;
      if (!entry.gone && wanted(entry)) found.push(entry);
    }
    return found;
  }

  /** The texts of `entries`; without those that are gone meanwhile. */
  async rows(entries: Entry[]): Promise<Row[]> {
    const missing = entries.filter((e) => !this.#cache.has(e.n)).map((e) => e.n);
    const read = missing.length > 0 ? await this.#writer.store.rows(missing) : [];
    const byPlace = new Map(read.map((row) => [row.n, row]));
    return entries
      .filter((e) => !e.gone)
      .map((e) => this.#cache.get(e.n) ?? byPlace.get(e.n))
      .filter((row) => row !== undefined);
  }

  /** Whether a newer notification of the same tag was shown already. */
  replaced(entry: Entry): boolean {
    return (this.#shownTags.get(entry.tag) ?? 0) > entry.n;
  }

  /** A handler returned; `visible`: in a visible tab, which the backend is told. */
  handled(entry: Entry, visible: boolean): void {
    entry.h = 1;
    if (visible && !entry.told) {
      entry.told = true;
      this.receipt(entry.id, STAGE.handled);
    }
    this.touch(entry);
  }

  /** Its pop-up was shown: handled, unless a live tab's handler is at it, which then has the last word. Resolves when that is written. */
  async displayed(entry: Entry): Promise<void> {
    entry.p = 0;
    entry.shown = true;
    if (!this.#owner.awaited(entry)) entry.h = 1;
    if (entry.n > 0) this.#shownTags.set(entry.tag, Math.max(entry.n, this.#shownTags.get(entry.tag) ?? 0));
    this.receipt(entry.id, STAGE.displayed);
    this.touch(entry);
    // At once and by itself, and waited for: a power cut can repeat the pop-up under way, and no other.
    await this.#note(entry, true);
  }

  /** It is about to be shown. Resolves when that is written. */
  showing(entry: Entry): Promise<void> {
    return this.#note(entry, false);
  }

  async #note(entry: Entry, sure: boolean): Promise<void> {
    if (entry.n > 0 && !entry.gone) await this.#writer.store.shown(entry.id, sure).catch(() => undefined);
  }

  /** A handler failed, or its tab went: what was shown needs no other. */
  abandoned(entry: Entry): void {
    if (!entry.shown || entry.h || this.#owner.awaited(entry)) return;
    entry.h = 1;
    this.touch(entry);
  }

  /** No pop-up for it; `handled`: because somebody saw it anyway. */
  unshown(entry: Entry, handled: boolean): void {
    entry.p = 0;
    if (handled) entry.h = 1;
    this.touch(entry);
  }

  /** The publisher took it back, or it expired: it leaves. */
  remove(entry: Entry): void {
    entry.h = 1;
    entry.p = 0;
    this.#leave(entry);
  }

  /** Queues a receipt with the next write. */
  receipt(id: string, stage: number, action = ''): void {
    this.#receipts.push({ id, stage, at: this.#owner.now(), action });
    this.#schedule();
  }

  /** Writes what changed of `entry`, soon. */
  touch(entry: Entry): void {
    if (entry.n === 0 || entry.gone) return;
    this.#dirty.add(entry);
    this.#schedule();
  }

  /** Looks again at what waits for a tab: one passed it, or is gone. */
  settle(): void {
    for (const entry of this.entries) {
      // In order of arrival: the first unhandled one does not end it, slow handlers finish out of order.
      if (entry.h && !entry.p && !entry.gone) this.#dirty.add(entry);
    }
    if (this.#dirty.size > 0) this.#schedule();
  }

  /** Drops what has expired. */
  expire(): void {
    const now = this.#owner.now();
    for (const entry of this.entries) if (!entry.gone && entry.expires > 0 && entry.expires <= now) this.remove(entry);
  }

  /** Handled rows that only wait for a slow tab: they may go if the disk is full. */
  free(): Change {
    const done: Done[] = [];
    for (const entry of this.entries) if (entry.h && !entry.p && !entry.gone) done.push(this.#forget(entry));
    return { done };
  }

  /** The device is another one: nothing of this is its own. */
  wipe(): void {
    this.#wipes += 1;
    for (const entry of this.entries) entry.gone = true;
    this.entries = [];
    this.#byId.clear();
    this.#done.clear();
    this.#shown.clear();
    this.#shownTags.clear();
    this.#cache.clear();
    this.#dirty.clear();
    this.#receipts = [];
    this.#cachedBytes = this.#count = this.#bytes = this.#gone = 0;
  }

  /** What the memory still holds of the rows: all there is to go on with if the store fails. */
  remaining(): Row[] {
    return [...this.#cache.values()];
  }

  #insert(row: Row, old: boolean): Entry {
    const shown = this.#shown.get(row.id);
    this.#shown.delete(row.id);
    const entry = entryOf(row, shown);
    this.entries.push(entry);
    this.#byId.set(row.id, entry);
    this.#arrived(row.n);
    this.#count += 1;
    this.#bytes += row.bytes;
    if (!old) this.#keepText(row);
    return entry;
  }

  #keepText(row: Row): void {
    this.#cache.set(row.n, row);
    this.#cachedBytes += row.bytes;
    for (const [n, oldest] of this.#cache) {
      if (this.#cache.size <= CACHED && this.#cachedBytes <= CACHED_BYTES) break;
      // In memory mode there is no other copy.
      if (!this.#writer.store.durable) break;
      this.#cache.delete(n);
      this.#cachedBytes -= oldest.bytes;
    }
  }

  #arrived(n: number): void {
    this.#last = Math.max(this.#last, n);
    this.#given = Math.max(this.#given, n);
  }

  #remember(done: Done): void {
    this.#done.set(done.id, done);
    this.#arrived(done.n);
    if (done.tag) this.#shownTags.set(done.tag, Math.max(done.n, this.#shownTags.get(done.tag) ?? 0));
  }

  #indexAfter(place: number): number {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.entries[middle] as Entry).n > place) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #leave(entry: Entry): void {
    if (entry.gone) return;
    void this.#writer.write({ done: [this.#forget(entry)], forgetBelow: this.#prune() });
  }

  /** Out of memory; answers with what is to be remembered. */
  #forget(entry: Entry): Done {
    const done = { n: entry.n, id: entry.id, log: entry.log, tag: entry.shown ? entry.tag : '' };
    entry.gone = true;
    this.#byId.delete(entry.id);
    this.#dirty.delete(entry);
    this.#count -= 1;
    this.#bytes -= entry.bytes;
    const text = this.#cache.get(entry.n);
    if (text) {
      this.#cache.delete(entry.n);
      this.#cachedBytes -= text.bytes;
    }
    this.#remember(done);
    this.#gone += 1;
    if (this.#gone > 64 && this.#gone * 2 > this.entries.length) {
      this.entries = this.entries.filter((e) => !e.gone);
      this.#gone = 0;
    }
    return done;
  }

  /** Forgets the oldest of what is remembered; answers below which place nothing is. */
  #prune(): number | undefined {
    if (this.#done.size <= REMEMBERED) return undefined;
    // An eighth at a time: the rows are deleted by range.
    const places = [...this.#done.values()].map((d) => d.n).sort((a, b) => a - b);
    const below = (this.#pruned = places[REMEMBERED >> 3] as number);
    for (const done of this.#done.values()) {
      if (done.n >= below) continue;
      this.#done.delete(done.id);
      if (this.#shownTags.get(done.tag) === done.n) this.#shownTags.delete(done.tag);
    }
    return below;
  }

  #makeRoom(): void {
    for (const entry of this.entries) {
      if (this.#count <= INBOX_MESSAGES && this.#bytes <= INBOX_BYTES) return;
      if (entry.gone) continue;
      if (!entry.h || this.#owner.awaited(entry)) this.#owner.dropped(entry.log);
      this.remove(entry);
    }
  }

  #schedule(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    // A turn later: handlers of many messages come back together.
    setTimeout(() => {
      this.#flushing = false;
      this.#flush();
    }, 0);
  }

  #flush(): void {
    const flags: { n: number; h: 0 | 1; p: 0 | 1 }[] = [];
    const done: Done[] = [];
    for (const entry of this.#dirty) {
      if (entry.gone) continue;
      if (entry.h && !entry.p && !this.#owner.needed(entry)) done.push(this.#forget(entry));
      else if (entry.saved !== flagsOf(entry)) {
        entry.saved = flagsOf(entry);
        flags.push({ n: entry.n, h: entry.h, p: entry.p });
      }
    }
    this.#dirty.clear();
    const receipts = this.#receipts;
    this.#receipts = [];
    this.#owner.settled();
    if (flags.length + done.length + receipts.length === 0) return;
    void this.#writer.write({ flags, done, receipts, forgetBelow: this.#prune() }).then(() => {
      if (receipts.length > 0) this.#owner.receipts();
    });
  }
}

/** What is known of a message without its text. `shown`: whether it was, by an earlier worker; false: perhaps. */
export const entryOf = (row: Row, shown?: boolean): Entry => ({
  n: row.n,
  id: row.id,
  log: row.log,
  h: row.h,
  p: row.p,
  bytes: row.bytes,
  expires: row.expires,
  tag: row.note ? tagOf(row) : '',
  shown: shown === true,
  maybe: shown === false,
  told: false,
  gone: false,
  saved: flagsOf(row),
});

const flagsOf = ({ h, p }: { h: 0 | 1; p: 0 | 1 }): number => h | (p << 1);
