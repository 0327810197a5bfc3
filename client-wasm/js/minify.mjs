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

/**
 * The same program, a bundle of esbuild's, shorter. A `module` keeps its exports; a script, the worker's, hears
 * no symbol from an app, so that `String(x)` may be `"" + x` there (`unsafe`).
 */
export async function shrink(bundle, { module }) {
  const small = await minify(seal(bundle), {
    module, compress: { ...COMPRESS, unsafe: !module }, mangle: { toplevel: true }, format: { ecma: 2022 },
  });
  return small.code;
}
