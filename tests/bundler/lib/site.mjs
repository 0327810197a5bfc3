// A web server for built pages: plain files under the strictest policy a page can have, and the
// worker's files with the headers that docs/BROWSER.md asks for.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.wasm': 'application/wasm', '.css': 'text/css' };

/** No eval and no wasm in the page, nothing from elsewhere, and Trusted Types for every script. */
export const PAGE_POLICY = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types pulsegate";
/** A worker obeys its own response: the only place where WebAssembly must be allowed. */
export const WORKER_POLICY = "script-src 'self' 'wasm-unsafe-eval'; connect-src *";

/** Serves a folder on a port of its own: an origin, and so a device, for itself. */
export async function serve(root, { page = PAGE_POLICY, worker = WORKER_POLICY } = {}) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname));
    const file = join(root, path.endsWith('/') ? `${path}index.html` : path);
    const content = await readFile(file).catch(() => null);
    const policy = path.startsWith('/pulsegate-worker') ? worker : page;
    response.writeHead(content ? 200 : 404, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      ...(policy && { 'content-security-policy': policy }),
    }).end(content);
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
