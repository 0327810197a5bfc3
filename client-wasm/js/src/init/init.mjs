#!/usr/bin/env node
// npx pulsegate init [--check] [folder]
//
// Puts the worker script and its wasm where the site serves static files from, and fails a build in
// which they are of another version than the package.
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { argv, exit, stderr, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';

const FILES = ['pulsegate-worker.js', 'pulsegate-worker.wasm'];
const USAGE = `usage: pulsegate init [--check] [folder]

Copies ${FILES.join(' and ')} into the folder your site serves at its root (default: public).
--check changes nothing and fails if they are missing or of another version.
`;

const here = dirname(fileURLToPath(import.meta.url));
const words = argv.slice(2).filter((word) => word !== '--check');
const check = argv.includes('--check');
if (words[0] !== 'init' || words.length > 2 || words.some((word) => word.startsWith('-'))) {
  const asked = words.some((word) => word === '--help' || word === '-h');
  (asked ? stdout : stderr).write(USAGE);
  exit(asked ? 0 : 64);
}
const folder = words[1] ?? 'public';
const { version } = JSON.parse(await readFile(join(here, 'package.json'), 'utf8'));

if (check) {
  const wrong = [];
  for (const name of FILES) {
    const ours = await readFile(join(here, name));
    const theirs = await readFile(join(folder, name)).catch(() => undefined);
    if (!theirs) wrong.push(`${join(folder, name)} is missing`);
    else if (!ours.equals(theirs)) wrong.push(`${join(folder, name)} is not that of pulsegate ${version}`);
  }
  if (wrong.length > 0) {
    stderr.write(`${wrong.join('\n')}\nrun: npx pulsegate init ${folder}\n`);
    exit(1);
  }
  stdout.write(`${folder}: the worker is that of pulsegate ${version}\n`);
} else {
  await mkdir(folder, { recursive: true });
  for (const name of FILES) await copyFile(join(here, name), join(folder, name));
  stdout.write(`${folder}: worker of pulsegate ${version}; serve it at /pulsegate-worker.js, or name its place in createClient({ workerUrl })\n`);
}
