/** Fetching a token through the app's `getToken`. */
import type { TokenAnswer } from '../port/protocol.js';
import type { ClientOptions, TokenRequest } from './api.js';
import { UnauthorizedError } from './error.js';

/** Never rejects: what went wrong is an answer too. */
export async function answerToken(getToken: ClientOptions['getToken'], request: TokenRequest): Promise<TokenAnswer> {
  try {
    if (!getToken) return { failed: 'this tab has no getToken' };
    const token = await getToken(request);
    if (token === null || (typeof token === 'string' && token.length > 0)) return { token };
    return { failed: 'getToken returned neither a token nor null' };
  } catch (error) {
    // By name too: the app may have bundled the package twice.
    if (error instanceof UnauthorizedError || (error as Error | undefined)?.name === 'UnauthorizedError') {
      return { unauthorized: (error as Error).message };
    }
    return { failed: String(error) };
  }
}
