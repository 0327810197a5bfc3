/** The Rust core as `wasm-bindgen` exposes it; `build.mjs` resolves the name to `client-wasm/pkg`. */
declare module '#core' {
  export function initSync(options: { module: WebAssembly.Module }): unknown;
  export class Core {
    constructor(host: object, url: string, app: string, agent: string, tokens: boolean, seed: number);
    cursor(log: string, epoch: number, seq: number): void;
    begin(
      registration: string,
      secret: Uint8Array,
      generation: number,
      forgetting: boolean,
      recent: Uint8Array,
      now: number,
    ): void;
    saved(): void;
    stored(no: number): void;
    storeFailed(no: number): void;
    token(token: string | undefined, expires: number): void;
    topics(names: string, subscribe: boolean): void;
    tags(wish: number, add: string, remove: string): boolean;
    receipt(id: Uint8Array, stage: number, at: number, action: string): void;
    report(): void;
    activity(visible: number, hidden: number, frozen: boolean): void;
    signal(what: number): void;
    trap(): void;
  }
}

/** Version and hash of what was built, written in by `build.mjs`. */
declare const __BUILD__: string;
/** First 16 hex digits of the SHA-256 of the wasm. */
declare const __WASM_HASH__: string;
