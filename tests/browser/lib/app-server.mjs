// The web server of an app that uses Pulsegate: its page, and beside it the files that
// `npx pulsegate init` puts there. It also keeps what the pages say they heard.

import { createHmac, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WORKER_END } from './browser.mjs';

const PAGE = fileURLToPath(new URL('../page/', import.meta.url));
export const DIST = process.env.PULSEGATE_DIST ?? fileURLToPath(new URL('../../../client-wasm/dist/', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.wasm': 'application/wasm' };
const OF_DIST = /^\/pulsegate(-worker)?\.(js|wasm)$/;

/** Starts it on `port`, or a free one. `headers(url)` adds headers; `extra` are further files, by path. */
export async function startApp({ port = 0, headers = () => ({}), extra = {} } = {}) {
  const app = new AppServer(headers, extra);
  await app.listen(port);
  return app;
}

class AppServer {
  /** What pages told, in order: `{ what, name, ...detail }`. */
  heard = [];
  /** Lifetime of the tokens handed out, seconds. Zero: the user is logged out. */
  tokenLife = 600;
  /** Lifetimes of the next tokens, before that one counts again; below zero: over already. */
  tokenLives = [];
  /** Patterns the next token grants. */
  tokenTopics = ['#'];
  tokensGiven = 0;
  secret = randomBytes(32);
  #headers;
  #extra;
  #server;

  constructor(headers, extra) {
    this.#headers = headers;
    this.#extra = extra;
  }

  async listen(port) {
    this.#server = createServer((request, response) => this.#answer(request, response).catch((fault) => {
      response.writeHead(500).end(String(fault));
    }));
    await new Promise((done) => { this.#server.listen(port, '127.0.0.1', done); });
    this.origin = `http://127.0.0.1:${this.#server.address().port}`;
  }

  async #answer(request, response) {
    const url = new URL(request.url, this.origin);
    if (url.pathname === '/heard') {
      let body = '';
      for await (const part of request) body += part;
      this.heard.push({ ...Object.fromEntries(url.searchParams), ...JSON.parse(body) });
      response.writeHead(204).end();
      return;
    }
    if (url.pathname === '/token') {
      if (this.tokenLife === 0) { response.writeHead(401).end(); return; }
      this.tokensGiven++;
      response.writeHead(200, { 'content-type': 'text/plain' }).end(this.token(url.searchParams.get('user')));
      return;
    }
    const own = url.pathname === '/' ? 'page.html' : url.pathname.slice(1);
    let text = this.#extra[url.pathname] ?? await readFile(OF_DIST.test(url.pathname) ? join(DIST, own) : join(PAGE, own)).catch(() => null);
    if (text === null) { response.writeHead(404).end(); return; }
    if (own === 'pulsegate-worker.js') text += WORKER_END;
    response.writeHead(200, { 'content-type': TYPES[extname(own)] ?? 'text/html', 'cache-control': 'no-cache', ...this.#headers(url) }).end(text);
  }

  /** A device token of this app's backend, signed as `[[apps.tokens]]` says. */
  token(user) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const now = Math.floor(Date.now() / 1000);
    const head = part({ alg: 'HS256', typ: 'JWT', kid: 't1' });
    const claims = part({ iss: 'shop', aud: 'shop', sub: user, iat: now, exp: now + (this.tokenLives.shift() ?? this.tokenLife), topics: this.tokenTopics });
    return `${head}.${claims}.${createHmac('sha256', this.secret).update(`${head}.${claims}`).digest('base64url')}`;
  }

  /** The address of the page with these parameters; a list repeats its name. */
  page(parameters) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) for (const one of [value].flat()) query.append(name, one);
    return `${this.origin}/?${query}`;
  }

  /** Messages that pages handled. */
  get handled() {
    return this.heard.filter(({ what }) => what === 'message');
  }

  /** The same by life of a page, each in the order in which the messages came there. */
  get lives() {
    const lives = new Map();
    for (const message of this.handled) lives.set(message.life, [...(lives.get(message.life) ?? []), message]);
    return [...lives.values()].map((life) => life.sort((a, b) => a.order - b.order));
  }

  /** Gaps that pages were told of. */
  get gaps() {
    return this.heard.filter(({ what }) => what === 'gap');
  }

  get clicks() {
    return this.heard.filter(({ what }) => what === 'click');
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
