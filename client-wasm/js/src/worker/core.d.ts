/** The way into the Rust core, and out of it; `build.mjs` resolves the name. */
declare module '#core' {
  /** What it is told: a kind, two numbers, bytes. What these mean is said in `client-wasm/src/driver.rs`. */
  export type Input = (kind: number, x: number, y: number, bytes: Uint8Array) => void;
  /** What it says (`client-wasm/src/host.rs`). `bytes` lie in its memory: they are gone after the call. */
  export type Tell = (kind: number, x: number, y: number, bytes: Uint8Array) => void;
  export function boot(module: WebAssembly.Module, tell: Tell): Input;
}

/** Version and hash of what was built, written in by `build.mjs`. */
declare const __BUILD__: string;
/** First 16 hex digits of the SHA-256 of the wasm. */
declare const __WASM_HASH__: string;
