// The list of complaints and measured facts names tests that exist.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

test('every complaint and every measured fact that is relied on is a test by name', async () => {
  const list = await readFile(new URL('FACTS.md', import.meta.url), 'utf8');
  const rows = [...list.matchAll(/^\| (.+?) \| `(.+?)` \| (.+) \|$/gm)];
  assert.ok(rows.length > 40, `${rows.length} rows`);
  for (const [, what, file, name] of rows) {
    const text = await readFile(new URL(`../../${file}`, import.meta.url), 'utf8');
    assert.ok(text.includes(name), `${what}: ${file} has no "${name}"`);
  }
});
