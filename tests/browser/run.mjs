// Runs every *.test.mjs here, two files at a time; each has its own gateway, browser and bus.
// With PULSEGATE_BROWSER=firefox those that Firefox can be led through, and firefox.test.mjs.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { inFirefox } from './lib/browser.mjs';
import { binary } from './lib/gateway.mjs';

// The others reach into the browser in a way that only Chromium's own protocol has.
const FIREFOX = ['app', 'click', 'dev', 'firefox', 'once', 'tabs'].map((name) => `${name}.test.mjs`);

const here = fileURLToPath(new URL('.', import.meta.url));
const wanted = process.argv.slice(2);
const mine = (name) => (inFirefox ? FIREFOX.includes(name) : name.endsWith('.test.mjs') && !name.startsWith('firefox.'));
const files = readdirSync(here).filter((name) => mine(name) && (wanted.length === 0 || wanted.some((part) => name.includes(part))));
console.log(`gateway under test: ${binary()}`);
const { status } = spawnSync(process.execPath, ['--test', '--test-reporter=spec', '--test-concurrency=2', '--test-timeout=120000', ...files], { cwd: here, stdio: 'inherit' });
process.exit(status ?? 1);
