/**
 * Other workers of the same device: of another build, or one that hung.
 *
 * One of them holds the socket lock. A newer one asks the older over BroadcastChannel to store, to
 * release lock and socket and to send its tabs over; an older one sends its own tabs to the newer.
 */

/** Which of two workers rules: build first, then the number tabs gave it after one had hung. */
export interface Rank {
  /** `0.1.0+hash`. */
  build: string;
  g: number;
}

type Said =
  | { t: 'want'; rank: Rank; url: string }
  /** The answer where the asked one is newer. */
  | { t: 'have'; to: string; url: string };

/** Negative: `a` is older. Builds of one version are equal in age: the one that asks then rules. */
export function compareRank(a: Rank, b: Rank): number {
  const version = ({ build }: Rank) => build.split('+')[0] ?? '';
  return version(a).localeCompare(version(b), 'en', { numeric: true }) || a.g - b.g;
}

/** What happens to this worker. */
export interface PeersOwner {
  /** Store, let go of lock and socket, and send the tabs to the worker at `url`. */
  yield(url: string): void;
}

/** This worker's ear and mouth for the others. */
export class Peers {
  readonly #channel: BroadcastChannel;

  constructor(
    key: string,
    private readonly rank: Rank,
    private readonly url: string,
    private readonly owner: PeersOwner,
  ) {
    this.#channel = new BroadcastChannel(`pulsegate-${key}`);
    this.#channel.onmessage = (event) => this.#heard(event.data as Said);
  }

  /** Asks for the socket. */
  want(): void {
    this.#say({ t: 'want', rank: this.rank, url: this.url });
  }

  close(): void {
    this.#channel.close();
  }

  #say(said: Said): void {
    this.#channel.postMessage(said);
  }

  #heard(said: Said): void {
    if (said.t === 'have') {
      if (said.to === this.url) this.owner.yield(said.url);
    } else if (said.t === 'want' && said.url !== this.url) {
      if (compareRank(said.rank, this.rank) >= 0) this.owner.yield(said.url);
      else this.#say({ t: 'have', to: said.url, url: this.url });
    }
  }
}
