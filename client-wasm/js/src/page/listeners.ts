/** Listeners by event name. One that throws harms nobody else. */
import type { ListenOptions, Off } from './api.js';

/** See the top of the file. */
export class Listeners<Events> {
  readonly #sets = new Map<keyof Events, Set<(event: never) => unknown>>();
  readonly #end: AbortSignal | undefined;
  readonly #changed: (event: keyof Events) => void;

  /** `end`: no signal of the app's is listened to any longer. `changed` hears that a listener came or went. */
  constructor(end?: AbortSignal, changed: (event: keyof Events) => void = () => undefined) {
    this.#end = end;
    this.#changed = changed;
  }

  on<K extends keyof Events>(event: K, listener: (event: Events[K]) => unknown, options?: ListenOptions): Off {
    let set = this.#sets.get(event);
    if (!set) this.#sets.set(event, (set = new Set()));
    // Wrapped, so that the same function may be added twice and taken off once.
    const own = (value: Events[K]) => listener(value);
    const signal = options?.signal;
    const off = () => {
      set.delete(own);
      signal?.removeEventListener('abort', off);
      this.#changed(event);
    };
    if (signal?.aborted) return off;
    set.add(own);
    signal?.addEventListener('abort', off, this.#end && { signal: this.#end });
    this.#changed(event);
    return off;
  }

  all<K extends keyof Events>(event: K): ((event: Events[K]) => unknown)[] {
    return [...(this.#sets.get(event) ?? [])] as ((event: Events[K]) => unknown)[];
  }

  has(event: keyof Events): boolean {
    return (this.#sets.get(event)?.size ?? 0) > 0;
  }

  /** Calls every listener; answers with what was thrown. */
  emit<K extends keyof Events>(event: K, value: Events[K]): unknown[] {
    const thrown: unknown[] = [];
    for (const listener of this.all(event)) {
      try {
        listener(value);
      } catch (error) {
        thrown.push(error);
      }
    }
    return thrown;
  }
}
