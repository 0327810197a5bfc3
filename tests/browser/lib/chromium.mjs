// Chromium over its own debugging pipe: no focus emulation, so hidden tabs are hidden, and the
// process is ours, so it can be killed and stopped like a person's machine would do it.

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.mjs';

const FLAGS = [
  '--headless=new', '--no-sandbox', '--remote-debugging-pipe', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic',
  '--no-first-run', '--no-default-browser-check', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--disable-default-apps', '--disable-extensions', '--disable-search-engine-choice-screen', '--window-size=1200,900',
];

/**
 * Starts Chromium. `profile` names a folder that outlives the process; absent: a throw-away one.
 * `init` runs in every document before its own scripts.
 */
export async function launch({ profile, bus, origins = [], flags = [], init } = {}) {
  const folder = profile ?? await mkdtemp(join(tmpdir(), 'pulsegate-profile-'));
  await mkdir(folder, { recursive: true });
  // Lets tests open Chromium's own page that discards tabs.
  await writeFile(join(folder, 'Local State'), '{"internal_only_uis_enabled":true}', { flag: 'wx' }).catch(() => undefined);
  const process_ = spawn(process.env.CHROMIUM ?? 'chromium', [...FLAGS, ...flags, `--user-data-dir=${folder}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', process.env.CHROMIUM_LOG ? 'inherit' : 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...(bus && { DBUS_SESSION_BUS_ADDRESS: bus.address }) },
    detached: true,
  });
  const browser = new Browser(process_, folder, !profile, init);
  await browser.send('Target.setDiscoverTargets', { discover: true, filter: [{}] });
  for (const origin of origins) await browser.allowNotifications(origin);
  return browser;
}

class Browser {
  #next = 1;
  #waiting = new Map();
  #sessions = new Map();
  /** The newest dedicated worker of a session. */
  #workers = new Map();
  #rest = '';
  #temporary;
  #exited;
  #init;
  targets = new Map();

  constructor(process_, folder, temporary, init) {
    this.#init = init;
    this.process = process_;
    this.profile = folder;
    this.#temporary = temporary;
    this.#exited = new Promise((done) => process_.once('exit', done));
    process_.stdio[4].setEncoding('utf8').on('data', (text) => this.#hear(text)).on('error', () => {});
    process_.stdio[3].on('error', () => {});
    this.#exited.then(() => {
      for (const { fail } of this.#waiting.values()) fail(new Error('the browser is gone'));
      this.#waiting.clear();
    });
  }

  send(method, params = {}, sessionId) {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return Promise.reject(new Error('the browser is gone'));
    const id = this.#next++;
    return new Promise((done, fail) => {
      this.#waiting.set(id, { done, fail: (fault) => fail(new Error(`${method}: ${fault.message}`)) });
      this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  #hear(text) {
    const parts = (this.#rest + text).split('\0');
    this.#rest = parts.pop();
    for (const part of parts) {
      const message = JSON.parse(part);
      if (message.id) {
        const waiting = this.#waiting.get(message.id);
        this.#waiting.delete(message.id);
        if (message.error) waiting?.fail(message.error);
        else waiting?.done(message.result);
      } else if (message.method.startsWith('Target.target')) {
        const info = message.params.targetInfo;
        if (info) this.targets.set(info.targetId, info);
        else this.targets.delete(message.params.targetId);
      }
      if (message.method === 'Target.attachedToTarget' && message.params.targetInfo.type === 'worker') {
        const { sessionId, targetInfo } = message.params;
        const worker = new Tab(this, targetInfo.targetId, sessionId);
        this.#sessions.set(sessionId, worker);
        this.#workers.set(message.sessionId, worker);
      }
      if (message.sessionId) this.#sessions.get(message.sessionId)?.hear(message);
    }
  }

  async allowNotifications(origin) {
    await this.send('Browser.grantPermissions', { origin, permissions: ['notifications'] });
  }

  /** Opens a tab. Only the newest tab of a window is visible, as for a person. */
  async open(url, { background = false, newWindow = false, browserContextId } = {}) {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank', background, newWindow, browserContextId });
    const tab = await this.attach(targetId);
    if (this.#init) {
      // Without it scripts are not added.
      await tab.send('Page.enable');
      await tab.send('Page.addScriptToEvaluateOnNewDocument', { source: this.#init });
    }
    await tab.goto(url);
    return tab;
  }

  async attach(targetId) {
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const tab = new Tab(this, targetId, sessionId);
    this.#sessions.set(sessionId, tab);
    await tab.send('Runtime.enable');
    return tab;
  }

  /** The dedicated worker of a tab, as a session like the tab's own. */
  async workerOf(tab, options) {
    // Already attached: then there is nothing new to hear of.
    await tab.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: true });
    return until('the worker of the tab', () => this.#workers.get(tab.sessionId), options);
  }

  /** Targets of a type (`page`, `shared_worker`, `service_worker`) whose address holds `part`. */
  find(type, part) {
    return [...this.targets.values()].filter((info) => info.type === type && info.url.includes(part));
  }

  /** Kills the shared worker of Pulsegate, as a crash of its renderer would. */
  async killSharedWorker() {
    const [worker] = await until('a shared worker to kill', () => {
      const found = this.find('shared_worker', 'pulsegate-worker.js');
      return found.length > 0 && found;
    });
    await this.send('Target.closeTarget', { targetId: worker.targetId });
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
      this.send('Browser.close').catch(() => {});
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
  #listeners = new Map();
  console = [];

  constructor(browser, targetId, sessionId) {
    this.#browser = browser;
    this.sessionId = sessionId;
    this.targetId = targetId;
  }

  /** Calls `listener` with the parameters of every event of this name. */
  on(method, listener) {
    this.#listeners.set(method, listener);
  }

  hear({ method, params }) {
    this.#listeners.get(method)?.(params);
    if (method === 'Runtime.consoleAPICalled') this.console.push(`${params.type}: ${params.args.map((arg) => arg.value ?? arg.description).join(' ')}`);
    if (method === 'Runtime.exceptionThrown') this.console.push(`exception: ${params.exceptionDetails.exception?.description ?? params.exceptionDetails.text}`);
  }

  send(method, params) {
    return this.#browser.send(method, params, this.sessionId);
  }

  async goto(url) {
    const { errorText } = await this.send('Page.navigate', { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await until(`${url} to load`, async () => {
      const state = await this.run('document.readyState + " " + location.href').catch(() => '');
      return state.startsWith('complete') && !state.endsWith('about:blank');
    });
  }

  /** Runs an expression (awaited) in the page; `gesture` counts as a person's click. */
  async run(expression, { gesture = false } = {}) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true, userGesture: gesture });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** A click led here: the tab is the one the person sees. */
  inFront() {
    return this.run("document.visibilityState === 'visible'");
  }

  /** Lets go of it: some things Chromium does not do to a tab somebody debugs. */
  detach() {
    return this.#browser.send('Target.detachFromTarget', { sessionId: this.sessionId });
  }

  bringToFront() {
    return this.send('Page.bringToFront');
  }

  async screenshot() {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(data, 'base64');
  }

  close() {
    return this.#browser.send('Target.closeTarget', { targetId: this.targetId });
  }
}
