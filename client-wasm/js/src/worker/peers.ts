/**
 * Other workers of the same device: of another build or tier, or one that hung.
 *
 * One of them holds the socket lock. A newer one asks the older over BroadcastChannel to store, to
 * release lock and socket and to send its tabs over; an older one sends its own tabs to the newer.
 * Workers of single tabs look for the holder here, and join it over a channel of their own.
 */

/** Which of two workers rules: build first, then the kind, then the number tabs gave it after one had hung. */
export interface Rank {
  /** `0.1.0+hash`. */
  build: string;
  /** A SharedWorker outlives any tab: it goes before a tab's own. */
  shared: boolean;
  g: number;
}

/** What workers say to all others. */
export type Said =
  | { t: 'want'; rank: Rank; url: string }
  /** The answer where the asked one is newer. */
  | { t: 'have'; to: string; url: string }
  /** Whoever holds the lock: say `lead`. */
  | { t: 'who' }
  /** I hold the lock since `at` (Unix ms, at least one more than any holder before): said now and then. */
  | { t: 'lead'; at: number; rank: Rank }
  /** A tab's worker wants to be heard by the holder since `at`, over the channel `wire`. */
  | { t: 'join'; at: number; wire: string };

/** Name of the channel on which a device's workers meet. */
export const peersOf = (key: string): string => `pulsegate-${key}`;

/** Negative: `a` is older. Builds of one version are equal in age: the one that asks then rules. */
export function compareRank(a: Rank, b: Rank): number {
  const version = ({ build }: Rank) => build.split('+')[0] ?? '';
  return (
    version(a).localeCompare(version(b), 'en', { numeric: true }) || Number(a.shared) - Number(b.shared) || a.g - b.g
  );
}

/** What happens to this worker. */
export interface PeersOwner {
  /** Store, let go of lock and socket, and send the tabs to the worker at `url`. */
  yield(url: string): void;
  /** Somebody else holds the lock since `at`, or says again that it does. */
  led(at: number): void;
  /** Somebody looks for the holder. */
  sought(): void;
  /** A tab's worker wants to be heard by the holder since `at`. */
  join(at: number, wire: string): void;
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
    this.#channel = new BroadcastChannel(peersOf(key));
    this.#channel.onmessage = (event) => this.#heard(event.data as Said);
  }

  /** Asks for the socket. */
  want(): void {
    this.#say({ t: 'want', rank: this.rank, url: this.url });
  }

  /** Says who holds the lock. */
  lead(at: number): void {
    this.#say({ t: 'lead', at, rank: this.rank });
  }

  close(): void {
    this.#channel.close();
  }

  #say(said: Said): void {
    this.#channel.postMessage(said);
  }

  #heard(said: Said): void {
    const { owner, rank, url } = this;
    if (said.t === 'have') {
      if (said.to === url) owner.yield(said.url);
    } else if (said.t === 'want') {
      if (said.url === url) return;
      if (compareRank(said.rank, rank) >= 0) owner.yield(said.url);
      else this.#say({ t: 'have', to: said.url, url });
    } else if (said.t === 'lead') owner.led(said.at);
    else if (said.t === 'who') owner.sought();
    else if (said.t === 'join') owner.join(said.at, said.wire);
  }
}
