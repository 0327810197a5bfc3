// Runs every *.test.mjs here, two files at a time; each has its own gateway, browser and bus.
// With PULSEGATE_BROWSER=firefox those that Firefox can be led through, and firefox.test.mjs.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inFirefox } from './lib/browser.mjs';
import { binary } from './lib/gateway.mjs';

// The others reach into the browser in a way that only Chromium's own protocol has.
const FIREFOX = ['app', 'click', 'dev', 'firefox', 'handlers', 'once', 'tabs'].map((name) => `${name}.test.mjs`);

const here = fileURLToPath(new URL('.', import.meta.url));
const wanted = process.argv.slice(2);
const mine = (name) => (inFirefox ? FIREFOX.includes(name) : name.endsWith('.test.mjs') && !name.startsWith('firefox.'));
const files = readdirSync(here).filter((name) => mine(name) && (wanted.length === 0 || wanted.some((part) => name.includes(part))));
console.log(`gateway under test: ${binary()}`);

// What a whole run proves is written down for docs/BROWSER_SUPPORT.md; a part of it would be taken for the whole.
const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout'];
const env = { ...process.env };
if (wanted.length === 0) {
  const folder = process.env.PULSEGATE_SUPPORT ?? fileURLToPath(new URL('../../target/support', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const suite = inFirefox ? 'firefox' : 'browser';
  reporters.push(`--test-reporter=${new URL('../support/reporter.mjs', import.meta.url)}`, `--test-reporter-destination=${join(folder, `${suite}.json`)}`);
  const [browser, column] = inFirefox ? [process.env.FIREFOX ?? 'firefox-esr', 'Firefox'] : [process.env.CHROMIUM ?? 'chromium', 'Chromium'];
  const version = spawnSync(browser, ['--version'], { encoding: 'utf8' }).stdout?.match(/\d+[.\d]*/)?.[0];
  Object.assign(env, { SUPPORT_SUITE: suite, SUPPORT_TABLE: 'browser', SUPPORT_COLUMN: column, ...(version && { SUPPORT_VERSION: version }) });
}
// The time-out is a file's too: generous, for machines that do other things as well.
const { status } = spawnSync(process.execPath, ['--test', ...reporters, '--test-concurrency=2', '--test-timeout=300000', ...files], { cwd: here, stdio: 'inherit', env });
process.exit(status ?? 1);
