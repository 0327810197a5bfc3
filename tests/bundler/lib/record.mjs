// What a run proved, for docs/BROWSER_SUPPORT.md: one JSON file a suite, written when it has ended.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { HERE } from './packed.mjs';

const FOLDER = process.env.PULSEGATE_SUPPORT ?? join(HERE, '../../target/support');

/**
 * A `test` that also fills a cell of the bundler table: `proves(row, column, sentence, body)`.
 * `versions` names the tools, by the names people know them by.
 */
export function recorder(suite, versions) {
  const rows = [];
  after(async () => {
    await mkdir(FOLDER, { recursive: true });
    await writeFile(join(FOLDER, `${suite}.json`), `${JSON.stringify({ suite, rows, versions }, null, 2)}\n`);
  });
  return (row, column, sentence, body) => {
    const cell = { table: 'bundler', group: '', row, column, result: 'failed' };
    rows.push(cell);
    return test(sentence, async (t) => {
      await body(t);
      cell.result = 'passed';
    });
  };
}
