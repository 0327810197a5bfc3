// The process behind a tab or a worker, and the ways it can fail: stopped, killed, trapped.

import { readdir, readFile } from 'node:fs/promises';

/** Processor time of every renderer of the browser so far, in ticks, by process id. */
async function ticks(browser) {
  const all = new Map();
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (!command.includes('--type=renderer')) continue;
    const stat = (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')).split(') ').at(-1).split(' ');
    // Fields after the name: state, parent, process group, ..., user and system time.
    if (Number(stat[2]) === browser.process.pid) all.set(Number(pid), Number(stat[11]) + Number(stat[12]));
  }
  return all;
}

/** The process that runs `session`, a tab or a worker: the one that gets busy when it does. */
export async function processOf(browser, session) {
  for (;;) {
    const before = await ticks(browser);
    await session.run('{ const end = performance.now() + 400; while (performance.now() < end); }');
    const grown = [...await ticks(browser)].map(([pid, now]) => [now - (before.get(pid) ?? now), pid]).sort(([a], [b]) => b - a);
    const [[most, pid], [second] = [0]] = grown;
    // On a crowded machine another one may be as busy: then it is asked again.
    if (most >= 5 && most >= second * 2) return pid;
  }
}

/** Spoils the memory of the core in `worker`, so that the next thing it does traps. */
export async function spoil(worker) {
  const { result } = await worker.send('Runtime.evaluate', { expression: 'WebAssembly.Memory.prototype' });
  const { objects } = await worker.send('Runtime.queryObjects', { prototypeObjectId: result.objectId });
  const { result: spoilt } = await worker.send('Runtime.callFunctionOn', {
    objectId: objects.objectId,
    functionDeclaration: 'function () { for (const memory of this) new Uint8Array(memory.buffer).fill(255); return this.length; }',
    returnByValue: true,
  });
  if (spoilt.value !== 1) throw new Error(`${spoilt.value} memories in the worker, where one was expected`);
}
