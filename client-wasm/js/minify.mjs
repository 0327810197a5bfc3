// What browsers download, shorter: classes become closures (`seal.mjs`), terser finds the rest: functions
// called once, values known at build time, arguments nobody reads, short names.
import { minify } from 'terser';
import { seal } from './seal.mjs';

/**
 * Each of these assumes something that holds in our sources: nothing but classes is called with `new`, no
 * getter has an effect, and nothing reads `arguments` or the `length` of a function.
 */
const COMPRESS = {
  ecma: 2022, passes: 3, toplevel: true, keep_fargs: false, hoist_funs: false,
  unsafe_arrows: true, unsafe_methods: true, pure_getters: true,
};

/** The same program, a bundle of esbuild's, shorter; a `module` keeps its exports. */
export async function shrink(bundle, { module }) {
  // Declared at the top of a function, variables shorten the worker's many and lengthen the page's few.
  const compress = { ...COMPRESS, hoist_vars: !module };
  const small = await minify(seal(bundle), { module, compress, mangle: { toplevel: true }, format: { ecma: 2022 } });
  return small.code;
}
