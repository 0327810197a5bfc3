// What makes a folder of built files the npm package: types, licences, README, the command and
// package.json. Called by `build.mjs` once page, hooks and worker are in the folder.
import { execFileSync } from 'node:child_process';
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = (file) => fileURLToPath(new URL(file, import.meta.url));
const LICENCES = ['LICENSE-APACHE', 'LICENSE-MIT'];
const REPOSITORY = 'https://github.com/pulsegate/pulsegate';

/** Entry by entry: the name apps import, its script and the source its types come from. */
const ENTRIES = [
  { name: '.', script: 'pulsegate.js', types: 'index.d.ts', source: 'page/index' },
  { name: './react', script: 'react.js', types: 'react.d.ts', source: 'react/index' },
];
/** Files that apps copy, never import: a bundler that met them would break them. */
const WORKER = ['pulsegate-worker.js', 'pulsegate-worker.wasm'];

/** Completes the package in `dist`. */
export async function writePackage(dist, version) {
  const types = await writeTypes(dist);
  await cp(path('src/init/init.mjs'), join(dist, 'init.mjs'));
  await chmod(join(dist, 'init.mjs'), 0o755);
  await cp(path('README.md'), join(dist, 'README.md'));
  for (const licence of LICENCES) await cp(path(`../../${licence}`), join(dist, licence));
  await writeFile(join(dist, 'package.json'), `${JSON.stringify(manifest(version, types), null, 2)}\n`);
}

function manifest(version, types) {
  return {
    name: 'pulsegate',
    version,
    description: 'Self-hosted push for the web: one connection per browser, every message once, notifications shown once',
    license: 'Apache-2.0 OR MIT',
    repository: { type: 'git', url: `git+${REPOSITORY}.git`, directory: 'client-wasm/js' },
    homepage: `${REPOSITORY}#readme`,
    bugs: { url: `${REPOSITORY}/issues` },
    keywords: ['push', 'notifications', 'websocket', 'pubsub', 'realtime'],
    type: 'module',
    sideEffects: false,
    engines: { node: '>=20' },
    // What reads `exports` looks nowhere else; `main` and `types` are for what is older than it, which
    // finds `pulsegate/react` by the files' names.
    exports: {
      ...Object.fromEntries(ENTRIES.map((entry) => [entry.name, { types: `./${entry.types}`, default: `./${entry.script}` }])),
      ...Object.fromEntries(WORKER.map((file) => [`./${file}`, `./${file}`])),
      './package.json': './package.json',
    },
    main: './pulsegate.js',
    types: './index.d.ts',
    bin: { pulsegate: 'init.mjs' },
    peerDependencies: { react: '>=18' },
    peerDependenciesMeta: { react: { optional: true } },
    // File by file, so that nothing else that is ever built into this folder can slip in.
    files: [...ENTRIES.flatMap(({ script, types: file }) => [script, file]), ...types, ...WORKER, 'init.mjs', ...LICENCES],
    publishConfig: { access: 'public', provenance: true },
  };
}

/** Types of what an app can reach from the entries, and of nothing else; answers with the files. */
async function writeTypes(dist) {
  const all = join(dist, 'types');
  execFileSync(process.execPath, [
    path('node_modules/typescript/bin/tsc'), '--project', path('tsconfig.json'),
    '--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', all,
  ], { stdio: 'inherit' });
  const reached = new Map();
  const reach = async (file) => {
    if (reached.has(file)) return;
    const text = await readFile(file, 'utf8');
    reached.set(file, text);
    for (const [, to] of text.matchAll(/\bfrom '(\.[^']+)\.js'/g)) await reach(join(dirname(file), `${to}.d.ts`));
  };
  for (const { source } of ENTRIES) await reach(join(all, `${source}.d.ts`));
  await rm(all, { recursive: true });
  const files = [...reached.keys()].map((file) => relative(dist, file)).sort();
  for (const [file, text] of reached) await write(file, text);
  for (const { types, source } of ENTRIES) await write(join(dist, types), `export * from './types/${source}.js';\n`);
  return files;
}

async function write(file, text) {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}
