// A browser on the client's side of the NAT lab (tests/tests/nat/browser.rs), which starts this inside its network: the
// app's server on the loopback there, so that its pages are a secure context, and Chromium. It does what it is told, a
// word a line, and answers each with a line of JSON.
//   tab         opens the app's page in front, connected and subscribed to `t`
//   hide        another tab comes in front
//   look        the page comes in front again: a person looks
//   tell        what the page has heard, its tier and the state of its connection

import { createInterface } from 'node:readline';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DIST, startApp } from './lib/app-server.mjs';
import { launch } from './lib/browser.mjs';
import { until } from './lib/until.mjs';

const { NAT_GATEWAY: url, NAT_PORT: port, NAT_SPEED: speed } = process.env;

// The core's clock and its timer run faster, as the gateway's do; whoever else is in the worker keeps the wall's time.
const faster = `{
  const core = () => /wasm/.test(new Error().stack);
  const { setTimeout: wait } = self;
  const now = performance.now.bind(performance);
  performance.now = () => (core() ? now() * ${speed} : now());
  self.setTimeout = (call, ms, ...more) => wait(call, core() ? ms / ${speed} : ms, ...more);
}
`;
const worker = faster + await readFile(join(DIST, 'pulsegate-worker.js'), 'utf8');
const app = await startApp({ port: Number(port), extra: { '/pulsegate-worker.js': worker } });
const browser = await launch();
let page;

const does = {
  async tab() {
    page = await browser.open(app.page({ url, app: 'demo', topic: 't' }));
    await until('the page to be subscribed', () => page.run('Boolean(globalThis.pg?.loaded && pg.ready())'), { within: 60_000 });
  },
  async hide() {
    await browser.open(`${app.origin}/elsewhere.html`);
    await until('the page to be hidden', () => page.run("document.visibilityState === 'hidden'"));
  },
  async look() {
    await page.bringToFront();
    await until('the page to be in front', () => page.inFront());
  },
  tell: () => page.run('({ heard: pg.titles(), tier: pg.client.status.tier, state: pg.client.status.state, errors: pg.errors })'),
};

for await (const word of createInterface({ input: process.stdin })) {
  const answer = await does[word]().then((told) => told ?? {}, async (fault) => ({ fault: `${fault.stack} ${page?.console.join(' | ')}` }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
app.stop();
