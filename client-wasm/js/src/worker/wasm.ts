/** Fetching the core, with an error for each way it can fail. */
import type { ErrorData } from '../port/protocol.js';
import { uuidText } from './uuid.js';

/** What to tell the app. */
export class Fatal extends Error {
  constructor(readonly data: ErrorData) {
    super();
  }
}

/** Loads `pulsegate-worker.wasm` beside the script; only the one this script was built with. */
export async function loadCore(script: string): Promise<WebAssembly.Module> {
  const url = new URL(`pulsegate-worker.wasm?h=${__WASM_HASH__}`, script).href;
  const fail = (code: ErrorData['code'], detail: unknown, temporary = false): never => {
    throw new Fatal({ code, detail: `${url}: ${String(detail)}`, temporary });
  };
  const response = await fetch(url).catch((error: unknown) => fail('worker-missing', error, true));
  // A gateway of another build: it answers for its own wasm only.
  if (response.status === 404) fail('worker-outdated', 404);
  if (!response.ok) fail('worker-missing', response.status, true);
  const bytes = await response.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  // A static host ignores the query: other wasm than ours may link and then misbehave.
  if (uuidText(digest).replaceAll('-', '').slice(0, 16) !== __WASM_HASH__) fail('worker-outdated', 'hash');
  // Its bytes are right: only a policy can refuse them.
  return WebAssembly.compile(bytes).catch((error: unknown) => fail('wasm-blocked', error));
}
