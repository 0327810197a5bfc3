// Messages, read from the bytes of the contract.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './support/load.mjs';

const { decodeMessage, fieldsOf } = await load('worker/decode.ts');

/** Protobuf by hand: numbers are varints, everything else is length-delimited. */
function encode(...fields) {
  const varint = (value) => { const out = []; for (value = BigInt(value); value > 127n; value >>= 7n) out.push(Number(value & 127n) | 128); out.push(Number(value)); return out; };
  return fields.flatMap(([number, value]) => {
    if (typeof value === 'number') return [number << 3, ...varint(value)];
    const bytes = typeof value === 'string' ? [...Buffer.from(value)] : value;
    return [(number << 3) | 2, ...varint(bytes.length), ...bytes];
  });
}

const id = [...Buffer.from('0190163d8694739baea5966c26f8ad91', 'hex')];
const uuid = '0190163d-8694-739b-aea5-966c26f8ad91';

test('a message with everything reads as it was written', () => {
  const action = encode([1, 'reply'], [2, 'Answer'], [4, '/reply']);
  const note = encode([1, 'Goal'], [2, '1:0 ☃'], [6, 'https://shop.test/m/1'], [7, 'm1'], [9, action], [9, encode([1, 'x'], [2, 'No'])], [10, 1], [12, 1], [13, 'rtl']);
  const bytes = encode([1, id], [2, encode([1, 'shop'], [2, 'any text'], [3, '{"a":1}'])], [3, note], [4, 1760000000123], [5, 1760000003723], [6, 3], [7, 'k']);
  assert.deepEqual(decodeMessage('topic:news', Uint8Array.from(bytes)), {
    id: uuid, log: 'topic:news', body: 'any text', ext: '{"a":1}', published: 1760000000123, expires: 1760000003723, urgency: 3, key: 'k',
    note: {
      title: 'Goal', body: '1:0 ☃', url: 'https://shop.test/m/1', tag: 'm1', requireInteraction: true, renotify: true, dir: 'rtl',
      actions: [{ action: 'reply', title: 'Answer', url: '/reply' }, { action: 'x', title: 'No' }],
    },
  });
});

test('a message with nothing but its id is data without text', () => {
  assert.deepEqual(decodeMessage('all', Uint8Array.from(encode([1, id]))), {
    id: uuid, log: 'all', body: '', ext: '', published: 0, expires: 0, urgency: 0, key: '',
  });
});

test('an empty notification is one', () => {
  assert.deepEqual(decodeMessage('all', Uint8Array.from(encode([1, id], [3, []]))).note, { title: '', body: '' });
});

test('fields of a later contract are passed over, whatever their kind', () => {
  const later = [...encode([1, id], [99, 'text'], [98, 5]), (97 << 3 | 1) & 127 | 128, 97 >> 4, 1, 2, 3, 4, 5, 6, 7, 8, (96 << 3 | 5) & 127 | 128, 96 >> 4, 1, 2, 3, 4, ...encode([7, 'k'])];
  assert.equal(decodeMessage('all', Uint8Array.from(later)).key, 'k');
});

test('the last of a repeated single field counts', () => {
  assert.equal(decodeMessage('all', Uint8Array.from(encode([1, id], [7, 'a'], [7, 'b']))).key, 'b');
});

test('cut or mangled bytes end, and throw nothing', () => {
  const bytes = Uint8Array.from(encode([1, id], [2, encode([2, 'body'])], [3, encode([1, 't'], [9, encode([1, 'a'])])], [4, 1760000000123]));
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647);
  for (let round = 0; round < 3000; round++) {
    const mangled = bytes.slice(0, random() % (bytes.length + 1));
    if (mangled.length > 0) mangled[random() % mangled.length] = random() % 256;
    decodeMessage('all', mangled);
    fieldsOf(mangled);
  }
});
