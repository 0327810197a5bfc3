// What browsers download, shorter: classes become closures (`seal.mjs`), esbuild shortens names and syntax,
// terser finds what esbuild leaves: functions called once, values known at build time, arguments nobody reads.
import { transform } from 'esbuild';
import { minify } from 'terser';
import { seal } from './seal.mjs';

/**
 * Each of these assumes something that holds in our sources: nothing but classes is called with `new`, no
 * getter has an effect, and nothing reads `arguments` or the `length` of a function.
 */
const COMPRESS = {
  ecma: 2022, passes: 3, toplevel: true, keep_fargs: false,
  unsafe_arrows: true, unsafe_methods: true, pure_getters: true, hoist_funs: true,
};

/** The same program, a bundle of esbuild's, shorter; a `module` keeps its exports. */
export async function shrink(bundle, { module }) {
  const { code } = await transform(seal(bundle), { minify: true, target: 'es2022', legalComments: 'none', charset: 'utf8' });
  const small = await minify(code, { module, compress: COMPRESS, mangle: { toplevel: true }, format: { ecma: 2022 } });
  return small.code;
}
