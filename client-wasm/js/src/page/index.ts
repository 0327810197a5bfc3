/**
 * Pulsegate in a page: one connection per browser, every message once, notifications that stay shown
 * once. Importing does nothing; `createClient` connects.
 *
 * @module pulsegate
 */
import type { Client, ClientOptions } from './api.js';
import { PageClient } from './client.js';

/**
 * Connects this tab. Inert on a server: there it returns a client that stays `disconnected`.
 *
 * Throws a `PushError` `config-invalid` if an option is wrong; nothing is ever thrown later.
 */
export function createClient(options: ClientOptions): Client {
  return new PageClient(options);
}

export { PushError, UnauthorizedError } from './error.js';
export type { PushErrorCode } from './error.js';
export type * from './api.js';
