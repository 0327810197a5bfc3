/** The Rust core as `wasm-bindgen` exposes it; `build.mjs` resolves the name to `client-wasm/pkg`. */
declare module '#core' {
  export function boot(module: WebAssembly.Module): void;
  export function start(host: object, tokens: boolean, seed: number, config: Uint8Array): void;
  export function input(kind: number, x: number, y: number, bytes: Uint8Array): void;
}

/** Version and hash of what was built, written in by `build.mjs`. */
declare const __BUILD__: string;
/** First 16 hex digits of the SHA-256 of the wasm. */
declare const __WASM_HASH__: string;
