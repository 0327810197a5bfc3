// Firefox over WebDriver BiDi, spoken straight to the browser: the same face as chromium.mjs, so
// that the same test runs in either.

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import WebSocket from 'ws';
import { until } from './until.mjs';

/** On it the worker is told to end; see `browser.mjs`. */
export const END_CHANNEL = 'pulsegate-test-end';

/** What the events of BiDi call a target, and what the tests call it, after Chromium. */
const TYPES = { 'shared-worker': 'shared_worker', 'service-worker': 'service_worker', 'dedicated-worker': 'worker' };
const EVENTS = [
  'log.entryAdded', 'script.realmCreated', 'script.realmDestroyed', 'browsingContext.contextCreated', 'browsingContext.contextDestroyed',
  'browsingContext.navigationCommitted', 'browsingContext.fragmentNavigated', 'browsingContext.historyUpdated',
];

// What would call home, ask a question or open a page of its own at a first start.
const PREFERENCES = {
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.aboutwelcome.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'browser.startup.page': 0,
  'browser.tabs.warnOnClose': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.systemAddon.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'toolkit.telemetry.reportingpolicy.firstRun': false,
  'datareporting.healthreport.uploadEnabled': false,
  // A pop-up goes to the desktop's own notification service, where it is counted.
  'alerts.useSystemBackend': true,
};

/**
 * Starts Firefox. `profile` names a folder that outlives the process; absent: a throw-away one.
 * `init` runs in every document before its own scripts.
 */
export async function launchFirefox({ profile, bus, origins = [], preferences = {}, init } = {}) {
  const folder = profile ?? await mkdtemp(join(tmpdir(), 'pulsegate-firefox-'));
  const lines = Object.entries({ ...PREFERENCES, ...preferences }).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'user.js'), lines.join(''));
  const process_ = spawn(process.env.FIREFOX ?? 'firefox-esr', ['--headless', '--no-remote', '--new-instance', '--remote-debugging-port', '0', '--profile', folder, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, HOME: folder, ...(bus && { DBUS_SESSION_BUS_ADDRESS: bus.address }) },
    detached: true,
  });
  const browser = new Firefox(process_, folder, !profile);
  await browser.connect();
  if (init) await browser.send('script.addPreloadScript', { functionDeclaration: `() => { ${init} }` });
  for (const origin of origins) await browser.allowNotifications(origin);
  return browser;
}

class Firefox {
  #next = 1;
  #waiting = new Map();
  #tabs = new Map();
  #socket;
  #temporary;
  #exited;
  targets = new Map();

  constructor(process_, folder, temporary) {
    this.process = process_;
    this.profile = folder;
    this.#temporary = temporary;
    this.#exited = new Promise((done) => process_.once('exit', done));
  }

  async connect() {
    const said = [];
    const reader = createInterface({ input: this.process.stderr });
    const url = await new Promise((done, fail) => {
      this.process.once('error', fail);
      this.process.once('exit', () => fail(new Error(`Firefox ended:\n${said.join('\n')}`)));
      reader.on('line', (line) => {
        if (process.env.FIREFOX_LOG) console.error(line);
        if (said.length < 50) said.push(line);
        const match = /WebDriver BiDi listening on (ws:\S+)/.exec(line);
        if (match) done(match[1]);
      });
    });
    this.#socket = new WebSocket(`${url}/session`, { perMessageDeflate: false });
    await new Promise((done, fail) => { this.#socket.once('open', done).once('error', fail); });
    this.#socket.on('message', (data) => this.#hear(JSON.parse(data)));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      for (const { fail } of this.#waiting.values()) fail({ message: 'the browser is gone' });
      this.#waiting.clear();
    });
    const { capabilities } = await this.send('session.new', { capabilities: {} });
    this.version = capabilities.browserVersion;
    await this.send('session.subscribe', { events: EVENTS });
  }

  send(method, params = {}) {
    if (this.#socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error('the browser is gone'));
    const id = this.#next++;
    return new Promise((done, fail) => {
      this.#waiting.set(id, { done, fail: (fault) => fail(new Error(`${method}: ${fault.message}`)) });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  #hear(message) {
    const waiting = this.#waiting.get(message.id);
    if (waiting) {
      this.#waiting.delete(message.id);
      if (message.type === 'error') waiting.fail(message);
      else waiting.done(message.result);
    } else if (message.method) {
      this.#note(message.method, message.params);
    }
  }

  #note(event, { realm, context, type, origin, url, source, level, text }) {
    if (event === 'log.entryAdded') this.#tabs.get(source.context)?.console.push(`${level}: ${text}`);
    // A worker's realm names its whole address as its origin.
    else if (event === 'script.realmCreated' && TYPES[type]) this.targets.set(realm, { targetId: realm, type: TYPES[type], url: origin });
    else if (event === 'script.realmDestroyed') this.targets.delete(realm);
    else if (event === 'browsingContext.contextDestroyed') this.targets.delete(context);
    else if (event.startsWith('browsingContext.')) this.targets.set(context, { targetId: context, type: 'page', url });
  }

  /** What the person answered, or will be asked: `granted`, `denied`, `prompt`. */
  async setNotifications(origin, state) {
    await this.send('permissions.setPermission', { descriptor: { name: 'notifications' }, state, origin });
  }

  allowNotifications(origin) {
    return this.setNotifications(origin, 'granted');
  }

  /** Opens a tab; a background one is hidden, as for a person. */
  async open(url, { background = false, newWindow = false } = {}) {
    const { context } = await this.send('browsingContext.create', { type: newWindow ? 'window' : 'tab', background });
    const tab = await this.attach(context);
    await tab.goto(url);
    return tab;
  }

  async attach(context) {
    const tab = new Tab(this, context);
    this.#tabs.set(context, tab);
    return tab;
  }

  /** Targets of a type (`page`, `shared_worker`, `service_worker`) whose address holds `part`. */
  find(type, part) {
    return [...this.targets.values()].filter((info) => info.type === type && info.url.includes(part));
  }

  /** Ends the shared worker of Pulsegate at once, without a word to its tabs. */
  async killSharedWorker() {
    const [worker] = await until('a shared worker to end', () => {
      const found = this.find('shared_worker', 'pulsegate-worker.js');
      return found.length > 0 && found;
    });
    const [page] = this.find('page', new URL(worker.url).origin);
    await this.#tabs.get(page.targetId).run(`new BroadcastChannel('${END_CHANNEL}').postMessage('now')`);
    await until('the shared worker to be gone', () => !this.targets.has(worker.targetId));
    return worker.targetId;
  }

  /** SIGKILL to every process of the browser at once: power off. */
  async kill() {
    process.kill(-this.process.pid, 'SIGKILL');
    await this.#exited;
  }

  signalAll(signal) {
    process.kill(-this.process.pid, signal);
  }

  async close() {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.send('browser.close').catch(() => {});
      const forced = setTimeout(() => { try { process.kill(-this.process.pid, 'SIGKILL'); } catch { /* gone already */ } }, 5000);
      await this.#exited;
      clearTimeout(forced);
    }
    try { process.kill(-this.process.pid, 'SIGKILL'); } catch { /* no helper process is left */ }
    if (this.#temporary) await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Tab {
  #browser;
  console = [];

  constructor(browser, context) {
    this.#browser = browser;
    this.context = context;
  }

  async goto(url) {
    await this.#browser.send('browsingContext.navigate', { context: this.context, url, wait: 'complete' });
  }

  /** Runs an expression (awaited) in the page; `gesture` counts as a person's click. */
  async run(expression, { gesture = false } = {}) {
    const { type, result, exceptionDetails } = await this.#browser.send('script.evaluate', {
      expression,
      target: { context: this.context },
      awaitPromise: true,
      userActivation: gesture,
      serializationOptions: { maxObjectDepth: 20 },
    });
    if (type === 'exception') throw new Error(exceptionDetails.text);
    return plain(result);
  }

  /** A click led here. Firefox gives the tab the focus; that it also turns its strip of tabs to it was not seen. */
  inFront() {
    return this.run('document.hasFocus()');
  }

  bringToFront() {
    return this.#browser.send('browsingContext.activate', { context: this.context });
  }

  /** One step back (-1) or forward (1) in the tab's history. */
  async go(delta) {
    await this.#browser.send('browsingContext.traverseHistory', { context: this.context, delta });
  }

  async screenshot() {
    const { data } = await this.#browser.send('browsingContext.captureScreenshot', { context: this.context });
    return Buffer.from(data, 'base64');
  }

  close() {
    return this.#browser.send('browsingContext.close', { context: this.context });
  }
}

/** What BiDi serialised, as the value it was; what no test reads (functions, dates, what lies too deep) is left out. */
function plain({ type, value }) {
  if (type === 'null') return null;
  if (type === 'array') return (value ?? []).map(plain);
  if (type === 'object') return Object.fromEntries((value ?? []).map(([name, member]) => [name, plain(member)]));
  if (type === 'number') return Number(value);
  return type === 'string' || type === 'boolean' ? value : undefined;
}
