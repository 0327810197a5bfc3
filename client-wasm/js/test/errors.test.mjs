// Every error leads to a page that says what happened and what to do.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { load } from './support/load.mjs';

const { CODES, PushError } = await load('page/error.ts');
const folder = new URL('../../../docs/errors/', import.meta.url);
const codes = Object.keys(CODES).sort();
const pageOf = (code) => readFile(new URL(`${code}.md`, folder), 'utf8');

test('every code has its page, and every page its code', async () => {
  const pages = (await readdir(folder)).filter((name) => name !== 'README.md').map((name) => name.replace('.md', '')).sort();
  assert.deepEqual(pages, codes);
});

test('the help of an error is the address of its page', () => {
  for (const code of codes) {
    assert.ok(new PushError(code, 'a text').help.endsWith(`/docs/errors/${code}.md`), code);
  }
});

test('a page says what happened, whether it passes by itself, and what to do', async () => {
  for (const code of codes) {
    const page = await pageOf(code);
    assert.ok(page.startsWith(`# \`${code}\`\n`), `${code}: the heading`);
    assert.match(page, /^\*\*What happened\.\*\* \S/m, code);
    assert.match(page, /^\*\*What to do\.\*\* \S/m, code);
    const temporary = page.includes('Temporary: it goes away by itself, and the client keeps trying.');
    const lasting = page.includes('Not temporary: it stays until something changes.');
    assert.equal(temporary, CODES[code], `${code}: what the page says of its duration`);
    assert.equal(lasting, !CODES[code], `${code}: what the page says of its duration`);
  }
});

test('the list of errors has each of them once, in the words of its page', async () => {
  const list = await readFile(new URL('README.md', folder), 'utf8');
  const rows = [...list.matchAll(/^\| \[`([a-z-]+)`\]\(([a-z-]+)\.md\) \| (.+) \|$/gm)];
  assert.deepEqual(rows.map(([, code]) => code).sort(), codes);
  for (const [, code, file, said] of rows) {
    assert.equal(file, code);
    assert.ok((await pageOf(code)).includes(said), `${code}: "${said}" is not what its page says`);
  }
});

test('links between the pages lead somewhere', async () => {
  for (const code of codes) {
    for (const [, file] of (await pageOf(code)).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) await readFile(new URL(file, folder));
  }
});
