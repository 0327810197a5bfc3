// Several gateways: the worker asks for the list, and finds the one that works.

import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { after, test } from 'node:test';
import { heardBy, setStage } from './lib/stage.mjs';
import { until } from './lib/until.mjs';

let stage;
let other;

after(async () => {
  await stage?.stop();
  other?.close();
});

/** Another address of the gateway, known before the gateway is. */
async function secondAddress() {
  let opened = 0;
  const server = createServer((near) => {
    opened += 1;
    const far = connect(stage.gateway.port, '127.0.0.1');
    near.pipe(far);
    far.pipe(near);
    for (const socket of [near, far]) socket.on('error', () => { near.destroy(); far.destroy(); });
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close(), get opened() { return opened; } };
}

test('where the gateway of a page carries nothing any more, another one of its list does', async () => {
  other = await secondAddress();
  stage = await setStage({ proxy: true, limits: `\n[gateways]\nurls = ["${other.url}"]` });
  const tab = await stage.open('one', { topic: 'news' });
  await stage.gateway.publish({ topic: 'news' }, 'before');
  await heardBy(tab, 'before');
  const before = other.opened;
  // New links open and nothing comes back on them: only a Probe, or a missing upgrade, tells.
  stage.network.cut();
  stage.network.blackhole();
  await until('a link by the other address', async () => other.opened > before && (await stage.gateway.connections()) > 0, 30_000);
  await stage.ready(tab);
  await stage.gateway.publish({ topic: 'news' }, 'after');
  await heardBy(tab, 'after');
  assert.equal(await tab.run("pg.titles().filter((title) => title === 'after').length"), 1);
});
