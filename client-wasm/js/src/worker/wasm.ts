/** Fetching and starting the core, with an error for each way it can fail. */
import { initSync } from '#core';
import type { ErrorData } from '../port/protocol.js';

/** What to tell the app. */
export class Fatal extends Error {
  constructor(readonly data: ErrorData) {
    super(data.message);
  }
}

/** Loads `pulsegate-worker.wasm` beside the script; only the one this script was built with. */
export async function loadCore(script: string): Promise<void> {
  const url = new URL('pulsegate-worker.wasm', script);
  url.search = `?h=${__WASM_HASH__}`;
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new Fatal({ code: 'worker-missing', message: `${url} could not be fetched: ${String(error)}`, temporary: true });
  }
  if (response.status === 404) {
    throw new Fatal({
      code: 'worker-outdated',
      message: `${url} is not there: the worker script is older or newer than its wasm; run npx pulsegate init`,
    });
  }
  if (!response.ok) {
    throw new Fatal({ code: 'worker-missing', message: `${url} answered ${response.status}`, temporary: true });
  }
  const bytes = await response.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const hash = Array.from(digest.subarray(0, 8), (b) => b.toString(16).padStart(2, '0')).join('');
  // A static host ignores the query: other wasm than ours may link and then misbehave.
  if (hash !== __WASM_HASH__) {
    throw new Fatal({
      code: 'worker-outdated',
      message: `${url} is of another build than the worker script; run npx pulsegate init`,
    });
  }
  let module: WebAssembly.Module;
  try {
    module = await WebAssembly.compile(bytes);
  } catch (error) {
    const text = String(error);
    throw new Fatal(
      /unsafe-eval|Content.Security|CSP/i.test(text)
        ? {
            code: 'wasm-blocked',
            message: `the worker's response needs the header Content-Security-Policy: script-src 'self' 'wasm-unsafe-eval' (${text})`,
          }
        : { code: 'worker-missing', message: `${url} is no wasm: ${text}` },
    );
  }
  try {
    initSync({ module });
  } catch (error) {
    throw new Fatal({ code: 'worker-outdated', message: `script and wasm do not fit each other: ${String(error)}` });
  }
}
