/** Checking what `createClient` is given: the only place that throws into the page. */
import type { Config } from '../port/protocol.js';
import type { ClientOptions } from './api.js';
import { PushError } from './error.js';

/** Options as they cannot be wrong. */
export interface Checked {
  config: Config;
  script: URL;
  clickOrigins: string[];
}

function wrong(message: string): never {
  throw new PushError('config-invalid', message);
}

/** Throws `config-invalid`, naming the option. */
export function checked(options: ClientOptions): Checked {
  const { app, user = '', getToken, url, workerUrl = '/pulsegate-worker.js', clickOrigins = [] } = options;
  if (!/^[a-z0-9-]{1,32}$/.test(app)) wrong(`app: "${app}" is no app id (1 to 32 of a-z 0-9 -)`);
  if (getToken && !user) wrong('user: required where getToken is given, equal to the token\'s sub');
  if (new TextEncoder().encode(user).length > 128) wrong('user: longer than 128 bytes');
  const here = typeof location === 'object' ? location.href : 'http://localhost/';
  const read = (name: string, text: string): URL => {
    try {
      return new URL(text, here);
    } catch {
      return wrong(`${name}: "${text}" is no URL`);
    }
  };
  const gateway = read('url', url ?? '/');
  if (!/^(https?|wss?):$/.test(gateway.protocol)) wrong(`url: "${gateway.href}" is neither http nor ws`);
  const script = read('workerUrl', workerUrl);
  if (typeof location === 'object' && script.origin !== location.origin) {
    wrong(`workerUrl: workers are same-origin only, and ${script.origin} is not ${location.origin}`);
  }
  const base = `${gateway.protocol.replace('ws', 'http')}//${gateway.host}${gateway.pathname}`.replace(/\/+$/, '');
  return {
    config: { url: base, app, user },
    script,
    clickOrigins: clickOrigins.map((text) => read('clickOrigins', text).origin),
  };
}
