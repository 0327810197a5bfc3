// The tarball that `npm publish` would send, and projects it is installed in as a stranger would.
//
// Each test file has one folder under work/. The tarball is installed there once, from disk; its
// projects lie in folders inside, find it there, and find their tools in the node_modules here.

import { execFile } from 'node:child_process';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const run = promisify(execFile);
export const HERE = fileURLToPath(new URL('..', import.meta.url));
const DIST = process.env.PULSEGATE_DIST ?? join(HERE, '../../client-wasm/dist');

/** Packs and installs into work/`name`. */
export async function workshop(name) {
  const folder = join(HERE, 'work', name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const tarball = process.env.PULSEGATE_TARBALL ?? await pack(folder);
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: `work-${name}`, version: '1.0.0', private: true, type: 'module' }));
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', tarball], { cwd: folder });
  return new Workshop(folder, tarball);
}

async function pack(folder) {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: DIST });
  return join(folder, Object.values(JSON.parse(stdout))[0].filename);
}

class Workshop {
  constructor(folder, tarball) {
    this.folder = folder;
    this.tarball = tarball;
    this.installed = join(folder, 'node_modules/pulsegate');
  }

  /** A project with the files of pages/`from`. */
  async project(name, from) {
    const root = join(this.folder, name);
    await mkdir(root);
    if (from) await cp(join(HERE, 'pages', from), root, { recursive: true });
    return root;
  }

  /** `npx pulsegate` in a project. */
  command(root, ...words) {
    return run(process.execPath, [join(this.folder, 'node_modules/.bin/pulsegate'), ...words], { cwd: root });
  }

  close() {
    return rm(this.folder, { recursive: true, force: true });
  }
}
