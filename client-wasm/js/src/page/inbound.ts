/**
 * Messages in this tab: each runs through its handlers once, and its outcome is told once a posting.
 *
 * A new worker may post what an older one posted already; the tab remembers what it has.
 */
import type { MessageData, Outcome } from '../port/protocol.js';
import type { Message, MessageHandler } from './api.js';
import { messageOf } from './message.js';

/** Messages remembered: eight times what may be out at once. */
const REMEMBERED = 512;

/** The tab, as its messages need it. */
export interface InboundOwner {
  handlers(log: string): MessageHandler[];
  done(n: number, id: string, outcome: Outcome): void;
  handlerFailed(cause: unknown, message: Message): void;
}

/** See the top of the file. */
export class Inbound {
  /** The last place this tab was given. */
  place: number | undefined;
  readonly #seen = new Map<string, Outcome | 'pending'>();
  readonly #owner: InboundOwner;

  constructor(owner: InboundOwner) {
    this.#owner = owner;
  }

  received(n: number, m: MessageData): void {
    if (n > 0) this.place = Math.max(this.place ?? 0, n);
    const before = this.#seen.get(m.id);
    // Told when its handlers have finished.
    if (before === 'pending') return;
    if (before === 'ok' || before === 'failed') return this.#owner.done(n, m.id, before);
    const handlers = this.#owner.handlers(m.log);
    if (handlers.length === 0) return this.#owner.done(n, m.id, 'none');
    const message = messageOf(m, n);
    this.#remember(m.id, 'pending');
    // Called in order and in this turn; a promise is waited for without holding up the next message.
    const runs = handlers.map((handler) => {
      try {
        return Promise.resolve(handler(message));
      } catch (error) {
        return Promise.reject(error as Error);
      }
    });
    void Promise.allSettled(runs).then((results) => {
      const failures = results.filter((result) => result.status === 'rejected');
      for (const { reason } of failures) this.#owner.handlerFailed(reason, message);
      const outcome = failures.length > 0 ? 'failed' : 'ok';
      this.#remember(m.id, outcome);
      this.#owner.done(n, m.id, outcome);
    });
  }

  #remember(id: string, state: Outcome | 'pending'): void {
    this.#seen.set(id, state);
    for (const [oldest, its] of this.#seen) {
      if (this.#seen.size <= REMEMBERED) break;
      if (its !== 'pending') this.#seen.delete(oldest);
    }
  }
}
