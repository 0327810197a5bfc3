// What a browser does to tabs over a day: it hides, freezes, caches, crashes and discards them.

import { until } from './until.mjs';

/** Stops the page's tasks as Chromium does with tabs in the background. */
export const freeze = (tab) => tab.send('Page.setWebLifecycleState', { state: 'frozen' });

export const wake = (tab) => tab.send('Page.setWebLifecycleState', { state: 'active' });

/** The renderer of this tab dies. What shares its process dies too. */
export async function crash(tab) {
  await tab.send('Inspector.enable');
  let crashed = false;
  tab.on('Inspector.targetCrashed', () => { crashed = true; });
  tab.send('Page.crash').catch(() => undefined);
  await until('the tab to crash', () => crashed);
}

/** Leaves for another page of the site, so that this one goes into the back/forward cache. */
export async function leave(tab, url) {
  await tab.run('globalThis.stayed = performance.timeOrigin; addEventListener("pageshow", (event) => { globalThis.fromCache = event.persisted; })');
  await tab.goto(url);
  await until('the other page', async () => (await tab.run('globalThis.stayed === undefined')) === true);
}

/** Comes back; answers whether the page was still there, and if not why. */
export async function back(tab) {
  await tab.run('history.back()').catch(() => undefined);
  return until('the page before', () => tab.run(`document.readyState === 'complete' && globalThis.pg && ({
    cached: globalThis.fromCache === true,
    why: JSON.stringify(performance.getEntriesByType('navigation')[0].notRestoredReasons),
  })`));
}

/** Another tab of another site comes to the front. Its `close` shows what was there before. */
export async function hide(browser, tab) {
  const other = await browser.open('about:blank#other');
  await until('the tab to be hidden', () => tab.run("document.visibilityState === 'hidden'"));
  return other;
}

export async function show(tab) {
  await tab.bringToFront();
  await until('the tab to be visible', () => tab.run("document.visibilityState === 'visible'"));
}

/** Chromium drops the page of a hidden tab to save memory; it is loaded again when the tab is looked at. */
export async function discard(browser, tab, part) {
  await tab.detach();
  const page = await browser.open('chrome://discards');
  const row = `[...document.querySelector('discards-main').shadowRoot.querySelector('discards-tab').shadowRoot.querySelectorAll('tr')].find((row) => row.querySelector('.tab-url-cell')?.textContent.includes(${JSON.stringify(part)}))`;
  await until('the list of tabs', () => page.run(`Boolean(${row})`));
  await page.run(`[...${row}.querySelectorAll('[is=action-link]')].find((link) => link.textContent.includes('Urgent Discard')).click()`);
  await until('the tab to be discarded', () => page.run(`/discarded/.test(${row}.textContent)`));
  await page.close();
}
