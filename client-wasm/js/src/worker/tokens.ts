/** Fetching a token: through one tab at a time, a visible one first. */
import { TOKEN_MS, type ErrorData, type TokenAnswer } from '../port/protocol.js';
import type { Tab } from './tab.js';

/** Where the answer goes. */
export interface TokenSink {
  token(token: string | undefined, expires: number): void;
  unavailable(): void;
  denied(): void;
  error(error: ErrorData): void;
}

/** What a token says of itself. The gateway checks it; here it only keeps a foreign one from leaving. */
export function claimsOf(token: string): { sub?: string; exp?: number } {
  try {
    const payload = (token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/');
    const bytes = Uint8Array.from(atob(payload), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) as { sub?: string; exp?: number };
  } catch {
    return {};
  }
}

/** Asks tabs for tokens; one request is out at a time. */
export class Tokens {
  #running = false;

  constructor(
    private readonly user: string,
    private readonly tabs: () => Tab[],
    private readonly sink: TokenSink,
  ) {}

  async need(why: 'connect' | 'refresh' | 'refused'): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    const answer = await this.#ask(why);
    // Before it is told: the core may ask again in the same breath.
    this.#running = false;
    answer();
  }

  async #ask(why: 'connect' | 'refresh' | 'refused'): Promise<() => void> {
    const tried = new Set<Tab>();
    let reason = '';
    for (;;) {
      const tab = this.tabs()
        .filter((t) => t.live && t.tokens && !tried.has(t))
        .sort((a, b) => Number(b.visible) - Number(a.visible))[0];
      if (!tab) break;
      tried.add(tab);
      const answer = (await tab.ask<TokenAnswer>((i) => ({ t: 'token', i, why, user: this.user }), TOKEN_MS)) ?? { failed: 'silent' };
      if ('unauthorized' in answer) {
        this.sink.error({ code: 'unauthorized', detail: answer.unauthorized });
        return () => this.sink.denied();
      }
      if ('failed' in answer) {
        reason = answer.failed;
        continue;
      }
      if (answer.token === null) return () => this.sink.token(undefined, 0);
      const { sub, exp } = claimsOf(answer.token);
      if (sub !== undefined && sub !== this.user) {
        this.sink.error({ code: 'user-mismatch', detail: sub });
        return () => this.sink.denied();
      }
      const { token } = answer;
      return () => this.sink.token(token, (exp ?? 0) * 1000);
    }
    this.sink.error({ code: 'token-failed', detail: reason });
    return () => this.sink.unavailable();
  }
}
