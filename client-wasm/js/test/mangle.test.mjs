import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import OWN from '../mangle.mjs';

const src = fileURLToPath(new URL('../src', import.meta.url));
const libs = dirname(createRequire(createRequire(import.meta.url).resolve('typescript/package.json')).resolve(
  `@typescript/typescript-${process.platform}-${process.arch}/package.json`,
));

const bare = (text) => text.replace(/\/\*[^]*?\*\//g, '').replace(/\/\/.*$/gm, '');
// Private names are each class's own.
const words = (text) => new Set(text.match(/(?<![#\w$])[A-Za-z_$][\w$]*/g));
const ours = async () => {
  const names = (await readdir(src, { recursive: true })).filter((name) => /\.ts$/.test(name));
  return Promise.all(names.map(async (name) => ({ name, text: bare(await readFile(`${src}/${name}`, 'utf8')) })));
};
const refused = (reserved) => OWN.filter((name) => reserved.has(name));

test('no name of the browser is shortened', async () => {
  const files = (await readdir(`${libs}/lib`)).filter((name) => /^lib\..*\.d\.ts$/.test(name));
  const members = new Set(['createPolicy', 'createScriptURL']);
  for (const file of files) {
    const text = await readFile(`${libs}/lib/${file}`, 'utf8');
    for (const [, name] of text.matchAll(/^\s+(?:readonly |get |set |static )*(\w+)\??\s*[(:<]/gm)) members.add(name);
  }
  assert.ok(members.has('addEventListener') && members.has('objectStore') && members.has('onversionchange'));
  assert.deepEqual(refused(members), []);
});

test('no name that crosses a port, lies in storage or belongs to the app is shortened', async () => {
  const lasting = /^(port|react|page\/(api|error|remembered)|store\/(store|copy|users)|worker\/peers|sw\/)/;
  const files = (await ours()).filter(({ name }) => lasting.test(name));
  assert.ok(files.length >= 9, `only ${files.map(({ name }) => name)}`);
  for (const { name, text } of files) {
    assert.deepEqual(refused(words(text)), [], `said in ${name}`);
  }
});

test('no shortened name is a key that is only known at run time', async () => {
  const quoted = new Set();
  for (const { text } of await ours()) {
    for (const [, word] of text.matchAll(/['"`]([A-Za-z]\w*)['"`]/g)) quoted.add(word);
  }
  assert.deepEqual(refused(quoted), []);
});

test('every shortened name is in use', async () => {
  const used = new Set((await ours()).flatMap(({ text }) => [...words(text)]));
  assert.deepEqual(OWN.filter((name) => !used.has(name)), []);
});
