import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seal } from '../seal.mjs';

const run = (code) => new Function(`${code}; return outcome;`)();

const COUNTER = `
  const step = 2;
  class Counter {
    #count = 1;
    #asked = [this.#count];
    name;
    ready = true;
    constructor(step = 10, { name }) {
      this.#count += step;
      this.name = name;
      if (!name) return;
      this.#add(step);
    }
    get count() { return this.#count; }
    set count(value) { this.#count = value; }
    async later() { return [this.#count, this]; }
    more() { this.#add(step); return this.#asked; }
    #add(by) { this.#count += by; this.#asked.push(() => this.name); }
  }`;

test('a sealed class does what it did', async () => {
  const sealed = seal(`${COUNTER}; const outcome = [new Counter(undefined, { name: 'a' }), new Counter(5, {})];`);
  assert.doesNotMatch(sealed, /class|this|new|#/);
  const [a, b] = run(sealed);
  assert.deepEqual([a.count, a.name, a.ready, b.count, b.name], [21, 'a', true, 6, undefined]);
  // A method's word is the module's, not the one a constructor was given.
  assert.equal(a.more().length, 3);
  assert.equal(a.count, 23);
  a.count = 7;
  assert.deepEqual(await a.later(), [7, a]);
  assert.equal(a.more()[1](), 'a');
});

test('two of a class share nothing', () => {
  const [a, b] = run(seal(`${COUNTER}; const outcome = [new Counter(1, {}), new Counter(1, {})];`));
  a.count = 50;
  assert.equal(b.count, 2);
});

test('a class that is more than made stays one', () => {
  for (const code of [
    'class A extends Error { #a = 1; } const outcome = [new A()];',
    'class A { #a = 1; } const outcome = [new A() instanceof A];',
    'class A { static x = 1; } const outcome = [new A()];',
    'class A { #a = 1; is(o) { return o.#a; } } const outcome = [new A()];',
    'class A { b() { return { c() { return this; } }; } } const outcome = [new A()];',
  ]) {
    assert.match(seal(code), /class A/, code);
    run(seal(code));
  }
});
