// The backend of a storm: one message after the other, each until it was accepted, over restarts of the
// gateway. The idempotency key makes a repeat the same message.

import { until } from '../until.mjs';

export class Publisher {
  #gateway;
  #ledger;
  #name;
  #topic;
  #last = Promise.resolve();

  constructor(gateway, ledger, { name, topic }) {
    this.#gateway = gateway;
    this.#ledger = ledger;
    this.#name = name;
    this.#topic = topic;
  }

  title(number) {
    return `${this.#name} ${number}`;
  }

  owns(title) {
    return title.startsWith(`${this.#name} `);
  }

  /** Publishes `{ to, shown }`s, to a user's name or 'topic', after what was asked for before. */
  publish(messages) {
    const lines = messages.map(({ to, shown }) => {
      const number = this.#ledger.sending(to, shown);
      const target = to === 'topic' ? { topic: this.#topic } : { user: to };
      const notification = shown && { notification: { title: this.title(number), body: 'in a storm' } };
      return { number, line: { target, body: String(number), idempotency_key: `${this.#name}-${number}`, ...notification } };
    });
    if (lines.length > 0) this.#last = this.#last.then(() => this.#send(lines.map(({ line }) => line)));
    // Whoever waits for it hears of a failure; a storm that is over waits no more.
    this.#last.catch(() => {});
    return { numbers: lines.map(({ number }) => number), accepted: this.#last };
  }

  async #send(lines) {
    await until('the messages to be accepted', async () => {
      // A gateway that is just being restarted refuses the connection: the same again, under the same keys.
      const answers = await this.#gateway.publishMany(lines);
      return answers.every(({ state }) => state === 'accepted');
    }, { within: 30_000, every: 10 });
  }
}
