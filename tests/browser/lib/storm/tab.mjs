// One of the eight tabs: what can happen to it, over the browser's own debugging pipe.

import { until } from '../until.mjs';

/** Whether an entry of a tab's history is the app. */
const isOurs = ({ url }) => url.includes('/storm.html');

export class StormTab {
  /** closed, live, frozen or away. */
  state = 'closed';
  number;
  #stage;
  #heard;
  #address;
  #tab;
  #before;

  constructor(stage, number, heard, address) {
    this.#stage = stage;
    this.number = number;
    this.#heard = heard;
    this.#address = address;
  }

  get closed() {
    return this.state === 'closed';
  }

  get live() {
    return this.state === 'live';
  }

  /** What its page printed. */
  get console() {
    return this.#tab?.console ?? [];
  }

  /** A command that the browser refuses while one page is just taking the place of another is given again. */
  #command(method, params) {
    const tab = this.#tab;
    return until(`${method} in tab ${this.number}`, async () => {
      if (this.#tab !== tab) return true;
      await tab.send(method, params);
      return true;
    });
  }

  /** Runs an expression in the page. */
  run(expression) {
    return this.#tab.run(expression);
  }

  /** Comes to the app: in a new tab, or where it was. */
  async open() {
    if (this.state === 'frozen') await this.resume();
    if (this.#tab === undefined) await this.#create();
    this.state = 'live';
    await this.#tab.send('Page.navigate', { url: this.#address() });
  }

  async #create() {
    const { browser } = this.#stage;
    const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank', background: this.number % 2 === 1 });
    const tab = await browser.attach(targetId);
    tab.on('Runtime.bindingCalled', ({ payload }) => this.#heard(JSON.parse(payload)));
    // The renderer died: ours, or with that of another tab whose process it shared.
    tab.on('Inspector.targetCrashed', () => { if (this.#tab === tab) this.#lose(); });
    await Promise.all([
      tab.send('Inspector.enable'), tab.send('Page.enable'), tab.send('Runtime.addBinding', { name: 'hear' }),
    ]);
    this.#tab = tab;
  }

  #lose() {
    const tab = this.#tab;
    this.#tab = undefined;
    this.state = 'closed';
    this.#shut(tab).catch(() => {});
  }

  async close() {
    const tab = this.#tab;
    this.#tab = undefined;
    this.state = 'closed';
    await this.#shut(tab);
  }

  /** Told again: the browser forgets it where one page is just taking the place of another. */
  async #shut(tab) {
    const { targets } = this.#stage.browser;
    let told = 0;
    await until(`tab ${this.number} to close`, () => {
      if (performance.now() - told > 500) {
        told = performance.now();
        tab?.close().catch(() => {});
      }
      return !targets.has(tab?.targetId);
    }, { within: 30_000 });
  }

  /** Its renderer dies; the tab goes with it. */
  async crash() {
    const tab = this.#tab;
    if (!tab) return;
    let told = 0;
    await until(`tab ${this.number} to crash`, () => {
      // Told again: one page may just be taking the place of another.
      if (performance.now() - told > 1000) {
        told = performance.now();
        tab.send('Page.crash').catch(() => {});
      }
      return this.#tab !== tab;
    }, { within: 30_000 });
  }

  async front() {
    await this.#tab?.bringToFront();
  }

  async freeze() {
    if (!this.live) return;
    this.state = 'frozen';
    await this.#command('Page.setWebLifecycleState', { state: 'frozen' });
  }

  async resume() {
    if (this.state !== 'frozen') return;
    this.state = 'live';
    await this.#command('Page.setWebLifecycleState', { state: 'active' });
  }

  async reload() {
    if (this.live) await this.#command('Page.reload');
  }

  /** Goes to another page of the same site. */
  async away() {
    if (!this.live) return;
    this.state = 'away';
    await this.#move((entry) => !isOurs(entry), () => this.#tab?.send('Page.navigate', { url: `${this.#stage.app.origin}/elsewhere.html` }));
  }

  /** And to the app again, no further. */
  async back() {
    if (this.state !== 'away') return;
    this.state = 'live';
    await this.#move(isOurs, (before) => this.#tab?.send('Page.navigateToHistoryEntry', { entryId: before.findLast(isOurs).id }));
  }

  /** Until the tab is there: one page that is just taking the place of another undoes what is asked meanwhile. */
  async #move(there, go) {
    const tab = this.#tab;
    let told = 0;
    await until(`tab ${this.number} to move`, async () => {
      if (this.#tab !== tab) return true;
      const { currentIndex, entries } = await tab.send('Page.getNavigationHistory');
      if (there(entries[currentIndex])) return true;
      if (performance.now() - told > 1000) {
        told = performance.now();
        await go(entries.slice(0, currentIndex));
      }
      return false;
    });
  }

  /** Its own worker ends, as after a trap. */
  async killWorker() {
    if (!this.#tab || !this.live) return;
    // One that is just being started or replaced is not there to be killed.
    const worker = await this.#stage.browser.workerOf(this.#tab, { within: 2000 }).catch(() => undefined);
    await worker?.send('Runtime.evaluate', { expression: 'self.close()' }).catch(() => {});
  }

  /** For a quiet point: awake and at the app, if it is open at all. */
  async recover() {
    this.#before = this.state;
    if (this.state === 'frozen') await this.resume();
    if (this.state === 'away') await this.back();
  }

  /** After it: as it was. */
  async restore(rests) {
    if (this.#before === 'frozen' || this.#before === 'away') rests();
    if (this.#before === 'frozen') await this.freeze();
    if (this.#before === 'away') await this.away();
    if (this.#before === 'closed') await this.close();
  }
}
