// The service worker's decisions, and the bytes of its receipts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from 'esbuild';
import { load } from './support/load.mjs';

globalThis.self = globalThis;
const { targetOf, choose, encodeReport, uuidText, uuidBytes } = await load('sw/main.ts', 'sw/report.ts', 'worker/uuid.ts');

const origin = 'https://shop.test';
const data = (url, more = {}) => ({ url, urls: {}, clickOrigins: [], ...more });

test('the service worker holds no socket, which browsers cut after half a minute, and no core', async () => {
  const { outputFiles: [{ text }] } = await build({
    entryPoints: [new URL('../src/sw/main.ts', import.meta.url).pathname], bundle: true, write: false, format: 'esm', logLevel: 'silent',
  });
  assert.match(text, /notificationclick/);
  assert.doesNotMatch(text, /WebSocket|WebAssembly|import\(/);
});

test('a click goes where the notification says, on this origin or a named one', () => {
  assert.deepEqual(targetOf(data('/m/1'), '', origin), { url: 'https://shop.test/m/1', foreign: false });
  assert.deepEqual(targetOf(data('https://help.test/x'), '', origin), { url: '', foreign: false });
  assert.deepEqual(targetOf(data('https://help.test/x', { clickOrigins: ['https://help.test'] }), '', origin), { url: 'https://help.test/x', foreign: true });
  assert.deepEqual(targetOf(data('javascript:alert(1)', { clickOrigins: ['null'] }), '', origin), { url: '', foreign: false });
  assert.deepEqual(targetOf(data(''), '', origin), { url: '', foreign: false });
  assert.deepEqual(targetOf(data('/a', { urls: { reply: '/b' } }), 'reply', origin).url, 'https://shop.test/b');
  assert.deepEqual(targetOf(data('/a', { urls: { reply: '/b' } }), 'other', origin).url, 'https://shop.test/a');
});

test('the tab that shows the address is focused, and no other', () => {
  const tab = (url, visibilityState = 'hidden') => ({ url, visibilityState });
  const tabs = [tab('https://shop.test/'), tab('https://shop.test/m/1#top'), tab('https://shop.test/m/2', 'visible')];
  assert.equal(choose(tabs, 'https://shop.test/m/1'), tabs[1]);
  assert.equal(choose(tabs, 'https://shop.test/m/3'), undefined, 'a new window');
  assert.equal(choose(tabs, ''), tabs[2], 'no address: the one that is seen');
  assert.equal(choose([], ''), undefined);
});

test('receipts have the bytes of the contract', () => {
  const id = '0190163d-8694-739b-aea5-966c26f8ad91';
  const hex = Buffer.from(encodeReport([{ id, stage: 3, at: 1_760_000_000_123, action: 'reply' }])).toString('hex');
  // receipts { message_id, stage: CLICKED, at_ms, action }
  assert.equal(hex, `0a22${`0a10${id.replaceAll('-', '')}`}1003${'18fb80b3c19c33'}${'22057265706c79'}`);
});

test('many receipts, without actions', () => {
  const one = encodeReport([{ id: '0190163d-8694-739b-aea5-966c26f8ad91', stage: 4, at: 1, action: '' }]);
  assert.equal(Buffer.from(one).toString('hex').slice(-8), '10041801');
  const two = encodeReport([1, 2].map((at) => ({ id: '0190163d-8694-739b-aea5-966c26f8ad91', stage: 4, at, action: '' })));
  assert.equal(two.length, 2 * one.length);
});

test('ids are read back as written', () => {
  const text = '0190163d-8694-739b-aea5-966c26f8ad91';
  assert.equal(uuidText(uuidBytes(text)), text);
  assert.equal(uuidBytes(text).length, 16);
});
