// The browser killed like by a power cut.

import { test } from 'node:test';
import { killUnderTraffic } from './lib/kills.mjs';

test('ten kills of the whole browser under traffic lose nothing and show nothing twice', { timeout: 110_000 }, (t) => killUnderTraffic(t, 10));
