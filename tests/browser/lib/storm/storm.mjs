// A storm over eight tabs of one browser: the events of a plan, messages flowing, and at quiet points
// the judgement of the ledger. Events come at counts of messages and at conditions, never after a while.

import { until } from '../until.mjs';
import { Ledger } from './ledger.mjs';
import { TABS, plan, tell } from './plan.mjs';
import { Publisher } from './publisher.mjs';
import { StormTab } from './tab.mjs';

/** Events between two quiet points. */
const SPELL = 100;
/** How long a quiet point may take to become quiet. */
const QUIET = { within: 45_000 };
/** So long after there is room again a worker has written what it held in memory: it tries every three seconds. */
const WRITTEN_MS = 10_000;
/** What ends a page. */
const LEAVES = ['open', 'close', 'reload', 'away', 'crash', 'user'];
/** What ends a tab's own worker. */
const WITH_TAB = ['open', 'close', 'freeze', 'away', 'reload', 'user'];

/** Runs the storm of a seed; answers with its figures. Throws what went wrong, with the way to see it again. */
export async function storm(stage, { seed, events = 1000, tier = 'shared-worker' }) {
  const run = new Storm(stage, seed, tier);
  const list = plan(seed, events);
  try {
    return await run.play(list);
  } catch (fault) {
    run.addDesktop();
    const told = run.log.map(({ at, text }) => `${String(at).padStart(7)} ms  ${text}`).join('\n');
    throw new Error(`${fault.message}\n\nseed ${seed}, ${events} events, tier ${tier}:\n${told}\n\n` +
      `see it again: node storm.mjs --seed ${seed} --events ${events} --tier ${tier}`, { cause: fault });
  }
}

class Storm {
  log = [];
  #began = performance.now();
  #stage;
  #ledger = new Ledger();
  #publisher;
  #users;
  #topic;
  #tier;
  #tabs;
  /** A tab that is always there, of no site. */
  #keeper;
  /** Since when the disk has room; Infinity: it has none. */
  #room = -Infinity;
  #done = 0;
  #quietTook = 0;

  constructor(stage, seed, tier) {
    this.#stage = stage;
    this.#tier = tier;
    // Names of their own, so that storms in one browser do not meet. A seed may be played again.
    const name = `${seed}-${tier}-${Math.round(this.#began)}`;
    this.#users = [`ann-${name}`, `bob-${name}`];
    this.#topic = `storm/${name}`;
    this.#publisher = new Publisher(stage.gateway, this.#ledger, { name, topic: this.#topic });
    this.#tabs = Array.from({ length: TABS }, (_, number) => new StormTab(stage, number, (said) => this.#heard(said), () => this.#address(number)));
  }

  #heard(said) {
    if (!this.#users.includes(said.user)) return;
    this.#ledger.heard(said);
    if (process.env.STORM_TRACE) this.#note(`    tab ${said.tab} ${said.life.slice(0, 4)} ${said.user.slice(0, 3)}: ${Object.values(said).slice(4).join(' ')} (${said.what})`);
    if (said.tab % 2 === 1) this.#ledger.narrow(said.life);
    if (said.what === 'gap' || said.what === 'error') this.#note(`    tab ${said.tab} heard ${said.what} ${said.code ?? said.log} ${said.reason ?? said.text}`);
  }

  #note(text, at = performance.now()) {
    this.log.push({ at: Math.round(at - this.#began), text });
  }

  /** What stood on the desktop, for the report of a fault. */
  addDesktop() {
    for (const { title, replaces, at, closedAt } of this.#stage.bus.calls) {
      if (!this.#publisher.owns(title)) continue;
      this.#note(`    desktop: ${title} ${replaces ? 'changed' : 'popped up'}`, at);
      if (closedAt) this.#note(`    desktop: ${title} taken back`, closedAt);
    }
    this.log.sort((a, b) => a.at - b.at);
  }

  #address(tab) {
    const { app, network } = this.#stage;
    // Every second tab hears the topic alone; the last one's handler fails now and then.
    return `${app.origin}/storm.html?${new URLSearchParams({
      url: network.url, user: this.#users[0], topic: this.#topic, tab,
      ...(this.#tier !== 'shared-worker' && { tier: this.#tier }), ...(tab % 2 === 1 && { only: '' }), ...(tab === TABS - 1 && { throws: '' }),
    })}`;
  }

  async play(list) {
    this.#ledger.login(this.#users[0]);
    await Promise.all(this.#tabs.map((tab) => tab.open()));
    await until('a first tab to listen', () => this.#ledger.begun, QUIET);
    for (const event of list) {
      await this.#messages(event);
      await this.#act(event);
      this.#done += 1;
      if (this.#done % SPELL === 0 || this.#done === list.length) await this.#quiet();
    }
    const took = performance.now() - this.#began;
    await Promise.all(this.#tabs.map((tab) => tab.close()));
    return { ...this.#ledger.totals, events: this.#done, took: Math.round(took), quiet: Math.round(this.#quietTook) };
  }

  async #messages(event) {
    const { messages, wait } = event;
    const { bus } = this.#stage;
    const [me, other] = this.#users;
    const named = messages.map(({ to, shown }) => ({ to: { topic: 'topic', user: me, other }[to], shown }));
    const { numbers, accepted } = this.#publisher.publish(named);
    this.#note(`${String(this.#done).padStart(4)} ${tell(event, numbers)}`);
    if (wait === 'nothing') return;
    await accepted;
    const last = numbers.findLast((_, index) => messages[index].to === 'topic');
    if (wait === 'handled' && last !== undefined && this.#ledger.owes(last)) await this.#soon(`message ${last} to be handled`, () => {
      // A renderer that died may have taken the last tab along, by sharing a process.
      return this.#ledger.handled(last) || bus.times(this.#publisher.title(last)) > 0 || !this.#ledger.owes(last) || !this.#tabs.some((tab) => tab.live);
    });
  }

  async #act({ kind, tab: number, how }) {
    const { browser, network, gateway, app } = this.#stage;
    const tab = this.#tabs[number];
    if (kind === 'freeze' || kind === 'away') this.#ledger.rests(number);
    if (this.#room < performance.now() - WRITTEN_MS) this.#ledger.written();
    // Without a SharedWorker the worker goes with its tab.
    if (kind === 'kill' || kind === 'crash' || (this.#tier !== 'shared-worker' && WITH_TAB.includes(kind))) this.#ledger.died();
    if (LEAVES.includes(kind)) for (const one of kind === 'user' ? this.#tabs.keys() : [number]) this.#ledger.leaves(one);
    switch (kind) {
      case 'open': case 'close': case 'front': case 'freeze': case 'away': case 'reload': case 'crash':
        return tab[kind]();
      case 'resume': case 'back':
        this.#ledger.wakes(number);
        return tab[kind]();
      case 'kill':
        if (this.#tier === 'shared-worker') return this.#killShared(browser);
        return Promise.all((tab ? [tab] : this.#tabs).map((one) => one.killWorker()));
      case 'cut':
        return network.cut();
      case 'offline':
        return network.down();
      case 'online':
        network.heal();
        return this.#network();
      case 'restart':
        return gateway.restart(how);
      case 'expire':
        app.tokenLives = [how === 'expired' ? -1 : 31];
        return network.cut();
      case 'quota': case 'room':
        if (kind === 'quota') {
          this.#ledger.full();
          this.#room = Infinity;
        }
        return this.#quota(kind === 'quota' ? 1 : undefined);
      case 'user':
        return this.#change();
      default:
        throw new Error(`no such event: ${kind}`);
    }
  }

  async #killShared(browser) {
    // None if the last one was killed a moment ago, or ends already: then there is nothing to kill.
    for (const { targetId } of browser.find('shared_worker', 'pulsegate-worker.js')) {
      await browser.send('Target.closeTarget', { targetId }).catch(() => {});
    }
  }

  async #quota(size) {
    if (!size && this.#room === Infinity) this.#room = performance.now();
    const { browser, app } = this.#stage;
    this.#keeper ??= await browser.attach(browser.find('page', 'about:blank')[0].targetId);
    await this.#keeper.send('Storage.overrideQuotaForOrigin', { origin: app.origin, ...(size && { quotaSize: size }) });
  }

  /**
   * Waits, and has the browser say now and then that there is a network: after many failures in a row
   * a client waits up to a minute before it tries again, unless it hears that.
   */
  async #soon(what, probe) {
    let heard = performance.now();
    await until(what, async () => {
      if (performance.now() - heard > 2000) {
        heard = performance.now();
        await this.#network();
      }
      return probe();
    }, QUIET).catch(async (fault) => { throw new Error(`${fault.message}; ${await this.#tabsTold()}`); });
  }

  /** The network is back: browsers tell their pages. */
  async #network() {
    await Promise.all(this.#tabs.filter((tab) => tab.live).map((tab) => tab.run('dispatchEvent(new Event("online"))').catch(() => {})));
  }

  /** Somebody else logs in: every tab comes to the app anew. */
  async #change() {
    this.#users.reverse();
    this.#ledger.login(this.#users[0]);
    await Promise.all(this.#tabs.filter((tab) => !tab.closed).map((tab) => tab.open()));
  }

  /** How the tabs are, for the report of a fault. */
  async #tabsTold() {
    const told = this.#tabs.filter((tab) => tab.live).map(async (tab) => {
      const seen = await tab.run('JSON.stringify({ at: location.href, visible: document.visibilityState, life: globalThis.storm?.life, status: globalThis.storm?.client.status })').catch(String);
      const life = seen.match(/"life":"(.+?)"/)?.[1];
      return `\n  tab ${tab.number}${this.#ledger.listens(life) ? '' : ', deaf'}: ${seen} ${tab.console.slice(-5).join(' | ')}`;
    });
    const held = await this.#tabs.find((tab) => tab.live)?.run(`Promise.race([
      navigator.locks.query().then(({ held, pending }) => JSON.stringify({ held, pending }, ['held', 'pending', 'name', 'mode', 'clientId'])),
      new Promise((done) => { setTimeout(done, 3000, 'no answer'); })])`).catch(String);
    return `live are:${(await Promise.all(told)).join('')}\n  workers: ${this.#stage.browser.find('shared_worker', '').map(({ url, targetId }) => `${url} ${targetId}`).join(' ')}\n  locks: ${held}`;
  }

  /** Everything is mended, everything arrives, and the ledger judges. */
  async #quiet() {
    const began = performance.now();
    const { network, bus } = this.#stage;
    network.heal();
    await this.#quota(undefined);
    for (const [number, tab] of this.#tabs.entries()) {
      if (tab.state === 'frozen' || tab.state === 'away') this.#ledger.wakes(number);
      await tab.recover();
    }
    // Somebody has to be there who hears everything.
    if (this.#tabs.every((tab) => tab.closed || tab.number % 2 === 1)) await this.#tabs[0].open();
    await this.#network();
    // The plan goes on from the states it knows: what was woken for the judgement is put back after it.
    const there = this.#tabs.filter((tab) => tab.live);
    const lives = new Map();
    // Three deaths of its worker in a minute, and a tab waits longer and longer: a person reloads it then.
    for (const tab of there) {
      if (await tab.run('globalThis.storm?.client.status.reason').catch(() => '') === 'worker-crashed') await tab.reload();
    }
    await this.#soon('every tab to listen', async () => {
      for (const tab of there) lives.set(tab, await tab.run('globalThis.storm?.life'));
      return [...lives.values()].every((life) => this.#ledger.listens(life));
    });
    const { numbers, accepted } = this.#publisher.publish([{ to: 'topic', shown: false }, { to: this.#users[0], shown: false }]);
    await accepted;
    const behind = () => [...lives].filter(([tab, life]) => numbers.some((number, index) => !this.#ledger.handledBy(number, life) && !(index === 1 && tab.number % 2 === 1)));
    await this.#soon('the last message to reach every tab', () => behind().length === 0)
      .catch((fault) => { throw new Error(`${fault.message}: not ${behind().map(([tab]) => `tab ${tab.number}`).join(', ')}`); });
    const alive = new Set(lives.values());
    for (const [tab, life] of lives) this.#ledger.confess(life, await tab.run('storm.handled'));
    const desktop = { times: (number) => bus.times(this.#publisher.title(number)), shown: (number) => bus.shown.includes(this.#publisher.title(number)) };
    // Pop-ups go their own way: judged once nothing is wrong any more, or after the patience is over.
    let faults = [];
    const content = (patient, within) => until('the ledger to be content', () => (faults = this.#ledger.faults(alive, desktop, patient)).length === 0, { within, every: 100 });
    await content(true, 8_000).catch(() => content(false, 12_000))
      .catch(() => { throw new Error(`${faults.length} faults after ${this.#done} events:\n  ${faults.slice(0, 20).join('\n  ')}`); });
    this.#ledger.settle(alive, desktop);
    await Promise.all(this.#tabs.map((tab) => tab.restore(() => this.#ledger.rests(tab.number))));
    this.#quietTook += performance.now() - began;
    this.#note('     quiet');
  }
}
