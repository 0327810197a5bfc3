// The desktop of these tests: a message bus of its own and the notification service on it. It
// writes down every call of Notify, which is what a person would have seen, and can click.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import dbus from 'dbus-next';
import { until } from './until.mjs';

const { Interface } = dbus.interface;

export async function startBus() {
  const daemon = spawn('dbus-daemon', ['--session', '--nofork', '--nopidfile', '--nosyslog', '--print-address=1'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const address = await new Promise((done, fail) => {
    createInterface({ input: daemon.stdout }).once('line', done);
    daemon.once('error', fail);
    daemon.once('exit', () => fail(new Error('dbus-daemon ended')));
  });
  const connection = dbus.sessionBus({ busAddress: address });
  connection.on('error', () => {});
  const desktop = new Desktop();
  connection.export('/org/freedesktop/Notifications', desktop);
  await connection.requestName('org.freedesktop.Notifications', 0);
  return new NotificationBus(address, daemon, connection, desktop);
}

class NotificationBus {
  #daemon;
  #connection;
  #desktop;

  constructor(address, daemon, connection, desktop) {
    this.address = address;
    this.#daemon = daemon;
    this.#connection = connection;
    this.#desktop = desktop;
  }

  /** Every call of Notify so far: `{ id, replaces, title, body, actions }`. */
  get calls() {
    return this.#desktop.calls;
  }

  /** Titles that popped up anew (a call that replaces a shown one changes it, silently). */
  get popUps() {
    return this.calls.filter(({ replaces }) => replaces === 0).map(({ title }) => title);
  }

  /** Titles standing on the desktop now. */
  get shown() {
    return [...this.#desktop.shown.values()].map(({ title }) => title);
  }

  /** How often `title` popped up anew. */
  times(title) {
    return this.popUps.filter((shown) => shown === title).length;
  }

  /** Waits for a notification with this title and returns its last call. */
  async see(title, options) {
    return until(`a notification "${title}"`, () => this.calls.findLast((call) => call.title === title), options);
  }

  async unseen(title, options) {
    await until(`"${title}" to be closed`, () => !this.shown.includes(title), options);
  }

  /** A person clicks: the notification itself ("default") or the button with this key. */
  click({ id }, key = 'default') {
    this.#desktop.ActionInvoked(id, key);
  }

  /** A person closes it. */
  dismiss({ id }) {
    this.#desktop.shown.delete(id);
    this.#desktop.NotificationClosed(id, 2);
  }

  stop() {
    this.#connection.disconnect();
    this.#daemon.kill('SIGKILL');
  }
}

class Desktop extends Interface {
  calls = [];
  shown = new Map();
  #last = 0;

  constructor() {
    super('org.freedesktop.Notifications');
  }

  GetCapabilities() {
    return ['actions', 'body', 'body-markup', 'body-hyperlinks', 'icon-static', 'persistence'];
  }

  GetServerInformation() {
    return ['pulsegate tests', 'pulsegate', '1', '1.2'];
  }

  Notify(_app, replaces, _icon, title, body, actions, hints) {
    const id = replaces || ++this.#last;
    const call = { id, replaces, title, body, actions, hints: Object.keys(hints), at: performance.now() };
    this.calls.push(call);
    this.shown.set(id, call);
    return id;
  }

  CloseNotification(id) {
    const call = this.shown.get(id);
    if (call) call.closedAt = performance.now();
    if (this.shown.delete(id)) this.NotificationClosed(id, 3);
  }

  NotificationClosed(id, why) {
    return [id, why];
  }

  ActionInvoked(id, key) {
    return [id, key];
  }
}

Desktop.configureMembers({
  methods: {
    GetCapabilities: { inSignature: '', outSignature: 'as' },
    GetServerInformation: { inSignature: '', outSignature: 'ssss' },
    Notify: { inSignature: 'susssasa{sv}i', outSignature: 'u' },
    CloseNotification: { inSignature: 'u', outSignature: '' },
  },
  signals: {
    NotificationClosed: { signature: 'uu' },
    ActionInvoked: { signature: 'us' },
  },
});
