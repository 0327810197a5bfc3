// The real gateway: its binary, a configuration and a data folder of its own. Restarts keep port
// and data; SIGKILL is one of the ways it ends.

import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The binary under test: `PULSEGATE_BIN`, else the newest profile's in the target folder. */
export function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../../target', import.meta.url));
  const places = [process.env.PULSEGATE_BIN, join(target, 'release/pulsegate'), join(target, 'debug/pulsegate')];
  const found = places.find((place) => place && existsSync(place));
  if (!found) throw new Error('no gateway to test: build it with `cargo build -p pulsegate-gateway`, or set PULSEGATE_BIN');
  return found;
}

/**
 * Runs `pulsegate serve` with the app `shop`: anonymous devices welcome, tokens signed with
 * `secret`. `origins` are the pages' origins; `limits` extra lines of `[limits]`.
 */
export async function startGateway({ origins, secret, limits = '' }) {
  const folder = await mkdtemp(join(tmpdir(), 'pulsegate-gateway-'));
  const { stdout } = await run(binary(), ['key', 'new', '--app', 'shop', '--scope', 'publish,read,admin']);
  const key = stdout.match(/pg_shop_[a-z0-9-]+_[A-Za-z0-9_-]+/)[0];
  const block = stdout.slice(stdout.indexOf('[[apps.keys]]'));
  const config = (listen, admin) => `
listen = "${listen}"
admin_listen = "${admin}"
data_dir = "${join(folder, 'data')}"

[limits]
registrations_per_minute = 0
${limits}

[[apps]]
id = "shop"
origins = ${JSON.stringify(origins)}
anonymous = true
anonymous_topics = ["#"]

${block}

[[apps.tokens]]
kid = "t1"
alg = "HS256"
secret = "${Buffer.from(secret).toString('base64url')}"
`;
  const gateway = new Gateway(folder, key, config);
  await gateway.start();
  return gateway;
}

/** Runs `pulsegate dev` and hands back what it printed: the addresses, the key, the curl line. */
export async function startDev() {
  const child = spawn(binary(), ['dev', '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', process.env.GATEWAY_LOG ? 'inherit' : 'ignore'] });
  const lines = [];
  const reader = createInterface({ input: child.stdout });
  await new Promise((done, fail) => {
    child.once('exit', () => fail(new Error(`pulsegate dev ended:\n${lines.join('\n')}`)));
    reader.on('line', (line) => {
      lines.push(line);
      // The curl line is the last thing it says, possibly over several lines.
      if (lines.join('\n').includes('curl') && !line.endsWith('\\')) done();
    });
  });
  const text = lines.join('\n');
  return {
    lines,
    url: text.match(/^listening (http:\S+)/m)[1],
    curl: text.slice(text.indexOf('curl')),
    /** Ends it the polite way, so that it takes its throw-away data along. */
    async stop() {
      const ended = new Promise((done) => { child.removeAllListeners('exit').once('exit', done); });
      child.kill('SIGTERM');
      await ended;
    },
  };
}

class Gateway {
  #folder;
  #config;
  #child;
  #listen = '127.0.0.1:0';
  #admin = '127.0.0.1:0';

  constructor(folder, key, config) {
    this.#folder = folder;
    this.key = key;
    this.#config = config;
  }

  async start() {
    const file = join(this.#folder, 'pulsegate.toml');
    await writeFile(file, this.#config(this.#listen, this.#admin));
    const child = spawn(binary(), ['serve', '--config', file], { stdio: ['ignore', 'pipe', process.env.GATEWAY_LOG ? 'inherit' : 'pipe'] });
    this.#child = child;
    let errors = '';
    child.stderr?.on('data', (data) => { errors = (errors + data).slice(-20_000); });
    const said = {};
    await new Promise((done, fail) => {
      child.once('exit', (code) => fail(new Error(`the gateway ended with ${code}: ${errors}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const [word, url] = line.split(' ');
        said[word] = url;
        if (said.listening && said.admin) done();
      });
    });
    this.url = said.listening;
    this.adminUrl = said.admin;
    this.#listen = new URL(said.listening).host;
    this.#admin = new URL(said.admin).host;
  }

  get pid() {
    return this.#child.pid;
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  async #end(signal) {
    const ended = new Promise((done) => { this.#child.once('exit', done); });
    this.#child.kill(signal);
    await ended;
  }

  kill() {
    return this.#end('SIGKILL');
  }

  async restart(signal = 'SIGKILL') {
    await this.#end(signal);
    await this.start();
  }

  /** Throws the store away while the gateway is down: a restore that never happened. */
  async wipe() {
    await this.#end('SIGKILL');
    await rm(join(this.#folder, 'data'), { recursive: true, force: true });
    await this.start();
  }

  async #ask(method, path, body, headers = {}) {
    const answer = await fetch(`${this.url}/v1/apps/shop${path}`, {
      method,
      headers: { authorization: `Bearer ${this.key}`, ...(body && { 'content-type': 'application/json' }), ...headers },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw Object.assign(new Error(`${method} ${path}: ${answer.status} ${text}`), { status: answer.status });
    return text && JSON.parse(text);
  }

  /** Publishes a notification with this title (its body and tag too); returns the id. */
  async publish(target, title, more = {}) {
    const { notification, ...rest } = more;
    const to = typeof target === 'string' ? { topic: target } : target;
    const answer = await this.#ask('POST', '/messages', { target: to, notification: { title, body: `body of ${title}`, ...notification }, body: title, ...rest });
    return answer.id;
  }

  /** Publishes data for the app alone: no notification. */
  async publishData(topic, body) {
    return (await this.#ask('POST', '/messages', { target: { topic }, body })).id;
  }

  /** Publishes a batch (NDJSON) and returns the answers, line by line. */
  async publishMany(messages) {
    const answer = await fetch(`${this.url}/v1/apps/shop/messages:batch`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/x-ndjson' },
      body: messages.map((message) => JSON.stringify(message)).join('\n'),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`the batch was refused: ${answer.status} ${text}`);
    return text.trim().split('\n').map((line) => JSON.parse(line));
  }

  async funnel(id) {
    return (await this.#ask('GET', `/messages/${id}`)).funnel;
  }

  recall(id) {
    return this.#ask('DELETE', `/messages/${id}`);
  }

  async metrics() {
    return (await fetch(`${this.adminUrl}/metrics`)).text();
  }

  /** Open connections, by the gateway's own gauge. */
  async connections() {
    const text = await this.metrics();
    const line = text.match(/^pulsegate_connections(?:\{[^}]*\})? (\d+)/m);
    if (!line) throw new Error('no gauge pulsegate_connections in /metrics');
    return Number(line[1]);
  }

  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.#end('SIGKILL');
    await rm(this.#folder, { recursive: true, force: true });
  }
}

