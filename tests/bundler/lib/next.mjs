// A Next app: built, then run as its own server, as on a machine of its own.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { HERE, run } from './packed.mjs';

const NEXT = join(HERE, 'node_modules/next/dist/bin/next');
const ENV = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production', PROJECT_ROOT: HERE };

/** Builds the app in `root` and starts it on a free port. */
export async function startNext(root) {
  await run(process.execPath, [NEXT, 'build'], { cwd: root, env: ENV })
    .catch((fault) => { throw new Error(`next build: ${fault.stdout}${fault.stderr}`); });
  const child = spawn(process.execPath, [NEXT, 'start', '--hostname', '127.0.0.1', '--port', '0'], { cwd: root, env: ENV, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const exited = new Promise((done) => { child.once('exit', done); });
  const origin = await new Promise((done, fail) => {
    exited.then(() => fail(new Error(`next start ended: ${said}`)));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        said += `${line}\n`;
        const address = /https?:\/\/127\.0\.0\.1:\d+/.exec(said);
        if (address && /Ready/.test(said)) done(address[0]);
      });
    }
  });
  return {
    origin,
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
