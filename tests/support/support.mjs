// docs/BROWSER_SUPPORT.md from the result files of the tests: `node support.mjs`, or `--check`, which writes
// nothing and fails if a row differs. Columns that were not run keep what the document says of them.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { differences, merge, parse, write } from './document.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = process.env.PULSEGATE_SUPPORT ?? join(root, 'target/support');
const file = join(root, 'docs/BROWSER_SUPPORT.md');

const read = (path) => { try { return readFileSync(path, 'utf8'); } catch { return ''; } };
const list = () => { try { return readdirSync(folder).filter((name) => name.endsWith('.json')).sort(); } catch { return []; } };
const suites = list().map((name) => JSON.parse(read(join(folder, name))));
if (suites.length === 0) {
  console.error(`no results in ${folder}: run \`cargo xtask test browser bundler\` first`);
  process.exit(1);
}

const before = parse(read(file));
const after = merge(before, suites);
if (process.argv.includes('--check')) {
  const lines = differences(before, after);
  for (const line of lines) console.error(line);
  if (lines.length > 0) console.error('docs/BROWSER_SUPPORT.md says something else than the tests: run `cargo xtask support`');
  process.exit(lines.length > 0 ? 1 : 0);
}
writeFileSync(file, write(after, suites));
console.log(`docs/BROWSER_SUPPORT.md: ${after.length} results of ${suites.map(({ suite }) => suite).join(', ')}`);
