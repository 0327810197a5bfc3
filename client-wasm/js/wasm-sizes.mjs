// Bytes of a WebAssembly module by whose functions they are: read from its sections and their names.

/** Reads the numbers and texts of the binary format. */
class Reader {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }

  number() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes[this.at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  text() {
    const length = this.number();
    return this.bytes.toString('utf8', this.at, (this.at += length));
  }
}

/** Bytes a crate, and a module of ours; what is no code, by what it is. */
export function costsOf(bytes) {
  const costs = new Map();
  const names = new Map();
  const bodies = [];
  let imported = 0;
  for (const { id, start, end } of sections(bytes)) {
    const reader = new Reader(bytes, start);
    if (id === 0) {
      if (reader.text() === 'name') readNames(reader, end, names);
      continue;
    }
    if (id === 10) {
      for (let left = reader.number(); left > 0; left -= 1) {
        const size = reader.number();
        bodies.push(size);
        reader.at += size;
      }
      continue;
    }
    if (id === 2) imported = importedFunctions(reader);
    add(costs, id === 11 ? 'constants and texts' : 'types, imports, exports and tables', end - start);
  }
  if (names.size === 0) throw new Error('named.wasm has no names: was it copied before they were dropped?');
  bodies.forEach((size, index) => add(costs, homeOf(names.get(imported + index) ?? ''), size));
  return costs;
}

/** Whose a function is: `pulsegate_proto::session::client`, `core`, … */
function homeOf(name) {
  const plain = name.replace(/\[[0-9a-f]+\]/g, '').replace(/^<+(?:&|mut |dyn )*/, '');
  const [crate, ...rest] = plain.split(/::| as /);
  if (!/^[a-z_0-9]+$/.test(crate)) return 'unnamed';
  if (!crate.startsWith('pulsegate_')) return rest.length === 0 ? 'wasm-bindgen' : `${crate} (crate)`;
  const modules = rest.filter((word) => /^[a-z_0-9]+$/.test(word)).slice(0, 2);
  // The last word may be the function itself.
  return [crate, ...(rest.length > modules.length ? modules : modules.slice(0, -1))].join('::');
}

/** The sections of a module: everything after magic number and version. */
function* sections(bytes) {
  const reader = new Reader(bytes, 8);
  while (reader.at < bytes.length) {
    const id = bytes[reader.at++];
    const size = reader.number();
    yield { id, start: reader.at, end: reader.at + size };
    reader.at += size;
  }
}

function importedFunctions(reader) {
  let functions = 0;
  for (let left = reader.number(); left > 0; left -= 1) {
    reader.text();
    reader.text();
    const kind = reader.bytes[reader.at++];
    if (kind !== 0) throw new Error('the core imports something that is no function');
    reader.number();
    functions += 1;
  }
  return functions;
}

/** Of the name section the names of functions. */
function readNames(reader, end, names) {
  while (reader.at < end) {
    const kind = reader.bytes[reader.at++];
    const next = reader.number() + reader.at;
    if (kind === 1) {
      for (let left = reader.number(); left > 0; left -= 1) {
        const index = reader.number();
        names.set(index, reader.text());
      }
    }
    reader.at = next;
  }
}

function add(costs, what, bytes) {
  costs.set(what, (costs.get(what) ?? 0) + bytes);
}
