// The browser killed, and its databases with it, as Chromium itself does when it cannot read the end of their log.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { killUnderTraffic } from './lib/kills.mjs';

test('five kills that each cost the browser its databases lose nothing and show nothing twice', { timeout: 110_000 }, async (t) => {
  const lost = await killUnderTraffic(t, 5, (profile) => rm(join(profile, 'Default/IndexedDB'), { recursive: true }));
  assert.ok(lost > 0, 'they were gone');
});
