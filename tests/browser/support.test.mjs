// The document of what works where says what the tests said, and reads back as that.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differences, merge, parse, write } from '../support/document.mjs';
import { rowOf } from '../support/reporter.mjs';

const row = (group, name, column, result = 'passed', table = 'browser') => ({ table, group, row: name, column, result });
const CHROMIUM = { suite: 'browser', rows: [row('tabs', 'ten tabs | one socket', 'Chromium'), row('click', 'a click', 'Chromium')], versions: { Chromium: '1.2' } };
const FIREFOX = { suite: 'firefox', rows: [row('tabs', 'ten tabs | one socket', 'Firefox', 'failed')] };
const BUNDLER = { suite: 'bundler', rows: [row('package', 'Vite 8', 'build', 'passed', 'bundler'), row('package', 'Vite 8', 'dev', 'passed', 'bundler')] };

test('what is written reads back as the same rows', () => {
  const rows = merge([], [CHROMIUM, FIREFOX, BUNDLER]);
  assert.deepEqual(differences(parse(write(rows, [CHROMIUM, FIREFOX, BUNDLER])), rows), []);
  assert.equal(rows.length, 5);
});

test('a column that was not run keeps what is known of it, one that was run is what it is now', () => {
  const before = merge([], [CHROMIUM, FIREFOX]);
  const now = { suite: 'browser', rows: [row('tabs', 'ten tabs / one socket', 'Chromium')] };
  const after = merge(before, [now]);
  assert.deepEqual(differences(before, after), ['browser · click · a click · Chromium: there is no such test any more']);
  assert.ok(after.some(({ column, result }) => column === 'Firefox' && result === 'failed'));
});

test('a result that changed and a test that came are named', () => {
  const before = merge([], [FIREFOX]);
  const after = merge([], [{ suite: 'firefox', rows: [row('tabs', 'ten tabs | one socket', 'Firefox'), row('tabs', 'another', 'Firefox')] }]);
  assert.deepEqual(differences(before, after), [
    'browser · tabs · ten tabs / one socket · Firefox: failed, and now passed',
    'browser · tabs · another · Firefox: not there, and now passed',
  ]);
});

test('seeds of one storm are one row', () => {
  assert.equal(rowOf('storm 7: nothing lost'), rowOf('storm 18: nothing lost'));
});
