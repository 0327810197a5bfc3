// Bundles TypeScript sources for a test: one module with everything the named files export.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pkg = fileURLToPath(new URL('../../../pkg/', import.meta.url));

/** The real core, as the package's build left it: what reaches it needs `cargo xtask package` once. */
const core = {
  name: 'core',
  setup(build) {
    build.onResolve({ filter: /^#core$/ }, () => ({ path: 'core', namespace: 'core' }));
    build.onLoad({ filter: /.*/, namespace: 'core' }, async () => ({
      contents: `export * from ${JSON.stringify(`${pkg}pulsegate.js`)};
        import { initSync, input } from ${JSON.stringify(`${pkg}pulsegate.js`)};
        let made = false;
        export const boot = (module, tell) => {
          globalThis.pulsegateTell = tell;
          initSync({ module });
          // One core for all devices of a file: of a mocked timer that has fired Node forgets that it is
          // gone, and a core of each device that clears its own would take other timers along.
          if (made) return (kind, ...rest) => { if (kind !== 100) input(kind, ...rest); };
          made = true;
          return input;
        };`,
      loader: 'js',
      resolveDir: root,
    }));
  },
};

/** The compiled core. */
export const loadCore = async () => WebAssembly.compile(await readFile(`${pkg}pulsegate_bg.wasm`));

export async function load(...files) {
  const { outputFiles } = await build({
    stdin: { contents: files.map((file) => `export * from '${file.startsWith('#') ? file : `./src/${file}`}';`).join('\n'), resolveDir: root, loader: 'ts' },
    bundle: true,
    write: false,
    format: 'esm',
    target: 'node20',
    external: ['react', 'react-dom'],
    plugins: [core],
    // Its glue could look for the wasm beside itself, and is not asked to.
    logOverride: { 'empty-import-meta': 'silent' },
    define: { __BUILD__: '"1.2.3+abcd"', __WASM_HASH__: '"0"' },
    logLevel: 'warning',
  });
  const folder = await mkdtemp(join(tmpdir(), 'pulsegate-test-'));
  const file = join(folder, 'module.mjs');
  await writeFile(file, outputFiles[0].text);
  try {
    return await import(pathToFileURL(file));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A message as the link hands it over. */
export function message(number, { log = 'topic:news', note, expires = Date.now() + 60_000, body = `body ${number}` } = {}) {
  const id = `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`;
  return { id, log, body, ext: '', published: 1, expires, urgency: 0, key: '', ...(note && { note }) };
}

/** Lets promises and immediate timers run. */
export const settle = async (turns = 5) => {
  for (let turn = 0; turn < turns; turn++) await new Promise((done) => { setTimeout(done, 1); });
};
