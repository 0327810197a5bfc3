// A reporter of node:test for the support matrix: one row a test, with how it ended. Used beside the one
// for people: `--test-reporter=…/reporter.mjs --test-reporter-destination=target/support/<suite>.json`.
// SUPPORT_SUITE, SUPPORT_TABLE and SUPPORT_COLUMN say which rows these are; SUPPORT_VERSION what ran them.

import { basename } from 'node:path';

const { SUPPORT_SUITE: suite = 'browser', SUPPORT_TABLE: table = 'browser', SUPPORT_COLUMN: column = 'Chromium', SUPPORT_VERSION: version } = process.env;

/** Seeds of one thing are one row: "storm 7: …" and "storm 8: …" say the same of another list of events. */
export const rowOf = (name) => name.replace(/^storm \d+: /, 'storm, 20 seeds: ');

export default async function* report(events) {
  const rows = new Map();
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    // The runner counts a file as a test around its tests.
    if (!data.file || data.details?.type === 'suite' || data.name === data.file || data.name.endsWith('.test.mjs')) continue;
    if (data.skip !== undefined || data.todo !== undefined) continue;
    const group = basename(data.file, '.test.mjs');
    // Of this report and of the storms' judge, not of a browser.
    if (group === 'support' || group === 'judge') continue;
    const row = rowOf(data.name);
    const key = `${group}\n${row}`;
    const result = type === 'test:pass' && rows.get(key)?.result !== 'failed' ? 'passed' : 'failed';
    rows.set(key, { table, group, row, column, result });
  }
  const versions = version ? { [column]: version } : {};
  yield `${JSON.stringify({ suite, rows: [...rows.values()], figures: {}, versions }, null, 1)}\n`;
}
