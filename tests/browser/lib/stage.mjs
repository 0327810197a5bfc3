// Everything a test needs, started together and stopped in the right order.

import { startApp } from './app-server.mjs';
import { launch } from './browser.mjs';
import { startGateway } from './gateway.mjs';
import { startBus } from './notification-bus.mjs';
import { startProxy } from './proxy.mjs';
import { until } from './until.mjs';

/** What a page lacks in a tier. */
const LACKS = {
  'shared-worker': undefined,
  leader: 'delete window.SharedWorker',
  ephemeral: "delete window.SharedWorker; Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })",
};

/** The tier the tests that run on any of them run on. */
export const TIER = process.env.PULSEGATE_TIER ?? 'shared-worker';

/**
 * `proxy`: the browser reaches the gateway through one that can fail. `profile`: see `launch`.
 * `tier`: pages lack what the better tiers need.
 */
export async function setStage({ proxy = false, profile, flags, app: appOptions, limits, browser = true, tier = TIER } = {}) {
  const bus = await startBus();
  const app = await startApp(appOptions);
  const gateway = await startGateway({ origins: [app.origin], secret: app.secret, limits });
  const network = proxy ? await startProxy(gateway.port) : null;
  const stage = new Stage({ bus, app, gateway, network, profile, flags, init: LACKS[tier] });
  if (browser) await stage.startBrowser();
  return stage;
}

class Stage {
  #profile;
  #flags;
  #init;

  constructor({ bus, app, gateway, network, profile, flags, init }) {
    Object.assign(this, { bus, app, gateway, network });
    this.#profile = profile;
    this.#flags = flags;
    this.#init = init;
  }

  async startBrowser(profile = this.#profile) {
    this.browser = await launch({ bus: this.bus, profile, origins: [this.app.origin], flags: this.#flags, init: this.#init });
  }

  /** Opens a tab of the app without waiting for its connection. */
  openEarly(name, parameters = {}, options) {
    const url = this.network?.url ?? this.gateway.url;
    return this.browser.open(this.app.page({ url, name, ...parameters }), options);
  }

  /** Opens a tab of the app and waits until it is connected and subscribed. */
  async open(name, parameters = {}, options) {
    const tab = await this.openEarly(name, parameters, options);
    await this.ready(tab);
    return tab;
  }

  async ready(tab) {
    const connected = () => tab.run('Boolean(globalThis.pg?.loaded && pg.ready())');
    await until('the tab to be connected', connected).catch(async (fault) => { throw new Error(`${fault.message}: ${await tellOf(tab)}`); });
  }

  tell(tab) {
    return tellOf(tab);
  }

  /** Lets pages of this app pop up notifications, as a person's click would. */
  async allowNotifications(tab) {
    await tab.run('pg.client.notifications.enable()', { gesture: true });
  }

  async stop() {
    await this.browser?.close();
    this.network?.stop();
    await this.gateway.stop();
    this.app.stop();
    this.bus.stop();
  }
}

/** What a tab has handled, by title. */
export const titles = (tab) => tab.run('pg.titles()');

/** Waits until a tab has handled a message with this title. */
export function heardBy(tab, title, options) {
  return until(`the tab to hear "${title}"`, () => tab.run(`pg.titles().includes(${JSON.stringify(title)})`), options)
    .catch(async (fault) => { throw new Error(`${fault.message}: ${await tellOf(tab)}`); });
}

/** How a tab is doing, for the message of a failed test. */
export async function tellOf(tab) {
  const seen = 'JSON.stringify({ status: globalThis.pg?.client?.status, states: pg.states, subs: pg.subs, subscribed: pg.subscribed, errors: pg.errors, gaps: pg.gaps, got: pg.titles().slice(-20) })';
  return `${await tab.run(seen).catch(String)} ${tab.console.join(' | ')}`;
}

/** How often each title occurs; for assertions that name what was doubled. */
export function doubled(list) {
  const counts = new Map();
  for (const item of list) counts.set(item, (counts.get(item) ?? 0) + 1);
  return [...counts].filter(([, count]) => count > 1).map(([item, count]) => `${item} ×${count}`);
}
