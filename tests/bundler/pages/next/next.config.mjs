// The headers of docs/BROWSER.md: no eval in the page, WebAssembly in the worker's own response alone.
const header = (source, value) => ({ source, headers: [{ key: 'Content-Security-Policy', value }] });

/** @type {import('next').NextConfig} */
export default {
  // Where the tools are installed; otherwise Next would guess it from lock files.
  turbopack: { root: process.env.PROJECT_ROOT },
  headers: async () => [
    header('/', "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; connect-src 'self'; worker-src 'self'"),
    header('/pulsegate-worker.js', "script-src 'self' 'wasm-unsafe-eval'; connect-src *"),
  ],
};
