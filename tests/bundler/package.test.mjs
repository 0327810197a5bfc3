// The tarball that `npm publish` would send, looked at as a registry, a compiler and a stranger would.

import assert from 'node:assert/strict';
import { cp, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import * as esbuild from 'esbuild';
import { publint } from 'publint';
import typescript from 'typescript';
import { HERE, run, workshop } from './lib/packed.mjs';

let shop;
let manifest;
let root;

before(async () => {
  shop = await workshop('package');
  manifest = JSON.parse(await readFile(join(shop.installed, 'package.json'), 'utf8'));
  root = await shop.project('types', 'types');
});

after(() => shop?.close());

test('the tarball carries exactly these files', async () => {
  const { stdout } = await run('tar', ['-tzf', shop.tarball]);
  assert.deepEqual(stdout.trim().split('\n').map((name) => name.replace('package/', '')).sort(), [
    'LICENSE-APACHE',
    'LICENSE-MIT',
    'README.md',
    'index.d.ts',
    'init.mjs',
    'package.json',
    'pulsegate-worker.js',
    'pulsegate-worker.wasm',
    'pulsegate.js',
    'react.d.ts',
    'react.js',
    'types/page/api.d.ts',
    'types/page/error.d.ts',
    'types/page/index.d.ts',
    'types/react/index.d.ts',
  ]);
});

test('the manifest brings nobody along and is ready for provenance', async () => {
  assert.deepEqual(Object.keys(manifest.dependencies ?? {}), []);
  assert.deepEqual(manifest.scripts ?? {}, {}, 'nothing runs where it is installed');
  assert.equal(manifest.sideEffects, false);
  // What the registry compares with the build that signs: the repository, and where in it.
  assert.deepEqual(manifest.publishConfig, { access: 'public', provenance: true });
  assert.match(manifest.repository.url, /^git\+https:\/\/github\.com\/[\w-]+\/[\w-]+\.git$/);
  assert.ok((await stat(join(HERE, '../..', manifest.repository.directory, 'package.json'))).isFile(), 'the repository has that folder');
  assert.ok((await stat(join(shop.installed, manifest.bin.pulsegate))).mode & 0o100, 'the command can be run');
});

test('publint has nothing to say', async () => {
  const { messages } = await publint({ pkgDir: shop.installed, strict: true });
  assert.deepEqual(messages.map(({ code, path }) => `${code} at ${path.join('.')}`), []);
});

test('arethetypeswrong finds the types right for every way to resolve them', async () => {
  const tarball = createPackageFromTarballData(new Uint8Array(await readFile(shop.tarball)));
  // The worker's files are no modules: they are named in `exports` for scripts that copy them.
  const { problems, entrypoints } = await checkPackage(tarball, { excludeEntrypoints: [/pulsegate-worker/, './package.json'] });
  assert.deepEqual(Object.keys(entrypoints).sort(), ['.', './react']);
  // The package has ES modules alone. That a CommonJS module of Node can require them all the same is
  // a test of the matrix; everything else that may be wrong with types is a fault.
  assert.deepEqual(problems.filter(({ kind }) => kind !== 'CJSResolvesToESM'), []);
});

// `module` and `moduleResolution` as people pair them. Resolution `classic` finds no package at all.
const WAYS = [['ESNext', 'node10'], ['Node16', 'node16'], ['NodeNext', 'nodenext'], ['ESNext', 'bundler'], ['Preserve', 'bundler']];
const STRICT = { strict: true, exactOptionalPropertyTypes: true, noEmit: true };

for (const [module, resolution] of WAYS) {
  test(`TypeScript 5 reads the types with module ${module} and moduleResolution ${resolution}`, () => {
    const { options } = typescript.convertCompilerOptionsFromJson({ ...STRICT, target: 'es2022', lib: ['es2022', 'dom'], types: [], module, moduleResolution: resolution }, root);
    const program = typescript.createProgram([join(root, 'use.ts')], options, { ...host(options), getCurrentDirectory: () => root });
    assert.equal(faultsOf(program, options), '');
  });
}

test('the examples of the documents compile', async () => {
  const files = [join(root, 'around.d.ts')];
  for (const document of ['README.md', 'docs/BROWSER.md', 'client-wasm/js/README.md']) {
    const text = await readFile(join(HERE, '../..', document), 'utf8');
    for (const [, kind, code] of text.matchAll(/```(tsx?)\n([^]*?)```/g)) {
      if (!code.includes("'pulsegate")) continue;
      files.push(join(root, `example-${files.length}.${kind}`));
      await writeFile(files.at(-1), code);
    }
  }
  assert.ok(files.length > 5, 'examples were found');
  const { options } = typescript.convertCompilerOptionsFromJson({ ...STRICT, target: 'es2022', lib: ['es2022', 'dom'], types: [], module: 'ESNext', moduleResolution: 'bundler', jsx: 'react-jsx' }, root);
  const program = typescript.createProgram(files, options, { ...host(options), getCurrentDirectory: () => root });
  assert.equal(faultsOf(program, options), '');
});

/** What the compiler has against our files, the package's types among them. */
function faultsOf(program, options) {
  const ours = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(shop.folder));
  assert.ok(ours.some(({ fileName }) => fileName.endsWith('types/page/api.d.ts')), 'the types were found');
  const faults = [...program.getOptionsDiagnostics(), ...ours.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)])];
  return typescript.formatDiagnostics(faults, host(options));
}

/** A compiler host that reads each library file once for all ways. */
const read = new Map();
function host(options) {
  const own = typescript.createCompilerHost(options);
  return {
    ...own,
    getSourceFile(name, ...more) {
      if (!/typescript.lib.lib\./.test(name)) return own.getSourceFile(name, ...more);
      if (!read.has(name)) read.set(name, own.getSourceFile(name, ...more));
      return read.get(name);
    },
  };
}

for (const [module, resolution] of [['NodeNext', 'nodenext'], ['ESNext', 'bundler']]) {
  test(`TypeScript 7 reads the types with module ${module} and moduleResolution ${resolution}`, async () => {
    const options = [
      '--noEmit', '--strict', '--exactOptionalPropertyTypes', '--skipDefaultLibCheck', '--ignoreConfig',
      '--target', 'es2022', '--lib', 'es2022,dom', '--module', module, '--moduleResolution', resolution,
    ];
    await run(process.execPath, [join(HERE, 'node_modules/typescript-7/bin/tsc'), ...options, 'use.ts'], { cwd: root })
      .catch((fault) => { throw new Error(fault.stdout + fault.stderr); });
  });
}

/** What a bundler makes of these lines when it may throw away whatever is not used. */
async function shaken(contents) {
  const { outputFiles } = await esbuild.build({
    stdin: { contents, resolveDir: shop.folder }, bundle: true, minify: true, write: false, format: 'esm', external: ['react'], logLevel: 'silent',
  });
  return outputFiles[0].text.trim();
}

test('an app that imports the package and uses nothing of it carries nothing', async () => {
  assert.equal(await shaken("import 'pulsegate'; import 'pulsegate/react';"), '');
  assert.equal(await shaken("import { createClient } from 'pulsegate'; import { usePushClient } from 'pulsegate/react';"), '');
});

test('page and hooks share one copy of the client', async () => {
  const both = await shaken("export { createClient, PushError } from 'pulsegate'; export * from 'pulsegate/react';");
  const page = await shaken("export { createClient, PushError } from 'pulsegate';");
  const hooks = (await readFile(join(shop.installed, 'react.js'))).length;
  assert.ok(both.length < page.length + hooks + 200, `${both.length} bytes together, ${page.length} and ${hooks} apart`);
});

test('nothing in the package asks a bundler for a worker, for wasm or for eval', async () => {
  for (const script of ['pulsegate.js', 'react.js']) {
    const text = await readFile(join(shop.installed, script), 'utf8');
    for (const trap of ['import.meta.url', 'WebAssembly', '.wasm"', 'eval(', 'new Function', 'process.env', 'import(']) {
      assert.ok(!text.includes(trap), `${script} has ${trap}`);
    }
  }
});

test('npx pulsegate init puts the files of the package into public, and init --check holds a build to them', async () => {
  const site = await shop.project('init');
  await run('npx', ['--no-install', 'pulsegate', 'init', 'public/'], { cwd: site });
  for (const name of ['pulsegate-worker.js', 'pulsegate-worker.wasm']) {
    assert.deepEqual(await readFile(join(site, 'public', name)), await readFile(join(shop.installed, name)));
  }
  await shop.command(site, 'init', '--check', 'public/');
  await cp(join(shop.installed, 'pulsegate.js'), join(site, 'public/pulsegate-worker.js'));
  await assert.rejects(shop.command(site, 'init', '--check', 'public/'), ({ code, stderr }) => code === 1 && /npx pulsegate init public/.test(stderr));
});
