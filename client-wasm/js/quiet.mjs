// Texts of panics in the core's data: `snip.mjs` took the code that printed them.

/** A source file, as `Location` names it; among them paths of the machine that built. */
const SOURCE = /(?:\/[\w.-]+\/|proto\/|client-wasm\/)[\w/.-]+\.rs(?!\w)/g;

/** What std says when it panics. */
const TEXTS = [
  'slice index starts at ', ' but ends at ', 'index out of bounds: the len is ', ' but the index is ',
  'range start index ', ' out of range for slice of length ', 'range end index ', 'assertion `left ', ' right` failed: ',
  ' right` failed', '  left: ', ' right: ', 'removal index (is ', 'insertion index (is ', 'swap_remove index (is ',
  '`at` split index (is ', ') should be < len (is ', ') should be <= len (is ', 'assertion failed: k <= self.len()',
  'called `Result::unwrap()` on an `Err` value', 'LayoutError', 'AccessError', 'capacity overflow', 'reentrant init',
  'Tried to shrink to a larger capacity', 'attempt to divide by zero', 'closure invoked recursively or after being dropped',
  'cannot access a Thread Local Storage value during or after destruction: ',
  'attempt to calculate the remainder with a divisor of zero', 'RefCell already mutably borrowed',
  'RefCell already borrowed',
  Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0')).join(''),
];

/**
 * Makes zeros of them, in place, and of the `Location`s: pointer and length of a source's name, line and
 * column. wasm-opt drops what of that is at an end; the rest costs next to nothing.
 */
export function quiet(bytes) {
  for (const { at, size, address } of segments(bytes)) {
    const data = bytes.subarray(at, at + size);
    const text = data.toString('latin1');
    const sources = new Map([...text.matchAll(SOURCE)].map(({ index, 0: name }) => [address + index, name.length]));
    for (let i = (4 - (address % 4)) % 4; i + 16 <= size; i += 4) {
      if (sources.get(data.readUInt32LE(i)) === data.readUInt32LE(i + 4)) data.fill(0, i, i + 16);
    }
    for (const [start, length] of sources) data.fill(0, start - address, start - address + length);
    for (const panic of TEXTS) {
      for (let i = data.indexOf(panic, 0, 'latin1'); i >= 0; i = data.indexOf(panic, i + 1, 'latin1')) data.fill(0, i, i + panic.length);
    }
  }
}

/** The active data segments: where their bytes lie in the file, and where they go in memory. */
function segments(bytes) {
  const found = [];
  let at = 8;
  const number = () => {
    let value = 0;
    for (let scale = 1, more = true; more; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      more = byte > 127;
    }
    return value;
  };
  while (at < bytes.length) {
    const section = bytes[at++];
    const end = number() + at;
    if (section === 11) {
      for (let left = number(); left > 0; left -= 1) {
        // A kind, `i32.const`, the address, `end`: what rustc's linker writes.
        if (number() !== 0 || bytes[at++] !== 0x41) throw new Error('the core has data of a kind that is new');
        const address = number();
        at += 1;
        const size = number();
        found.push({ at, size, address });
        at += size;
      }
    }
    at = end;
  }
  return found;
}
