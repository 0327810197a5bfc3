/** A `ReceiptReport` of the contract, written by hand: the service worker has no core. */
import type { Receipt } from '../store/store.js';
import { uuidBytes } from '../worker/uuid.js';

function varint(out: number[], value: number): void {
  // Beyond 32 bits for times: no bit operators.
  while (value >= 0x80) {
    out.push((value % 0x80) | 0x80);
    value = Math.floor(value / 0x80);
  }
  out.push(value);
}

function field(out: number[], number: number, bytes: ArrayLike<number>): void {
  out.push((number << 3) | 2);
  varint(out, bytes.length);
  for (let i = 0; i < bytes.length; i += 1) out.push(bytes[i] as number);
}

/** The bytes of `POST …/receipts`. */
export function encodeReport(receipts: Receipt[]): Uint8Array {
  const out: number[] = [];
  for (const { id, stage, at, action } of receipts) {
    const one: number[] = [];
    field(one, 1, uuidBytes(id));
    one.push(0x10);
    varint(one, stage);
    one.push(0x18);
    varint(one, at);
    if (action) field(one, 4, new TextEncoder().encode(action));
    field(out, 1, one);
  }
  return Uint8Array.from(out);
}
