#!/usr/bin/env node
// npx pulsegate init [--check] [folder]
//
// Puts the worker script and its wasm where the site serves static files from, and fails a build in
// which they are of another version than the package.
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { argv, exit, stderr, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';

const SCRIPT = 'pulsegate-worker.js';
const FILES = [SCRIPT, 'pulsegate-worker.wasm'];
const HELP = 'https://github.com/pulsegate/pulsegate/blob/main/docs/errors/worker-outdated.md';
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
    const file = join(folder, name);
    const ours = await readFile(join(here, name));
    const theirs = await readFile(file).catch(() => undefined);
    if (!theirs) wrong.push(`${file} is missing`);
    else if (!ours.equals(theirs)) wrong.push(`${file} is not that of pulsegate ${version}${name === SCRIPT ? builds(theirs, ours) : ''}`);
  }
  if (wrong.length > 0) {
    stderr.write(`${wrong.join('\n')}\nrun: npx pulsegate init ${folder}\nwhy: ${HELP}\n`);
    exit(1);
  }
  stdout.write(`${folder}: the worker is that of pulsegate ${version}\n`);
} else {
  try {
    await mkdir(folder, { recursive: true });
    for (const name of FILES) await copyFile(join(here, name), join(folder, name));
  } catch (fault) {
    stderr.write(`${folder} cannot be written: ${fault.message}\n`);
    exit(1);
  }
  stdout.write(`${folder}: worker of pulsegate ${version}; serve it at /${SCRIPT}, or name its place in createClient({ workerUrl })\n`);
  stdout.write(`in your build: pulsegate init --check ${folder}\n`);
}

/** Which builds they are, as each script carries it: `0.1.0+a1b2c3`. */
function builds(theirs, ours) {
  const of = (script) => /["'`](\d+\.\d+\.\d+\S{0,20}?\+[0-9a-f]{6})["'`]/.exec(script.toString())?.[1];
  const [one, two] = [of(theirs), of(ours)];
  return one && two ? ` (it is ${one}, the package has ${two})` : '';
}
