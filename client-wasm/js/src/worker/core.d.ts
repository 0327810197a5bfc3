/** The Rust core as `wasm-bindgen` exposes it; `build.mjs` resolves the name to `client-wasm/pkg`. */
declare module '#core' {
  export function initSync(options: { module: WebAssembly.Module }): unknown;
  export class Core {
    constructor(host: object, url: string, app: string, agent: string, tokens: boolean, seed: number);
    input(kind: number, x: number, y: number, text: string, bytes: Uint8Array): void;
  }
}

/** Version and hash of what was built, written in by `build.mjs`. */
declare const __BUILD__: string;
/** First 16 hex digits of the SHA-256 of the wasm. */
declare const __WASM_HASH__: string;
