// The last pass over what browsers download. esbuild bundles and shortens names; terser then finds what
// esbuild leaves: functions called once, values known at build time, arguments nobody reads.
import { minify } from 'terser';

/**
 * Each of these assumes something that holds in our sources: nothing but classes is called with `new`, no
 * getter has an effect, and nothing reads `arguments` or the `length` of a function.
 */
const COMPRESS = {
  ecma: 2022, passes: 3, toplevel: true, keep_fargs: false,
  unsafe_arrows: true, unsafe_methods: true, pure_getters: true, hoist_funs: true,
};

/** The same program, shorter; a `module` keeps its exports. */
export async function shrink(code, { module }) {
  const small = await minify(code, { module, compress: COMPRESS, mangle: { toplevel: true }, format: { ecma: 2022 } });
  return small.code;
}
