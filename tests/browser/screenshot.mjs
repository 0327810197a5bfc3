// Takes the README's picture of the demo page from the real thing: `node screenshot.mjs [FILE] [phone] [dark]`.

import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { launch } from './lib/chromium.mjs';
import { startDev } from './lib/gateway.mjs';
import { startBus } from './lib/notification-bus.mjs';
import { until } from './lib/until.mjs';

const words = process.argv.slice(2);
const file = words.find((word) => word.endsWith('.png')) ?? fileURLToPath(new URL('../../docs/images/demo.png', import.meta.url));
const phone = words.includes('phone');
const width = phone ? 390 : 1180;

const bus = await startBus();
const dev = await startDev();
const browser = await launch({ bus, origins: [dev.url], flags: ['--hide-scrollbars'] });
try {
  const other = await browser.open(`${dev.url}/demo/`);
  const tab = await browser.open(`${dev.url}/demo/`);
  await tab.send('Emulation.setDeviceMetricsOverride', { width, height: 1000, deviceScaleFactor: 1, mobile: phone });
  await tab.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: words.includes('dark') ? 'dark' : 'light' }] });
  await until('both tabs to be connected', () => tab.run('document.getElementById("fact-tabs").textContent === "2"'));
  for (const topic of ['news/sport', 'build/main']) {
    await tab.run(`document.getElementById('topic-name').value = '${topic}'; document.getElementById('topic-form').requestSubmit()`);
  }
  await until('the topics', () => tab.run('document.querySelectorAll("#topic-list [data-ready=true]").length === 3'));
  const send = async (target, title, body) => {
    await tab.run(`(() => {
      document.getElementById('send-target').value = ${JSON.stringify(JSON.stringify(target))};
      document.getElementById('send-head').value = ${JSON.stringify(title)};
      document.getElementById('send-body').value = ${JSON.stringify(body)};
      document.getElementById('send-form').requestSubmit();
    })()`);
    return bus.see(title);
  };
  // Apart, as in life: the picture shows the pulse.
  const pause = () => new Promise((done) => { setTimeout(done, 6000); });
  await send({ topic: 'build/main' }, 'Build green', 'main passed in 3 min 12 s');
  await pause();
  bus.click(await send({ topic: 'news/sport' }, 'Kick-off', 'The second half has begun'));
  await pause();
  await send({ topic: 'news/sport' }, 'Goal', '1:0 in the 87th minute');
  await until('the click to be counted', () => tab.run('document.querySelector("[data-step=clicked][data-done=true]") !== null'));
  await until('all to be shown', () => tab.run('document.querySelectorAll("[data-step=displayed][data-done=true]").length === 3'));
  // Long enough for the pulse to be seen.
  await until('the pulse', () => tab.run('document.getElementById("trace-hint").textContent !== "the last 20 seconds"'), { within: 40_000 });
  const { cssContentSize } = await tab.send('Page.getLayoutMetrics');
  const { data } = await tab.send('Page.captureScreenshot', {
    format: 'png', captureBeyondViewport: true, clip: { x: 0, y: 0, width, height: cssContentSize.height, scale: phone ? 1 : 0.8 },
  });
  await writeFile(file, Buffer.from(data, 'base64'));
  await other.close();
} finally {
  await browser.close();
  await dev.stop();
  bus.stop();
}
