// The network between browser and gateway, as far as it can fail: cut, refuse, swallow.

import { connect, createServer } from 'node:net';

export async function startProxy(port) {
  const links = new Set();
  let refuse = false;
  let swallow = false;
  const said = [];
  const server = createServer((near) => {
    if (refuse) { near.destroy(); return; }
    const far = connect(port, '127.0.0.1');
    const link = { near, far, socket: false };
    links.add(link);
    const end = () => { links.delete(link); near.destroy(); far.destroy(); };
    near.on('data', (data) => {
      // The list of gateways is fetched through it too, on a link of its own that stays for a while.
      link.socket ||= data.includes('GET /v1/connect ');
      said.push(...kinds(data));
      if (!swallow) far.write(data);
    });
    far.on('data', (data) => { if (!swallow) near.write(data); });
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  const cut = () => { for (const { near, far } of [...links]) { near.resetAndDestroy(); far.resetAndDestroy(); } };
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Open sockets through it. */
    get links() { return [...links].filter(({ socket }) => socket).length; },
    /** What the browser said, a number a frame: the field of `ClientFrame` (4: a Probe). */
    said,
    /** Resets every link; new ones are let through. */
    cut,
    /** No network until `heal`. */
    down() { refuse = true; cut(); },
    /** Links stay open and carry nothing until `heal`. */
    blackhole() { swallow = true; },
    /** Bytes to the browser on every link, as if the gateway had said them: between two of its frames, so on a quiet link. */
    say(bytes) { for (const { near, socket } of links) if (socket) near.write(bytes); },
    heal() { refuse = false; swallow = false; },
    stop() { cut(); server.close(); },
  };
}

/** Fields of the binary frames (RFC 6455, 5.2) that begin and end in this piece: short ones are sent whole. */
function* kinds(data) {
  for (let at = 0; data[at] === 0x82 && data.length > at + 6;) {
    const short = data[at + 1] & 0x7f;
    const length = short < 126 ? short : data.readUInt16BE(at + 2);
    const mask = at + (short < 126 ? 2 : 4);
    yield (data[mask + 4] ^ data[mask]) >> 3;
    at = mask + 4 + length;
  }
}
