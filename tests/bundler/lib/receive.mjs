// What every page here must do: connect to the real gateway and show one message, once.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { launch } from '../../browser/lib/chromium.mjs';
import { startGateway } from '../../browser/lib/gateway.mjs';
import { until } from '../../browser/lib/until.mjs';

/** One gateway and one browser for a file of tests; each page is an origin, and so a device, of its own. */
export async function openStage() {
  const gateway = await startGateway({ origins: ['*'], secret: randomBytes(32) });
  const browser = await launch();
  return new Stage(gateway, browser);
}

class Stage {
  #topics = 0;

  constructor(gateway, browser) {
    this.gateway = gateway;
    this.browser = browser;
  }

  /** Opens a page, told its gateway and a topic that nobody else listens to. */
  async open(address) {
    const topic = `news/${++this.#topics}`;
    const query = new URLSearchParams({ url: this.gateway.url, topic });
    const tab = await this.browser.open(`${address}?${query}`);
    return { tab, topic };
  }

  /** Opens a page and waits until the gateway has its subscription. */
  async listen(address) {
    const { tab, topic } = await this.open(address);
    await until('the subscription', () => tab.run('document.documentElement.dataset.ready === "true"'))
      .catch((fault) => { throw new Error(`${fault.message}: ${tab.console.join(' | ')}`); });
    return { tab, topic };
  }

  /** Opens a page, publishes and sees that it came, once, and that nothing was said against it. */
  async receivesOneMessage(address, title) {
    const { tab, topic } = await this.listen(address);
    await this.gateway.publish(topic, title);
    await came(tab, title);
    assert.deepEqual(await titles(tab), [title]);
    assert.equal(await tab.run('document.documentElement.dataset.violations ?? ""'), '', 'no policy was broken');
    const loud = tab.console.filter((line) => /^(error|warning|exception)/.test(line));
    assert.deepEqual(loud, []);
    await tab.close();
  }

  async stop() {
    await this.browser.close();
    await this.gateway.stop();
  }
}

/** What the page shows that came. */
export const titles = (tab) => tab.run('[...document.querySelectorAll("#came li")].map((item) => item.textContent)');

/** Waits until the page shows it. */
export const came = (tab, title) =>
  until(`"${title}" on the page`, async () => (await titles(tab)).includes(title))
    .catch((fault) => { throw new Error(`${fault.message}: ${tab.console.join(' | ')}`); });
