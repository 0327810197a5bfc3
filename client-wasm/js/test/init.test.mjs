// npx pulsegate init
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

let folder;
const run = (...words) => spawnSync(process.execPath, [join(folder, 'package/init.mjs'), ...words], { cwd: folder, encoding: 'utf8' });

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulsegate-init-'));
  await cp(fileURLToPath(new URL('../src/init/init.mjs', import.meta.url)), join(folder, 'package/init.mjs'));
  await writeFile(join(folder, 'package/package.json'), JSON.stringify({ version: '1.2.3', type: 'module' }));
  await writeFile(join(folder, 'package/pulsegate-worker.js'), 'the script');
  await writeFile(join(folder, 'package/pulsegate-worker.wasm'), 'the wasm');
});

after(() => rm(folder, { recursive: true }));

test('init puts script and wasm where it is told, and says which version', async () => {
  const { status, stdout } = run('init', 'static/files');
  assert.equal(status, 0);
  assert.match(stdout, /1\.2\.3/);
  assert.equal(await readFile(join(folder, 'static/files/pulsegate-worker.js'), 'utf8'), 'the script');
  assert.equal(await readFile(join(folder, 'static/files/pulsegate-worker.wasm'), 'utf8'), 'the wasm');
});

test('without a folder it is public', async () => {
  assert.equal(run('init').status, 0);
  assert.equal(await readFile(join(folder, 'public/pulsegate-worker.js'), 'utf8'), 'the script');
});

test('--check passes what init wrote, and names what is missing or other', async () => {
  run('init', 'checked');
  assert.equal(run('init', '--check', 'checked').status, 0);
  await writeFile(join(folder, 'checked/pulsegate-worker.wasm'), 'older');
  const other = run('init', '--check', 'checked');
  assert.equal(other.status, 1);
  assert.match(other.stderr, /pulsegate-worker\.wasm is not that of pulsegate 1\.2\.3/);
  assert.match(other.stderr, /npx pulsegate init checked/);
  await rm(join(folder, 'checked/pulsegate-worker.js'));
  assert.match(run('init', 'checked', '--check').stderr, /pulsegate-worker\.js is missing/);
  assert.equal(await readFile(join(folder, 'checked/pulsegate-worker.wasm'), 'utf8'), 'older', 'and changes nothing');
});

test('--check says which build is there and which should be', async () => {
  await writeFile(join(folder, 'package/pulsegate-worker.js'), 'let build="1.2.3+aaaaaa";');
  run('init', 'builds');
  await writeFile(join(folder, 'builds/pulsegate-worker.js'), 'let build="1.2.2+bbbbbb";');
  const { status, stderr } = run('init', '--check', 'builds');
  await writeFile(join(folder, 'package/pulsegate-worker.js'), 'the script');
  assert.equal(status, 1);
  assert.match(stderr, /it is 1\.2\.2\+bbbbbb, the package has 1\.2\.3\+aaaaaa/);
  assert.match(stderr, /docs\/errors\/worker-outdated\.md/);
});

test('a folder that cannot be one is told in a sentence', async () => {
  await writeFile(join(folder, 'a-file'), '');
  const { status, stderr } = run('init', 'a-file');
  assert.equal(status, 1);
  assert.match(stderr, /^a-file cannot be written: .*\n$/);
});

test('anything else shows how it is used', () => {
  for (const words of [[], ['install'], ['init', 'a', 'b'], ['init', '--force']]) {
    const { status, stderr } = run(...words);
    assert.equal(status, 64);
    assert.match(stderr, /usage: pulsegate init/);
  }
  assert.equal(run('--help').status, 0);
});
