// Takes out of the core what never runs: `node snip.mjs FILE.wasm`, in place, before wasm-opt.
//
// The core is built with `panic = "abort"` and no hook: whatever std formats for a panic, nobody
// reads it, and then it traps. Each function of that machinery becomes the trap itself; wasm-opt
// then drops the formatting code that only it used (about 2.4 kB of download). Same behaviour: a
// trap ends the worker, and its tabs start a new one.
//
// wasm-bindgen leaves more in the table of functions than anybody calls, and so wasm-opt must keep it:
// futures, which the core has none of, and the ways into closures of types that it does not make.
import { readFile, writeFile } from 'node:fs/promises';
import binaryen from 'binaryen';
import { quiet } from './quiet.mjs';

const PANICS = [
  'core::panicking::',
  'std::panicking::',
  'core::option::unwrap_failed',
  'core::option::expect_failed',
  'core::result::unwrap_failed',
  'core::slice::index::slice_index_fail',
  'core::slice::copy_from_slice_impl::len_mismatch_fail',
  'core::str::slice_error_fail',
  'core::cell::panic_already_borrowed',
  'core::cell::panic_already_mutably_borrowed',
  'alloc::raw_vec::handle_error',
  'alloc::raw_vec::capacity_overflow',
  'alloc::alloc::handle_alloc_error',
  'std::alloc::default_alloc_error_hook',
  '__rustc::rust_begin_unwind',
  '__rustc::rust_panic',
];
/** What js-sys brings for its own closures and promises; a way in that the glue calls is exported. */
const UNUSED = ['js_sys::futures::', 'wasm_bindgen::convert::closures::_::invoke::', 'core::ptr::drop_in_place<alloc::rc::Rc<js_sys::futures::'];
/** Exports that the glue does not use: hooks of modes of wasm-bindgen that are not on. */
const UNHEARD = ['__abort_handler', '__instance_terminated', '__wbindgen_free'];
/** Without these the names are not what this script was written for. */
const EXPECTED = ['core::panicking::panic_fmt', '__rustc::rust_begin_unwind'];

const file = process.argv[2];
const bytes = await readFile(file);
quiet(bytes);
const module = binaryen.readBinary(bytes);
// What rustc's target declares and every browser of the last years has; more, and binaryen writes types
// (`exact`) that they refuse.
const { BulkMemory, BulkMemoryOpt, MutableGlobals, Multivalue, NontrappingFPToInt, ReferenceTypes, SignExt } =
  binaryen.Features;
module.setFeatures(
  BulkMemory | BulkMemoryOpt | MutableGlobals | Multivalue | NontrappingFPToInt | ReferenceTypes | SignExt,
);
const called = new Set();
for (const name of UNHEARD) module.removeExport(name);
for (let i = 0; i < module.getNumExports(); i += 1) {
  const { value } = binaryen.getExportInfo(module.getExportByIndex(i));
  // An export may be a shim of wasm-bindgen's around the function of that name.
  called.add(value).add(value.replace(' externref shim', ''));
}
const snipped = [];
for (let i = 0; i < module.getNumFunctions(); i += 1) {
  const ref = module.getFunctionByIndex(i);
  const { name, module: imported } = binaryen.getFunctionInfo(ref);
  // Crate hashes go: `core[c5930c85a12de822]::panicking` is `core::panicking`.
  const plain = name.replace(/\[[0-9a-f]+\]/g, '').replace(/^</, '');
  const unused = !called.has(name) && UNUSED.some((start) => plain.startsWith(start));
  if (imported || !(unused || PANICS.some((panic) => plain.startsWith(panic)))) continue;
  binaryen.Function.setBody(ref, module.unreachable());
  snipped.push(plain);
}
const missing = EXPECTED.filter((name) => !snipped.some((found) => found.startsWith(name)));
if (missing.length > 0) {
  console.error(`snip: no function is named ${missing.join(', ')}: was the name section dropped, or did Rust rename them?`);
  process.exit(1);
}
if (!module.validate()) process.exit(1);
// With the functions' names, by which the report of sizes tells whose they are; wasm-opt drops them.
binaryen.setDebugInfo(true);
await writeFile(file, module.emitBinary());
console.log(`snip: ${snipped.length} functions that never run became traps`);
