/** The words for errors that come from the worker, which carries none. */
import type { ErrorData } from '../port/protocol.js';
import { PushError, type PushErrorCode } from './error.js';

const TEXTS: Partial<Record<PushErrorCode, string>> = {
  'worker-missing': "the worker's wasm could not be loaded; run npx pulsegate init",
  'worker-outdated': 'worker script and wasm are of different builds; run npx pulsegate init',
  'worker-unsupported': 'this browser has no workers',
  'wasm-blocked': "the worker's response needs Content-Security-Policy: script-src 'self' 'wasm-unsafe-eval'",
  storage: 'this browser does not store messages',
  unauthorized: 'the gateway refused the token, or the user is logged out',
  'token-failed': 'no tab could fetch a token',
  'user-mismatch': 'the token is not for the user of this client',
  forbidden: 'the gateway does not admit this origin or app',
  'version-unsupported': 'the gateway does not speak the version of this client',
  'protocol-violation': 'the gateway closed the connection for good',
  unavailable: 'the gateway is not available',
  'rate-limited': 'the gateway asks to slow down',
  'topic-denied': 'the token does not grant the topic, or the backend ended it',
  'too-many-topics': 'a device has at most 100 topics',
  'tags-denied': 'the token does not grant one of the tags',
  invalid: 'the gateway could not read the request',
};

/** Of the gateway's codes: errors of requests below 1000, closes above. Unknown ones by their hundred. */
const NUMBERS: Record<number, PushErrorCode> = {
  403: 'topic-denied',
  413: 'too-many-topics',
  429: 'rate-limited',
  4401: 'unauthorized',
  4403: 'forbidden',
  4426: 'version-unsupported',
  4529: 'rate-limited',
};

/** The app's code for one of the gateway's. */
export function codeOf(number: number): PushErrorCode {
  const rest = number < 1000 ? 'invalid' : 'protocol-violation';
  return NUMBERS[number] ?? (number % 1000 >= 500 || (number >= 1000 && number < 4400) ? 'unavailable' : rest);
}

/** Makes the app's error of it. */
export function errorOf({ code: said, detail, temporary }: ErrorData): PushError {
  const code = typeof said === 'number' ? codeOf(said) : said;
  if (said !== code) detail = `${said} ${detail}`;
  return new PushError(code, `${TEXTS[code] ?? code}: ${detail}`, temporary === undefined ? {} : { temporary });
}
