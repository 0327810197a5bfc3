/** One handler of this tab on a topic. */
import type { ListenOptions, MessageHandler, Off, Subscription, SubscriptionEvents } from './api.js';
import type { PushError } from './error.js';
import { Listeners } from './listeners.js';

/** See the top of the file. */
export class PageSubscription implements Subscription {
  readonly topic: string;
  readonly handler: MessageHandler;
  readonly durable: boolean;
  readonly ready: Promise<void>;
  readonly #listeners: Listeners<SubscriptionEvents>;
  readonly #detach: () => void;
  #missed = false;
  #resolve!: () => void;
  #reject!: (error: PushError) => void;

  constructor(topic: string, handler: MessageHandler, durable: boolean, end: AbortSignal, detach: (self: PageSubscription) => void) {
    this.topic = topic;
    this.handler = handler;
    this.durable = durable;
    this.#listeners = new Listeners(end);
    this.#detach = () => detach(this);
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Who does not await it is told by the events; an unhandled rejection would blame the page.
    this.ready.catch(() => undefined);
  }

  on<K extends keyof SubscriptionEvents>(
    event: K,
    listener: (event: SubscriptionEvents[K]) => void,
    options?: ListenOptions,
  ): Off {
    return this.#listeners.on(event, listener, options);
  }

  detach(): void {
    this.#detach();
  }

  subscribed(recovered: boolean, replayed: number): void {
    this.#resolve();
    this.#listeners.emit('subscribed', { topic: this.topic, recovered: recovered && !this.#missed, replayed });
    this.#missed = false;
  }

  /**
   * The device is another one: something may be missing. Said with its `subscribed`, no earlier: what
   * came between an app's reloading of its state and the new subscription would be lost silently.
   */
  missed(): void {
    this.#missed = true;
  }

  refused(error: PushError): void {
    if (!error.temporary) this.#reject(error);
    this.#listeners.emit('error', error);
  }
}
